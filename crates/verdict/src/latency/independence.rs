//! Whether timed calls are independent, and what to claim when they are not.
//!
//! A processor quota, a garbage collector or a noisy neighbour makes slow calls come in runs.
//! A sample of runs tells less than as many independent calls, so bounds that assume
//! independence are too narrow. Two measures say by how much the number of slow calls varies
//! more than it should, and the larger one counts:
//!
//! - runs of slow calls, taken for a two-state Markov chain, at several levels of slowness:
//!   the level at the quantile itself mixes truly slow calls with the slowest of the quick
//!   ones just when there happen to be too few of the former;
//! - the spread of the number of slow calls between stretches of the sample, which also sees
//!   slow times in which quick calls are strewn.

use super::{
    QuantileEstimate, QuantileQuestion, exceedances_maximum, lower_bound_rank, nearest_rank,
};

/// The fewest blocks into which a sample is split.
pub const BLOCKS_MINIMUM: usize = 5;

/// What the order of a sample says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Independence {
    /// Lag-1 autocorrelation of the latencies; nothing without variation.
    pub autocorrelation: Option<f64>,
    /// The largest lag-1 autocorrelation of being among the slow calls, over several levels
    /// around the quantile; nothing when there are too few slow calls.
    pub exceedance_autocorrelation: Option<f64>,
    /// The variance of the number of slow calls between stretches, over that of independent
    /// calls; about 1 for those, nothing when there are too few slow calls.
    pub dispersion: Option<f64>,
    /// How many independent calls tell as much about the quantile; at most the calls made.
    pub effective_samples: u64,
    /// The quantile of each of equally long, successive blocks, in nanoseconds.
    pub block_quantiles_ns: Vec<u64>,
}

/// Reads the order of a sample: `samples_ns` as they were taken, `[n]`.
///
/// Blocks are at least [`BLOCKS_MINIMUM`]. Returns nothing for fewer samples than blocks.
#[must_use]
pub fn independence(
    samples_ns: &[u64],
    question: QuantileQuestion,
    blocks: usize,
) -> Option<Independence> {
    let blocks = blocks.max(BLOCKS_MINIMUM);
    if samples_ns.len() < blocks {
        return None;
    }
    let mut sorted = samples_ns.to_vec();
    sorted.sort_unstable();
    let slow_share = 1.0 - question.quantile;
    let levels = LEVELS.iter().filter_map(|level| {
        let limit = level_ns(&sorted, slow_share * level)?;
        let slow: Vec<u64> = samples_ns
            .iter()
            .map(|&sample| u64::from(sample >= limit))
            .collect();
        Some((super::autocorrelation(&slow), dispersion(&slow)))
    });
    let (correlations, dispersions): (Vec<_>, Vec<_>) = levels.unzip();
    let largest = |values: Vec<Option<f64>>| values.into_iter().flatten().reduce(f64::max);
    let (of_exceedances, dispersion) = (largest(correlations), largest(dispersions));
    let correlation = of_exceedances.unwrap_or(0.0).clamp(0.0, 0.999_999);
    // The variance of a mean over a two-state chain is (1 + r) / (1 - r) times that of
    // independent draws.
    let of_runs = (1.0 + correlation) / (1.0 - correlation);
    let of_stretches = dispersion.filter(|&found| found > DISPERSION_NOTABLE);
    let inflation = of_runs.max(of_stretches.unwrap_or(1.0));
    let effective = samples_ns.len() as f64 / inflation;
    let block_quantiles_ns = (0..blocks).filter_map(|block| {
        let at = |block: usize| block * samples_ns.len() / blocks;
        let mut part = samples_ns[at(block)..at(block + 1)].to_vec();
        part.sort_unstable();
        let rank = nearest_rank(part.len() as u64, question.quantile)?;
        Some(part[rank as usize - 1])
    });
    Some(Independence {
        autocorrelation: super::autocorrelation(samples_ns),
        exceedance_autocorrelation: of_exceedances,
        dispersion,
        effective_samples: effective.floor() as u64,
        block_quantiles_ns: block_quantiles_ns.collect(),
    })
}

/// Multiples of the share of slow calls at which their runs are looked for.
const LEVELS: [f64; 3] = [1.0, 0.5, 0.25];
/// Fewer slow calls than this say nothing about their order.
const SLOW_CALLS_MINIMUM: usize = 5;
/// Stretches between which the number of slow calls is compared.
const STRETCHES: usize = 30;
/// Two standard deviations of the dispersion of independent calls above its mean of 1.
const DISPERSION_NOTABLE: f64 = 1.53;

/// Returns the least latency of the slow calls when they are about the given share of the
/// sample; nothing when they are too few, or too many since latencies tie there.
fn level_ns(sorted: &[u64], slow_share: f64) -> Option<u64> {
    let wanted = (slow_share * sorted.len() as f64).round() as usize;
    let limit = *sorted.get(sorted.len().checked_sub(wanted.max(1))?)?;
    let slow = sorted.len() - sorted.partition_point(|&sample| sample < limit);
    (slow >= SLOW_CALLS_MINIMUM && slow <= 4 * wanted).then_some(limit)
}

/// Compares the spread of slow calls between stretches with that of independent calls.
fn dispersion(slow: &[u64]) -> Option<f64> {
    let stretches = STRETCHES.min(slow.len() / 20);
    if stretches < BLOCKS_MINIMUM {
        return None;
    }
    let length = slow.len() / stretches;
    let counts: Vec<f64> = slow
        .chunks_exact(length)
        .take(stretches)
        .map(|stretch| stretch.iter().sum::<u64>() as f64)
        .collect();
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let variance = counts
        .iter()
        .map(|count| (count - mean).powi(2))
        .sum::<f64>()
        / (counts.len() - 1) as f64;
    let expected = mean * (1.0 - mean / length as f64);
    (expected > 0.0).then(|| variance / expected)
}

/// Computes a quantile with bounds as wide as `effective_samples` independent calls would
/// give; `sorted_ns` is ascending, `[n]`.
///
/// Returns nothing for an empty sample. With as many effective samples as real ones this is
/// [`super::quantile`].
#[must_use]
pub fn quantile_allowing_runs(
    sorted_ns: &[u64],
    question: QuantileQuestion,
    effective_samples: u64,
) -> Option<QuantileEstimate> {
    let samples = sorted_ns.len() as u64;
    let rank = nearest_rank(samples, question.quantile)?;
    let effective = effective_samples.min(samples);
    let at = |rank: u64| sorted_ns[rank.clamp(1, samples) as usize - 1];
    // Shares of the effective sample, carried over to the real one and rounded outwards.
    let scaled = |count: u64| {
        (u128::from(count) * u128::from(samples) / u128::from(effective.max(1))) as u64
    };
    Some(QuantileEstimate {
        value_ns: at(rank),
        lower_ns: lower_bound_rank(effective, question).map(|rank| at(scaled(rank))),
        upper_ns: exceedances_maximum(effective, question)
            .map(|exceedances| at(samples - scaled(exceedances))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::quantile;
    use crate::random::Stream;

    /// Slow with probability 0.01 in runs of the given mean length.
    fn chain(seed: u64, calls: usize, run: f64) -> Vec<u64> {
        let mut stream = Stream::new(seed, 0, 77);
        let mut slow = false;
        (0..calls)
            .map(|_| {
                let stay = 1.0 - 1.0 / run;
                let enter = 0.02 / 0.98 / run;
                slow = stream.unit() < if slow { stay } else { enter };
                let jitter = (stream.unit() * 1000.0) as u64;
                if slow { 50_000 + jitter } else { 1000 + jitter }
            })
            .collect()
    }

    #[test]
    fn independent_calls_keep_their_number_and_their_bounds() {
        let samples = chain(1, 5000, 1.0);
        let found = independence(&samples, QuantileQuestion::P99, 5).expect("many");
        assert!(
            found.effective_samples > 4500,
            "{}",
            found.effective_samples
        );
        assert_eq!(found.block_quantiles_ns.len(), 5);
        let mut sorted = samples;
        sorted.sort_unstable();
        assert_eq!(
            quantile_allowing_runs(&sorted, QuantileQuestion::P99, 5000),
            quantile(&sorted, QuantileQuestion::P99)
        );
    }

    #[test]
    fn runs_of_slow_calls_widen_the_bounds() {
        let samples = chain(2, 20_000, 8.0);
        let found = independence(&samples, QuantileQuestion::P99, 5).expect("many");
        let correlation = found.exceedance_autocorrelation.expect("some exceed");
        assert!(correlation > 0.2, "{correlation}");
        assert!(
            found.effective_samples < 12_000,
            "{}",
            found.effective_samples
        );
        let mut sorted = samples;
        sorted.sort_unstable();
        let naive = quantile(&sorted, QuantileQuestion::P99).expect("many");
        let wide = quantile_allowing_runs(&sorted, QuantileQuestion::P99, found.effective_samples)
            .expect("many");
        assert_eq!(wide.value_ns, naive.value_ns);
        assert!(wide.upper_ns > naive.upper_ns && wide.lower_ns < naive.lower_ns);
    }

    #[test]
    fn slow_times_with_quick_calls_strewn_in_are_seen_too() {
        // Every other call of a slow time is slow: no two in a row.
        let mut samples = vec![1000; 10_000];
        for start in [1000, 1100, 7000] {
            (start..start + 80)
                .step_by(2)
                .for_each(|at| samples[at] = 50_000);
        }
        let found = independence(&samples, QuantileQuestion::P99, 5).expect("many");
        assert!(found.exceedance_autocorrelation.expect("slow calls") < 0.1);
        assert!(found.dispersion.expect("slow calls") > 10.0);
        assert!(
            found.effective_samples < 1000,
            "{}",
            found.effective_samples
        );
    }

    #[test]
    fn too_few_effective_calls_support_no_bound() {
        let sorted: Vec<u64> = (0..2000).collect();
        let found = quantile_allowing_runs(&sorted, QuantileQuestion::P99, 298).expect("many");
        assert_eq!(found.upper_ns, None);
        assert_eq!(independence(&[1, 2, 3], QuantileQuestion::P99, 2), None);
    }
}
