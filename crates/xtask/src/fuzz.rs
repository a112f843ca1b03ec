//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, with coverage guidance.
//!
//! The counters are a pass of LLVM that stable rustc takes by `-C` options, so no nightly toolchain
//! is needed; see docs/adr/0050-fuzzing-on-stable.md.

use crate::output::say;
use crate::places::Places;
use crate::process;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

/// What to fuzz and for how long.
#[derive(Args, Debug)]
pub(crate) struct FuzzArguments {
    /// One of the targets of tests/fuzz [default: each of them, one after another]
    target: Option<String>,
    /// Time of each target
    #[arg(long, default_value_t = 300)]
    seconds: u32,
    /// Run one input, such as a finding, and end
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
}

/// The targets of `tests/fuzz/src/lib.rs`, which a test there compares.
const TARGETS: [&str; 10] = [
    "template-parse",
    "template-execute",
    "yaml",
    "set",
    "values",
    "archive",
    "metadata",
    "schema",
    "manifest",
    "versions",
];

/// Code with edge counters that libFuzzer reads, with the checks of a debug build.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Copt-level=2",
    "-Cdebug-assertions=on",
    "-Coverflow-checks=on",
    "-Ccodegen-units=4",
];

/// An input that takes longer counts as a hang.
const HANG_S: u32 = 20;
const MEMORY_MIB_MAX: u32 = 2_048;
/// Longer inputs cost time and find little more.
const INPUT_BYTES_MAX: u32 = 8_192;

/// Builds the engine and runs the targets; what was learned is kept in the cache folder.
///
/// # Errors
/// When the build fails, no target has that name, or a target has a finding: its input is named.
pub(crate) fn run(places: &Places, arguments: &FuzzArguments) -> Result<()> {
    let targets = match &arguments.target {
        Some(name) if TARGETS.contains(&name.as_str()) => vec![name.as_str()],
        Some(name) => bail!("no target `{name}`; there are {}", TARGETS.join(", ")),
        None => TARGETS.to_vec(),
    };
    let engine = build(places)?;
    let mut findings = Vec::new();
    for target in targets {
        let learned = places.cache.join("fuzz").join(target);
        std::fs::create_dir_all(&learned)
            .with_context(|| format!("failed to make `{}`", learned.display()))?;
        let found = places.target.join("fuzz/findings");
        std::fs::create_dir_all(&found)
            .with_context(|| format!("failed to make `{}`", found.display()))?;
        say(format_args!("fuzzing {target}"));
        let mut command = Command::new(&engine);
        command.env("FUZZ_TARGET", target).args([
            format!("-timeout={HANG_S}"),
            format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
            format!("-artifact_prefix={}/{target}-", found.display()),
        ]);
        match &arguments.input {
            Some(input) => command.arg(input),
            None => command
                .args([
                    format!("-max_total_time={}", arguments.seconds),
                    format!("-max_len={INPUT_BYTES_MAX}"),
                    "-print_final_stats=1".to_owned(),
                ])
                .arg(&learned)
                .args(starts(places, target)),
        };
        if let Err(error) = process::run(&mut command) {
            process::check_interrupt()?;
            say(format_args!("error: {error:#}"));
            findings.push(target);
        }
    }
    if !findings.is_empty() {
        bail!(
            "findings in {}: the inputs lie in `{}`; a mended one becomes a seed",
            findings.join(", "),
            places.target.join("fuzz/findings").display()
        );
    }
    Ok(())
}

/// The folders that a run starts from: the repository's own chart, and seeds where there are some.
fn starts(places: &Places, target: &str) -> Vec<PathBuf> {
    let chart = places.root.join("charts/fraud-model");
    let seeds = places.root.join("tests/fuzz/seeds").join(target);
    std::iter::once(chart)
        .chain(seeds.is_dir().then_some(seeds))
        .collect()
}

/// Builds the engine in a folder of its own; the named platform keeps the flags off build scripts.
fn build(places: &Places) -> Result<PathBuf> {
    let version = process::capture(Command::new("rustc").arg("-vV"))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("`rustc -vV` names no host")?;
    let folder = places.target.join("fuzz");
    let mut command = process::cargo(&places.root);
    command
        .args([
            "build",
            "--locked",
            "--package",
            "fuzz",
            "--features",
            "engine",
        ])
        .args(["--bin", "fuzz-engine", "--target", host, "--target-dir"])
        .arg(&folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    process::run(&mut command)?;
    Ok(folder.join(host).join("debug/fuzz-engine"))
}
