//! Whether timed calls are independent, and what to claim when they are not.
//!
//! A processor quota, a garbage collector or a noisy neighbour makes slow calls come in runs.
//! A sample of runs tells less than as many independent calls, so bounds that assume
//! independence are too narrow. Here runs of slow calls are taken for a two-state Markov
//! chain, whose exceedances vary as those of fewer, independent calls do.

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
    /// Lag-1 autocorrelation of being above the nearest-rank quantile; nothing when no call
    /// is.
    pub exceedance_autocorrelation: Option<f64>,
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
    let quantile = sorted[nearest_rank(sorted.len() as u64, question.quantile)? as usize - 1];
    let exceeding: Vec<u64> = samples_ns
        .iter()
        .map(|&sample| u64::from(sample > quantile))
        .collect();
    let of_exceedances = super::autocorrelation(&exceeding);
    let correlation = of_exceedances.unwrap_or(0.0).clamp(0.0, 0.999_999);
    // The variance of a mean over a two-state chain is (1 + r) / (1 - r) times that of
    // independent draws.
    let effective = samples_ns.len() as f64 * (1.0 - correlation) / (1.0 + correlation);
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
        effective_samples: effective.floor() as u64,
        block_quantiles_ns: block_quantiles_ns.collect(),
    })
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
    fn too_few_effective_calls_support_no_bound() {
        let sorted: Vec<u64> = (0..2000).collect();
        let found = quantile_allowing_runs(&sorted, QuantileQuestion::P99, 298).expect("many");
        assert_eq!(found.upper_ns, None);
        assert_eq!(independence(&[1, 2, 3], QuantileQuestion::P99, 2), None);
    }
}
