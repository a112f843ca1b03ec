//! The scores of a population in ascending order: in memory, or in a run on disk.

use verdict::metric::RankedRows;
use verdict::score::{RankedScores, TieGroup};
use verdict::summary::{RunError, stream};

use super::fault::Fault;
use super::part::RunPart;
use super::spill::Spill;

/// Unweighted scores in ascending order.
#[derive(Debug)]
pub enum Scores {
    /// All of them in memory.
    Ranked(RankedScores),
    /// In a run that is read as often as it is asked for.
    Stored(Stored),
}

/// Scores in a run on disk.
#[derive(Debug)]
pub struct Stored {
    run: RunPart,
    positives: u64,
    negatives: u64,
    range: Option<(f64, f64)>,
    fault: Fault,
}

impl Scores {
    /// Merges runs, which hold so many rows, into one of `spill`; weights are left aside.
    ///
    /// # Errors
    /// [`RunError`] of the runs, other rows than they promise among it, and of the disk.
    pub fn of_runs(runs: &[RunPart], rows: u64, spill: &mut Spill) -> Result<Self, RunError> {
        let (run, merged) = spill.merge(runs)?;
        let (positives, negatives) = (merged.totals.positives, merged.totals.negatives);
        if positives.checked_add(negatives) != Some(rows) {
            return Err(RunError::Damaged {
                what: "it holds other rows than it says",
            });
        }
        Ok(Self::Stored(Stored {
            run,
            positives,
            negatives,
            range: merged.range,
            fault: Fault::default(),
        }))
    }

    /// Takes the failure that cut a walk over the groups short; what was computed from it is void.
    pub fn take_fault(&self) -> Option<RunError> {
        match self {
            Self::Ranked(_) => None,
            Self::Stored(stored) => stored.fault.take(),
        }
    }
}

impl RankedRows for Scores {
    fn positives(&self) -> u64 {
        match self {
            Self::Ranked(scores) => scores.positives(),
            Self::Stored(stored) => stored.positives,
        }
    }

    fn negatives(&self) -> u64 {
        match self {
            Self::Ranked(scores) => scores.negatives(),
            Self::Stored(stored) => stored.negatives,
        }
    }

    fn range(&self) -> Option<(f64, f64)> {
        match self {
            Self::Ranked(scores) => scores.range(),
            Self::Stored(stored) => stored.range,
        }
    }

    fn for_each_tie_group(&self, mut visit: impl FnMut(TieGroup)) {
        match self {
            Self::Ranked(scores) => scores.for_each_tie_group(visit),
            Self::Stored(stored) => {
                let walked = stored.run.open().and_then(|run| {
                    stream::groups(run).try_for_each(|group| {
                        visit(group?.0);
                        Ok(())
                    })
                });
                if let Err(error) = walked {
                    stored.fault.keep(error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use verdict::auc::auc;
    use verdict::score::{ScoreAccumulator, ScoreSlice};

    /// Some rows with ties, twice: as two runs in a file, and all in memory.
    fn rows() -> (Spill, Vec<RunPart>, RankedScores) {
        let values: Vec<f64> = (0..500).map(|row| f64::from(row * 37 % 101)).collect();
        let labels: Vec<bool> = (0..500).map(|row| row % 3 == 0).collect();
        let gather = |from: usize, to: usize| {
            let mut scores = ScoreAccumulator::new();
            let slice = ScoreSlice::Widened(&values[from..to]);
            scores.extend(slice, &labels[from..to]).expect("finite");
            scores.finish()
        };
        let mut spill = Spill::new().expect("a temporary file");
        let runs = vec![
            spill.write(&gather(0, 200)).expect("written"),
            spill.write(&gather(200, 500)).expect("written"),
        ];
        (spill, runs, gather(0, 500))
    }

    #[test]
    fn a_run_on_disk_is_read_as_often_as_it_is_asked_for() {
        let (mut spill, runs, all) = rows();
        let stored = Scores::of_runs(&runs, 500, &mut spill).expect("merged");
        assert!(matches!(stored, Scores::Stored(_)));
        for _ in 0..2 {
            assert_eq!(auc(&stored), auc(&all));
        }
        assert_eq!(stored.range(), all.range());
        assert!(stored.take_fault().is_none());
    }

    #[test]
    fn other_rows_than_runs_promise_are_refused() {
        let (mut spill, runs, _) = rows();
        for promised in [499, 501] {
            let refused = Scores::of_runs(&runs, promised, &mut spill);
            assert!(
                matches!(refused, Err(RunError::Damaged { .. })),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_run_that_can_no_longer_be_read_is_told_after_the_walk() {
        let (mut spill, runs, _) = rows();
        let stored = Scores::of_runs(&runs, 500, &mut spill).expect("merged");
        spill.truncate();
        stored.for_each_tie_group(|_| {});
        assert!(matches!(stored.take_fault(), Some(RunError::NotARun)));
        assert!(stored.take_fault().is_none());
    }
}
