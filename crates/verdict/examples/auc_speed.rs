//! Times the exact area, its variance and interval on random scores.
//!
//! `cargo run --profile PROFILE -p verdict --example auc_speed -- 1000000 10000000`

use std::time::Instant;

use verdict::auc::auc;
use verdict::interval::{IntervalMethod, Tails, bounds};
use verdict::score::{ScoreAccumulator, ScoreSlice};

/// Splitmix64: a few lines suffice where only speed is at stake.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn main() {
    for argument in std::env::args().skip(1) {
        let Ok(rows) = argument.parse::<usize>() else {
            continue;
        };
        let mut state = 1;
        let labels: Vec<bool> = (0..rows)
            .map(|_| next(&mut state).is_multiple_of(50))
            .collect();
        let scores: Vec<f32> = labels
            .iter()
            .map(|&label| {
                let noise = (next(&mut state) >> 40) as f32 / (1u32 << 24) as f32;
                noise + if label { 0.4 } else { 0.0 }
            })
            .collect();
        let started = Instant::now();
        let mut gathered = ScoreAccumulator::new();
        for (scores, labels) in scores.chunks(8192).zip(labels.chunks(8192)) {
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
        #[expect(clippy::print_stdout, reason = "an example prints what it measured")]
        {
            println!(
                "{rows} rows: {total:?} (gathering {gathering:?}, sorting {sorting:?}), auc {:.6}, {interval:?}",
                area.value
            );
        }
    }
}
