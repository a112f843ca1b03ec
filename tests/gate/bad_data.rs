//! Data that no verdict can be made on: exit code 3, and the reason.

use std::path::Path;

use anyhow::Result;
use harness::datasets::LABEL;
use harness::parquet_files::Table;

use crate::run::{Finished, Gate};

/// Judges the champion on one file made from `table`.
fn judged_on(table: &Table, code: i32, parts: &[&str]) -> Result<Finished> {
    let gate = Gate::of("champion")?.env("MINIMUM_AUC", "0.5");
    let file = gate.scratch().join("data/part.parquet");
    table.write(&file)?;
    gate.dataset(&file).refuses(code, parts)
}

fn judged_on_bytes(name: &str, bytes: &[u8], parts: &[&str]) -> Result<Finished> {
    let gate = Gate::of("champion")?;
    let folder = gate.scratch().join("data");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)?;
    gate.dataset(&folder).refuses(3, parts)
}

fn alternating(rows: usize) -> Vec<Option<i64>> {
    (0..rows).map(|row| Some(i64::from(row % 2 == 0))).collect()
}

#[test]
fn a_missing_label_column_is_named() -> Result<()> {
    judged_on(&Table::validation(500)?.without(LABEL)?, 3, &["`label`"])?;
    Ok(())
}

#[test]
fn a_missing_feature_shows_as_a_wrong_width() -> Result<()> {
    let table = Table::validation(500)?;
    let features = table.features();
    let table = table.without(&features[0])?;
    let (have, want) = (features.len() - 1, features.len());
    judged_on(&table, 3, &[&have.to_string(), &want.to_string()])?;
    Ok(())
}

#[test]
fn an_extra_numeric_column_shows_as_a_wrong_width() -> Result<()> {
    let table = Table::validation(500)?;
    let width = table.features().len();
    let numbers = vec![Some(1.0); table.rows()];
    let table = table.with_numbers("surplus", numbers)?;
    judged_on(&table, 3, &[&(width + 1).to_string()])?;
    Ok(())
}

#[test]
fn a_model_of_another_width_is_told_from_the_data() -> Result<()> {
    let features = Table::validation(10)?.features().len();
    Gate::of("wide512")?.refuses(3, &["512", &features.to_string()])?;
    Ok(())
}

#[test]
fn nulls_in_a_feature_are_counted_and_located() -> Result<()> {
    let table = Table::validation(500)?;
    let feature = table.features()[0].clone();
    let mut numbers = vec![Some(0.5); table.rows()];
    numbers[17] = None;
    judged_on(
        &table.with_numbers(&feature, numbers)?,
        3,
        &[&feature, "null"],
    )?;
    Ok(())
}

#[test]
fn nan_in_a_feature_is_refused() -> Result<()> {
    let table = Table::validation(500)?;
    let feature = table.features()[0].clone();
    let mut numbers = vec![Some(0.5); table.rows()];
    numbers[17] = Some(f64::NAN);
    judged_on(
        &table.with_numbers(&feature, numbers)?,
        3,
        &[&feature, "NaN"],
    )?;
    Ok(())
}

#[test]
fn a_null_label_is_refused() -> Result<()> {
    let table = Table::validation(500)?;
    let mut labels = alternating(table.rows());
    labels[3] = None;
    judged_on(
        &table.with_integers(LABEL, labels)?,
        3,
        &["`label`", "null"],
    )?;
    Ok(())
}

#[test]
fn a_label_that_is_neither_0_nor_1_is_refused() -> Result<()> {
    let table = Table::validation(500)?;
    let mut labels = alternating(table.rows());
    labels[3] = Some(2);
    judged_on(&table.with_integers(LABEL, labels)?, 3, &["`label`", "2"])?;
    Ok(())
}

#[test]
fn a_single_class_never_passes() -> Result<()> {
    let table = Table::validation(500)?;
    for class in [0, 1] {
        let labels = vec![Some(class); table.rows()];
        judged_on(&table.with_integers(LABEL, labels)?, 3, &["class"])?;
    }
    Ok(())
}

#[test]
fn a_text_label_is_refused_with_its_type() -> Result<()> {
    let table = Table::validation(500)?;
    let labels = vec!["fraud"; table.rows()];
    judged_on(&table.with_texts(LABEL, labels)?, 3, &["`label`"])?;
    Ok(())
}

#[test]
fn a_file_without_rows_is_refused() -> Result<()> {
    judged_on(&Table::validation(500)?.without_rows(), 3, &["row"])?;
    Ok(())
}

#[test]
fn a_file_that_is_not_parquet_is_named() -> Result<()> {
    judged_on_bytes("part.parquet", b"a,b\n1,2\n", &["part.parquet"])?;
    Ok(())
}

#[test]
fn a_truncated_file_is_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("whole.parquet");
    Table::validation(500)?.write(&file)?;
    let bytes = std::fs::read(&file)?;
    for length in [0, 1, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        judged_on_bytes("cut.parquet", &bytes[..length], &["cut.parquet"])?;
    }
    Ok(())
}

#[test]
fn a_file_with_a_flipped_byte_never_panics() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("whole.parquet");
    Table::validation(500)?.write(&file)?;
    let bytes = std::fs::read(&file)?;
    let step = bytes.len() / 12;
    for position in (1..12).map(|part| part * step).chain([bytes.len() - 6]) {
        let mut flipped = bytes.clone();
        flipped[position] ^= 0xff;
        let gate = Gate::of("champion")?.env("MINIMUM_AUC", "0.5");
        let file = gate.scratch().join("flipped.parquet");
        std::fs::write(&file, &flipped)?;
        // A byte of a value may flip unseen; whatever happens, it ends in order and with a verdict.
        gate.dataset(&file).run()?.brief()?;
    }
    Ok(())
}

#[test]
fn an_empty_folder_and_a_missing_one_are_named() -> Result<()> {
    let gate = Gate::of("champion")?;
    let folder = gate.scratch().join("nothing-here");
    std::fs::create_dir_all(&folder)?;
    gate.dataset(&folder).refuses(3, &["nothing-here"])?;
    Gate::of("champion")?
        .dataset(Path::new("/no/such/folder"))
        .refuses(2, &["/no/such/folder"])?;
    Ok(())
}
