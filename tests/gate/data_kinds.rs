//! Real files of every kind that datasets come in: types of numbers, schemas that changed between files,
//! and what lies beside the data.

use anyhow::{Context, Result};
use arrow::datatypes::DataType;
use harness::cluster::demand;
use harness::datasets::{self, LABEL};
use harness::parquet_files::Table;
use serde_json::Value;

use crate::run::{Finished, Gate};

/// A run that judges scores alone.
fn gate() -> Result<Gate> {
    let gate = Gate::new()?;
    let file = gate.scratch().join("gate.yaml");
    std::fs::write(
        &file,
        "apiVersion: validator/v1\nkind: ModelGate\nchecks: [{metric: auc, min: 0.5}, {metric: log_loss, max: 9}]\nlatency: []\n",
    )?;
    Ok(gate
        .model(&datasets::model("champion")?)
        .with(|program| program.arg("--gate").arg(file)))
}

/// Judges one table, written as one file.
fn judged(table: &Table) -> Result<Value> {
    let gate = gate()?;
    let data = gate.scratch().join("data");
    table.write(&data.join("part.parquet"))?;
    metrics(&gate.dataset(&data).expect(0)?)
}

fn metrics(finished: &Finished) -> Result<Value> {
    let report = finished.report.as_ref().context("no report")?;
    Ok(serde_json::json!({
        "metrics": report["metrics"],
        "checks": report["brief"]["checks"],
        "digest": report["dataset"]["digest"],
    }))
}

#[test]
fn the_type_that_a_number_is_written_in_changes_no_bit() -> Result<()> {
    let feature = "asymmetry_mm";
    let table = Table::validation(600)?.rounded_as(feature, &DataType::Float64)?;
    let expected = judged(&table)?;
    let dictionary = |of: DataType| DataType::Dictionary(Box::new(DataType::Int32), Box::new(of));
    for data_type in [
        DataType::Decimal128(12, 4),
        DataType::Decimal256(40, 4),
        dictionary(DataType::Float64),
    ] {
        let found = judged(&table.rounded_as(feature, &data_type)?)?;
        demand(found == expected, || {
            format!("{data_type}: {found}\nas doubles: {expected}")
        })?;
    }
    for data_type in [
        DataType::Boolean,
        DataType::Int8,
        DataType::UInt64,
        DataType::Float32,
        DataType::Decimal128(3, 0),
        dictionary(DataType::Int64),
    ] {
        let found = judged(&table.rounded_as(LABEL, &data_type)?)?;
        demand(found == expected, || {
            format!("the label as {data_type}: {found}\nelse: {expected}")
        })?;
    }
    Ok(())
}

#[test]
fn booleans_are_features_where_they_are_named() -> Result<()> {
    let table = Table::validation(400)?;
    let features = table.features();
    let ones: Vec<Option<f64>> = (0..table.rows())
        .map(|row| Some((row % 2) as f64))
        .collect();
    let table = table.with_numbers(&features[0], ones)?;
    let of = |table: &Table| {
        let gate = gate()?.env("VALIDATOR_FEATURES", &features.join(","));
        let data = gate.scratch().join("data");
        table.write(&data.join("part.parquet"))?;
        metrics(&gate.dataset(&data).expect(0)?)
    };
    let (numbers, booleans) = (
        of(&table)?,
        of(&table.rounded_as(&features[0], &DataType::Boolean)?)?,
    );
    demand(numbers == booleans, || {
        format!("{booleans}\nas numbers: {numbers}")
    })
}

#[test]
fn a_schema_may_change_between_files_in_type_and_order() -> Result<()> {
    let table = Table::validation(900)?.rounded_as("asymmetry_mm", &DataType::Float32)?;
    let (first, second) = (table.rows_of(0..500)?, table.rows_of(500..900)?);
    let of = |second: &Table| {
        let gate = gate()?;
        let data = gate.scratch().join("data");
        first.write(&data.join("part-0.parquet"))?;
        second.write(&data.join("part-1.parquet"))?;
        metrics(&gate.dataset(&data).expect(0)?)
    };
    let expected = of(&second)?;
    let changed = second
        .turned_round()?
        .rounded_as("asymmetry_mm", &DataType::Float64)?
        .rounded_as(LABEL, &DataType::Int32)?
        .with_texts("note", vec!["new"; second.rows()])?;
    let found = of(&changed)?;
    demand(found == expected, || format!("{found}\n{expected}"))
}

#[test]
fn columns_that_came_or_went_between_files_are_named_with_the_file() -> Result<()> {
    let table = Table::validation(300)?;
    let ones = vec![Some(1.0); table.rows()];
    for (second, part) in [
        (table.without("asymmetry_mm")?, "asymmetry_mm"),
        (table.with_numbers("new_feature", ones)?, "new_feature"),
        (
            table.with_texts("asymmetry_mm", vec!["1.5"; table.rows()])?,
            "asymmetry_mm",
        ),
    ] {
        let gate = gate()?;
        let data = gate.scratch().join("data");
        table.write(&data.join("part-0.parquet"))?;
        second.write(&data.join("part-1.parquet"))?;
        gate.dataset(&data).refuses(3, &[part, "part-1.parquet"])?;
    }
    Ok(())
}

#[test]
fn what_lies_beside_the_data_is_not_read() -> Result<()> {
    let table = Table::validation(500)?;
    let expected = judged(&table)?;
    let gate = gate()?;
    let data = gate.scratch().join("data");
    table.write(&data.join("part.parquet"))?;
    for name in [
        "_SUCCESS",
        "_metadata",
        ".part.parquet.crc",
        "_temporary/0/part.parquet",
        ".hidden/part.parquet",
        "_delta_log/0.json",
    ] {
        let path = data.join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(path, b"no Parquet")?;
    }
    let finished = gate.dataset(&data).expect(0)?;
    let found = metrics(&finished)?;
    demand(found == expected, || format!("{found}\n{expected}"))?;
    let skipped = finished.report.context("a report")?["dataset"]["skipped_files"].clone();
    demand(skipped == serde_json::json!([]), || {
        format!("hidden files are told as skipped: {skipped}")
    })
}
