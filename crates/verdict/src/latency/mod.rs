//! Order statistics of raw latencies, in nanoseconds.
//!
//! Quantiles are nearest-rank values of the raw samples, never interpolated and never read
//! from a histogram. Bounds come from the binomial distribution of the number of samples
//! below the true quantile and assume nothing about the shape of the latencies; they do
//! assume independent samples, which is what [`autocorrelation`] puts to the test.

pub mod independence;
pub mod open_loop;

use statrs::function::gamma::ln_gamma;

/// A quantile and the confidence of its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileQuestion {
    /// The quantile, strictly between 0 and 1, such as 0.99.
    pub quantile: f64,
    /// The confidence of each one-sided bound, strictly between 0 and 1.
    pub confidence: f64,
}

impl QuantileQuestion {
    /// The p99 at 95 % confidence, which the gate's four variables ask for.
    pub const P99: Self = Self {
        quantile: 0.99,
        confidence: 0.95,
    };
}

/// A quantile of a sample and its one-sided bounds, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantileEstimate {
    /// The nearest-rank value.
    pub value_ns: u64,
    /// The lower bound; nothing when the sample is too small.
    pub lower_ns: Option<u64>,
    /// The upper bound; nothing when the sample is too small.
    pub upper_ns: Option<u64>,
}

impl QuantileQuestion {
    /// Returns the question whose two one-sided bounds together hold at the confidence.
    #[must_use]
    pub const fn two_sided(self) -> Self {
        Self {
            confidence: f64::midpoint(1.0, self.confidence),
            ..self
        }
    }
}

/// Computes a quantile and its bounds; `sorted_ns` is ascending, `[n]`.
///
/// Returns nothing for an empty sample.
///
/// Source: David and Nagaraja (2003), Order Statistics, section 7.1.
#[must_use]
pub fn quantile(sorted_ns: &[u64], question: QuantileQuestion) -> Option<QuantileEstimate> {
    let samples = sorted_ns.len() as u64;
    let at = |rank: u64| sorted_ns[(rank - 1) as usize];
    let rank = nearest_rank(samples, question.quantile)?;
    Some(QuantileEstimate {
        value_ns: at(rank),
        lower_ns: lower_bound_rank(samples, question).map(at),
        upper_ns: upper_bound_rank(samples, question).map(at),
    })
}

/// Returns the 1-based nearest rank of a quantile among `samples`; nothing when there are none.
#[must_use]
pub fn nearest_rank(samples: u64, quantile: f64) -> Option<u64> {
    if samples == 0 {
        return None;
    }
    // A product that is whole but for its rounding, such as 0.07 * 100, is meant to be whole.
    let product = quantile * samples as f64 * (1.0 - 4.0 * f64::EPSILON);
    Some((product.ceil() as u64).clamp(1, samples))
}

/// Returns the least 1-based rank whose sample lies at or above the true quantile with the
/// given confidence; nothing when the sample is too small for any.
#[must_use]
pub fn upper_bound_rank(samples: u64, question: QuantileQuestion) -> Option<u64> {
    exceedances_maximum(samples, question).map(|exceedances| samples - exceedances)
}

/// Returns the largest 1-based rank whose sample lies at or below the true quantile with the
/// given confidence; nothing when the sample is too small for any.
#[must_use]
pub fn lower_bound_rank(samples: u64, question: QuantileQuestion) -> Option<u64> {
    // The sample of rank r lies above the true quantile when fewer than r samples lie below:
    // P(Bin(n, q) <= r - 1) must not exceed 1 - confidence.
    largest(samples, |rank| {
        rank == 0 || binomial_cdf(rank - 1, samples, question.quantile) <= 1.0 - question.confidence
    })
    .filter(|&rank| rank > 0)
}

/// Returns how many of `samples` may exceed a limit while the true quantile is still claimed
/// to lie at or below it; nothing when not even zero exceedances support the claim.
///
/// The claim holds when `P(Bin(n, 1 - q) <= t) <= 1 - confidence`.
///
/// Source: the same rule as MLPerf LoadGen's early stopping.
#[must_use]
pub fn exceedances_maximum(samples: u64, question: QuantileQuestion) -> Option<u64> {
    let supported = |exceedances: u64| {
        binomial_cdf(exceedances, samples, 1.0 - question.quantile) <= 1.0 - question.confidence
    };
    if samples == 0 || !supported(0) {
        return None;
    }
    largest(samples - 1, supported)
}

/// Returns the least number of samples that supports an upper bound with that many of them
/// above the limit: 299 for p99 at 95 % and none above.
#[must_use]
pub fn samples_minimum(question: QuantileQuestion, exceedances: u64) -> u64 {
    let supports = |samples: u64| {
        exceedances_maximum(samples, question).is_some_and(|most| most >= exceedances)
    };
    let mut enough = 1;
    while !supports(enough) {
        enough *= 2;
    }
    let mut too_few = enough / 2;
    while enough - too_few > 1 {
        let middle = u64::midpoint(too_few, enough);
        if supports(middle) {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    enough
}

/// Returns the largest value in `0..=ceiling` for which a monotone condition holds, given
/// that it holds for 0.
fn largest(ceiling: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(0) {
        return None;
    }
    let (mut low, mut high) = (0, ceiling + 1);
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    Some(low)
}

/// Computes `P(Bin(trials, probability) <= successes)` by summing terms from the nearer end
/// of the tail until they no longer matter.
pub(crate) fn binomial_cdf(successes: u64, trials: u64, probability: f64) -> f64 {
    if successes >= trials {
        return 1.0;
    }
    let mean = trials as f64 * probability;
    if successes as f64 <= mean {
        tail(successes, trials, probability)
    } else {
        // P(B <= k) = 1 - P(B >= k + 1), and B >= k + 1 is at most n - k - 1 failures.
        1.0 - tail(trials - successes - 1, trials, 1.0 - probability)
    }
}

/// Sums the lower tail `P(Bin <= successes)`; `successes` lies below the mean, so the terms
/// shrink downwards.
fn tail(successes: u64, trials: u64, probability: f64) -> f64 {
    let (n, k) = (trials as f64, successes as f64);
    let ln_first = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
        + k * probability.ln()
        + (n - k) * (-probability).ln_1p();
    let odds = (1.0 - probability) / probability;
    let (mut term, mut sum, mut left) = (1.0, 1.0, successes);
    while left > 0 {
        term *= left as f64 / (trials - left + 1) as f64 * odds;
        if term < sum * 1e-17 {
            break;
        }
        sum += term;
        left -= 1;
    }
    (ln_first + f64::ln(sum)).exp().min(1.0)
}

/// Computes the lag-1 autocorrelation of latencies in the order in which they were taken;
/// nothing for fewer than three samples or no variation.
#[must_use]
pub fn autocorrelation(samples_ns: &[u64]) -> Option<f64> {
    if samples_ns.len() < 3 {
        return None;
    }
    let mean = samples_ns.iter().map(|&ns| ns as f64).sum::<f64>() / samples_ns.len() as f64;
    let deviation = |ns: u64| ns as f64 - mean;
    let variance: f64 = samples_ns.iter().map(|&ns| deviation(ns).powi(2)).sum();
    let covariance: f64 = samples_ns
        .windows(2)
        .map(|pair| deviation(pair[0]) * deviation(pair[1]))
        .sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn p99_at_95_percent_needs_299_samples() {
        assert_eq!(upper_bound_rank(298, QuantileQuestion::P99), None);
        assert_eq!(upper_bound_rank(299, QuantileQuestion::P99), Some(299));
        assert_eq!(samples_minimum(QuantileQuestion::P99, 0), 299);
    }

    /// `mlperf.conf` publishes `MultiStream.min_query_count = 662` for the same rule.
    #[test]
    fn the_rule_agrees_with_the_published_query_count_of_loadgen() {
        let question = QuantileQuestion {
            quantile: 0.99,
            confidence: 0.99,
        };
        assert_eq!(samples_minimum(question, 1), 662);
    }

    #[test]
    fn a_few_slow_calls_in_a_small_sample_already_refute_the_claim() {
        let mut sorted: Vec<u64> = vec![1_000; 57];
        sorted.extend([9_000_000; 3]);
        let estimate = quantile(&sorted, QuantileQuestion::P99).expect("not empty");
        assert_eq!(estimate.upper_ns, None);
        assert_eq!(estimate.lower_ns, Some(9_000_000));
    }

    /// The table of `P(Bin(n, 1 - q) <= t) <= 1 - c`, t = 0, 1, 2, 5, 10; made with scipy.
    #[test]
    fn the_least_samples_are_those_of_the_binomial_distribution() {
        for (quantile, confidence, least) in [
            (0.9, 0.95, [29, 46, 61, 103, 167]),
            (0.9, 0.99, [44, 64, 81, 127, 197]),
            (0.95, 0.95, [59, 93, 124, 208, 336]),
            (0.95, 0.99, [90, 130, 165, 259, 398]),
            (0.99, 0.95, [299, 473, 628, 1049, 1693]),
            (0.99, 0.99, [459, 662, 838, 1307, 2010]),
            (0.999, 0.95, [2995, 4742, 6294, 10511, 16959]),
            (0.999, 0.99, [4603, 6636, 8403, 13105, 20140]),
            (0.9999, 0.95, [29956, 47437, 62956, 105_128, 169_619]),
            (0.9999, 0.99, [46050, 66381, 84057, 131_081, 201_442]),
        ] {
            let question = QuantileQuestion {
                quantile,
                confidence,
            };
            for (exceedances, least) in [0, 1, 2, 5, 10].into_iter().zip(least) {
                assert_eq!(samples_minimum(question, exceedances), least);
            }
        }
    }

    #[test]
    fn ranks_are_those_of_exact_arithmetic() {
        for per_mille in 1..1000u64 {
            for samples in [1, 7, 100, 299, 1000, 2000, 12_345, 1_000_000] {
                let exact = (per_mille * samples).div_ceil(1000);
                let quantile = per_mille as f64 / 1000.0;
                assert_eq!(
                    nearest_rank(samples, quantile),
                    Some(exact),
                    "{quantile} {samples}"
                );
            }
        }
    }

    #[test]
    fn an_empty_sample_has_no_quantile() {
        assert_eq!(quantile(&[], QuantileQuestion::P99), None);
        assert_eq!(lower_bound_rank(0, QuantileQuestion::P99), None);
        assert_eq!(exceedances_maximum(0, QuantileQuestion::P99), None);
    }

    #[test]
    fn runs_of_slow_calls_show_up_as_autocorrelation() {
        let runs: Vec<u64> = (0..400)
            .map(|i| if i / 50 % 2 == 0 { 10 } else { 20 })
            .collect();
        assert!(autocorrelation(&runs).expect("varies") > 0.9);
        let alternating: Vec<u64> = (0..400).map(|i| 10 + i % 2).collect();
        assert!(autocorrelation(&alternating).expect("varies") < -0.9);
        assert_eq!(autocorrelation(&[5; 100]), None);
    }

    #[test]
    fn the_distribution_function_is_right_at_both_ends_and_in_the_middle() {
        // Bin(4, 0.5): 1, 5, 11, 15, 16 sixteenths.
        for (successes, sixteenths) in [(0, 1.0), (1, 5.0), (2, 11.0), (3, 15.0), (4, 16.0)] {
            let found = binomial_cdf(successes, 4, 0.5);
            assert!(
                (found - sixteenths / 16.0).abs() < 1e-12,
                "{successes}: {found}"
            );
        }
        let half = binomial_cdf(500_000, 1_000_000, 0.5);
        assert!((half - 0.500_398_942).abs() < 1e-6, "{half}");
    }

    proptest! {
        #[test]
        fn bounds_enclose_the_value_and_widen_with_confidence(
            mut samples in prop::collection::vec(0u64..1_000_000, 1..3000),
        ) {
            samples.sort_unstable();
            let at = |confidence| quantile(&samples, QuantileQuestion { quantile: 0.99, confidence })
                .expect("not empty");
            let (narrow, wide) = (at(0.95), at(0.99));
            if let Some(upper) = narrow.upper_ns {
                prop_assert!(upper >= narrow.value_ns);
                prop_assert!(wide.upper_ns.is_none_or(|wider| wider >= upper));
            } else {
                prop_assert_eq!(wide.upper_ns, None);
            }
            if let Some(lower) = narrow.lower_ns {
                prop_assert!(lower <= narrow.value_ns);
                prop_assert!(wide.lower_ns.is_none_or(|wider| wider <= lower));
            }
        }
    }
}
