//! `cargo xtask image`: the images of validator, deployer and model-server, without a container engine.
//!
//! There is one recipe: [`stage`] fills a root folder per image, which `Containerfile` copies for those who have an
//! engine, and which this module packs into an OCI image and pushes for those who have none.

pub(crate) mod digest;
mod layer;
mod layout;
mod push;
mod stage;

use crate::output::{heading, say, size};
use crate::places::Places;
use crate::process;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use layer::Layer;
use layout::Image;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Which images to build, and where they go.
#[derive(Args, Debug, Clone)]
pub(crate) struct ImageArguments {
    /// Push to this registry over plain HTTP, such as 127.0.0.1:5050, instead of writing OCI archives
    #[arg(long, value_name = "REGISTRY")]
    pub(crate) push: Option<String>,
    /// Profile to build the binaries with
    #[arg(long, value_enum, default_value = "release")]
    pub(crate) profile: Profile,
    /// Stage the root folders for `Containerfile` and stop there
    #[arg(long, conflicts_with = "push")]
    pub(crate) stage_only: bool,
    /// Images to build; all when none is named
    #[arg(value_enum)]
    pub(crate) names: Vec<Name>,
}

/// A cargo profile.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

/// One of the images.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Validator,
    Deployer,
    ModelServer,
}

impl Name {
    /// Returns the image's name, which is also its cargo package and its first binary.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Deployer => "deployer",
            Self::ModelServer => "model-server",
        }
    }

    /// Returns the binaries inside; the scorer alone needs libtorch.
    fn binaries(self) -> &'static [&'static str] {
        match self {
            Self::Validator => &["validator", "validator-scorer"],
            Self::Deployer => &["deployer"],
            Self::ModelServer => &["model-server", "validator-scorer"],
        }
    }
}

/// How the binaries come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// The packages that the images need.
    Packages,
    /// All targets of the workspace, as the tests build them: another selection would select other features of
    /// the dependencies, and build them anew.
    Workspace,
}

/// Builds the binaries, stages, packs, and writes or pushes the images. Returns the pushed references by name.
///
/// # Errors
/// When the build fails, a library is not found, or the registry refuses.
pub(crate) fn run(
    places: &Places,
    arguments: &ImageArguments,
    selection: Build,
) -> Result<BTreeMap<String, String>> {
    let all = [Name::Validator, Name::Deployer, Name::ModelServer];
    let names = if arguments.names.is_empty() {
        &all[..]
    } else {
        &arguments.names
    };
    heading(format_args!(
        "build {}",
        names
            .iter()
            .map(|name| name.text())
            .collect::<Vec<_>>()
            .join(", ")
    ));
    build(places, names, arguments.profile, selection)?;
    let folder = places.target.join("images");
    let binaries = places
        .target
        .join(if arguments.profile == Profile::Release {
            "release"
        } else {
            "debug"
        });
    let mut references = BTreeMap::new();
    for name in names {
        let started = Instant::now();
        heading(format_args!("image {}", name.text()));
        let root = folder.join(name.text());
        stage::fill(&root, &binaries, name.binaries(), &folder.join("stripped"))?;
        if arguments.stage_only {
            say(format_args!("    staged in {}", root.display()));
            continue;
        }
        let layers = layer::pack(&root, &folder.join("layers"))?;
        let image = Image::new(layers, name.text())?;
        for layer in &image.layers {
            say(format_args!(
                "    layer {:10} {:>10} ({} unpacked)",
                layer.name,
                size(layer.bytes),
                size(layer.bytes_unpacked)
            ));
        }
        if let Some(registry) = &arguments.push {
            let reference = push::push(&image, registry, name.text())?;
            say(format_args!(
                "    pushed {reference} in {:.1} s",
                started.elapsed().as_secs_f64()
            ));
            references.insert(name.text().to_owned(), reference);
        } else {
            let path = folder.join(format!("{}.oci.tar", name.text()));
            image.write(&path, &format!("ml-deployer/{}:dev", name.text()))?;
            let bytes = path.metadata()?.len();
            say(format_args!(
                "    {} ({}) in {:.1} s",
                path.display(),
                size(bytes),
                started.elapsed().as_secs_f64()
            ));
        }
    }
    if let Some(registry) = &arguments.push {
        let path = list(places, registry);
        fs::write(&path, serde_json::to_vec_pretty(&references)?)
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(references)
}

/// Returns the JSON file that lists what was pushed to `registry`: a map from image to reference.
pub(crate) fn list(places: &Places, registry: &str) -> PathBuf {
    places
        .target
        .join("images")
        .join(format!("{}.json", registry.replace([':', '/'], "_")))
}

/// Writes an OCI archive of an image that consists of one static program.
///
/// # Errors
/// When the program cannot be read or the archive not be written.
pub(crate) fn write_single_program(program: &Path, reference: &str, archive: &Path) -> Result<()> {
    let name = program
        .file_name()
        .context("a program has a name")?
        .to_string_lossy()
        .into_owned();
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().join("root");
    fs::create_dir_all(&root)?;
    fs::copy(program, root.join(&name))
        .with_context(|| format!("failed to copy `{}`", program.display()))?;
    let layers = layer::pack(&root, scratch.path())?;
    Image::with_entrypoint(layers, &format!("/{name}"))?.write(archive, reference)
}

fn build(places: &Places, names: &[Name], profile: Profile, selection: Build) -> Result<()> {
    let mut command = process::cargo(&places.root);
    command.args(["build", "--locked"]);
    if selection == Build::Workspace {
        command.args(["--workspace", "--all-targets"]);
    } else {
        // The scorer is a binary of the validator.
        let scorer = names
            .contains(&Name::ModelServer)
            .then_some(Name::Validator);
        let packages: BTreeSet<Name> = names.iter().copied().chain(scorer).collect();
        command
            .arg("--bins")
            .args(packages.iter().flat_map(|name| ["--package", name.text()]));
    }
    if profile == Profile::Release {
        command.arg("--release");
    }
    process::run(&mut command)
}

impl Image {
    fn new(layers: Vec<Layer>, name: &str) -> Result<Self> {
        Self::with_entrypoint(layers, &format!("/usr/local/bin/{name}"))
    }
}
