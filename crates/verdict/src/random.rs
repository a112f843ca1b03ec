//! Counter-based random numbers: any draw can be made without those before it, so results
//! depend on the seed alone and never on threads or order.
//!
//! Source: Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3;
//! SC '11. The known answers of the tests are those that its authors publish (Random123).

use statrs::function::gamma::ln_gamma;

/// One block of Philox-4x32 with ten rounds.
#[must_use]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut low, mut high]) = (counter, key);
    for _ in 0..10 {
        let first = u64::from(a) * 0xd251_1f53;
        let second = u64::from(c) * 0xcd9e_8d57;
        (a, b, c, d) = (
            (second >> 32) as u32 ^ b ^ low,
            second as u32,
            (first >> 32) as u32 ^ d ^ high,
            first as u32,
        );
        low = low.wrapping_add(0x9e37_79b9);
        high = high.wrapping_add(0xbb67_ae85);
    }
    [a, b, c, d]
}

const fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// A sequence of draws, keyed by a seed and the number of a replicate.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    replicate: u32,
    purpose: u32,
    block: u64,
    buffer: [u32; 4],
    left: usize,
}

impl Stream {
    /// Starts the sequence; streams of different replicates or purposes never overlap.
    #[must_use]
    pub const fn new(seed: u64, replicate: u32, purpose: u32) -> Self {
        Self {
            key: key(seed),
            replicate,
            purpose,
            block: 0,
            buffer: [0; 4],
            left: 0,
        }
    }

    /// Returns 32 random bits.
    #[inline]
    pub fn bits(&mut self) -> u32 {
        if self.left == 0 {
            let block = key(self.block);
            let counter = [block[0], block[1], self.replicate, self.purpose];
            self.buffer = philox(counter, self.key);
            self.block += 1;
            self.left = 4;
        }
        self.left -= 1;
        self.buffer[self.left]
    }

    /// Returns a number strictly between 0 and 1.
    pub fn unit(&mut self) -> f64 {
        let bits = (u64::from(self.bits()) << 32) | u64::from(self.bits());
        ((bits >> 12) as f64 + 0.5) * 2f64.powi(-52)
    }

    /// Returns a draw of the standard normal distribution (Box and Muller, one of the pair).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Returns a draw of the Poisson distribution with a whole mean.
    #[inline]
    pub fn poisson(&mut self, mean: u64) -> u64 {
        match mean {
            0 => 0,
            1 => poisson_one(self.bits()),
            2..=9 => (0..mean).map(|_| poisson_one(self.bits())).sum(),
            _ => self.poisson_large(mean as f64),
        }
    }

    /// Source: Hörmann (1993), The transformed rejection method for generating Poisson
    /// random variables, Insurance: Mathematics and Economics 12(1):39-45 (PTRS).
    fn poisson_large(&mut self, mean: f64) -> u64 {
        let ln_mean = mean.ln();
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.024_83 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        let v_r = 0.9277 - 3.6224 / (b - 2.0);
        loop {
            let u = self.unit() - 0.5;
            let v = self.unit();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= v_r {
                return k as u64;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let accepted = (v * inverse_alpha / (a / (us * us) + b)).ln();
            if accepted <= k * ln_mean - mean - ln_gamma(k + 1.0) {
                return k as u64;
            }
        }
    }
}

/// Returns the Poisson(1) draw of one item that a 64-bit number identifies, such as the hash
/// of a cluster; independent of which other items there are.
#[must_use]
pub fn poisson_one_of(seed: u64, replicate: u32, purpose: u32, item: u64) -> u64 {
    let item = key(item);
    poisson_one(philox([item[0], item[1], replicate, purpose], key(seed))[0])
}

/// `floor(P(Poisson(1) <= k) * 2^32)` for k = 0, 1, ...
const POISSON_ONE: [u32; 12] = [
    1_580_030_168,
    3_160_060_337,
    3_950_075_421,
    4_213_413_783,
    4_279_248_373,
    4_292_415_291,
    4_294_609_777,
    4_294_923_276,
    4_294_962_463,
    4_294_966_817,
    4_294_967_252,
    4_294_967_292,
];

/// Inverts the distribution function; 12 and more have a probability below 2^-30.
#[inline]
fn poisson_one(bits: u32) -> u64 {
    if bits < POISSON_ONE[0] {
        return 0;
    }
    if bits < POISSON_ONE[1] {
        return 1;
    }
    let more = POISSON_ONE[2..].iter().position(|&bound| bits < bound);
    more.map_or(12, |more| more as u64 + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_known_answers_come_out() {
        for (counter, key, expected) in [
            (
                [0; 4],
                [0; 2],
                [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
            ),
            (
                [u32::MAX; 4],
                [u32::MAX; 2],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn the_table_is_the_distribution_function() {
        let (mut cumulative, mut term) = (0.0, (-1f64).exp());
        for (k, bound) in POISSON_ONE.iter().enumerate() {
            cumulative += term;
            term /= (k + 1) as f64;
            let exact = cumulative * 2f64.powi(32);
            assert!(
                exact - 1.0 < f64::from(*bound) && f64::from(*bound) <= exact,
                "{k}: {exact}"
            );
        }
    }

    #[test]
    fn poisson_draws_have_the_mean_and_variance_of_theirs() {
        for mean in [1u64, 4, 10, 37, 1000, 1_000_000] {
            let mut stream = Stream::new(1, 2, 3);
            let draws: Vec<f64> = (0..20_000).map(|_| stream.poisson(mean) as f64).collect();
            let average = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance =
                draws.iter().map(|d| (d - average).powi(2)).sum::<f64>() / (draws.len() - 1) as f64;
            let expected = mean as f64;
            let reach = 5.0 * (expected / draws.len() as f64).sqrt();
            assert!((average - expected).abs() < reach, "{mean}: {average}");
            assert!(
                (variance / expected - 1.0).abs() < 0.06,
                "{mean}: {variance}"
            );
        }
    }

    #[test]
    fn streams_of_other_replicates_differ_and_the_same_one_repeats() {
        let first: Vec<u32> = {
            let mut stream = Stream::new(9, 1, 0);
            (0..9).map(|_| stream.bits()).collect()
        };
        let mut again = Stream::new(9, 1, 0);
        assert!(first.iter().all(|&bits| bits == again.bits()));
        let mut other = Stream::new(9, 2, 0);
        assert!(first.iter().any(|&bits| bits != other.bits()));
    }
}
