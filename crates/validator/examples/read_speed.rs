//! Times reading a local dataset into the rows that a model takes, and prints one line of JSON:
//! what `cargo xtask bench validate` compares with pyarrow.
//!
//! `read_speed FOLDER ROUNDS`; the runtime has one worker and Parquet is decoded there, while the
//! caller only adds up.

use std::sync::Arc;
use std::time::Instant;

use validator::dataset::{ColumnSelection, Dataset, FeatureSelection, FileFilter, LocalSource};

#[expect(clippy::print_stdout, reason = "an example prints what it measured")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rounds] = arguments.as_slice() else {
        return Err("usage: read_speed FOLDER ROUNDS".into());
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let (mut times, mut value) = (Vec::new(), 0.0);
    for _ in 0..rounds.parse::<usize>()? {
        let selection = ColumnSelection::new("label", FeatureSelection::AllBut(Vec::new()));
        let started = Instant::now();
        let source = Arc::new(LocalSource::new(folder));
        let dataset = runtime.block_on(Dataset::open(source, selection, &FileFilter::default()))?;
        let within = runtime.enter();
        let mut batches = dataset.into_batches();
        let mut kept = Vec::new();
        while let Some(batch) = batches.next_blocking()? {
            kept.push(batch);
        }
        drop(within);
        times.push(format!("{}", started.elapsed().as_secs_f64() * 1e3));
        value = kept
            .iter()
            .map(|batch| {
                let features: f64 = batch
                    .features()
                    .iter()
                    .map(|&number| f64::from(number))
                    .sum();
                features + batch.labels.iter().filter(|&&label| label).count() as f64
            })
            .sum();
    }
    println!("{{\"value\": {value:?}, \"ms\": [{}]}}", times.join(", "));
    Ok(())
}
