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
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const RELEASE: &str = "fraud-model";
const BUCKET: &str = "ml-data";
/// Let nobody in but to the demo's own server on loopback.
const ACCESS_KEY: &str = "demo";
const SECRET_KEY: &str = "demo-secret";

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
    steps.run("build the binaries", || {
        let mut command = process::cargo(&places.root);
        // The whole workspace, so that the features, and with them the build, are those of the tests.
        command.args(["build", "--locked", "--workspace", "--bins"]);
        process::run(&mut command).map(|()| None)
    })?;
    let scratch = tempfile::Builder::new()
        .prefix("ml-deployer-demo-")
        .tempdir()?;
    Stage::new(places, &scratch)?.play_all()?;
    say("");
    say(
        "the deployed revision is still the better model, and each refusal is kept with its verdict",
    );
    Ok(())
}

/// Where the story takes place: a folder to deploy to, and an S3 server with the models and the rows.
struct Stage<'a> {
    places: &'a Places,
    path: OsString,
    /// What a person would export.
    variables: Vec<(&'static str, String)>,
    store: Store,
}

impl<'a> Stage<'a> {
    fn new(places: &'a Places, scratch: &tempfile::TempDir) -> Result<Self> {
        let mut folders = vec![places.target.join("debug")];
        folders.extend(std::env::split_paths(
            &std::env::var_os("PATH").unwrap_or_default(),
        ));
        let store = Store::start(places, scratch.path())?;
        let variables = vec![
            (
                "DEPLOYER_TARGET",
                format!("dir:{}", scratch.path().join("deployed").display()),
            ),
            ("AWS_ENDPOINT_URL", store.endpoint.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
        ];
        Ok(Self {
            places,
            path: std::env::join_paths(folders).context("the build folder's path holds a colon")?,
            variables,
            store,
        })
    }

    fn play_all(&mut self) -> Result<()> {
        say("");
        heading("an S3 server holds the models and the validation set; releases go to a folder");
        for (name, value) in &self.variables {
            say(format_args!("$ export {name}={value}"));
        }
        let outcome = STORY.iter().try_for_each(|scene| self.play(scene));
        // On every path, so that nothing is left running.
        self.store.stop();
        outcome
    }

    fn play(&self, scene: &Scene) -> Result<()> {
        let mut command = Command::new("deployer");
        command
            .current_dir(&self.places.root)
            .env("PATH", &self.path)
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .args(scene.words);
        if let Some(model) = scene.model {
            command.args(["-f", "charts/fraud-model/ci/values-demo.yaml"]);
            command.args(["--set", &format!("model.path=s3://{BUCKET}/{model}.pt")]);
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

/// The S3 server of the tests, with the folder `datasets` as its bucket; it verifies signatures.
struct Store {
    server: Child,
    endpoint: String,
}

impl Store {
    fn start(places: &Places, scratch: &Path) -> Result<Self> {
        let buckets = scratch.join("s3");
        std::fs::create_dir(&buckets)?;
        std::os::unix::fs::symlink(places.root.join("datasets"), buckets.join(BUCKET))?;
        let mut server = Command::new(places.target.join("debug/s3-server"))
            .arg("--root")
            .arg(&buckets)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the S3 server")?;
        let mut endpoint = String::new();
        if let Some(stdout) = server.stdout.take() {
            BufReader::new(stdout).read_line(&mut endpoint)?;
        }
        let mut store = Self {
            server,
            endpoint: endpoint.trim().to_owned(),
        };
        if store.endpoint.is_empty() {
            store.stop();
            bail!("the S3 server ended before it served");
        }
        Ok(store)
    }

    fn stop(&mut self) {
        // Both fail only when the server is gone already, which is what is wanted.
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
