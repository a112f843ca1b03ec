//! Sorting of keys by their digits, which for millions of keys beats comparing them.

/// Bits of a digit: three passes cover 32 bits and six cover 64, and the counts of all passes
/// stay in the cache.
const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Fewer keys than this are sorted by comparison.
const KEYS_MIN: usize = 1 << 14;

/// An unsigned integer of which digits can be taken.
pub(crate) trait Digits: Copy + Default + Ord {
    /// Digits that cover the integer.
    const PASSES: usize;

    /// Returns the digit of a pass, the lowest first.
    fn digit(self, pass: usize) -> usize;
}

impl Digits for u32 {
    const PASSES: usize = 3;

    #[inline]
    fn digit(self, pass: usize) -> usize {
        (self >> (pass as u32 * DIGIT_BITS)) as usize & (DIGITS - 1)
    }
}

impl Digits for u64 {
    const PASSES: usize = 6;

    #[inline]
    fn digit(self, pass: usize) -> usize {
        (self >> (pass as u32 * DIGIT_BITS)) as usize & (DIGITS - 1)
    }
}

/// Sorts ascending; takes as much again as the keys take while it runs.
///
/// The digits of all passes are counted in one reading, and a pass is left out when all keys
/// share its digit, as the low digits of widened single-precision numbers do.
pub(crate) fn sort<K: Digits>(keys: &mut Vec<K>) {
    if keys.len() < KEYS_MIN {
        keys.sort_unstable();
        return;
    }
    let mut counts = vec![[0usize; DIGITS]; K::PASSES];
    for &key in keys.iter() {
        for (pass, counts) in counts.iter_mut().enumerate() {
            counts[key.digit(pass)] += 1;
        }
    }
    let mut scratch = Vec::new();
    for (pass, counts) in counts.iter_mut().enumerate() {
        if counts[keys[0].digit(pass)] == keys.len() {
            continue;
        }
        scratch.resize(keys.len(), K::default());
        distribute(keys, &mut scratch, pass, counts);
        std::mem::swap(keys, &mut scratch);
    }
}

/// Distributes `from` into `to` by one digit, equal digits in their order.
fn distribute<K: Digits>(from: &[K], to: &mut [K], pass: usize, next: &mut [usize; DIGITS]) {
    let mut start = 0;
    for place in next.iter_mut() {
        start += std::mem::replace(place, start);
    }
    for &key in from {
        let place = &mut next[key.digit(pass)];
        to[*place] = key;
        *place += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn it_sorts_as_comparing_does(
            seed: u64,
            extra in 0usize..1000,
            mask in prop::sample::select(vec![
                u64::MAX, 0, 0xff, 0xffff_0000, 0x8000_0001_8000_0001, 0xffff_ffff_e000_0000,
            ]),
        ) {
            let mut state = seed;
            let mut wide: Vec<u64> = (0..KEYS_MIN + extra)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state ^ (state >> 29)) & mask
                })
                .collect();
            let mut narrow: Vec<u32> = wide.iter().map(|&key| key as u32).collect();
            let (mut wide_expected, mut narrow_expected) = (wide.clone(), narrow.clone());
            wide_expected.sort_unstable();
            narrow_expected.sort_unstable();
            sort(&mut wide);
            sort(&mut narrow);
            prop_assert!(wide == wide_expected && narrow == narrow_expected);
        }
    }
}
