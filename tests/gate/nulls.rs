//! Rows with nulls that are left out: the verdict is that of the same files without these rows, and
//! the rows are counted wherever somebody looks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::{NullArray, new_null_array};
use arrow::datatypes::DataType;
use harness::cluster::demand;
use harness::datasets::{self, LABEL};
use harness::parquet_files::Table;
use harness::workspace;
use serde_json::{Value, json};

use crate::run::{Finished, Gate};

const CHECKS: &str = "
- {metric: auc, min: 0.5, decide_on: lower_bound}
- {metric: pr_auc, min: 0.1}
- {metric: f1, at: 0.5, min: 0.1}
- {metric: log_loss, max: 9}
- {metric: auc, min: 0.5, slice: {by: country, min_rows: 20}}
- {metric: recall, at: 0.5, min: 0.01, slice: {by: length_mm, edges: [20, 40], min_rows: 20}}
";

/// A table with a column to slice by, which has nulls too, and one of weights.
fn table(rows: usize) -> Result<Table> {
    let table = Table::validation(rows)?;
    let countries = ["AT", "BE", "CZ"];
    let weight = |row: usize| Some(0.5 + (row % 5) as f64);
    table
        .with_texts(
            "country",
            (0..rows).map(|row| countries[row * row % 7 % 3]).collect(),
        )?
        .with_nulls("country", |row| row % 11 == 0)?
        .with_numbers("w", (0..rows).map(weight).collect())
}

/// Spoils rows in label, two features and weights; 30 has nulls in two columns.
fn spoilt(table: &Table) -> Result<Table> {
    table
        .with_nulls(LABEL, |row| row % 60 == 30)?
        .with_nulls("asymmetry_mm", |row| row % 45 == 30)?
        .with_nulls("length_mm", |row| row % 97 == 5)?
        .with_nulls("w", |row| row % 201 == 7)
}

fn is_whole(row: usize) -> bool {
    row % 60 != 30 && row % 45 != 30 && row % 97 != 5 && row % 201 != 7
}

/// A run under a gate file, whose data lies in the run's own folder.
struct Case {
    gate: Gate,
    data: PathBuf,
}

impl Case {
    /// On rows of the telescope, whose weights are no feature.
    fn of_showers(dataset: &str, rest: &str) -> Result<Self> {
        Self::new(&format!("features: {{exclude: [w]}}, {dataset}"), rest)
    }

    fn new(dataset: &str, rest: &str) -> Result<Self> {
        let gate = Gate::new()?.model(&datasets::model("champion")?);
        let file = gate.scratch().join("gate.yaml");
        std::fs::write(
            &file,
            format!(
                "apiVersion: validator/v1\nkind: ModelGate\ndataset: {{{dataset}}}\n{rest}\nlatency: []\n"
            ),
        )?;
        let data = gate.scratch().join("data");
        let gate = gate
            .dataset(&data)
            .with(|program| program.arg("--gate").arg(file));
        Ok(Self { gate, data })
    }

    fn file(self, name: &str, table: &Table) -> Result<Self> {
        table.write(&self.data.join(name))?;
        Ok(self)
    }

    fn gate(self) -> Gate {
        self.gate
    }
}

fn report(finished: &Finished) -> Result<&Value> {
    finished.report.as_ref().context("no report")
}

/// What may not depend on rows that are left out, or were never there.
fn judged(finished: &Finished) -> Result<Value> {
    let report = report(finished)?;
    Ok(json!({
        "metrics": report["metrics"],
        "multiclass": report["multiclass"],
        "curves": report["curves"],
        "checks": report["brief"]["checks"],
        "digest": report["dataset"]["digest"],
        "rows": report["brief"]["dataset"]["rows"],
    }))
}

fn same(found: &Finished, expected: &Finished) -> Result<()> {
    let (found, expected) = (judged(found)?, judged(expected)?);
    demand(found == expected, || {
        format!("{found}\nwithout the rows: {expected}")
    })
}

fn holds(path: &Path, parts: &[&str]) -> Result<()> {
    let text = std::fs::read_to_string(path)?;
    for part in parts {
        demand(text.contains(part), || format!("no `{part}` in {text}"))?;
    }
    Ok(())
}

#[test]
fn rows_with_nulls_are_left_out_and_told_everywhere() -> Result<()> {
    let table = table(900)?;
    let checks = format!("checks:{CHECKS}");
    let dataset = "nulls: drop, weight: w";
    let expected = Case::of_showers(dataset, &checks)?
        .file("part.parquet", &table.rows_where(is_whole)?)?
        .gate()
        .expect(0)?;
    demand(
        report(&expected)?["dataset"]["nulls"] == json!({"rows_dropped": 0, "columns": []}),
        || {
            format!(
                "{}",
                report(&expected).map_or(&Value::Null, |report| &report["dataset"])
            )
        },
    )?;
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);
    let finished = Case::of_showers(dataset, &checks)?
        .file("part.parquet", &spoilt(&table)?)?
        .gate()
        .with(|program| {
            program
                .arg("--markdown")
                .arg(place("gate.md"))
                .arg("--html")
                .arg(place("gate.html"))
                .arg("--junit")
                .arg(place("gate.xml"))
                .arg("--prometheus")
                .arg(place("gate.prom"))
        })
        .expect(0)?;
    same(&finished, &expected)?;
    let dropped = (0..900).filter(|&row| !is_whole(row)).count();
    let nulls = json!({
        "rows_dropped": dropped,
        "columns": [
            {"name": "asymmetry_mm", "rows": 20},
            {"name": LABEL, "rows": 15},
            {"name": "length_mm", "rows": 10},
            {"name": "w", "rows": 5},
        ],
    });
    let section = &report(&finished)?["dataset"];
    demand(section["nulls"] == nulls, || format!("{section}"))?;
    demand(section["files"][0]["rows_dropped"] == dropped, || {
        format!("{section}")
    })?;
    demand(
        finished.brief()?["dataset"]["rows_dropped"] == dropped,
        || format!("{:?}", finished.brief),
    )?;
    // Nulls of a column that only cuts the data make a part of their own.
    finished.check("auc")?;
    let slices = finished.brief()?["checks"].to_string();
    demand(slices.contains("country=null"), || slices.clone())?;
    let columns = "nulls in `asymmetry_mm` (20), `label` (15), `length_mm` (10) and `w` (5)";
    finished.output.says(&[
        &format!("{dropped} of 900 rows"),
        columns,
        "the verdict says nothing of such rows",
    ])?;
    demand(
        finished
            .output
            .stdout
            .contains(&format!("; {dropped} dropped for nulls")),
        || finished.output.describe(),
    )?;
    holds(
        &place("gate.md"),
        &[&format!("{dropped} dropped for nulls")],
    )?;
    holds(
        &place("gate.html"),
        &[&format!(
            "{dropped} rows, in <code>asymmetry_mm</code> (20)"
        )],
    )?;
    let property = format!("name=\"rows_dropped\" value=\"{dropped}\"");
    holds(&place("gate.xml"), &[&property])?;
    holds(
        &place("gate.prom"),
        &[&format!("validator_dataset_rows_dropped {dropped}")],
    )
}

#[test]
fn the_policy_comes_from_flag_variable_or_file_and_is_part_of_the_gate() -> Result<()> {
    let checks = format!("checks:{CHECKS}");
    let spoilt = spoilt(&table(900)?)?;
    let run = |dataset: &str, change: fn(Gate) -> Gate| {
        Ok::<_, anyhow::Error>(change(
            Case::of_showers(dataset, &checks)?
                .file("part.parquet", &spoilt)?
                .gate(),
        ))
    };
    let by_file = run("nulls: drop", |gate| gate)?.expect(0)?;
    let by_variable = run("", |gate| gate.env("VALIDATOR_NULLS", "drop"))?.expect(0)?;
    let by_flag = run("nulls: refuse", |gate| {
        gate.with(|program| program.args(["--nulls", "drop"]))
    })?
    .expect(0)?;
    for (finished, source) in [
        (&by_variable, "environment"),
        (&by_flag, "flag"),
        (&by_file, "file"),
    ] {
        same(finished, &by_file)?;
        let entry = &report(finished)?["configuration"]["nulls"];
        demand(*entry == json!({"value": "drop", "source": source}), || {
            format!("{entry}")
        })?;
    }
    // The default, and how to get another.
    run("", |gate| gate)?
        .refuses(3, &["null", "the first in row 30"])?
        .output
        .says(&["`--nulls drop`"])?;
    run("nulls: skip", |gate| gate)?.refuses(2, &["skip", "drop"])?;
    run("", |gate| gate.env("VALIDATOR_NULLS", "skip"))?
        .refuses(2, &["VALIDATOR_NULLS", "`refuse` or `drop`"])?;
    Ok(())
}

#[test]
fn a_verdict_is_reused_under_its_own_policy_only() -> Result<()> {
    let store = tempfile::tempdir()?;
    let data = tempfile::tempdir()?;
    let file = data.path().join("part.parquet");
    table(600)?.write(&file)?;
    let run = |policy: &str| {
        Case::of_showers("", &format!("checks:{CHECKS}"))?
            .gate()
            .dataset(data.path())
            .env("VALIDATOR_NULLS", policy)
            .with(|program| program.arg("--reuse-verdict").arg(store.path()))
            .expect(0)
    };
    let is_reused =
        |finished: &Finished| Ok::<_, anyhow::Error>(!finished.brief()?["reused"].is_null());
    for (policy, reused) in [("refuse", false), ("drop", false), ("drop", true)] {
        let finished = run(policy)?;
        demand(is_reused(&finished)? == reused, || {
            format!("{policy}: {}", finished.output.describe())
        })?;
    }
    Ok(())
}

#[test]
fn errors_name_the_row_of_the_file_whatever_was_left_out_before() -> Result<()> {
    let spoilt = spoilt(&table(400)?)?;
    let mut numbers = vec![Some(1.0); 400];
    numbers[211] = Some(f64::NAN);
    Case::of_showers("nulls: drop", &format!("checks:{CHECKS}"))?
        .file(
            "part.parquet",
            &spoilt.with_numbers("moment_long_mm", numbers.clone())?,
        )?
        .gate()
        .refuses(3, &["NaN", "the first in row 211"])?;
    numbers[211] = Some(-1.0);
    Case::of_showers("nulls: drop, weight: w", &format!("checks:{CHECKS}"))?
        .file("part.parquet", &spoilt.with_numbers("w", numbers)?)?
        .gate()
        .refuses(3, &["the weight column `w` has -1 in row 211"])?;
    Ok(())
}

#[test]
fn more_nulls_than_the_gate_allows_are_refused_with_their_columns() -> Result<()> {
    let table = table(500)?.with_nulls("width_mm", |row| row % 100 == 3)?;
    let run = |most: &str| {
        let dataset = format!("nulls: drop, expect: {{max_null_fraction: {most}}}");
        Ok::<_, anyhow::Error>(
            Case::of_showers(&dataset, &format!("checks:{CHECKS}"))?
                .file("part.parquet", &table)?
                .gate(),
        )
    };
    run("0.01")?.expect(0)?;
    for most in ["0.0099", "0"] {
        run(most)?.refuses(
            3,
            &[
                "5 of 500 rows (a fraction of 0.01) were dropped for nulls in `width_mm` (5)",
                &format!("allows a fraction of {most}"),
            ],
        )?;
    }
    // What is expected of rows holds for those that are left.
    Case::of_showers(
        "nulls: drop, expect: {min_rows: 496}",
        &format!("checks:{CHECKS}"),
    )?
    .file("part.parquet", &table)?
    .gate()
    .refuses(3, &["495 rows, fewer than the 496"])?;
    Ok(())
}

#[test]
fn a_drop_that_leaves_no_row_or_one_class_is_told_as_that() -> Result<()> {
    let table = table(300)?;
    let run = |table: &Table| {
        Ok::<_, anyhow::Error>(
            Case::of_showers("nulls: drop", &format!("checks:{CHECKS}"))?
                .file("part.parquet", table)?
                .gate(),
        )
    };
    run(&table.with_nulls("width_mm", |_| true)?)?.refuses(
        3,
        &["no rows are left: 300 rows were dropped for nulls in `width_mm` (300)"],
    )?;
    let alternating = (0..300).map(|row| Some(row % 2)).collect();
    let table = table.with_integers(LABEL, alternating)?;
    for (kept, class) in [(0, "positive"), (1, "negative")] {
        run(&table.with_nulls("width_mm", |row| row % 2 != kept)?)?.refuses(
            3,
            &[&format!(
                "no rows of the {class} class are left: 150 rows were dropped for nulls in `width_mm` (150)"
            )],
        )?;
    }
    Ok(())
}

#[test]
fn both_models_of_a_comparison_and_groups_get_the_same_rows() -> Result<()> {
    let table = table(700)?;
    let customers = (0..700).map(|row| Some(row / 3)).collect();
    let names = (0..700).map(Some).collect();
    let table = table
        .with_integers("customer", customers)?
        .with_integers("id", names)?;
    let spoilt = spoilt(&table)?
        .with_nulls("customer", |row| row % 60 == 30)?
        .with_nulls("id", |row| row % 97 == 5)?;
    let champion = datasets::model("degraded")?;
    let rest = format!(
        "champion: {{model: {}}}\nchecks:\n- {{metric: auc, non_inferiority_margin: 0.01}}\n- {{metric: f1, at: 0.5, min_change: -1}}{CHECKS}",
        champion.display()
    );
    let dataset = "nulls: drop, weight: w, group: customer, id: id";
    let run = |table: &Table| {
        Case::of_showers(dataset, &rest)?
            .file("part.parquet", table)?
            .gate()
            .expect(0)
    };
    let finished = run(&spoilt)?;
    same(&finished, &run(&table.rows_where(is_whole)?)?)?;
    let columns = report(&finished)?["dataset"]["nulls"]["columns"].to_string();
    demand(
        columns.contains("customer") && columns.contains("\"id\""),
        || columns.clone(),
    )
}

#[test]
fn nulls_come_in_other_types_and_orders_in_a_later_file() -> Result<()> {
    let table = table(900)?.rounded_as("asymmetry_mm", &DataType::Float32)?;
    let (first, second) = (table.rows_of(0..500)?, table.rows_of(500..900)?);
    let changed = second
        .turned_round()?
        .rounded_as("asymmetry_mm", &DataType::Float64)?
        .rounded_as(LABEL, &DataType::Int32)?;
    let changed = spoilt(&changed)?;
    let run = |second: &Table, third: Option<&Table>| {
        let case = Case::of_showers("nulls: drop", &format!("checks:{CHECKS}"))?
            .file("part-0.parquet", &first)?
            .file("part-1.parquet", second)?;
        match third {
            Some(third) => case.file("part-2.parquet", third)?.gate().expect(0),
            None => case.gate().expect(0),
        }
    };
    let unweighted = |row: usize| row % 60 != 30 && row % 45 != 30 && row % 97 != 5;
    let expected = run(&second.rows_where(unweighted)?, None)?;
    same(&run(&changed, None)?, &expected)?;
    // Writers leave a column without a single value without a type.
    let typeless = second.with("asymmetry_mm", Arc::new(NullArray::new(second.rows())))?;
    let typed = second.with(
        "asymmetry_mm",
        new_null_array(&DataType::Float32, second.rows()),
    )?;
    for third in [&typeless, &typed] {
        let finished = run(&changed, Some(third))?;
        let (found, expected) = (judged(&finished)?, judged(&expected)?);
        demand(
            found["metrics"] == expected["metrics"] && found["checks"] == expected["checks"],
            || format!("{found}\n{expected}"),
        )?;
        let files = &report(&finished)?["dataset"]["files"];
        demand(
            (&files[2]["rows"], &files[2]["rows_dropped"]) == (&json!(0), &json!(400)),
            || format!("{files}"),
        )?;
    }
    Ok(())
}

#[test]
fn a_vector_with_a_null_in_it_is_a_null() -> Result<()> {
    let file = workspace::root().join("datasets/wide512/validation/part-0000.parquet");
    let table = Table::of_file(&file, 300)?;
    let run = |table: &Table| {
        Case::new("nulls: drop", "checks: [{metric: auc, min: 0.5}]")?
            .file("part.parquet", table)?
            .gate()
            .model(&datasets::model("wide512")?)
            .expect(0)
    };
    let vector = table.features()[0].clone();
    let finished = run(&table.with_nulls(&vector, |row| row % 50 == 4)?)?;
    same(&finished, &run(&table.rows_where(|row| row % 50 != 4)?)?)?;
    let nulls = &report(&finished)?["dataset"]["nulls"];
    demand(
        *nulls == json!({"rows_dropped": 6, "columns": [{"name": vector, "rows": 6}]}),
        || format!("{nulls}"),
    )
}

#[test]
fn several_classes_drop_rows_too_and_need_each_class() -> Result<()> {
    let folder = workspace::root().join("datasets/classes");
    let table = Table::of_file(&folder.join("validation/part-0000.parquet"), 800)?;
    let rest = "model: {classes: 4, inputs: [{columns: [amount_0, amount_1, amount_2]}, {columns: [history]}, {columns: [shop], dtype: int64, flat: true}]}\nchecks: [{metric: auc_ovr, min: 0.5}, {metric: accuracy, min: 0.1}]";
    let run = |table: &Table| {
        Ok::<_, anyhow::Error>(
            Case::new("nulls: drop, expect: {max_null_fraction: 0.5}", rest)?
                .file("part.parquet", table)?
                .gate()
                .model(&folder.join("logits.pt")),
        )
    };
    let spoilt = table
        .with_nulls("amount_1", |row| row % 50 == 4)?
        .with_nulls("history", |row| row % 70 == 9)?;
    let finished = run(&spoilt)?.expect(0)?;
    let whole = table.rows_where(|row| row % 50 != 4 && row % 70 != 9)?;
    same(&finished, &run(&whole)?.expect(0)?)?;
    let labels = table.integers(LABEL)?;
    run(&table.with_nulls("shop", |row| labels[row] == 2)?)?
        .refuses(3, &["no rows of class 2 are left", "nulls in `shop`"])?;
    run(&table.with_nulls("shop", |row| row % 3 > 0)?)?
        .refuses(3, &["allows a fraction of 0.5"])?;
    Ok(())
}
