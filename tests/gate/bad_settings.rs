//! Settings that make no sense: exit code 2, before anything is read.

use anyhow::Result;
use harness::binaries;
use harness::cluster::demand;
use harness::command::Program;

use crate::run::Gate;

#[test]
fn thresholds_that_are_no_thresholds_are_refused() -> Result<()> {
    for value in ["nan", "NaN", "inf", "-0.1", "1.5", "ninety", "", "0,92"] {
        let finished = Gate::of("champion")?.env("MINIMUM_AUC", value).run()?;
        demand(finished.output.code() == Some(2), || {
            format!("MINIMUM_AUC={value:?}\n{}", finished.output.describe())
        })?;
        finished.output.says(&["MINIMUM_AUC"])?;
    }
    for value in ["nan", "inf", "-1", "0", "fast"] {
        let finished = Gate::of("champion")?
            .env("MAXIMUM_P99_LATENCY_MS", value)
            .run()?;
        demand(finished.output.code() == Some(2), || {
            format!(
                "MAXIMUM_P99_LATENCY_MS={value:?}\n{}",
                finished.output.describe()
            )
        })?;
        finished.output.says(&["MAXIMUM_P99_LATENCY_MS"])?;
    }
    Ok(())
}

#[test]
fn a_run_without_model_or_dataset_says_how_to_name_them() -> Result<()> {
    let validator = binaries::path("validator")?;
    let output = Program::new(&validator).expect(2)?;
    output.is_orderly()?.says(&["MODEL_PATH"])?;
    let output = Program::new(&validator)
        .arg("--model")
        .arg(harness::datasets::model("champion")?)
        .expect(2)?;
    output.is_orderly()?.says(&["VALIDATION_DATASET"])?;
    Ok(())
}

#[test]
fn an_unknown_flag_is_a_usage_error() -> Result<()> {
    Program::new(binaries::path("validator")?)
        .arg("--minimum-auk=0.9")
        .expect(2)?
        .is_orderly()?
        .says(&["--minimum-auk"])?;
    Ok(())
}

#[test]
fn help_and_version_start_at_once() -> Result<()> {
    let validator = binaries::path("validator")?;
    let help = Program::new(&validator).arg("--help").expect(0)?;
    for part in [
        "MODEL_PATH",
        "VALIDATION_DATASET",
        "MINIMUM_AUC",
        "MAXIMUM_P99_LATENCY_MS",
    ] {
        demand(help.stdout.contains(part), || {
            format!("--help does not name {part}")
        })?;
    }
    Program::new(&validator).arg("--version").expect(0)?;
    Ok(())
}
