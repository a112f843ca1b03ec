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
    /// Also the name of the folder with seeds of its own.
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

/// Files of this repository that every run starts from, beside a target's own words.
const STARTS: &[&str] = &[
    "charts/fraud-model/Chart.yaml",
    "charts/fraud-model/values.schema.json",
    "charts/fraud-model/values.yaml",
    "charts/fraud-model/templates/_helpers.tpl",
    "charts/fraud-model/templates/configmap.yaml",
    "charts/fraud-model/templates/service.yaml",
    "charts/ml-serving-stack/Chart.lock",
];

/// Returns what the runs of a target start from: its words, in lines and in one, the repository's
/// own charts, and the files of `seeds/TARGET` where that folder is there, in the order of names.
///
/// # Errors
/// When a folder or a file cannot be read.
pub fn seeds(target: &Target) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = crate_folder.join("../..");
    let mut seeds = vec![
        (PathBuf::from("words"), target.words.join("\n").into_bytes()),
        (
            PathBuf::from("words in one"),
            target.words.concat().into_bytes(),
        ),
    ];
    let mut paths: Vec<PathBuf> = STARTS.iter().map(|name| root.join(name)).collect();
    let own = crate_folder.join("seeds").join(target.name);
    if own.is_dir() {
        for entry in own.read_dir()? {
            paths.push(entry?.path());
        }
    }
    paths.sort();
    for path in paths {
        let bytes = std::fs::read(&path)?;
        seeds.push((path, bytes));
    }
    Ok(seeds)
}
