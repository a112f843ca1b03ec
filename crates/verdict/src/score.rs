//! Raw model outputs as sortable integer keys, gathered per class.
//!
//! Only the order of the outputs matters to rank metrics, so each output becomes an unsigned
//! integer of its own width whose order is the order of the numbers. Two vectors, one a
//! class, take 4 bytes a row for single-precision outputs and 8 for double, with no label
//! beside the key. Gathering and merging commute: the result does not depend on row order,
//! batch size or sharding.
//!
//! Outputs are never passed through a sigmoid: in single precision it saturates and makes
//! ties of distinct outputs.

use crate::radix;

/// An unsigned integer whose order is the order of the floating-point numbers it stands for.
trait RankKey: Copy + Ord {
    fn to_score(self) -> f64;

    fn sort(keys: &mut Vec<Self>);
}

impl RankKey for u32 {
    fn to_score(self) -> f64 {
        let bits = if self & 0x8000_0000 != 0 {
            self & 0x7fff_ffff
        } else {
            !self
        };
        f64::from(f32::from_bits(bits))
    }

    fn sort(keys: &mut Vec<Self>) {
        radix::sort(keys);
    }
}

impl RankKey for u64 {
    fn to_score(self) -> f64 {
        let bits = if self & (1 << 63) != 0 {
            self & !(1 << 63)
        } else {
            !self
        };
        f64::from_bits(bits)
    }

    fn sort(keys: &mut Vec<Self>) {
        radix::sort(keys);
    }
}

/// Returns the key of a number that is not NaN; both zeros share one key.
fn key_single(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits();
    if bits & 0x8000_0000 != 0 {
        !bits
    } else {
        bits | 0x8000_0000
    }
}

/// Returns the key of a number that is not NaN; both zeros share one key.
pub(crate) fn key_double(score: f64) -> u64 {
    let bits = (score + 0.0).to_bits();
    if bits & (1 << 63) != 0 {
        !bits
    } else {
        bits | (1 << 63)
    }
}

/// Returns the key of a number that is not NaN; both zeros share one key.
pub(crate) fn key_of_single(score: f32) -> u32 {
    key_single(score)
}

/// Returns the number that [`key_of_single`] made the key of.
pub(crate) fn score_of_single(key: u32) -> f32 {
    // Every such key came from a single-precision number.
    key.to_score() as f32
}

/// Returns the number that [`key_double`] made the key of.
pub(crate) fn score_of_double(key: u64) -> f64 {
    key.to_score()
}

/// Why scores and labels cannot be gathered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// A score has no place in any order.
    #[error("the score of row {index} of the batch is NaN")]
    NotANumber {
        /// The position within the slice that was handed in, from 0.
        index: usize,
    },
    /// Scores and labels do not belong together.
    #[error("{scores} scores came with {labels} labels")]
    Length {
        /// How many scores there were.
        scores: usize,
        /// How many labels there were.
        labels: usize,
    },
}

/// A slice of raw model outputs in the model's own precision.
#[derive(Clone, Copy, Debug)]
pub enum ScoreSlice<'a> {
    /// Single precision; `[n]`.
    Single(&'a [f32]),
    /// Double precision; `[n]`.
    Double(&'a [f64]),
    /// Numbers that are exactly representable in single precision, widened; `[n]`.
    Widened(&'a [f64]),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct ClassKeys<K> {
    positives: Vec<K>,
    negatives: Vec<K>,
}

impl<K: RankKey> ClassKeys<K> {
    const fn new() -> Self {
        Self {
            positives: Vec::new(),
            negatives: Vec::new(),
        }
    }

    fn append(&mut self, mut other: Self) {
        self.positives.append(&mut other.positives);
        self.negatives.append(&mut other.negatives);
    }

    fn sort(&mut self) {
        K::sort(&mut self.positives);
        K::sort(&mut self.negatives);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    Single(ClassKeys<u32>),
    Double(ClassKeys<u64>),
}

/// Gathers scores and labels in any order and any number of batches.
#[derive(Clone, Debug)]
pub struct ScoreAccumulator {
    keys: Keys,
}

impl Default for ScoreAccumulator {
    fn default() -> Self {
        Self::new()
    }
}

impl ScoreAccumulator {
    /// Returns an empty accumulator.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            keys: Keys::Single(ClassKeys::new()),
        }
    }

    /// Adds a batch: `scores` and `labels` have shape `[n]`; a label is true for the positive
    /// class.
    ///
    /// # Errors
    /// [`ScoreError`]; the accumulator then holds what it held before.
    pub fn extend(&mut self, scores: ScoreSlice<'_>, labels: &[bool]) -> Result<(), ScoreError> {
        match scores {
            ScoreSlice::Single(scores) => self.extend_single(scores, labels),
            ScoreSlice::Double(scores) => self.extend_double(scores, labels),
            ScoreSlice::Widened(scores) => self.extend_widened(scores, labels),
        }
    }

    fn extend_single(&mut self, scores: &[f32], labels: &[bool]) -> Result<(), ScoreError> {
        match &mut self.keys {
            Keys::Single(keys) => extend(keys, scores, labels, |score| score.is_nan(), key_single),
            // A model that changed precision midway: single precision widens without loss.
            Keys::Double(keys) => extend(
                keys,
                scores,
                labels,
                |score| score.is_nan(),
                |score| key_double(f64::from(score)),
            ),
        }
    }

    fn extend_widened(&mut self, scores: &[f64], labels: &[bool]) -> Result<(), ScoreError> {
        match &mut self.keys {
            Keys::Single(keys) => extend(
                keys,
                scores,
                labels,
                |score| score.is_nan(),
                |score| key_single(score as f32),
            ),
            Keys::Double(_) => self.extend_double(scores, labels),
        }
    }

    fn extend_double(&mut self, scores: &[f64], labels: &[bool]) -> Result<(), ScoreError> {
        if let Keys::Single(keys) = &self.keys {
            self.keys = Keys::Double(widen(keys));
        }
        let Keys::Double(keys) = &mut self.keys else {
            return Ok(());
        };
        extend(keys, scores, labels, |score| score.is_nan(), key_double)
    }

    /// Adds everything that another accumulator holds.
    pub fn merge(&mut self, other: Self) {
        match (&mut self.keys, other.keys) {
            (Keys::Single(mine), Keys::Single(theirs)) => mine.append(theirs),
            (Keys::Double(mine), Keys::Double(theirs)) => mine.append(theirs),
            (Keys::Double(mine), Keys::Single(theirs)) => mine.append(widen(&theirs)),
            (Keys::Single(mine), Keys::Double(theirs)) => {
                let mut wide = widen(mine);
                wide.append(theirs);
                self.keys = Keys::Double(wide);
            }
        }
    }

    /// Returns how many rows of the positive class were added.
    #[must_use]
    pub fn positives(&self) -> u64 {
        let count = match &self.keys {
            Keys::Single(keys) => keys.positives.len(),
            Keys::Double(keys) => keys.positives.len(),
        };
        count as u64
    }

    /// Returns how many rows of the negative class were added.
    #[must_use]
    pub fn negatives(&self) -> u64 {
        let count = match &self.keys {
            Keys::Single(keys) => keys.negatives.len(),
            Keys::Double(keys) => keys.negatives.len(),
        };
        count as u64
    }

    /// Sorts what was gathered.
    #[must_use]
    pub fn finish(mut self) -> RankedScores {
        match &mut self.keys {
            Keys::Single(keys) => keys.sort(),
            Keys::Double(keys) => keys.sort(),
        }
        RankedScores { keys: self.keys }
    }
}

fn widen(keys: &ClassKeys<u32>) -> ClassKeys<u64> {
    let widen = |keys: &Vec<u32>| keys.iter().map(|key| key_double(key.to_score())).collect();
    ClassKeys {
        positives: widen(&keys.positives),
        negatives: widen(&keys.negatives),
    }
}

/// Rows that are put in place at a time, so that they stay in the cache.
const BLOCK_ROWS: usize = 4096;

fn extend<S: Copy, K: RankKey + Default>(
    keys: &mut ClassKeys<K>,
    scores: &[S],
    labels: &[bool],
    is_nan: impl Fn(S) -> bool,
    key_of: impl Fn(S) -> K,
) -> Result<(), ScoreError> {
    if scores.len() != labels.len() {
        return Err(ScoreError::Length {
            scores: scores.len(),
            labels: labels.len(),
        });
    }
    if let Some(index) = scores.iter().position(|&score| is_nan(score)) {
        return Err(ScoreError::NotANumber { index });
    }
    for (scores, labels) in scores.chunks(BLOCK_ROWS).zip(labels.chunks(BLOCK_ROWS)) {
        let (mut positives, mut negatives) = (keys.positives.len(), keys.negatives.len());
        keys.positives
            .resize(positives + scores.len(), K::default());
        keys.negatives
            .resize(negatives + scores.len(), K::default());
        // Each key is written to both classes and kept in one: labels are random, and a
        // branch on them would be guessed wrong half of the time.
        for (&score, &label) in scores.iter().zip(labels) {
            let key = key_of(score);
            keys.positives[positives] = key;
            keys.negatives[negatives] = key;
            positives += usize::from(label);
            negatives += usize::from(!label);
        }
        keys.positives.truncate(positives);
        keys.negatives.truncate(negatives);
    }
    Ok(())
}

/// Rows of one tied score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TieGroup {
    /// The raw output that they share.
    pub score: f64,
    /// How many of them are positive.
    pub positives: u64,
    /// How many of them are negative.
    pub negatives: u64,
}

/// All scores in ascending order, ready for the rank metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RankedScores {
    keys: Keys,
}

impl RankedScores {
    /// Returns how many rows of the positive class there are.
    #[must_use]
    pub fn positives(&self) -> u64 {
        let count = match &self.keys {
            Keys::Single(keys) => keys.positives.len(),
            Keys::Double(keys) => keys.positives.len(),
        };
        count as u64
    }

    /// Returns how many rows of the negative class there are.
    #[must_use]
    pub fn negatives(&self) -> u64 {
        let count = match &self.keys {
            Keys::Single(keys) => keys.negatives.len(),
            Keys::Double(keys) => keys.negatives.len(),
        };
        count as u64
    }

    /// Tells whether every output is exactly representable in single precision, as the keys
    /// were gathered.
    #[must_use]
    pub const fn is_single(&self) -> bool {
        matches!(self.keys, Keys::Single(_))
    }

    /// Calls `visit` with each group of tied scores, in ascending order of the score.
    pub fn for_each_tie_group(&self, visit: impl FnMut(TieGroup)) {
        match &self.keys {
            Keys::Single(keys) => walk(&keys.positives, &keys.negatives, visit),
            Keys::Double(keys) => walk(&keys.positives, &keys.negatives, visit),
        }
    }

    /// Returns the least and the largest raw output, or nothing when there are no rows.
    #[must_use]
    pub fn range(&self) -> Option<(f64, f64)> {
        match &self.keys {
            Keys::Single(keys) => range(keys),
            Keys::Double(keys) => range(keys),
        }
    }
}

fn range<K: RankKey>(keys: &ClassKeys<K>) -> Option<(f64, f64)> {
    let first = [keys.positives.first(), keys.negatives.first()];
    let last = [keys.positives.last(), keys.negatives.last()];
    let minimum = first.into_iter().flatten().min()?;
    let maximum = last.into_iter().flatten().max()?;
    Some((minimum.to_score(), maximum.to_score()))
}

/// Merges two ascending runs into groups of equal keys.
fn walk<K: RankKey>(positives: &[K], negatives: &[K], mut visit: impl FnMut(TieGroup)) {
    let (mut positive, mut negative) = (0, 0);
    loop {
        let key = match (positives.get(positive), negatives.get(negative)) {
            (Some(&left), Some(&right)) => left.min(right),
            (Some(&key), None) | (None, Some(&key)) => key,
            (None, None) => return,
        };
        let positives_tied = leading(&positives[positive..], key);
        let negatives_tied = leading(&negatives[negative..], key);
        positive += positives_tied;
        negative += negatives_tied;
        visit(TieGroup {
            score: key.to_score(),
            positives: positives_tied as u64,
            negatives: negatives_tied as u64,
        });
    }
}

fn leading<K: RankKey>(keys: &[K], key: K) -> usize {
    keys.iter()
        .take_while(|&&candidate| candidate == key)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_zeros_tie_and_infinities_are_at_the_ends() {
        assert_eq!(key_single(-0.0), key_single(0.0));
        assert_eq!(key_double(-0.0), key_double(0.0));
        assert!(key_single(f32::NEG_INFINITY) < key_single(f32::MIN));
        assert!(key_double(f64::INFINITY) > key_double(f64::MAX));
    }

    #[test]
    fn nan_is_refused_with_its_position() {
        let mut scores = ScoreAccumulator::new();
        let outcome = scores.extend(ScoreSlice::Single(&[0.5, f32::NAN]), &[true, false]);
        assert_eq!(outcome, Err(ScoreError::NotANumber { index: 1 }));
    }

    #[test]
    fn scores_without_as_many_labels_are_refused() {
        let outcome = ScoreAccumulator::new().extend(ScoreSlice::Double(&[0.5]), &[]);
        assert_eq!(
            outcome,
            Err(ScoreError::Length {
                scores: 1,
                labels: 0
            })
        );
    }

    #[test]
    fn mixing_precisions_keeps_every_value() {
        let mut narrow_first = ScoreAccumulator::new();
        narrow_first
            .extend(ScoreSlice::Single(&[0.1, -3.5]), &[true, false])
            .expect("finite");
        narrow_first
            .extend(ScoreSlice::Double(&[0.1]), &[true])
            .expect("finite");
        let mut wide_first = ScoreAccumulator::new();
        wide_first
            .extend(ScoreSlice::Double(&[0.1]), &[true])
            .expect("finite");
        let mut narrow = ScoreAccumulator::new();
        narrow
            .extend(ScoreSlice::Single(&[0.1, -3.5]), &[true, false])
            .expect("finite");
        wide_first.merge(narrow);
        assert_eq!(narrow_first.finish(), wide_first.finish());
    }

    proptest! {
        #[test]
        fn keys_keep_the_order_and_give_the_number_back(left: f32, right: f32, wide: f64) {
            prop_assume!(!left.is_nan() && !right.is_nan() && !wide.is_nan());
            prop_assert_eq!(
                key_single(left).cmp(&key_single(right)),
                left.partial_cmp(&right).expect("no NaN")
            );
            prop_assert_eq!(key_single(left).to_score(), f64::from(left));
            prop_assert_eq!(key_double(wide).to_score(), wide);
        }

        #[test]
        fn batches_order_and_merging_do_not_matter(
            rows in prop::collection::vec((-5.0f32..5.0, any::<bool>()), 0..60),
            cut in 0usize..60,
        ) {
            let gather = |rows: &[(f32, bool)]| {
                let mut scores = ScoreAccumulator::new();
                for (score, label) in rows {
                    scores.extend(ScoreSlice::Single(&[*score]), &[*label]).expect("finite");
                }
                scores
            };
            let whole = gather(&rows).finish();
            let (front, back) = rows.split_at(cut.min(rows.len()));
            let mut merged = gather(back);
            merged.merge(gather(front));
            prop_assert_eq!(merged.finish(), whole);
        }
    }
}
