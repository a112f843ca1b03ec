//! Many rows, dealt to bags that are drawn whole.
//!
//! To draw millions of rows one by one takes minutes. They are dealt to bags at random instead,
//! those of a cluster to the same one, and a replicate draws a Poisson count for each bag.
//! Contributions of independent rows add up in a bag, so the variance between bags is that
//! between rows, known as well as that many bags allow: a standard error to some 3 %.
//! Neighbouring scores are joined; the nearer to either end, the fewer, since few rows decide
//! there.
//!
//! Source: Wolter (2007), Introduction to Variance Estimation, chapter 2 (random groups).

use super::sample::Masses;
use super::{PURPOSE_CLUSTERS, Resampling};
use crate::random::{philox, poisson_one_of};
use crate::rows::{Rows, TaggedRow};

/// Bags that rows are dealt to.
const BAGS: usize = 512;
/// Of so many rows of a class, those that are joined are one.
const SHARE_OF_CLASS: u64 = 1024;
/// Of so many rows of a class between a row and the nearer end, those that are joined are one.
const SHARE_OF_TAIL: u64 = 64;

/// Rows as one model or two rank them.
#[derive(Clone, Debug)]
pub(super) struct Bags {
    /// How each model ranks the rows.
    pub(super) models: Vec<BaggedScores>,
    /// Whether the rows of a cluster are in one bag.
    clustered: bool,
}

/// Joined scores, and what each bag has of them.
#[derive(Clone, Debug)]
pub(super) struct BaggedScores {
    /// The mean score of each group, ascending.
    scores: Vec<f64>,
    /// The masses of both classes in each bag, group by group.
    cells: Vec<[[f32; BAGS]; 2]>,
    /// The observed mass of both classes.
    total: (f64, f64),
}

/// How often each bag is drawn.
type Times = [f32; BAGS];

const ONCE: Times = [1.0; BAGS];

impl Bags {
    /// Deals rows to bags.
    pub(super) fn deal<const MODELS: usize>(rows: &impl Rows<MODELS>) -> Self {
        // Equal rows are exchangeable, so the place in the order will do for a name.
        let as_ranked_by = |model: usize| {
            rows.iter().enumerate().map(move |(place, row)| TaggedRow {
                score: row.scores[model],
                positive: row.positive,
                weight: row.weight,
                tag: bag_of(row.cluster.unwrap_or(place as u64)),
            })
        };
        let overview = rows.overview();
        let counts = (overview.positives, overview.negatives);
        let deal = |model: usize| {
            let of_model = as_ranked_by(model);
            if model == 0 {
                BaggedScores::deal(of_model, counts)
            } else {
                BaggedScores::deal(rows.sort(of_model), counts)
            }
        };
        Self {
            models: (0..MODELS).map(deal).collect(),
            clustered: overview.clustered,
        }
    }

    /// Draws one data set and returns each model's masses.
    pub(super) fn draw(&self, resampling: &Resampling, replicate: u32) -> Vec<Masses<'_>> {
        let poisson = |bag| poisson_one_of(resampling.seed, replicate, PURPOSE_CLUSTERS, bag);
        let times = std::array::from_fn(|bag| poisson(bag as u64) as f32);
        let models = self.models.iter();
        models
            .map(|model| {
                let masses = model.masses(&times);
                let drawn = total(&masses);
                let scale = if self.clustered {
                    (1.0, 1.0)
                } else {
                    (model.total.0 / drawn.0, model.total.1 / drawn.1)
                };
                Masses::scaled(&model.scores, masses, scale)
            })
            .collect()
    }

    /// Returns the masses of the observed data as each model ranks them.
    pub(super) fn observed(&self) -> Vec<Masses<'_>> {
        let models = self.models.iter();
        models
            .map(|model| Masses::scaled(&model.scores, model.masses(&ONCE), (1.0, 1.0)))
            .collect()
    }
}

/// Returns the bag of a row or of a cluster; the same whatever the seed.
fn bag_of(name: u64) -> u32 {
    let counter = [name as u32, (name >> 32) as u32, 0, 0];
    let bits = philox(counter, [PURPOSE_BAGS, 0])[0];
    bits % BAGS as u32
}

const PURPOSE_BAGS: u32 = 5;

impl BaggedScores {
    /// Takes rows as one model ranks them, each with its bag, and how many rows each class has.
    fn deal(rows: impl Iterator<Item = TaggedRow>, (positives, negatives): (u64, u64)) -> Self {
        let mut positives = Joining::of(positives);
        let mut negatives = Joining::of(negatives);
        let (mut scores, mut cells): (Vec<f64>, Vec<[[f32; BAGS]; 2]>) = (Vec::new(), Vec::new());
        let mut last = None;
        let mut joined = 0.0;
        for row in rows {
            let score = row.score;
            // Tied rows stay together.
            let is_new = last.is_none()
                || last != Some(score) && (positives.is_full() || negatives.is_full());
            if is_new {
                scores.push(score);
                cells.push([[0.0; BAGS]; 2]);
                joined = 0.0;
                positives.close();
                negatives.close();
            }
            last = Some(score);
            joined += 1.0;
            // What joins an infinite score counts as that.
            let is_finite = |mean: &&mut f64| mean.is_finite() && score.is_finite();
            if let Some(mean) = scores.last_mut().filter(is_finite) {
                *mean += (score - *mean) / joined;
            }
            let class = if row.positive {
                positives.add();
                0
            } else {
                negatives.add();
                1
            };
            if let Some(group) = cells.last_mut() {
                group[class][row.tag as usize] += row.weight as f32;
            }
        }
        let mut dealt = Self {
            scores,
            cells,
            total: (0.0, 0.0),
        };
        dealt.total = total(&dealt.masses(&ONCE));
        dealt
    }

    /// Returns the masses of a drawn data set.
    fn masses(&self, times: &Times) -> Vec<(f64, f64)> {
        let masses = self.cells.iter();
        masses
            .map(|[positives, negatives]| (product(positives, times), product(negatives, times)))
            .collect()
    }
}

fn total(masses: &[(f64, f64)]) -> (f64, f64) {
    masses
        .iter()
        .fold((0.0, 0.0), |sum, mass| (sum.0 + mass.0, sum.1 + mass.1))
}

/// Sums products in lanes, an order that processors are fast at.
fn product(left: &[f32; BAGS], right: &[f32; BAGS]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    for (left, right) in left.chunks_exact(LANES).zip(right.chunks_exact(LANES)) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += f64::from(*left) * f64::from(*right);
        }
    }
    sums.iter().sum()
}

/// The rows of one class on the way from the lowest score to the highest.
struct Joining {
    all: u64,
    passed: u64,
    joined: u64,
}

impl Joining {
    fn of(all: u64) -> Self {
        Self {
            all,
            passed: 0,
            joined: 0,
        }
    }

    fn add(&mut self) {
        self.passed += 1;
        self.joined += 1;
    }

    fn is_full(&self) -> bool {
        let tail = self.passed.min(self.all - self.passed);
        self.joined >= (self.all / SHARE_OF_CLASS).min(tail / SHARE_OF_TAIL).max(1)
    }

    fn close(&mut self) {
        self.joined = 0;
    }
}
