//! Times the exact area with DeLong's interval on scores from files, on one core, and prints one
//! line of JSON: what `cargo xtask bench validate` compares with scikit-learn.
//!
//! `auc_of_files SCORES.f32 LABELS.u8 ROUNDS`

use std::time::Instant;

use verdict::auc::auc;
use verdict::interval::{IntervalMethod, Tails, bounds};
use verdict::score::{ScoreAccumulator, ScoreSlice};

/// As many scores as the gate hands over at a time.
const BATCH: usize = 8192;

#[expect(clippy::print_stdout, reason = "an example prints what it measured")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scores, labels, rounds] = arguments.as_slice() else {
        return Err("usage: auc_of_files SCORES.f32 LABELS.u8 ROUNDS".into());
    };
    let scores: Vec<f32> = std::fs::read(scores)?
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let labels: Vec<bool> = std::fs::read(labels)?
        .iter()
        .map(|&byte| byte == 1)
        .collect();
    let mut times = Vec::new();
    let mut found = None;
    for _ in 0..rounds.parse::<usize>()? {
        let started = Instant::now();
        let mut gathered = ScoreAccumulator::new();
        for (scores, labels) in scores.chunks(BATCH).zip(labels.chunks(BATCH)) {
            gathered.extend(ScoreSlice::Single(scores), labels)?;
        }
        let area = auc(&gathered.finish())?;
        let interval = bounds(&area, 0.95, Tails::TwoSided, IntervalMethod::LogitT)?;
        times.push(format!("{}", started.elapsed().as_secs_f64() * 1e3));
        found = Some((area.value, interval));
    }
    let (value, interval) = found.ok_or("no round was asked for")?;
    println!(
        "{{\"value\": {value:?}, \"lower\": {:?}, \"upper\": {:?}, \"ms\": [{}]}}",
        interval.lower,
        interval.upper,
        times.join(", ")
    );
    Ok(())
}
