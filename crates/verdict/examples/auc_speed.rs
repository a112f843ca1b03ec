//! Times the metrics on random scores, on one core: processor time where Linux tells it, so
//! that other work on the machine counts little; else wall time.
//!
//! `cargo run --release -p verdict --example auc_speed -- 1000000 10000000`

use std::time::{Duration, Instant};

use verdict::auc::auc;
use verdict::interval::{IntervalMethod, Tails, bounds};
use verdict::metric::{Binning, Metric, OutputKind, evaluate_all};
use verdict::paired::compare;
use verdict::random::Stream;
use verdict::rows::{Row, RowAccumulator};
use verdict::score::{ScoreAccumulator, ScoreSlice};
use verdict::summary::{KeyWidth, RunHeader, RunReader, RunWriter, merge};

const BATCH: usize = 8192;

/// A stopwatch of the time that this thread has spent on a processor.
#[derive(Clone, Copy)]
struct Watch {
    wall: Instant,
    processor: Option<Duration>,
}

impl Watch {
    fn now() -> Self {
        // The first field is in nanoseconds; see Linux's Documentation/scheduler/sched-stats.
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let first = text.and_then(|text| text.split_whitespace().next()?.parse().ok());
        Self {
            wall: Instant::now(),
            processor: first.map(Duration::from_nanos),
        }
    }

    fn elapsed(self) -> Duration {
        match (Self::now().processor, self.processor) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ => self.wall.elapsed(),
        }
    }
}

fn drawn(rows: usize, one_in: u32) -> (Vec<f32>, Vec<bool>) {
    let mut stream = Stream::new(1, 0, 0);
    let labels: Vec<bool> = (0..rows)
        .map(|_| stream.bits().is_multiple_of(one_in))
        .collect();
    let scores = labels
        .iter()
        .map(|&label| {
            let noise = (stream.bits() >> 8) as f32 / (1u32 << 24) as f32;
            noise + if label { 0.4 } else { 0.0 }
        })
        .collect();
    (scores, labels)
}

#[expect(clippy::print_stdout, reason = "an example prints what it measured")]
fn main() {
    let rows: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    for rows in rows {
        for one_in in [50, 2] {
            let (scores, labels) = drawn(rows, one_in);
            let started = Watch::now();
            let mut gathered = ScoreAccumulator::new();
            for (scores, labels) in scores.chunks(BATCH).zip(labels.chunks(BATCH)) {
                gathered
                    .extend(ScoreSlice::Single(scores), labels)
                    .expect("no NaN was drawn");
            }
            let gathering = started.elapsed();
            let ranked = gathered.finish();
            let sorting = started.elapsed() - gathering;
            let area = auc(&ranked).expect("both classes were drawn");
            let interval = bounds(&area, 0.95, Tails::OneSided, IntervalMethod::LogitT);
            let total = started.elapsed();
            println!(
                "{rows} rows, one in {one_in} positive: area and bounds {total:?} (gathering {gathering:?}, sorting {sorting:?}), {:.6}, {interval:?}",
                area.value
            );
            let started = Watch::now();
            let metrics = [
                Metric::AveragePrecision,
                Metric::KolmogorovSmirnov,
                Metric::F1 { at: 0.5 },
                Metric::LogLoss,
                Metric::Brier,
                Metric::CalibrationError {
                    bins: 15,
                    binning: Binning::EqualWidth,
                },
            ];
            let values = evaluate_all(&metrics, &ranked, OutputKind::Logits);
            println!(
                "  six more metrics {:?}: {:.4}",
                started.elapsed(),
                values[0].as_ref().expect("defined")
            );
            summary(&scores, &labels);
            let started = Watch::now();
            let mut wide = ScoreAccumulator::new();
            let doubles: Vec<f64> = scores.iter().map(|&score| f64::from(score) * 1.1).collect();
            wide.extend(ScoreSlice::Double(&doubles), &labels)
                .expect("no NaN was drawn");
            let of_doubles = auc(&wide.finish()).expect("both classes were drawn");
            println!(
                "  in double precision {:?}: {:.6}",
                started.elapsed(),
                of_doubles.value
            );
            let started = Watch::now();
            let mut pairs = RowAccumulator::default();
            pairs.extend(scores.iter().zip(&labels).map(|(&score, &positive)| Row {
                scores: [f64::from(score), (f64::from(score) * 3.0).sin()],
                positive,
                weight: 1.0,
                cluster: None,
            }));
            let pair = compare(&pairs.finish()).expect("both classes were drawn");
            println!(
                "  two models {:?}: {:.6}",
                started.elapsed(),
                pair.difference
            );
        }
    }
}

/// Ten shards, written, read and merged.
#[expect(clippy::print_stdout, reason = "an example prints what it measured")]
fn summary(scores: &[f32], labels: &[bool]) {
    let header = RunHeader {
        width: KeyWidth::Single,
        weighted: false,
        identity: [0; 32],
        shard: 0,
        shards: 1,
    };
    let started = Watch::now();
    let share = scores.len().div_ceil(10);
    let shards: Vec<Vec<u8>> = scores
        .chunks(share)
        .zip(labels.chunks(share))
        .map(|(scores, labels)| {
            let mut gathered = ScoreAccumulator::new();
            gathered
                .extend(ScoreSlice::Single(scores), labels)
                .expect("no NaN was drawn");
            let mut writer = RunWriter::new(Vec::new(), header).expect("memory");
            writer.push_scores(&gathered.finish()).expect("ascending");
            writer.finish().expect("memory").0
        })
        .collect();
    let writing = started.elapsed();
    let bytes: usize = shards.iter().map(Vec::len).sum();
    let runs = shards
        .iter()
        .map(|bytes| RunReader::new(bytes.as_slice()).expect("a run"));
    let entries = merge(runs).filter(Result::is_ok).count();
    println!(
        "  ten shards written {writing:?} ({bytes} bytes), read and merged {:?}: {entries} distinct scores",
        started.elapsed() - writing
    );
}
