//! A run in memory.

use super::Entry;
use crate::auc::AucFold;
use crate::bootstrap::Sample;
use crate::metric::{Groups, Mass, MassList, MetricError, Totals, WeightedAccumulator};
use crate::score::{RankedScores, ScoreAccumulator, ScoreError, ScoreSlice, TieGroup};

/// An ascending list of entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    entries: Vec<Entry>,
}

impl Summary {
    /// Collects a merged or read run.
    ///
    /// # Errors
    /// The first error of the run.
    pub fn collect<E>(run: impl Iterator<Item = Result<Entry, E>>) -> Result<Self, E> {
        let entries = run.collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Returns the entries, ascending.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Iterates over the entries as a run that cannot fail.
    pub fn run(&self) -> impl Iterator<Item = Result<Entry, std::convert::Infallible>> + '_ {
        self.entries.iter().copied().map(Ok)
    }

    /// Adds everything that another summary holds.
    pub fn merge(&mut self, other: &Self) {
        if self.entries.is_empty() {
            self.entries.clone_from(&other.entries);
            return;
        }
        let mine = std::mem::take(&mut self.entries);
        let (mut left, mut right) = (mine.iter().peekable(), other.entries.iter().peekable());
        let mut merged = Vec::with_capacity(mine.len().max(other.entries.len()));
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(one), Some(two)) => match one.order().cmp(&two.order()) {
                    std::cmp::Ordering::Less => left.next().copied(),
                    std::cmp::Ordering::Greater => right.next().copied(),
                    std::cmp::Ordering::Equal => {
                        left.next().zip(right.next()).map(|(one, two)| Entry {
                            positives: one.positives + two.positives,
                            negatives: one.negatives + two.negatives,
                            ..*one
                        })
                    }
                },
                (Some(_), None) => left.next().copied(),
                (None, _) => right.next().copied(),
            };
            match next {
                Some(entry) => merged.push(entry),
                None => break,
            }
        }
        self.entries = merged;
    }

    /// Tells whether every weight is 1.
    #[must_use]
    pub fn is_unweighted(&self) -> bool {
        self.entries.iter().all(|entry| entry.weight() == 1.0)
    }

    /// Calls `visit` with each group of tied outputs, ascending; weights are left aside.
    pub fn for_each_tie_group(&self, mut visit: impl FnMut(TieGroup)) {
        for tied in self
            .entries
            .chunk_by(|left, right| left.key() == right.key())
        {
            visit(TieGroup {
                score: tied[0].score(),
                positives: tied.iter().map(|entry| entry.positives).sum(),
                negatives: tied.iter().map(|entry| entry.negatives).sum(),
            });
        }
    }

    /// Returns what a bootstrap of the rows draws from.
    #[must_use]
    pub fn sample(&self) -> Sample {
        Sample::of_entries(&self.entries)
    }

    /// Returns the masses as weighted metrics read them.
    #[must_use]
    pub fn masses(&self) -> MassList {
        let groups = super::stream::groups(self.run()).filter_map(Result::ok);
        let masses = groups.map(|(_, mass)| mass).collect();
        MassList::new(masses, self.is_unweighted())
    }
}

impl From<&RankedScores> for Summary {
    fn from(scores: &RankedScores) -> Self {
        let mut entries = Vec::new();
        scores.for_each_tie_group(|group| {
            entries.extend(Entry::new(group.score, group.positives, group.negatives));
        });
        Self { entries }
    }
}

impl From<WeightedAccumulator> for Summary {
    fn from(gathered: WeightedAccumulator) -> Self {
        // Rows have passed the checks of the accumulator.
        let mut entries: Vec<Entry> = gathered
            .into_rows()
            .filter_map(|(score, weight, positive)| {
                Entry::weighted(score, weight, u64::from(positive), u64::from(!positive))
            })
            .collect();
        entries.sort_unstable_by_key(Entry::order);
        entries.dedup_by(|row, kept| {
            let alike = row.order() == kept.order();
            if alike {
                kept.positives += row.positives;
                kept.negatives += row.negatives;
            }
            alike
        });
        Self { entries }
    }
}

impl Groups for Summary {
    fn totals(&self) -> Totals {
        self.masses().totals()
    }

    fn for_each_mass(&self, mut visit: impl FnMut(Mass)) {
        for (_, mass) in super::stream::groups(self.run()).filter_map(Result::ok) {
            visit(mass);
        }
    }

    fn area(&self) -> Result<f64, MetricError> {
        if !self.is_unweighted() {
            return self.masses().area();
        }
        let count = |of: fn(&Entry) -> u64| self.entries.iter().map(of).sum();
        let mut fold = AucFold::new(
            count(|entry| entry.positives),
            count(|entry| entry.negatives),
        )?;
        self.for_each_tie_group(|group| fold.push(group));
        Ok(fold.finish().value)
    }
}

/// Rows that are gathered before they are sorted into the run.
const PENDING_ROWS: u64 = 1 << 20;

/// Gathers rows into a run, for outputs with few distinct values (half precision, quantised
/// models) or in parts that the caller spills.
///
/// Memory is that of about a million rows and of one entry for each distinct output; the
/// caller watches [`Self::bytes`] and takes the run out when it grows beyond its budget.
#[derive(Clone, Debug, Default)]
pub struct SummaryAccumulator {
    pending: ScoreAccumulator,
    summary: Summary,
}

impl SummaryAccumulator {
    /// Adds a batch, as [`ScoreAccumulator::extend`] does.
    ///
    /// # Errors
    /// [`ScoreError`].
    pub fn extend(&mut self, scores: ScoreSlice<'_>, labels: &[bool]) -> Result<(), ScoreError> {
        self.pending.extend(scores, labels)?;
        if self.pending.positives() + self.pending.negatives() >= PENDING_ROWS {
            self.settle();
        }
        Ok(())
    }

    /// Returns the memory that the run and the pending rows take.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let pending = self.pending.positives() + self.pending.negatives();
        (self.summary.entries.len() * size_of::<Entry>()) as u64 + pending * 8
    }

    /// Returns everything gathered since the last time, and starts anew.
    #[must_use]
    pub fn take(&mut self) -> Summary {
        self.settle();
        std::mem::take(&mut self.summary)
    }

    fn settle(&mut self) {
        let pending = std::mem::take(&mut self.pending).finish();
        self.summary.merge(&Summary::from(&pending));
    }
}
