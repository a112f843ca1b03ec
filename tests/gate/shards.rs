//! A dataset scored in shards and merged, against the same dataset on one machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use harness::cluster::demand;
use harness::command::Output;
use harness::datasets;
use harness::parquet_files::Table;
use harness::s3::Server;
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Finished, Gate};

/// Metrics of every kind that merge: exact, by a threshold, resampled, of slices by a column and by
/// bins, with Holm's correction, and latency.
const GATE: &str = "
checks:
- {metric: auc, min: 0.85, decide_on: lower_bound}
- {metric: pr_auc, min: 0.5}
- {metric: f1, at: 0.5, min: 0.5, decide_on: lower_bound}
- {metric: recall, at: 0.5, min: 0.5, decide_on: lower_bound}
- {metric: log_loss, max: 2}
- {metric: ece, max: 0.5}
- {metric: ks, min: 0.3}
- {metric: auc, min: 0.7, slice: {by: country, min_rows: 50, min_positives: 20}, correction: holm}
- {metric: recall, at: 0.5, min: 0.1, slice: {by: length_mm, edges: [20, 40], min_rows: 50}}
latency:
- {percentile: 99, max_ms: 1000, time_budget_s: 20}
";

/// A dataset of two files in hive folders with several row groups each, and a gate file.
struct Case {
    folder: TempDir,
}

impl Case {
    fn new(gate: &str) -> Result<Self> {
        Self::spoilt(gate, |table| Ok(table.clone()))
    }

    /// The same with rows that something was done to.
    fn spoilt(gate: &str, spoil: impl Fn(&Table) -> Result<Table>) -> Result<Self> {
        let case = Self {
            folder: tempfile::tempdir()?,
        };
        let table = Table::validation(1500)?;
        let countries = ["AT", "BE", "CZ"];
        let of_row = |row: usize| countries[row * row % 7 % 3];
        let weight = |row: usize| Some(0.5 + (row % 5) as f64);
        let rows = table.rows();
        let table = table
            .with_texts("country", (0..rows).map(of_row).collect())?
            .with_numbers("w", (0..rows).map(weight).collect())?;
        let table = spoil(&table)?;
        let data = case.data();
        table
            .rows_of(0..700)?
            .write_in_groups(&data.join("day=1/a.parquet"), 150)?;
        table
            .rows_of(700..rows)?
            .write_in_groups(&data.join("day=2/b.parquet"), 230)?;
        case.write_gate(gate)?;
        Ok(case)
    }

    fn write_gate(&self, gate: &str) -> Result<()> {
        let text = format!("apiVersion: validator/v1\nkind: ModelGate\n{gate}");
        Ok(std::fs::write(self.gate_file(), text)?)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn gate_file(&self) -> PathBuf {
        self.folder.path().join("gate.yaml")
    }

    fn summaries(&self) -> PathBuf {
        self.folder.path().join("summaries")
    }

    fn gate(&self, model: &str) -> Result<Gate> {
        let gate_file = self.gate_file();
        Ok(Gate::new()?
            .model(&datasets::model(model)?)
            .dataset(&self.data())
            .env("VALIDATOR_IGNORE_COLUMNS", "w")
            .with(|program| program.arg("--gate").arg(gate_file)))
    }

    fn shard(&self, model: &str, index: u32, of: u32) -> Result<Finished> {
        let summaries = self.summaries();
        self.gate(model)?
            .with(|program| {
                program
                    .args(["shard", &format!("--index={index}"), &format!("--of={of}")])
                    .arg("--summaries")
                    .arg(summaries)
            })
            .run()
    }

    fn shards(&self, model: &str, of: u32) -> Result<()> {
        for index in 0..of {
            succeeded(&self.shard(model, index, of)?.output)?;
        }
        Ok(())
    }

    fn merge(&self) -> Result<Gate> {
        let (gate_file, summaries) = (self.gate_file(), self.summaries());
        Ok(Gate::new()?
            .env("VALIDATOR_IGNORE_COLUMNS", "w")
            .with(|program| {
                program
                    .arg("merge")
                    .arg("--gate")
                    .arg(gate_file)
                    .arg("--summaries")
                    .arg(summaries)
            }))
    }

    fn summary(&self, index: u32, of: u32) -> PathBuf {
        self.summaries()
            .join(format!("{index:05}-of-{of:05}.shard"))
    }
}

fn succeeded(output: &Output) -> Result<()> {
    demand(output.code() == Some(0), || output.describe())
}

/// What has to have the same bits, however the rows were split.
fn of_the_rows(report: &Value) -> Value {
    let checks: Vec<&Value> = report["brief"]["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|check| {
            let metric = check["metric"].as_str().unwrap_or_default();
            !metric.starts_with("latency")
        })
        .collect();
    serde_json::json!({
        "metrics": report["metrics"],
        "curves": report["curves"],
        "checks": checks,
        "dataset": report["dataset"],
        "digests": [report["brief"]["gate"], report["brief"]["model"], report["brief"]["dataset"]],
    })
}

fn report(finished: &Finished) -> Result<&Value> {
    finished
        .report
        .as_ref()
        .with_context(|| format!("no report\n{}", finished.output.describe()))
}

fn same_as_on_one_machine(one: &Finished, merged: &Finished) -> Result<()> {
    let (one, merged) = (of_the_rows(report(one)?), of_the_rows(report(merged)?));
    demand(
        one["checks"]
            .as_array()
            .is_some_and(|checks| checks.len() > 8),
        || format!("too few checks to compare: {one}"),
    )?;
    for (part, expected) in one.as_object().context("an object")? {
        if &merged[part] != expected {
            bail!(
                "{part}: merged\n{}\nof one machine\n{expected}",
                merged[part]
            );
        }
    }
    Ok(())
}

#[test]
fn shards_give_the_verdict_of_one_machine_to_the_bit() -> Result<()> {
    let case = Case::new(GATE)?;
    let one = case.gate("champion")?.expect(0)?;
    // More shards than one file has row groups, and than fit evenly.
    case.shards("champion", 5)?;
    let merged = case.merge()?.expect(0)?;
    same_as_on_one_machine(&one, &merged)?;
    let found = report(&merged)?;
    demand(found["shards"] == 5, || format!("{}", found["shards"]))?;
    let calls = |finished: &Finished| {
        Ok::<_, anyhow::Error>(
            report(finished)?["latency"]["samples"]
                .as_u64()
                .unwrap_or_default(),
        )
    };
    let (one, merged) = (calls(&one)?, calls(&merged)?);
    demand(one > 0 && merged > 2 * one, || {
        format!("{merged} calls of all shards, {one} of one machine")
    })
}

#[test]
fn a_single_shard_is_the_whole() -> Result<()> {
    let case = Case::new(GATE)?;
    let one = case.gate("champion")?.expect(0)?;
    case.shards("champion", 1)?;
    same_as_on_one_machine(&one, &case.merge()?.expect(0)?)
}

#[test]
fn weights_merge_and_shards_without_rows_do_no_harm() -> Result<()> {
    let case = Case::new(&format!("dataset: {{weight: w}}\n{GATE}"))?;
    let one = case.gate("champion")?.expect(0)?;
    case.shards("champion", 12)?;
    let merged = case.merge()?.expect(0)?;
    same_as_on_one_machine(&one, &merged)
}

#[test]
fn rows_dropped_for_nulls_merge_to_the_bit_and_too_many_fail_the_merge() -> Result<()> {
    // A whole row group, and so a whole shard, has nothing left.
    let spoil = |table: &Table| {
        table
            .with_nulls("label", |row| row % 61 == 7)?
            .with_nulls("asymmetry_mm", |row| {
                row % 45 == 30 || (150..300).contains(&row)
            })?
            .with_nulls("w", |row| row % 201 == 7)?
            .with_nulls("country", |row| row % 19 == 0)
    };
    let gate = |most: &str| {
        format!(
            "dataset: {{weight: w, nulls: drop, expect: {{max_null_fraction: {most}}}}}\n{GATE}"
        )
    };
    let case = Case::spoilt(&gate("0.2"), spoil)?;
    let one = case.gate("champion")?.expect(0)?;
    let mut told = Vec::new();
    for index in 0..12 {
        let finished = case.shard("champion", index, 12)?;
        succeeded(&finished.output)?;
        told.push(finished.output.stdout.clone());
    }
    demand(
        told.iter()
            .any(|text| text.contains(": 0 rows (150 more dropped for nulls)")),
        || told.concat(),
    )?;
    let merged = case.merge()?.expect(0)?;
    same_as_on_one_machine(&one, &merged)?;
    let nulls = &report(&merged)?["dataset"]["nulls"];
    let dropped = nulls["rows_dropped"].as_u64().unwrap_or_default();
    demand(dropped > 150, || format!("{nulls}"))?;
    let sentence = format!("{dropped} of 1500 rows");
    let warnings =
        |finished: &Finished| Ok::<_, anyhow::Error>(report(finished)?["warnings"].to_string());
    for finished in [&one, &merged] {
        let warnings = warnings(finished)?;
        demand(warnings.matches("dropped for nulls").count() == 1, || {
            warnings.clone()
        })?;
        demand(warnings.contains(&sentence), || warnings.clone())?;
    }
    case.write_gate(&gate("0.1"))?;
    case.gate("champion")?
        .refuses(3, &[&sentence, "allows a fraction of 0.1"])?;
    std::fs::remove_dir_all(case.summaries())?;
    case.shards("champion", 1)?;
    case.merge()?
        .refuses(3, &[&sentence, "allows a fraction of 0.1"])?;
    Ok(())
}

#[test]
fn a_model_that_fails_on_one_machine_fails_in_shards() -> Result<()> {
    let case = Case::new(GATE)?;
    let one = case.gate("degraded")?.expect(1)?;
    case.shards("degraded", 2)?;
    let merged = case.merge()?.expect(1)?;
    same_as_on_one_machine(&one, &merged)?;
    demand(merged.brief()?["outcome"] == "fail", || {
        merged.output.describe()
    })
}

#[test]
fn shards_meet_on_s3_and_take_their_index_from_the_job() -> Result<()> {
    let case = Case::new(GATE)?;
    let folder = tempfile::tempdir()?;
    let server = Server::start(folder.path())?;
    server.put("data", "rows", &case.data())?;
    server.bucket("runs")?;
    let with_store = |gate: Gate| {
        server
            .environment()
            .into_iter()
            .fold(gate, |gate, (name, value)| gate.env(name, &value))
            .env("VALIDATION_DATASET", "s3://data/rows/")
            .env("VALIDATOR_SUMMARIES", "s3://runs/42/")
            .env("VALIDATOR_SHARDS", "2")
    };
    let one = with_store(case.gate("champion")?).expect(0)?;
    for index in ["0", "1"] {
        let finished = with_store(case.gate("champion")?)
            .env("JOB_COMPLETION_INDEX", index)
            .with(|program| program.arg("shard").arg("--output=json"))
            .run()?;
        succeeded(&finished.output)?;
        let told = finished.output.json()?;
        demand(
            told["summary"] == format!("s3://runs/42/0000{index}-of-00002.shard"),
            || format!("{told}"),
        )?;
        // A shard has no verdict: nobody may take its end for one.
        demand(
            finished.brief.is_none() && finished.report.is_none(),
            || format!("{:?}", finished.brief),
        )?;
    }
    let merged = with_store(case.gate("champion")?)
        .with(|program| program.arg("merge"))
        .expect(0)?;
    same_as_on_one_machine(&one, &merged)
}

#[test]
fn a_missing_shard_is_named() -> Result<()> {
    let case = Case::new(GATE)?;
    case.shards("champion", 3)?;
    std::fs::remove_file(case.summary(1, 3))?;
    case.merge()?
        .refuses(3, &["shard 1 of 3 is missing"])?
        .output
        .says(&["validator shard --index 1 --of 3"])?;
    Ok(())
}

#[test]
fn a_shard_that_is_there_twice_is_named() -> Result<()> {
    let case = Case::new(GATE)?;
    case.shards("champion", 2)?;
    std::fs::copy(case.summary(0, 2), case.summaries().join("copy.shard"))?;
    case.merge()?
        .refuses(3, &["shard 0 is there more than once"])?;
    Ok(())
}

#[test]
fn shards_of_different_runs_are_refused_by_name() -> Result<()> {
    let case = Case::new(GATE)?;
    succeeded(&case.shard("champion", 0, 2)?.output)?;
    succeeded(&case.shard("better", 1, 2)?.output)?;
    case.merge()?.refuses(
        3,
        &[
            "00000-of-00002.shard",
            "00001-of-00002.shard",
            "the model's SHA-256",
        ],
    )?;
    // A number of shards that changed half-way.
    std::fs::remove_file(case.summary(1, 2))?;
    succeeded(&case.shard("champion", 2, 3)?.output)?;
    case.merge()?
        .refuses(3, &["the number of shards is 2 in one and 3 in the other"])?;
    // Data that was replaced between two shards.
    std::fs::remove_file(case.summary(2, 3))?;
    Table::validation(300)?
        .with_texts("country", vec!["AT"; 300])?
        .with_numbers("w", vec![Some(1.0); 300])?
        .write(&case.data().join("day=1/a.parquet"))?;
    succeeded(&case.shard("champion", 1, 2)?.output)?;
    case.merge()?.refuses(3, &["the dataset's listing"])?;
    Ok(())
}

#[test]
fn another_gate_or_another_place_than_the_shards_is_refused() -> Result<()> {
    let case = Case::new(GATE)?;
    case.shards("champion", 1)?;
    case.merge()?
        .dataset(Path::new("s3://elsewhere/rows/"))
        .refuses(2, &["s3://elsewhere/rows/"])?;
    case.write_gate(&GATE.replace("min: 0.85", "min: 0.5"))?;
    case.merge()?.refuses(2, &["under the gate sha256:"])?;
    Ok(())
}

#[test]
fn damage_is_told_from_other_files() -> Result<()> {
    let case = Case::new(GATE)?;
    case.shards("champion", 2)?;
    let path = case.summary(1, 2);
    let whole = std::fs::read(&path)?;
    // A run in the middle of the file; the length of what remains; a version to come; another file.
    let mut flipped = whole.clone();
    flipped[500] ^= 1;
    std::fs::write(&path, &flipped)?;
    case.merge()?.refuses(
        3,
        &[
            "`00001-of-00002.shard` holds a run that cannot be read",
            "checksum",
        ],
    )?;
    std::fs::write(&path, &whole[..whole.len() - 1])?;
    case.merge()?
        .refuses(3, &["00001-of-00002.shard` is cut off"])?;
    let mut facts = whole.clone();
    let place = whole.len() - 100;
    facts[place] ^= 1;
    std::fs::write(&path, &facts)?;
    case.merge()?
        .refuses(3, &["the checksum of its facts does not match"])?;
    let mut newer = whole.clone();
    newer[6] = 9;
    std::fs::write(&path, &newer)?;
    case.merge()?
        .refuses(3, &["has version 9; this program reads version 1"])?;
    std::fs::write(&path, b"PAR1 and no summary")?;
    case.merge()?.refuses(3, &["is no summary of a shard"])?;
    std::fs::remove_dir_all(case.summaries())?;
    std::fs::create_dir_all(case.summaries())?;
    case.merge()?
        .refuses(3, &["there are no summaries of shards"])?;
    Ok(())
}

#[test]
fn what_does_not_merge_exactly_is_refused_before_a_row_is_read() -> Result<()> {
    let champion = datasets::model("champion")?;
    let compared = format!(
        "champion: {{model: {}}}\nchecks:\n- {{metric: auc, non_inferiority_margin: 0.01}}\n",
        champion.display()
    );
    for (gate, part) in [
        (
            format!("dataset: {{group: country}}\n{GATE}"),
            "dataset.group",
        ),
        (format!("dataset: {{id: country}}\n{GATE}"), "dataset.id"),
        (compared, "champion"),
    ] {
        let case = Case::new(&gate)?;
        let finished = case.shard("better", 0, 2)?;
        demand(finished.output.code() == Some(2), || {
            finished.output.describe()
        })?;
        finished
            .output
            .says(&["cannot be judged in shards", part])?;
        demand(!case.summaries().exists(), || {
            "a summary was written".into()
        })?;
    }
    let case = Case::new(GATE)?;
    let beyond = case.shard("champion", 2, 2)?;
    demand(beyond.output.code() == Some(2), || beyond.output.describe())?;
    beyond.output.says(&["shard 2 of 2 does not exist"])?;
    Ok(())
}
