//! `cargo xtask demo`: the main job on real data, in one go and without a cluster.
//!
//! A model is installed past the gate, replaced by a better one, and two bad ones are refused. Every command is
//! shown as a person would type it; each must end as the story says, or the demo fails.

use crate::output::{heading, say};
use crate::places::Places;
use crate::process::{self, shown};
use crate::setup;
use crate::steps::Steps;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::process::Command;

const RELEASE: &str = "fraud-model";
/// The thresholds of the story: the champion passes both, the degraded model misses the first, the slow one the
/// second.
const MINIMUM_AUC: &str = "0.90";
const MAXIMUM_P99_LATENCY_MS: &str = "20";

/// Exit codes of `deployer` that the story expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Done = 0,
    GateSaidNo = 3,
}

/// One command of the story.
struct Scene {
    /// Why it is run, in a line.
    why: &'static str,
    /// The model to deploy, where it deploys one.
    model: Option<&'static str>,
    /// The command and its first arguments.
    words: &'static [&'static str],
    ending: Ending,
}

const STORY: [Scene; 6] = [
    Scene {
        why: "install the champion: the gate judges it on the validation set before anything is written",
        model: Some("champion"),
        words: &["install", RELEASE, "charts/fraud-model"],
        ending: Ending::Done,
    },
    Scene {
        why: "upgrade to the better model: it passes the gate",
        model: Some("better"),
        words: &["upgrade", RELEASE, "charts/fraud-model"],
        ending: Ending::Done,
    },
    Scene {
        why: "try a degraded model: its AUC is too low, so nothing changes",
        model: Some("degraded"),
        words: &["upgrade", RELEASE, "charts/fraud-model", "--atomic"],
        ending: Ending::GateSaidNo,
    },
    Scene {
        why: "try a slow model: as good as the champion, but its p99 latency is too high, so nothing changes",
        model: Some("slow"),
        words: &["upgrade", RELEASE, "charts/fraud-model", "--atomic"],
        ending: Ending::GateSaidNo,
    },
    Scene {
        why: "look at every revision with its verdict",
        model: None,
        words: &["history", RELEASE],
        ending: Ending::Done,
    },
    Scene {
        why: "revision 2, the better model, is still what is deployed",
        model: None,
        words: &["status", RELEASE, "--revision", "2"],
        ending: Ending::Done,
    },
];

/// Sets up, builds, and tells the story.
///
/// # Errors
/// When the build fails or a command ends otherwise than it must.
pub(crate) fn run(places: &Places, steps: &mut Steps) -> Result<()> {
    setup::run(places, steps)?;
    steps.run("build validator and deployer", || {
        let mut command = process::cargo(&places.root);
        // The whole workspace, so that the features, and with them the build, are those of the tests.
        command.args(["build", "--locked", "--workspace", "--bins"]);
        process::run(&mut command).map(|()| None)
    })?;
    let scratch = tempfile::Builder::new()
        .prefix("ml-deployer-demo-")
        .tempdir()?;
    let stage = Stage::new(places, &scratch)?;
    for scene in &STORY {
        stage.play(scene)?;
    }
    say("");
    say(
        "the deployed revision is still the better model, and each refusal is kept with its verdict",
    );
    Ok(())
}

/// Where the story takes place.
struct Stage<'a> {
    places: &'a Places,
    path: OsString,
    /// `dir:…`, the target.
    target: String,
    /// Stands for the gate's scratch volume.
    temporary: String,
}

impl<'a> Stage<'a> {
    fn new(places: &'a Places, scratch: &tempfile::TempDir) -> Result<Self> {
        let temporary = scratch.path().join("tmp");
        std::fs::create_dir(&temporary)?;
        let mut folders = vec![places.target.join("debug")];
        folders.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        Ok(Self {
            places,
            path: std::env::join_paths(folders).context("the build folder's path holds a colon")?,
            target: format!("dir:{}", scratch.path().join("deployed").display()),
            temporary: temporary.display().to_string(),
        })
    }

    fn play(&self, scene: &Scene) -> Result<()> {
        let mut command = Command::new("deployer");
        command
            .current_dir(&self.places.root)
            .env("PATH", &self.path)
            .args(scene.words)
            .args(["--target", &self.target]);
        if let Some(model) = scene.model {
            // The chart's own way: models and data lie in a volume, which `--hook-mount` maps to a folder here.
            let datasets = self.places.root.join("datasets");
            let values = [
                format!("model.volume.hostPath={}", datasets.display()),
                format!("model.path=/models/{model}.pt"),
                "gate.dataset=/models/validation".to_owned(),
                format!("gate.minimumAuc={MINIMUM_AUC}"),
                format!("gate.maximumP99LatencyMs={MAXIMUM_P99_LATENCY_MS}"),
            ];
            command.args(["--hooks", "local", "--hook-mount", "model=datasets"]);
            command.args(["--hook-mount", &format!("scratch={}", self.temporary)]);
            command.args(values.iter().flat_map(|value| ["--set-string", value]));
        }
        say("");
        heading(scene.why);
        say(format_args!("$ {}", shown(&command)));
        let status = process::start(&mut command)?.wait();
        process::ended();
        process::check_interrupt()?;
        let code = status?.code();
        if code != Some(scene.ending as i32) {
            bail!(
                "the demo expected exit code {}, but the command ended with {code:?}",
                scene.ending as i32
            );
        }
        Ok(())
    }
}
