//! Bins of predicted against observed frequency, and the expected calibration error.

use serde::{Deserialize, Serialize};

use super::{Groups, Mass, MetricError, OutputKind, Totals};
use crate::sum::Sum;

/// How probabilities are put into bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Binning {
    /// Bins `(i/b, (i+1)/b]`; 0 belongs to the first.
    EqualWidth,
    /// Bins of equal mass in the order of the scores. With row counts, the first `n mod b`
    /// bins hold one row more. Tied rows that a border divides are dealt out evenly by
    /// label, so that the order of rows cannot matter.
    EqualMass,
}

/// What fell into a bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CalibrationBin {
    /// The mass of all rows in the bin.
    pub mass: f64,
    /// The mass of the positive rows in the bin.
    pub positive: f64,
    /// The mean predicted probability; 0 for an empty bin.
    pub probability_mean: f64,
    /// The least probability in the bin; 0 for an empty bin.
    pub probability_minimum: f64,
    /// The largest probability in the bin; 0 for an empty bin.
    pub probability_maximum: f64,
}

/// Predicted against observed frequency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Calibration {
    /// How the bins were made.
    pub binning: Binning,
    /// The bins, ascending; empty ones included.
    pub bins: Vec<CalibrationBin>,
    /// The expected calibration error: the mean over rows of the bin's distance between mean
    /// probability and share of positives.
    pub error: f64,
    /// The largest such distance of any bin.
    pub error_maximum: f64,
}

#[derive(Clone, Debug, Default)]
struct Bin {
    positive: Sum,
    negative: Sum,
    probability: Sum,
    range: Option<(f64, f64)>,
}

impl Bin {
    fn add(&mut self, probability: f64, positive: f64, negative: f64) {
        if positive + negative <= 0.0 {
            return;
        }
        self.positive.add(positive);
        self.negative.add(negative);
        self.probability.add(probability * (positive + negative));
        let (least, _) = self.range.unwrap_or((probability, probability));
        self.range = Some((least, probability));
    }

    fn mass(&self) -> f64 {
        self.positive.total() + self.negative.total()
    }
}

/// Fills the bins in one walk; groups ascend.
#[derive(Clone, Debug)]
pub struct CalibrationFold {
    totals: Totals,
    output: OutputKind,
    binning: Binning,
    bins: Vec<Bin>,
    at: usize,
}

impl CalibrationFold {
    /// Starts before the lowest group.
    #[must_use]
    pub fn new(totals: Totals, output: OutputKind, binning: Binning, bins: usize) -> Self {
        Self {
            totals,
            output,
            binning,
            bins: vec![Bin::default(); bins],
            at: 0,
        }
    }

    /// Takes the next group.
    pub fn push(&mut self, mass: Mass) {
        if self.bins.is_empty() {
            return;
        }
        let probability = self.output.probability(mass.score);
        match self.binning {
            Binning::EqualWidth => {
                let bin = self.bin_of_width(probability);
                self.bins[bin].add(probability, mass.positive, mass.negative);
            }
            Binning::EqualMass => self.deal(probability, mass),
        }
    }

    /// Returns the bin whose `(lower, upper]` holds the probability.
    fn bin_of_width(&self, probability: f64) -> usize {
        let count = self.bins.len() as f64;
        let upper = |bin: usize| (bin + 1) as f64 / count;
        let mut bin = ((probability * count).ceil() as usize).clamp(1, self.bins.len()) - 1;
        // The product may be off by one rounding; the quotient is the definition.
        while bin + 1 < self.bins.len() && probability > upper(bin) {
            bin += 1;
        }
        while bin > 0 && probability <= upper(bin - 1) {
            bin -= 1;
        }
        bin
    }

    /// Returns how much mass a bin of equal mass takes.
    fn capacity(&self, bin: usize) -> f64 {
        let (mass, bins) = (self.totals.mass(), self.bins.len());
        if !self.totals.counts {
            return mass / bins as f64;
        }
        let (rows, bins) = (mass as u64, bins as u64);
        (rows / bins + u64::from((bin as u64) < rows % bins)) as f64
    }

    fn deal(&mut self, probability: f64, mass: Mass) {
        let all = mass.positive + mass.negative;
        let (mut dealt, mut dealt_positive) = (0.0, 0.0);
        while dealt < all {
            let last = self.at + 1 == self.bins.len();
            let room = self.capacity(self.at) - self.bins[self.at].mass();
            let share = if last {
                all - dealt
            } else {
                room.min(all - dealt)
            };
            if share > 0.0 {
                dealt = if share >= all - dealt {
                    all
                } else {
                    dealt + share
                };
                let exact = mass.positive * (dealt / all);
                let until = if self.totals.counts {
                    exact.round()
                } else {
                    exact
                };
                let positive = until - dealt_positive;
                self.bins[self.at].add(probability, positive, (share - positive).max(0.0));
                dealt_positive = until;
            }
            if dealt < all {
                self.at += 1;
            }
        }
    }

    /// Returns the filled bins and their error.
    ///
    /// # Errors
    /// [`MetricError::Empty`]; [`MetricError::Parameter`] for no bins.
    pub fn finish(&self) -> Result<Calibration, MetricError> {
        if self.bins.is_empty() {
            return Err(MetricError::Parameter {
                parameter: "the number of bins",
                value: 0.0,
                problem: "is not at least 1",
            });
        }
        let mass = self.totals.mass();
        if mass <= 0.0 {
            return Err(MetricError::Empty);
        }
        let (mut error, mut error_maximum) = (Sum::default(), 0f64);
        for bin in self.bins.iter().filter(|bin| bin.range.is_some()) {
            let distance = (bin.positive.total() - bin.probability.total()).abs();
            error.add(distance);
            error_maximum = error_maximum.max(distance / bin.mass());
        }
        let bins = self.bins.iter().map(|bin| {
            bin.range
                .map_or_else(CalibrationBin::default, |(least, largest)| CalibrationBin {
                    mass: bin.mass(),
                    positive: bin.positive.total(),
                    probability_mean: bin.probability.total() / bin.mass(),
                    probability_minimum: least,
                    probability_maximum: largest,
                })
        });
        Ok(Calibration {
            binning: self.binning,
            bins: bins.collect(),
            error: error.total() / mass,
            error_maximum,
        })
    }
}

/// Computes calibration bins and the expected calibration error.
///
/// Source: Naeini, Cooper and Hauskrecht (2015), AAAI 29; Guo et al. (2017), ICML.
///
/// # Errors
/// [`MetricError::Empty`]; [`MetricError::Parameter`] for no bins.
pub fn calibration(
    groups: &impl Groups,
    output: OutputKind,
    binning: Binning,
    bins: usize,
) -> Result<Calibration, MetricError> {
    let mut fold = CalibrationFold::new(groups.totals(), output, binning, bins);
    groups.for_each_mass(|mass| fold.push(mass));
    fold.finish()
}
