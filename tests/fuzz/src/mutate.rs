//! Seeded mutations: the small engine of the run inside `cargo test`.

/// A generator of random numbers that gives the same sequence for the same seed on every machine.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014 (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`; 0 for a bound of 0.
    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }
}

/// Longer inputs are cut: they cost time and find little more.
const BYTES_MAX: usize = 4096;

/// Makes a new input of one of the seeds, by one to eight changes.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let pick = |random: &mut Random| {
        seeds
            .get(random.below(seeds.len()))
            .map_or(&[][..], Vec::as_slice)
    };
    let mut bytes = pick(random).to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(32).min(bytes.len() - at);
        match random.below(9) {
            0..=2 => {
                let word = words.get(random.below(words.len())).copied();
                insert(&mut bytes, at, word.unwrap_or_default().as_bytes());
            }
            3 => {
                bytes.drain(at..at + length);
            }
            4 => {
                let part = bytes[at..at + length].to_vec();
                insert(&mut bytes, at, &part);
            }
            5 => {
                let other = pick(random);
                let from = random.below(other.len());
                let length = random.below(64).min(other.len() - from);
                insert(&mut bytes, at, &other[from..from + length]);
            }
            6 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            7 => {
                let byte = b"\0\t\n\r \"'(){}[]<>|:;,.-+*/\\#$%&@!?0189azAZ_\x7f\xc3\xff";
                let byte = byte[random.below(byte.len())];
                insert(&mut bytes, at, &[byte]);
            }
            _ => {
                // Nesting: one part many times.
                let part = bytes[at..at + length.min(8)].to_vec();
                insert(&mut bytes, at, &part.repeat(random.below(64)));
            }
        }
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}
