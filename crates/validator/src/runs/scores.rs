//! The scores of a population in ascending order: in memory, or in a run on disk.

use verdict::metric::RankedRows;
use verdict::score::{RankedScores, ScoreAccumulator, ScoreSlice, TieGroup};
use verdict::summary::{RunError, stream};

use super::part::RunPart;
use super::sorted::Fault;
use super::spill::{SPILL_ROWS, Spill};

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
    /// Merges runs; weights are left aside. Few rows are held in memory, many in one more run of
    /// `spill`.
    ///
    /// # Errors
    /// [`RunError`] of the runs and of the disk.
    pub fn of_runs(runs: &[RunPart], rows: u64, spill: &mut Spill) -> Result<Self, RunError> {
        if rows <= SPILL_ROWS {
            return ranked(runs, rows).map(Self::Ranked);
        }
        let (run, merged) = spill.merge(runs)?;
        Ok(Self::Stored(Stored {
            run,
            positives: merged.totals.positives,
            negatives: merged.totals.negatives,
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

/// Rows that are read from runs before they are counted.
const ROWS_AT_A_TIME: usize = 8192;

/// Reads runs into memory; `rows` is what they promise to hold at most.
fn ranked(runs: &[RunPart], mut rows: u64) -> Result<RankedScores, RunError> {
    let mut scores = ScoreAccumulator::new();
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for run in runs {
        for entry in run.open()? {
            let entry = entry?;
            // An entry can promise more rows than any memory holds.
            rows = entry
                .positives
                .checked_add(entry.negatives)
                .and_then(|found| rows.checked_sub(found))
                .ok_or(RunError::Damaged {
                    what: "it holds more rows than it says",
                })?;
            for (count, label) in [(entry.positives, true), (entry.negatives, false)] {
                for _ in 0..count {
                    values.push(entry.score());
                    labels.push(label);
                }
            }
            if values.len() >= ROWS_AT_A_TIME {
                add(&mut scores, &mut values, &mut labels)?;
            }
        }
    }
    add(&mut scores, &mut values, &mut labels)?;
    Ok(scores.finish())
}

/// Moves rows to those that are gathered.
fn add(
    scores: &mut ScoreAccumulator,
    values: &mut Vec<f64>,
    labels: &mut Vec<bool>,
) -> Result<(), RunError> {
    let is_single = values.iter().all(|&value| f64::from(value as f32) == value);
    let slice = if is_single {
        ScoreSlice::Widened(values)
    } else {
        ScoreSlice::Double(values)
    };
    scores
        .extend(slice, labels)
        .map_err(|_| RunError::Damaged {
            what: "an entry is no number",
        })?;
    values.clear();
    labels.clear();
    Ok(())
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
        // Beyond the rows that are held in memory, as far as the promise goes.
        let stored = Scores::of_runs(&runs, SPILL_ROWS + 1, &mut spill).expect("merged");
        assert!(matches!(stored, Scores::Stored(_)));
        for _ in 0..2 {
            assert_eq!(auc(&stored), auc(&all));
        }
        assert_eq!(stored.range(), all.range());
        assert!(stored.take_fault().is_none());
        let held = Scores::of_runs(&runs, 500, &mut spill).expect("merged");
        assert!(matches!(&held, Scores::Ranked(ranked) if *ranked == all));
    }

    #[test]
    fn more_rows_than_a_run_promises_are_refused_before_memory_is_taken() {
        let (mut spill, runs, _) = rows();
        let refused = Scores::of_runs(&runs, 499, &mut spill);
        assert!(
            matches!(refused, Err(RunError::Damaged { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_run_that_can_no_longer_be_read_is_told_after_the_walk() {
        let (mut spill, runs, _) = rows();
        let stored = Scores::of_runs(&runs, SPILL_ROWS + 1, &mut spill).expect("merged");
        spill.truncate();
        stored.for_each_tie_group(|_| {});
        assert!(matches!(stored.take_fault(), Some(RunError::NotARun)));
        assert!(stored.take_fault().is_none());
    }
}
