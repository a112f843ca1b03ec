//! Random charts, rendered in this process and by Helm v3, compared byte for byte.
//!
//! Each family explores one part of Helm's behaviour that recorded cases touch thinly. The set of
//! seeds is bounded; more are run with `GENERATED=family:from..to` (`all:0..500`), and
//! `GENERATED_KEEP=folder` keeps the folders of cases that differ.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case;
mod dependencies;
mod helm;
mod manifests;
mod metadata;
mod ours;
mod random;
mod schema;
mod set;
mod values;

use std::path::{Path, PathBuf};

use case::{Case, Outcome};
use random::Random;

type Generate = fn(&mut Random) -> Case;

const FAMILIES: &[(&str, Generate, u64)] = &[
    ("dependencies", dependencies::generate, 25),
    ("schema", schema::generate, 25),
    ("set", set::generate, 25),
    ("manifests", manifests::generate, 25),
    ("metadata", metadata::generate, 25),
];

#[test]
fn random_charts_render_as_helm_renders_them() {
    let Some(helm) = helm::find("HELM3", "helm3") else {
        // Past the runner's capture, and a failure where everything was set up.
        assert!(
            std::env::var("E2E_REQUIRE").is_err(),
            "E2E_REQUIRE is set, but there is no helm3"
        );
        let line = "SKIPPED generated: no helm3 (set HELM3 or E2E_BIN)\n";
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        return;
    };
    let wanted = std::env::var("GENERATED").ok();
    let mut failures = 0;
    for (family, generate, count) in FAMILIES {
        let seeds = match &wanted {
            None => 0..*count,
            Some(wanted) => match seeds_of(wanted, family) {
                Some(seeds) => seeds,
                None => continue,
            },
        };
        let total = seeds.end - seeds.start;
        let (mut same, mut rendered) = (0, 0);
        for seed in seeds {
            let case = generate(&mut Random::new(seed));
            match compare(&helm, &case) {
                Ok(outcome) => {
                    same += 1;
                    rendered += u64::from(outcome.result.is_ok());
                }
                Err((folder, difference)) => {
                    println!("FAIL {family}:{seed}: {difference}");
                    keep(&folder, family, seed, &case);
                    failures += 1;
                }
            }
        }
        println!("generated {family}: {same}/{total} as Helm ({rendered} of them rendered)");
    }
    assert_eq!(failures, 0, "cases differ from Helm");
}

fn seeds_of(wanted: &str, family: &str) -> Option<std::ops::Range<u64>> {
    let (name, range) = wanted.split_once(':')?;
    let (from, to) = range.split_once("..")?;
    (name == family || name == "all").then(|| from.parse().unwrap()..to.parse().unwrap())
}

fn keep(folder: &tempfile::TempDir, family: &str, seed: u64, case: &Case) {
    let Some(target) = std::env::var_os("GENERATED_KEEP").map(PathBuf::from) else {
        return;
    };
    let target = target.join(format!("{family}-{seed}"));
    let _ = std::fs::remove_dir_all(&target);
    case.write(&target);
    std::fs::write(target.join("arguments"), case.arguments.join("\n")).unwrap();
    let _ = folder;
}

/// Compares one case; where Helm itself answers in several ways, one of three answers must fit.
fn compare(helm: &Path, case: &Case) -> Result<Outcome, (tempfile::TempDir, String)> {
    let folder = tempfile::tempdir().unwrap();
    case.write(folder.path());
    let ours = ours::run(case, folder.path());
    let mut theirs = helm::run(helm, case, folder.path());
    for _ in 0..2 {
        if ours == theirs {
            break;
        }
        theirs = helm::run(helm, case, folder.path());
    }
    match difference(&ours, &theirs) {
        None => Ok(theirs),
        Some(difference) => Err((folder, difference)),
    }
}

fn difference(ours: &Outcome, theirs: &Outcome) -> Option<String> {
    let text = |result: &Result<String, String>| match result {
        Ok(text) => format!("OK\n{text}"),
        Err(error) if error.contains("specifications of the schema") => in_any_order(error),
        Err(error) => error.clone(),
    };
    let (found, wanted) = (text(&ours.result), text(&theirs.result));
    if found != wanted {
        let (found, wanted): (Vec<&str>, Vec<&str>) =
            (found.split('\n').collect(), wanted.split('\n').collect());
        let line = (0..found.len().max(wanted.len()))
            .find(|line| found.get(*line) != wanted.get(*line))
            .unwrap_or_default();
        return Some(format!(
            "line {line}\n  found  {:?}\n  wanted {:?}",
            found.get(line..(line + 3).min(found.len())),
            wanted.get(line..(line + 3).min(wanted.len()))
        ));
    }
    (ours.warnings != theirs.warnings).then(|| {
        format!(
            "warnings\n  found  {:#?}\n  wanted {:#?}",
            ours.warnings, theirs.warnings
        )
    })
}

/// The lines of a report about schemas in an order of their own: Helm's library walks its maps in
/// random order, lists of names within a line included.
fn in_any_order(report: &str) -> String {
    // The text about a schema that is itself wrong ends without a line break.
    let mut report = report.to_owned();
    for number in 0..schema::SUBCHARTS {
        report = report.replace(&format!("sub{number}:"), &format!("\nsub{number}:\n"));
    }
    let mut lines: Vec<String> = report
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words: Vec<&str> = line
                .split([',', ' '])
                .map(|word| word.trim_matches('\''))
                .collect();
            words.sort_unstable();
            words.join(" ")
        })
        .collect();
    lines.sort();
    lines.join("\n")
}
