//! Intervals of proportions.

use crate::interval::{Bounds, IntervalError, Tails, normal_quantile};

/// How many of how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// How many have the property.
    pub successes: u64,
    /// How many there are.
    pub trials: u64,
}

/// Computes Wilson's score bounds of a proportion; never of width zero.
///
/// Source: Wilson (1927), JASA 22(158):209-212; recommended by Brown, Cai and DasGupta
/// (2001), Statistical Science 16(2):101-133.
///
/// # Errors
/// [`IntervalError::TooFewRows`] without trials or with more successes than trials;
/// [`IntervalError::Confidence`].
pub fn wilson(
    proportion: Proportion,
    confidence: f64,
    tails: Tails,
) -> Result<Bounds, IntervalError> {
    let z = normal_quantile(tails.probability(confidence)?);
    let Proportion { successes, trials } = proportion;
    if trials == 0 || successes > trials {
        return Err(IntervalError::TooFewRows);
    }
    let n = trials as f64;
    let share = successes as f64 / n;
    let square = z * z;
    let centre = share + square / (2.0 * n);
    let reach = z * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
    let scale = 1.0 + square / n;
    Ok(Bounds {
        // At the ends the formula is exact but for rounding.
        lower: if successes == 0 {
            0.0
        } else {
            ((centre - reach) / scale).max(0.0)
        },
        upper: if successes == trials {
            1.0
        } else {
            ((centre + reach) / scale).min(1.0)
        },
    })
}

/// Computes bounds of the difference `second - first` of two independent proportions.
///
/// Source: Newcombe (1998), Statistics in Medicine 17:873-890, method 10.
///
/// # Errors
/// As [`wilson`].
pub fn difference(
    first: Proportion,
    second: Proportion,
    confidence: f64,
    tails: Tails,
) -> Result<Bounds, IntervalError> {
    let (of_first, of_second) = (
        wilson(first, confidence, tails)?,
        wilson(second, confidence, tails)?,
    );
    let share = |proportion: Proportion| proportion.successes as f64 / proportion.trials as f64;
    Ok(combine(
        (share(first), of_first),
        (share(second), of_second),
    ))
}

/// Combines two independent estimates and their bounds into bounds of `second - first`.
///
/// Source: Zou and Donner (2008), Statistics in Medicine 27:1693-1702 (MOVER).
pub(crate) fn combine(first: (f64, Bounds), second: (f64, Bounds)) -> Bounds {
    let ((of_first, first), (of_second, second)) = (first, second);
    let delta = of_second - of_first;
    Bounds {
        lower: delta - (of_second - second.lower).hypot(first.upper - of_first),
        upper: delta + (second.upper - of_second).hypot(of_first - first.lower),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
    #[test]
    fn wilson_agrees_with_published_values() {
        for (successes, trials, lower, upper) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found =
                wilson(Proportion { successes, trials }, 0.95, Tails::TwoSided).expect("trials");
            assert!((found.lower - lower).abs() < 5.1e-5, "{found:?}");
            assert!((found.upper - upper).abs() < 5.1e-5, "{found:?}");
            let mirrored = Proportion {
                successes: trials - successes,
                trials,
            };
            let mirrored = wilson(mirrored, 0.95, Tails::TwoSided).expect("trials");
            assert!((mirrored.lower - (1.0 - found.upper)).abs() < 1e-12);
        }
    }

    /// Newcombe (1998), table II, example (a): 56/70 against 48/80, method 10.
    #[test]
    fn the_difference_agrees_with_newcombe() {
        let found = difference(
            Proportion {
                successes: 48,
                trials: 80,
            },
            Proportion {
                successes: 56,
                trials: 70,
            },
            0.95,
            Tails::TwoSided,
        )
        .expect("trials");
        assert!((found.lower - 0.0524).abs() < 5e-5, "{found:?}");
        assert!((found.upper - 0.3339).abs() < 5e-5, "{found:?}");
    }

    #[test]
    fn what_is_no_proportion_is_refused() {
        let ask =
            |successes, trials| wilson(Proportion { successes, trials }, 0.95, Tails::OneSided);
        assert_eq!(ask(0, 0), Err(IntervalError::TooFewRows));
        assert_eq!(ask(3, 2), Err(IntervalError::TooFewRows));
    }
}
