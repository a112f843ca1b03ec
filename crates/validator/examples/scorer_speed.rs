//! Prints what the scorer costs: start, throughput by batch size, overhead of a timed call.
//!
//! `cargo run --release -p validator --example scorer_speed -- target/release/validator-scorer datasets/champion.pt 10`

use std::time::{Duration, Instant};

use ndarray::{Array2, s};
use validator::scorer::{LatencyPlan, Scorer, ScorerProcess, SpawnOptions};

#[expect(clippy::print_stdout, reason = "a tool for people")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(scorer), Some(model), Some(width)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: scorer_speed SCORER MODEL WIDTH".into());
    };
    let width: usize = width.parse()?;
    let options = SpawnOptions::new(scorer, model);
    let mut spawns: Vec<Duration> = Vec::new();
    for _ in 0..5 {
        spawns.push(ScorerProcess::spawn(options.clone())?.model().spawn);
    }
    spawns.sort();
    println!("start to loaded model: {:?} (median of 5)", spawns[2]);
    let mut process = ScorerProcess::spawn(options)?;
    println!("of which loading: {:?}", process.model().load);

    let rows = Array2::from_shape_fn((65_536, width), |(row, column)| {
        ((row * 31 + column * 17) % 1_000) as f32 / 100.0
    });
    for batch in [1, 64, 1_024, 8_192, 65_536] {
        let calls = (200_000 / batch).clamp(8, 5_000);
        process.score(rows.slice(s![..batch, ..]))?;
        let started = Instant::now();
        for _ in 0..calls {
            process.score(rows.slice(s![..batch, ..]))?;
        }
        let elapsed = started.elapsed();
        let rate = (batch * calls) as f64 / elapsed.as_secs_f64();
        println!(
            "batch {batch}: {rate:.0} rows/s, {:?} a call",
            elapsed / calls as u32
        );
    }

    let mut samples = process.measure(rows.slice(s![..2_000, ..]), &LatencyPlan::default())?;
    samples.nanoseconds.sort_unstable();
    let rank = |quantile: f64| {
        let index = (samples.nanoseconds.len() as f64 * quantile).ceil() as usize - 1;
        samples.nanoseconds[index]
    };
    println!(
        "single row: p50 {} ns, p99 {} ns, p99.9 {} ns (n={}, warm-up {}, stable {}), first call {:?}",
        rank(0.5),
        rank(0.99),
        rank(0.999),
        samples.nanoseconds.len(),
        samples.warm_up_calls,
        samples.warm_up_stable,
        samples.first_call,
    );
    println!("overhead of a timed call: {:.0} ns", samples.overhead_ns);
    println!(
        "peak memory: {} MiB",
        samples.peak_memory_bytes.unwrap_or(0) >> 20
    );
    Ok(())
}
