//! A small generator of random numbers, the same on every machine (`SplitMix64`).

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to `end`, which is left out.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it fits")
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'t, T: ?Sized>(&mut self, items: &[&'t T]) -> &'t T {
        items[self.below(items.len())]
    }
}

/// The first seed and the number of seeds: those of `default`, unless the environment asks for others.
pub(crate) fn seeds(default: usize) -> std::ops::Range<u64> {
    let read = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let start = read("FIDELITY_SEED").unwrap_or(1);
    start..start + read("FIDELITY_COUNT").unwrap_or(default as u64)
}
