//! Sums of floating-point numbers that lose nothing that matters.

/// A compensated sum, so that a billion small terms lose nothing.
///
/// Terms must come in an order that the data defines, such as ascending scores; then the sum
/// has the same bits for any order of rows. Where no such order exists, [`ExactSum`] serves.
///
/// Source: Neumaier (1974), Z. Angew. Math. Mech. 54:39-51.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: f64,
    compensation: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, term: f64) {
        let next = self.sum + term;
        self.compensation += if self.sum.abs() >= term.abs() {
            (self.sum - next) + term
        } else {
            (term - next) + self.sum
        };
        self.sum = next;
    }

    pub(crate) fn total(&self) -> f64 {
        self.sum + self.compensation
    }
}

/// Bits of a limb that hold the sum; the rest of the `i64` takes carries.
const LIMB_BITS: usize = 32;
/// From 2^-1074, the least denormal, to 2^1024, and room for 2^62 terms.
const LIMBS: usize = (1074 + 1024 + 64) / LIMB_BITS + 2;
/// So many additions keep every limb inside its `i64` without carrying.
const ADDITIONS_MAX: u32 = 1 << 29;

/// An exact sum of finite numbers: any order and any grouping of the terms gives the same bits.
///
/// A fixed-point number wide enough for every `f64`, in limbs of 32 bits with lazy carries.
/// It takes 550 bytes and a few nanoseconds a term.
///
/// Source: Kulisch and Miranker (1986), SIAM Review 28(1):1-40.
#[derive(Clone, Debug)]
pub struct ExactSum {
    limbs: [i64; LIMBS],
    additions: u32,
}

impl Default for ExactSum {
    fn default() -> Self {
        Self {
            limbs: [0; LIMBS],
            additions: 0,
        }
    }
}

impl ExactSum {
    /// Adds a term.
    ///
    /// # Panics
    /// When the term is NaN or infinite: the caller refuses those by name.
    pub fn add(&mut self, term: f64) {
        assert!(term.is_finite(), "an exact sum takes finite terms");
        let bits = term.to_bits();
        let exponent = (bits >> 52) as usize & 0x7ff;
        let fraction = bits & ((1 << 52) - 1);
        // The value is significand * 2^(place - 1074).
        let (significand, place) = match exponent {
            0 => (fraction, 0),
            _ => (fraction | (1 << 52), exponent - 1),
        };
        let spread = u128::from(significand) << (place % LIMB_BITS);
        let sign = if bits >> 63 == 0 { 1 } else { -1 };
        for (index, limb) in self.limbs[place / LIMB_BITS..]
            .iter_mut()
            .take(3)
            .enumerate()
        {
            *limb += sign * (((spread >> (index * LIMB_BITS)) as u32) as i64);
        }
        self.additions += 1;
        if self.additions >= ADDITIONS_MAX {
            self.carry();
        }
    }

    /// Adds everything that another sum holds.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (mine, theirs) in self.limbs.iter_mut().zip(other.limbs) {
            *mine += theirs;
        }
        self.carry();
    }

    /// Returns the sum, rounded once to the nearest `f64`.
    #[must_use]
    pub fn total(&self) -> f64 {
        let mut exact = self.clone();
        exact.carry();
        let negative = exact.limbs[LIMBS - 1] < 0;
        if negative {
            exact.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            exact.carry();
        }
        let Some(top) = exact.limbs.iter().rposition(|&limb| limb != 0) else {
            return 0.0;
        };
        // Three limbs hold at least 65 significant bits; one sticky bit stands for the rest.
        let low = top.saturating_sub(2);
        let mut leading = exact.limbs[low..=top]
            .iter()
            .rev()
            .fold(0u128, |sum, &limb| (sum << LIMB_BITS) | limb as u128);
        if exact.limbs[..low].iter().any(|&limb| limb != 0) {
            leading |= 1;
        }
        let magnitude = scale(leading, (low * LIMB_BITS) as i32 - 1074);
        if negative { -magnitude } else { magnitude }
    }

    /// Brings every limb but the highest into `0..2^32`.
    fn carry(&mut self) {
        for index in 0..LIMBS - 1 {
            let carried = self.limbs[index] >> LIMB_BITS;
            self.limbs[index] -= carried << LIMB_BITS;
            self.limbs[index + 1] += carried;
        }
        self.additions = 0;
    }
}

/// Returns `integer * 2^exponent`, rounded to nearest even once, denormals included.
fn scale(integer: u128, exponent: i32) -> f64 {
    let length = (128 - integer.leading_zeros()) as i32;
    // The last place of the result: 53 bits below the leading one, or the least denormal.
    let dropped = (length - 53).max(-1074 - exponent).max(0);
    let kept = integer >> dropped;
    let rest = integer & ((1u128 << dropped) - 1);
    let half = if dropped == 0 {
        0
    } else {
        1u128 << (dropped - 1)
    };
    let up = dropped > 0 && (rest > half || (rest == half && kept & 1 == 1));
    let rounded = (kept + u128::from(up)) as f64;
    let power = exponent + dropped;
    // Two exact steps, as the power alone may lie outside the range of an f64.
    let first = power.clamp(-1022, 1023);
    rounded * 2f64.powi(first) * 2f64.powi(power - first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exact(terms: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        terms.iter().for_each(|&term| sum.add(term));
        sum
    }

    #[test]
    fn what_rounds_away_in_between_is_still_there_at_the_end() {
        assert_eq!(exact(&[1e308, 1.0, -1e308]).total(), 1.0);
        assert_eq!(exact(&[1e100, 1.0, -1e100, 5e-324]).total(), 1.0);
        assert_eq!(exact(&[5e-324, 5e-324]).total(), 1e-323);
        assert_eq!(exact(&[-5e-324]).total(), -5e-324);
        assert_eq!(exact(&[f64::MAX, f64::MAX, -f64::MAX]).total(), f64::MAX);
        assert_eq!(exact(&[]).total(), 0.0);
        // A tie, broken by a bit far below.
        assert_eq!(exact(&[1.0, 2f64.powi(-53)]).total(), 1.0);
        let above = exact(&[1.0, 2f64.powi(-53), 2f64.powi(-1000)]).total();
        assert_eq!(above, 1.0 + f64::EPSILON);
    }

    proptest! {
        #[test]
        fn a_single_term_comes_back(term in any::<f64>().prop_filter("finite", |t| t.is_finite())) {
            prop_assert_eq!(exact(&[term]).total(), term);
        }

        #[test]
        fn order_and_grouping_do_not_matter(
            terms in prop::collection::vec(
                any::<f64>().prop_filter("no overflow", |t| t.abs() < 1e300), 0..40),
            cut in 0usize..40,
        ) {
            let whole = exact(&terms).total();
            let (front, back) = terms.split_at(cut.min(terms.len()));
            let mut merged = exact(back);
            merged.merge(&exact(front));
            prop_assert_eq!(merged.total().to_bits(), whole.to_bits());
        }

        #[test]
        fn sums_of_integers_are_theirs(terms in prop::collection::vec(-1_000_000i64..1_000_000, 0..60)) {
            let floats: Vec<f64> = terms.iter().map(|&term| term as f64).collect();
            prop_assert_eq!(exact(&floats).total(), terms.iter().sum::<i64>() as f64);
            let mut compensated = Sum::default();
            floats.iter().for_each(|&term| compensated.add(term));
            prop_assert_eq!(compensated.total(), terms.iter().sum::<i64>() as f64);
        }
    }
}
