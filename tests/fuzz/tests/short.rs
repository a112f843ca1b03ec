//! The short run: every seed, then mutations of the seeds from a fixed and from a random start.
//!
//! `FUZZ_SECONDS` sets the time of each target, `FUZZ_SEED` the random start. The input that runs
//! lies in a file, so that it is found after a crash that no test can catch.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stdout,
    reason = "a test says its seeds where its output is shown"
)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::mpsc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fuzz::{
    Target,
    mutate::{Random, mutate},
    seeds, target,
};

const FIXED_SEED: u64 = 1;
/// Past this time an input counts as a hang; debug builds on a busy machine are slow.
const HANG: Duration = Duration::from_secs(60);

fn seconds() -> f64 {
    let given = std::env::var("FUZZ_SECONDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(2.0)
}

fn random_seed() -> u64 {
    let given = std::env::var("FUZZ_SEED").ok();
    let time = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos()
    };
    given
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| u64::try_from(time() % (1 << 53)).unwrap())
}

/// Runs inputs of one target in a thread that can be given up.
struct Runner {
    target: &'static Target,
    file: PathBuf,
    inputs: mpsc::Sender<Vec<u8>>,
    outcomes: mpsc::Receiver<Result<(), String>>,
}

impl Runner {
    fn new(target: &'static Target) -> Self {
        let (inputs, received) = mpsc::channel::<Vec<u8>>();
        let (sender, outcomes) = mpsc::channel();
        std::thread::spawn(move || {
            for input in received {
                let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
                let outcome = outcome.map_err(|panic| {
                    let text = panic.downcast_ref::<String>().cloned();
                    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                        .unwrap_or_default()
                });
                if sender.send(outcome).is_err() {
                    return;
                }
            }
        });
        let file =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}.input", target.name));
        Self {
            target,
            file,
            inputs,
            outcomes,
        }
    }

    fn run(&self, input: Vec<u8>, origin: &str) {
        fs::write(&self.file, &input).unwrap();
        self.inputs.send(input).unwrap();
        let problem = match self.outcomes.recv_timeout(HANG) {
            Ok(Ok(())) => return,
            Ok(Err(panic)) => panic,
            Err(_) => format!("no end within {} s", HANG.as_secs()),
        };
        panic!(
            "{} failed on {origin}; the input lies in {}: {problem}",
            self.target.name,
            self.file.display()
        );
    }
}

fn short_run(name: &str) {
    let target = target(name).unwrap();
    let runner = Runner::new(target);
    let mut texts = Vec::new();
    for (path, bytes) in seeds(target).unwrap() {
        runner.run(bytes.clone(), &path.display().to_string());
        texts.push(bytes);
    }
    assert!(!texts.is_empty(), "{name} has no seeds");
    for seed in [FIXED_SEED, random_seed()] {
        let mut random = Random::new(seed);
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed().as_secs_f64() < seconds() / 2.0 {
            runner.run(
                mutate(&mut random, &texts, target.words),
                &format!("FUZZ_SEED={seed}, input {count}"),
            );
            count += 1;
        }
        println!("{name}: {count} inputs from FUZZ_SEED={seed}");
    }
    fs::remove_file(&runner.file).unwrap();
}

#[test]
fn every_template_is_parsed_or_refused() {
    short_run("template-parse");
}

#[test]
fn every_template_executes_within_its_limits() {
    short_run("template-execute");
}

#[test]
fn yaml_that_was_written_is_read_as_the_same_value() {
    short_run("yaml");
}

#[test]
fn every_set_expression_is_applied_or_refused() {
    short_run("set");
}

#[test]
fn values_of_the_user_win_over_those_of_charts() {
    short_run("values");
}

#[test]
fn archives_stay_inside_and_within_bounds() {
    short_run("archive");
}

#[test]
fn metadata_and_indexes_are_read_or_refused() {
    short_run("metadata");
}

#[test]
fn schemas_judge_or_are_refused() {
    short_run("schema");
}

#[test]
fn manifests_are_parts_of_the_rendered_text() {
    short_run("manifest");
}

#[test]
fn versions_ranges_and_ignore_rules_are_read_or_refused() {
    short_run("versions");
}

#[test]
fn every_target_has_its_test() {
    let text = include_str!("short.rs");
    for target in fuzz::TARGETS {
        assert!(
            text.contains(&format!("short_run(\"{}\")", target.name)),
            "{} has no test",
            target.name
        );
        let chore = include_str!("../../../crates/xtask/src/fuzz.rs");
        assert!(
            chore.contains(&format!("\"{}\"", target.name)),
            "`cargo xtask fuzz` does not know {}",
            target.name
        );
    }
}
