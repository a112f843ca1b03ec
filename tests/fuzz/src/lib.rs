//! Fuzz targets: what reads text and archives of others, with the properties that hold for every input.
//!
//! A target is a plain function of bytes that panics where a property does not hold. Two engines
//! drive it: the seeded mutations of [`mutate`] inside `cargo test`, and libFuzzer with coverage
//! counters in `cargo xtask fuzz` (`engine.rs`). See docs/adr/0050-fuzzing-on-stable.md.

mod archive;
mod chart_files;
mod input;
pub mod mutate;
mod templates;
mod values;
mod yaml;

use std::path::{Path, PathBuf};

/// One thing to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Also the name of the folder with its seeds.
    pub name: &'static str,
    /// Reads one input; panics when a property does not hold.
    pub run: fn(&[u8]),
    /// Words that random bytes would rarely make.
    pub words: &'static [&'static str],
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "template-parse",
        run: templates::parse,
        words: templates::WORDS,
    },
    Target {
        name: "template-execute",
        run: templates::execute,
        words: templates::WORDS,
    },
    Target {
        name: "yaml",
        run: yaml::round_trip,
        words: yaml::WORDS,
    },
    Target {
        name: "set",
        run: values::set_grammar,
        words: values::SET_WORDS,
    },
    Target {
        name: "values",
        run: values::coalesce,
        words: values::WORDS,
    },
    Target {
        name: "archive",
        run: archive::load,
        words: archive::WORDS,
    },
    Target {
        name: "metadata",
        run: chart_files::metadata,
        words: chart_files::METADATA_WORDS,
    },
    Target {
        name: "schema",
        run: chart_files::schema,
        words: chart_files::SCHEMA_WORDS,
    },
    Target {
        name: "manifest",
        run: chart_files::manifest,
        words: chart_files::MANIFEST_WORDS,
    },
    Target {
        name: "versions",
        run: chart_files::versions,
        words: chart_files::VERSION_WORDS,
    },
];

/// Returns the target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Returns the folder with the seeds of a target: inputs of our own, and those that once failed.
pub fn seed_folder(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target.name)
}

/// Reads the seeds of a target, in the order of their names.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn seeds(target: &Target) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut paths = Vec::new();
    for entry in seed_folder(target).read_dir()? {
        paths.push(entry?.path());
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| std::fs::read(&path).map(|bytes| (path, bytes)))
        .collect()
}
