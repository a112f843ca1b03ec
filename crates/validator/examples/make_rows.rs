//! Writes synthetic labelled rows as Parquet, for measuring time and memory on many rows:
//! `cargo run -p validator --example make_rows -- FOLDER ROWS [FILES]`.
//!
//! Ten single-precision features by the names of `datasets/validation`, drawn by a fixed seed around
//! means that depend on the label; about a third of the rows is positive. Row groups of 131,072 rows.

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// Feature, mean and spread of the negative rows, and how much the positive ones differ.
const FEATURES: [(&str, f32, f32, f32); 10] = [
    ("length_mm", 70.0, 30.0, -25.0),
    ("width_mm", 25.0, 12.0, -7.0),
    ("size_log10", 2.85, 0.4, -0.05),
    ("concentration_two", 0.37, 0.15, 0.02),
    ("concentration_one", 0.21, 0.1, 0.01),
    ("asymmetry_mm", -15.0, 50.0, 17.0),
    ("moment_long_mm", 4.0, 40.0, 10.0),
    ("moment_transverse_mm", 0.2, 18.0, 0.1),
    ("alpha_deg", 43.0, 25.0, -24.0),
    ("distance_mm", 200.0, 70.0, -10.0),
];
const ROW_GROUP_ROWS: usize = 131_072;

/// Splitmix64: rows are the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Nearly normal: the sum of four uniform numbers, standardised.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|part| (bits >> (16 * part)) & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 1.732
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "make_rows FOLDER ROWS [FILES]";
    let folder = PathBuf::from(arguments.next().ok_or(usage)?);
    let rows: usize = arguments.next().ok_or(usage)?.parse()?;
    let files: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    std::fs::create_dir_all(&folder)?;
    let mut fields: Vec<Field> = FEATURES
        .iter()
        .map(|(name, ..)| Field::new(*name, DataType::Float32, false))
        .collect();
    fields.push(Field::new("label", DataType::Int64, false));
    let schema = Arc::new(Schema::new(fields));
    let mut random = Random(20_260_101);
    for file in 0..files {
        let mut left = rows * (file + 1) / files - rows * file / files;
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_dictionary_enabled(false)
            .build();
        let sink = File::create(folder.join(format!("part-{file:05}.parquet")))?;
        let mut writer = ArrowWriter::try_new(sink, Arc::clone(&schema), Some(properties))?;
        while left > 0 {
            let count = left.min(ROW_GROUP_ROWS);
            writer.write(&batch(&schema, count, &mut random)?)?;
            left -= count;
        }
        writer.close()?;
    }
    Ok(())
}

fn batch(
    schema: &Arc<Schema>,
    rows: usize,
    random: &mut Random,
) -> Result<RecordBatch, Box<dyn Error>> {
    let labels: Vec<i64> = (0..rows)
        .map(|_| i64::from(random.next().is_multiple_of(3)))
        .collect();
    let mut columns: Vec<ArrayRef> = FEATURES
        .iter()
        .map(|&(_, mean, spread, difference)| {
            let values = labels.iter().map(|&label| {
                mean + spread * random.normal() + if label == 1 { difference } else { 0.0 }
            });
            Arc::new(Float32Array::from_iter_values(values)) as ArrayRef
        })
        .collect();
    columns.push(Arc::new(Int64Array::from(labels)));
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}
