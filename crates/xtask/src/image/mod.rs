//! `cargo xtask image`: our images and those of the serving stack's other components, without a container engine.
//!
//! There is one recipe: [`stage`] fills a root folder per image, which `Containerfile` copies for those who have an
//! engine, and which this module packs into an OCI image and pushes for those who have none.

mod debian;
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
use layout::Image;
use stage::Programs;
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
    Preprocessing,
    Redis,
    Nginx,
    RedisExporter,
}

/// Where an image's programs come from.
enum Source {
    /// The package of the image's name, and binaries, of which the first is the entry point. The scorer is a binary
    /// of the validator, and alone needs libtorch.
    Workspace(&'static [&'static str]),
    Debian(debian::Recipe),
}

impl Name {
    /// Returns the image's name, which is also the cargo package of those that we build.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::Deployer => "deployer",
            Self::ModelServer => "model-server",
            Self::Preprocessing => "preprocessing",
            Self::Redis => "redis",
            Self::Nginx => "nginx",
            Self::RedisExporter => "redis-exporter",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::Validator => Source::Workspace(&["validator", "validator-scorer"]),
            Self::Deployer => Source::Workspace(&["deployer"]),
            Self::ModelServer => Source::Workspace(&["model-server", "validator-scorer"]),
            Self::Preprocessing => Source::Workspace(&["preprocessing"]),
            Self::Redis => Source::Debian(debian::REDIS),
            Self::Nginx => Source::Debian(debian::NGINX),
            Self::RedisExporter => Source::Debian(debian::REDIS_EXPORTER),
        }
    }

    fn is_built_here(self) -> bool {
        matches!(self.source(), Source::Workspace(_))
    }

    /// Finds the programs, downloading what comes from Debian.
    fn programs(self, places: &Places, built: &Path) -> Result<Programs> {
        let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        match self.source() {
            Source::Workspace(binaries) => Ok(Programs {
                files: binaries
                    .iter()
                    .map(|binary| (name(binary), built.join(binary)))
                    .collect(),
                packages: None,
            }),
            Source::Debian(recipe) => {
                let unpacked = debian::provide(places, &recipe)?;
                let files = recipe
                    .programs
                    .iter()
                    .map(|path| Ok((name(path), unpacked.program(path)?)))
                    .collect::<Result<_>>()?;
                Ok(Programs {
                    files,
                    packages: Some(unpacked),
                })
            }
        }
    }

    /// Returns the signal for an orderly end, where it is not SIGTERM.
    fn stop_signal(self) -> Option<&'static str> {
        match self.source() {
            Source::Workspace(_) => None,
            Source::Debian(recipe) => recipe.stop_signal,
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
    let names = chosen(arguments);
    let built_here: Vec<Name> = names
        .iter()
        .copied()
        .filter(|name| name.is_built_here())
        .collect();
    if !built_here.is_empty() {
        let texts: Vec<_> = built_here.iter().map(|name| name.text()).collect();
        heading(format_args!("build {}", texts.join(", ")));
        build(places, &built_here, arguments.profile, selection)?;
    }
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
        let programs = name.programs(places, &binaries)?;
        stage::fill(&root, &programs, &folder.join("stripped"))?;
        if arguments.stage_only {
            say(format_args!("    staged in {}", root.display()));
            continue;
        }
        let layers = layer::pack(&root, &folder.join("layers"))?;
        let (entrypoint, _) = programs.files.first().context("an image has a program")?;
        let entrypoint = Path::new("/").join(stage::BINARIES).join(entrypoint);
        let image =
            Image::with_entrypoint(layers, &entrypoint.to_string_lossy(), name.stop_signal())?;
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

/// Returns the images that are asked for: without names all that can be made here, and what cannot is said.
fn chosen(arguments: &ImageArguments) -> Vec<Name> {
    if !arguments.names.is_empty() {
        return arguments.names.clone();
    }
    let without = debian::why_not();
    let (chosen, left_out): (Vec<Name>, Vec<Name>) = Name::value_variants()
        .iter()
        .partition(|name| name.is_built_here() || without.is_none());
    if let Some(reason) = without {
        let texts: Vec<_> = left_out.iter().map(|name| name.text()).collect();
        say(format_args!(
            "NOTE: left out are {}: {reason}",
            texts.join(", ")
        ));
    }
    chosen
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
    Image::with_entrypoint(layers, &format!("/{name}"), None)?.write(archive, reference)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containerfile_makes_the_same_images() {
        let text = include_str!("../../../../Containerfile");
        for name in Name::value_variants() {
            let entry = match name.source() {
                Source::Workspace(binaries) => binaries[0],
                Source::Debian(recipe) => recipe.programs[0],
            };
            let entry = entry.rsplit('/').next().unwrap_or(entry);
            let signal = name
                .stop_signal()
                .map_or_else(String::new, |signal| format!("STOPSIGNAL {signal}\n"));
            let text_of_name = format!(
                "FROM base AS {0}\nCOPY {0}/ /\n{signal}ENTRYPOINT [\"/{1}/{entry}\"]\n",
                name.text(),
                stage::BINARIES
            );
            assert!(text.contains(&text_of_name), "no {text_of_name}");
        }
    }
}
