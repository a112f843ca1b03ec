//! Sorting of 32-bit keys by their digits, which for millions of keys beats comparing them.

/// Bits of a digit: three passes cover 32 bits, and the counts of a pass stay in the cache.
const DIGIT_BITS: u32 = 11;
const DIGITS: usize = 1 << DIGIT_BITS;
/// Fewer keys than this are sorted by comparison.
const KEYS_MIN: usize = 1 << 14;

/// Sorts ascending; takes as much again as the keys take while it runs.
pub(crate) fn sort(keys: &mut Vec<u32>) {
    if keys.len() < KEYS_MIN {
        keys.sort_unstable();
        return;
    }
    let mut scratch = vec![0; keys.len()];
    for shift in [0, DIGIT_BITS, 2 * DIGIT_BITS] {
        pass(keys, &mut scratch, shift);
        std::mem::swap(keys, &mut scratch);
    }
}

/// Distributes `from` into `to` by one digit, equal digits in their order.
fn pass(from: &[u32], to: &mut [u32], shift: u32) {
    let digit = |key: u32| (key >> shift) as usize & (DIGITS - 1);
    let mut next = [0usize; DIGITS];
    for &key in from {
        next[digit(key)] += 1;
    }
    let mut start = 0;
    for place in &mut next {
        start += std::mem::replace(place, start);
    }
    for &key in from {
        let place = &mut next[digit(key)];
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
            seed: u32,
            extra in 0usize..1000,
            mask in prop::sample::select(vec![u32::MAX, 0xff, 0xffff_0000, 0x8000_0001]),
        ) {
            let mut state = seed;
            let mut keys: Vec<u32> = (0..KEYS_MIN + extra)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state ^ (state >> 15)) & mask
                })
                .collect();
            let mut expected = keys.clone();
            expected.sort_unstable();
            sort(&mut keys);
            prop_assert!(keys == expected);
        }
    }
}
