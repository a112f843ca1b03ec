//! Gathers, spills and merges many synthetic rows in bounded memory, and checks the merged
//! area against the exact count of wins that the rows were drawn with.
//!
//! `cargo xtask soak rows --rows 100000000` runs it.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;
use std::time::Instant;

use verdict::metric::{Metric, OutputKind};
use verdict::random::Stream;
use verdict::score::{ScoreAccumulator, ScoreSlice};
use verdict::summary::stream::{evaluate_stream, scan};
use verdict::summary::{KeyWidth, Merge, RunHeader, RunReader, RunWriter, merge};

const BATCH: u64 = 65_536;

/// Writes the rows `from..to` as a sorted run; a row's score is a whole number below 2^24, so
/// that a table of counts can check the result.
fn spill(
    path: &PathBuf,
    shard: u32,
    rows: std::ops::Range<u64>,
    counts: &mut [[u32; 2]],
) -> outcome::Result<u64> {
    let mut gathered = ScoreAccumulator::new();
    for start in rows.clone().step_by(BATCH as usize) {
        let mut stream = Stream::new(start, 0, 60);
        let batch = BATCH.min(rows.end - start);
        let labels: Vec<bool> = (0..batch)
            .map(|_| stream.bits().is_multiple_of(50))
            .collect();
        let scores: Vec<f32> = labels
            .iter()
            .map(|&label| {
                let score = (stream.bits() >> 9) + if label { 1 << 21 } else { 0 };
                counts[score as usize][usize::from(label)] += 1;
                score as f32
            })
            .collect();
        gathered.extend(ScoreSlice::Single(&scores), &labels)?;
    }
    let header = RunHeader {
        width: KeyWidth::Single,
        weighted: false,
        identity: [0; 32],
        shard,
        shards: 1,
    };
    let mut writer = RunWriter::new(BufWriter::new(File::create(path)?), header)?;
    writer.push_scores(&gathered.finish())?;
    writer.finish()?;
    Ok(std::fs::metadata(path)?.len())
}

/// The errors of this example, without a crate for them.
mod outcome {
    pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
}

fn open(paths: &[PathBuf]) -> outcome::Result<Merge<RunReader<BufReader<File>>>> {
    let runs = paths
        .iter()
        .map(|path| Ok(RunReader::new(BufReader::new(File::open(path)?))?))
        .collect::<outcome::Result<Vec<_>>>()?;
    Ok(merge(runs))
}

/// The folder of the runs; gone with its content however the soak ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the system's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Returns the largest resident memory so far in MiB, where Linux tells it.
fn resident_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

#[expect(clippy::print_stdout, reason = "an example prints what it measured")]
fn main() -> outcome::Result<()> {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let rows: u64 = arguments.next().unwrap_or(10_000_000);
    let rows_of_run: u64 = arguments.next().unwrap_or(1_000_000);
    let folder = std::env::temp_dir().join(format!("merge-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let folder = Folder(folder);
    // Up to 128 MiB for the check, which a real merge does not need.
    let mut counts = vec![[0u32; 2]; 1 << 24];
    let started = Instant::now();
    let (mut paths, mut bytes) = (Vec::new(), 0);
    for from in (0..rows).step_by(rows_of_run as usize) {
        let path = folder.0.join(format!("{from}.run"));
        let shard = paths.len() as u32;
        bytes += spill(
            &path,
            shard,
            from..rows.min(from + rows_of_run),
            &mut counts,
        )?;
        paths.push(path);
    }
    println!(
        "{rows} rows in {} runs, {bytes} bytes, written in {:?}; at most {:?} MiB resident, the table of the check included",
        paths.len(),
        started.elapsed(),
        resident_mib()
    );
    let started = Instant::now();
    let totals = scan(open(&paths)?)?;
    let metrics = [
        Metric::Auc,
        Metric::AveragePrecision,
        Metric::KolmogorovSmirnov,
    ];
    let found = evaluate_stream(open(&paths)?, &totals, &metrics, OutputKind::Logits)?;
    println!(
        "merged twice in {:?}; at most {:?} MiB resident: {:?}",
        started.elapsed(),
        resident_mib(),
        found
    );
    let (mut below, mut doubled) = (0u64, 0u128);
    let (mut positives, mut negatives) = (0u64, 0u64);
    for [negative, positive] in counts {
        doubled += u128::from(positive) * u128::from(2 * below + u64::from(negative));
        below += u64::from(negative);
        positives += u64::from(positive);
        negatives += u64::from(negative);
    }
    let expected = doubled as f64 / (2 * u128::from(positives) * u128::from(negatives)) as f64;
    let area = found.area?;
    if area.value != expected || totals.positives + totals.negatives != rows {
        return Err(format!("the merged area is {}, not {expected}", area.value).into());
    }
    println!("the merged area is exactly that of the counted rows");
    Ok(())
}
