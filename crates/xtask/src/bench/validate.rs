//! `cargo xtask bench validate`: the gate's work side by side with a Python script that does the same.
//!
//! Both read the same files in the same run, take turns, and print the numbers that they found; numbers that differ
//! fail the benchmark.

use crate::output::{data, heading, say};
use crate::places::Places;
use crate::process;
use crate::setup;
use crate::steps::Steps;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use wait4::Wait4;

use super::Output;

/// The Python side.
const SCRIPT: &str = include_str!("validate.py");
/// The name of the key that the local store lets in; not a secret.
const ACCESS_KEY: &str = "bench";
const SECRET_KEY: &str = "bench-secret";
/// How far the same number may lie apart where both sides add up in their own order.
const SUM_TOLERANCE: f64 = 1e-9;
/// The same where each multiplies matrices in single precision in its own way.
const MODEL_TOLERANCE: f64 = 1e-6;
/// The same where both are exact but for rounding.
const EXACT_TOLERANCE: f64 = 1e-12;

/// What to measure.
#[derive(Args, Debug, Clone)]
pub(crate) struct ValidateArguments {
    /// How often each side does each piece of work
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Numbers of scores whose area is computed
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000, 10_000_000])]
    rows_auc: Vec<u64>,
    /// Rows of 32 columns that are read
    #[arg(long, default_value_t = 1_000_000)]
    rows_read: u64,
    /// Rows that are judged from a local S3 server
    #[arg(long, default_value_t = 100_000)]
    rows_gate: u64,
    /// A Python 3 that has the packages of datasets/requirements.txt; else one is made in the cache folder, which
    /// takes some gigabytes
    #[arg(long, env = "BENCH_PYTHON", value_name = "PATH")]
    python: Option<PathBuf>,
    /// A folder with release builds of the validator, its scorer and the examples; else they are built
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
    /// A table for people, or JSON for programs
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// Everything that was measured; the contract of `--output json`.
#[derive(Debug, Serialize)]
struct Report {
    schema_version: u32,
    cpus: usize,
    rounds: u32,
    python: String,
    subjects: Vec<Subject>,
    /// What timing one call costs, nanoseconds.
    overhead_ns: f64,
}

#[derive(Debug, Serialize)]
struct Subject {
    name: String,
    ours: Side,
    python: Side,
    /// How many times our median Python's is.
    times_ours: f64,
    /// The largest distance of the values that both sides found.
    difference: f64,
}

#[derive(Debug, Serialize)]
struct Side {
    ms_median: f64,
    ms_min: f64,
    ms_max: f64,
    /// Most resident memory of all processes together, megabytes.
    memory_mb: f64,
    value: f64,
}

/// What a piece of work prints.
#[derive(Debug, Deserialize)]
struct Printed {
    value: f64,
    #[serde(default)]
    ms: Vec<f64>,
}

/// What one process did.
struct Ran {
    printed: String,
    wall_ms: f64,
    memory_mb: f64,
}

/// Builds what is missing, measures, compares and prints.
///
/// # Errors
/// When something cannot be built or started, or both sides find different numbers.
pub(crate) fn validate(
    places: &Places,
    arguments: &ValidateArguments,
    steps: &mut Steps,
) -> Result<()> {
    let binaries = match &arguments.binaries {
        Some(folder) => folder.clone(),
        None => release_builds(places, steps)?,
    };
    let python = match &arguments.python {
        Some(path) => path.clone(),
        None => made_python(places, steps)?,
    };
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir()?;
    let bench = Bench {
        script: scratch.path().join("validate.py"),
        folder: scratch.path(),
        python: &python,
        binaries: &binaries,
        arguments,
    };
    fs::write(&bench.script, SCRIPT)?;
    heading("make rows");
    bench.make(&places.root.join("datasets"))?;
    let mut subjects = Vec::new();
    for &rows in &arguments.rows_auc {
        heading(format_args!("area of {rows} scores"));
        subjects.push(bench.area(rows)?);
    }
    for compression in ["snappy", "zstd"] {
        heading(format_args!("read Parquet, {compression}"));
        subjects.push(bench.read(compression)?);
    }
    heading("start to verdict");
    let server = server(places, &scratch.path().join("s3"), steps)?;
    let (subject, overhead_ns) = bench.gate(&server)?;
    drop(server);
    subjects.push(subject);
    let version = process::capture(Command::new(&python).args([
        "-c",
        "import torch, sklearn, pyarrow; print('torch', torch.__version__, 'scikit-learn', sklearn.__version__, 'pyarrow', pyarrow.__version__)",
    ]))?;
    let report = Report {
        schema_version: 1,
        cpus: std::thread::available_parallelism()?.get(),
        rounds: arguments.rounds,
        python: version.trim().to_owned(),
        subjects,
        overhead_ns,
    };
    match arguments.output {
        Output::Table => report.lines().iter().try_for_each(data)?,
        Output::Json => data(serde_json::to_string_pretty(&report)?)?,
    }
    Ok(())
}

struct Bench<'a> {
    script: PathBuf,
    folder: &'a Path,
    python: &'a Path,
    binaries: &'a Path,
    arguments: &'a ValidateArguments,
}

impl Bench<'_> {
    fn python(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.python);
        command.arg(&self.script).args(words);
        one_core(&mut command);
        command
    }

    fn example(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join("examples").join(name));
        one_core(&mut command);
        command
    }

    fn make(&self, datasets: &Path) -> Result<()> {
        let rows: Vec<String> = self.arguments.rows_auc.iter().map(u64::to_string).collect();
        let folder = self.folder.to_string_lossy();
        let datasets_text = datasets.to_string_lossy();
        run(&mut self.python(&[
            "make",
            &folder,
            &datasets_text,
            &rows.join(","),
            &self.arguments.rows_read.to_string(),
            &self.arguments.rows_gate.to_string(),
        ]))?;
        let model = self.folder.join("s3/bench/model.pt");
        fs::copy(datasets.join("champion.pt"), &model)
            .with_context(|| format!("failed to write `{}`", model.display()))?;
        Ok(())
    }

    /// The exact area, ours with its interval and scikit-learn's without: on one core, rows in memory.
    fn area(&self, rows: u64) -> Result<Subject> {
        let rounds = self.arguments.rounds.to_string();
        let mut ours = self.example("auc_of_files");
        ours.arg(self.folder.join(format!("scores-{rows}.f32")))
            .arg(self.folder.join(format!("labels-{rows}.u8")))
            .arg(&rounds);
        let folder = self.folder.to_string_lossy();
        let rows_text = rows.to_string();
        let mut python = self.python(&["auc", &folder, &rows_text, &rounds]);
        let name = format!("area of {rows} scores (ours with its interval)");
        subject(name, &run(&mut ours)?, &run(&mut python)?, EXACT_TOLERANCE)
    }

    /// Parquet in the page cache to rows of a matrix: 32 columns and a label.
    fn read(&self, compression: &str) -> Result<Subject> {
        let folder = self.folder.join(format!("read-{compression}"));
        // A round more: the first fills the page cache and counts as the most.
        let rounds = (self.arguments.rounds + 1).to_string();
        let mut ours = self.example("read_speed");
        ours.arg(&folder).arg(&rounds);
        let text = folder.to_string_lossy();
        let mut python = self.python(&["read", &text, &rounds]);
        let name = format!(
            "{} x 32 Parquet ({compression}) to rows",
            self.arguments.rows_read
        );
        subject(name, &run(&mut ours)?, &run(&mut python)?, SUM_TOLERANCE)
    }

    /// From the start of the process to its end: model and rows from S3, area, timed single rows.
    fn gate(&self, server: &Server) -> Result<(Subject, f64)> {
        let (mut ours, mut python) = (Vec::new(), Vec::new());
        let (mut overhead_ns, mut calls) = (0.0, (0, 0));
        let (mut found, mut found_by_python) = (0.0, 0.0);
        for round in 0..=self.arguments.rounds {
            let report = self.folder.join("report.json");
            let mut command = Command::new(self.binaries.join("validator"));
            command.args(["--minimum-auc", "0.85"]);
            command.arg("--report").arg(&report);
            command.env("MODEL_PATH", "s3://bench/model.pt");
            command.env("VALIDATION_DATASET", "s3://bench/validation/");
            server.name_to(&mut command);
            let mut ran = run(&mut command)?;
            let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(&report)?)?;
            let number = |path: &str| {
                report
                    .pointer(path)
                    .and_then(serde_json::Value::as_f64)
                    .with_context(|| format!("the report has no number at `{path}`"))
            };
            ran.memory_mb += number("/environment/scorer_resident_bytes_max")? / 1e6;
            overhead_ns = number("/latency/overhead_ns")?;
            calls = (
                number("/latency/warm_up_calls")? as u64,
                number("/latency/samples")? as u64,
            );
            found = number("/metrics/auc/value")?;
            let mut command = self.python(&["gate", &calls.0.to_string(), &calls.1.to_string()]);
            server.name_to(&mut command);
            let other = run(&mut command)?;
            found_by_python = printed(&other)?.value;
            // The first round fills the page cache.
            if round > 0 {
                ours.push(ran);
                python.push(other);
            }
        }
        say(format_args!(
            "each with {} warm-up and {} timed calls",
            calls.0, calls.1
        ));
        let side = |runs: &[Ran], value| {
            let walls: Vec<f64> = runs.iter().map(|ran| ran.wall_ms).collect();
            let memory = runs.iter().map(|ran| ran.memory_mb).fold(0.0, f64::max);
            Side::of(&walls, memory, value)
        };
        let name = format!(
            "start to verdict, {} rows from local S3",
            self.arguments.rows_gate
        );
        let (ours, python) = (side(&ours, found)?, side(&python, found_by_python)?);
        Ok((
            Subject::of(name, ours, python, MODEL_TOLERANCE)?,
            overhead_ns,
        ))
    }
}

/// Bounds the libraries that would otherwise use every core.
fn one_core(command: &mut Command) {
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(name, "1");
    }
}

/// Runs a piece of work to its end; its stdout is kept, its stderr shown.
fn run(command: &mut Command) -> Result<Ran> {
    let mut output = tempfile::tempfile()?;
    command.stdout(output.try_clone()?);
    let started = Instant::now();
    let ended = process::start(command)?.wait4();
    let wall_ms = started.elapsed().as_secs_f64() * 1e3;
    process::ended();
    process::check_interrupt()?;
    let shown = process::shown(command);
    let ended = ended.with_context(|| format!("failed to wait for `{shown}`"))?;
    ensure!(ended.status.success(), "`{shown}` failed: {}", ended.status);
    let mut text = String::new();
    std::io::Seek::rewind(&mut output)?;
    std::io::Read::read_to_string(&mut output, &mut text)?;
    Ok(Ran {
        printed: text,
        wall_ms,
        memory_mb: ended.rusage.maxrss as f64 / 1e6,
    })
}

fn printed(ran: &Ran) -> Result<Printed> {
    serde_json::from_str(&ran.printed)
        .with_context(|| format!("expected a line of JSON, found `{}`", ran.printed.trim()))
}

fn subject(name: String, ours: &Ran, python: &Ran, tolerance: f64) -> Result<Subject> {
    let side = |ran: &Ran| {
        let printed = printed(ran)?;
        Side::of(&printed.ms, ran.memory_mb, printed.value)
    };
    Subject::of(name, side(ours)?, side(python)?, tolerance)
}

impl Side {
    fn of(ms: &[f64], memory_mb: f64, value: f64) -> Result<Self> {
        let mut sorted = ms.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.get(sorted.len() / 2).context("nothing was timed")?;
        Ok(Self {
            ms_median: *middle,
            ms_min: sorted[0],
            ms_max: sorted[sorted.len() - 1],
            memory_mb,
            value,
        })
    }
}

impl Subject {
    /// Compares both sides; the tolerance is relative above 1.
    fn of(name: String, ours: Side, python: Side, tolerance: f64) -> Result<Self> {
        let difference = (ours.value - python.value).abs() / python.value.abs().max(1.0);
        ensure!(
            difference <= tolerance,
            "{name}: we find {}, Python finds {}",
            ours.value,
            python.value
        );
        Ok(Self {
            name,
            times_ours: python.ms_median / ours.ms_median,
            ours,
            python,
            difference,
        })
    }
}

impl Report {
    /// Returns the report as a table in Markdown, with its notes.
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            "| work | side | ms: median (least to most) | memory, MB | Python's time, times ours | values differ by |".to_owned(),
            "|---|---|--:|--:|--:|--:|".to_owned(),
        ];
        for subject in &self.subjects {
            for (side, name, rest) in [
                (&subject.ours, "validator", String::from(" | ")),
                (
                    &subject.python,
                    "Python",
                    format!("{:.1} | {:.0e}", subject.times_ours, subject.difference),
                ),
            ] {
                lines.push(format!(
                    "| {} | {name} | {:.1} ({:.1} to {:.1}) | {:.0} | {rest} |",
                    subject.name, side.ms_median, side.ms_min, side.ms_max, side.memory_mb
                ));
            }
        }
        lines.push(String::new());
        lines.push(format!("timing a call costs {:.0} ns", self.overhead_ns));
        lines.push(self.python.clone());
        lines.push(format!("{} CPUs; {} rounds", self.cpus, self.rounds));
        lines
    }
}

/// Builds what is measured as it is shipped, and returns the folder.
fn release_builds(places: &Places, steps: &mut Steps) -> Result<PathBuf> {
    setup::run(places, steps)?;
    let build = [
        "build",
        "--release",
        "--locked",
        "--package",
        "validator",
        "--package",
        "verdict",
        "--bins",
        "--examples",
    ];
    steps.run("build validator (release)", || {
        process::run(process::cargo(&places.root).args(build)).map(|()| None)
    })?;
    Ok(places.target.join("release"))
}

/// Returns a Python with the packages that `datasets/requirements.txt` pins, made once in the cache folder.
fn made_python(places: &Places, steps: &mut Steps) -> Result<PathBuf> {
    let requirements = places.root.join("datasets/requirements.txt");
    let digest = hex::encode(Sha256::digest(fs::read(&requirements)?));
    let folder = places.cache.join("python").join(&digest[..24]);
    let python = folder.join("bin/python");
    let whole = folder.join("whole");
    if whole.exists() {
        return Ok(python);
    }
    steps.run("make a Python with torch, scikit-learn and pyarrow", || {
        process::run(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )
        .context("python3 makes no environment (Debian: apt-get install python3-venv)")?;
        let install = [
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "--requirement",
        ];
        process::run(Command::new(&python).args(install).arg(&requirements)).context(
            "pip could not install the packages: check the network and pip's index settings",
        )?;
        fs::write(&whole, "")?;
        Ok(None)
    })?;
    Ok(python)
}

/// A local S3 server; it ends with this value.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn name_to(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", "us-east-1");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only for a server that has ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Builds and starts the server that the tests use, the same for both sides.
fn server(places: &Places, root: &Path, steps: &mut Steps) -> Result<Server> {
    steps.run("build the S3 server (release)", || {
        let build = [
            "build",
            "--release",
            "--locked",
            "--package",
            "e2e",
            "--bin",
            "s3-server",
        ];
        process::run(process::cargo(&places.root).args(build)).map(|()| None)
    })?;
    let mut child = Command::new(places.target.join("release/s3-server"))
        .arg("--root")
        .arg(root)
        .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("the S3 server does not start")?;
    let mut endpoint = String::new();
    let stdout = child.stdout.take().context("the S3 server has no stdout")?;
    BufReader::new(stdout).read_line(&mut endpoint)?;
    let endpoint = endpoint.trim().to_owned();
    let server = Server { child, endpoint };
    ensure!(
        !server.endpoint.is_empty(),
        "the S3 server named no endpoint"
    );
    Ok(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(value: f64) -> Side {
        Side::of(&[3.0, 1.0, 8.0], 10.0, value).unwrap()
    }

    #[test]
    fn medians_are_compared_and_values_must_agree() {
        let python = Side::of(&[6.0], 20.0, 0.5).unwrap();
        let subject = Subject::of("area".into(), side(0.5), python, EXACT_TOLERANCE).unwrap();
        assert_eq!(subject.times_ours, 2.0);
        assert_eq!((subject.ours.ms_min, subject.ours.ms_max), (1.0, 8.0));
        let error = Subject::of("area".into(), side(0.5), side(0.500_001), EXACT_TOLERANCE);
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("we find 0.5, Python finds 0.500001"),
            "{text}"
        );
        assert!(Side::of(&[], 1.0, 1.0).is_err());
    }

    #[test]
    fn the_table_has_a_line_for_each_side() {
        let report = Report {
            schema_version: 1,
            cpus: 2,
            rounds: 3,
            python: "torch".into(),
            subjects: vec![Subject::of("area".into(), side(0.5), side(0.5), 0.0).unwrap()],
            overhead_ns: 52.0,
        };
        let lines = report.lines();
        assert_eq!(
            lines[2],
            "| area | validator | 3.0 (1.0 to 8.0) | 10 |  |  |"
        );
        assert_eq!(
            lines[3],
            "| area | Python | 3.0 (1.0 to 8.0) | 10 | 1.0 | 0e0 |"
        );
    }
}
