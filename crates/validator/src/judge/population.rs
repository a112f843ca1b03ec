//! Rows that are judged together: in the making, as runs that merge, and complete.

use std::borrow::Cow;
use std::sync::OnceLock;

use verdict::bootstrap::Sample;
use verdict::rows::Row;
use verdict::score::{ScoreAccumulator, ScoreSlice};
use verdict::summary::RunError;

use super::columns::GatherError;
use super::gather::{Cut, GatherPlan, PARTS_MAX, place};
use crate::runs::{RunPart, Scores, SortedRows, Sorter, Spill, opened};
use crate::settings::Slice;

/// Rows that are judged together.
#[derive(Debug)]
pub struct Population {
    /// What the rows have in common, such as `country=DE`; empty for all rows.
    pub name: String,
    /// The model's outputs in order.
    pub scores: Scores,
    /// The rows themselves, where weights or groups matter.
    pub rows: Option<SortedRows>,
    /// The rows under champion and model, where there is a champion.
    pub pairs: Option<SortedRows<2>>,
    samples: Samples,
}

/// What resampling draws from, by what it was made of.
#[derive(Debug, Default)]
struct Samples {
    of_model: OnceLock<Sample>,
    of_pairs: OnceLock<Sample>,
}

/// All populations.
#[derive(Debug)]
pub struct Gathered {
    /// All rows.
    pub whole: Population,
    /// The parts of each cut, by column and edges; bins from low to high, others by name.
    pub slices: Vec<(Cut, Vec<Population>)>,
    /// The least and the largest of the champion's outputs.
    pub champion_range: Option<(f64, f64)>,
    /// Whether rows carry weights.
    pub weighted: bool,
    /// Whether rows belong to groups.
    pub grouped: bool,
}

impl Gathered {
    /// Returns the parts that a check's slice means.
    #[must_use]
    pub fn parts(&self, slice: &Slice) -> &[Population] {
        self.slices
            .iter()
            .find(|((by, edges), _)| *by == slice.by && *edges == slice.edges)
            .map_or(&[], |(_, parts)| parts)
    }

    /// Takes the failure to read what was spilled, after which nothing that was computed counts.
    pub(super) fn take_fault(&self) -> Option<RunError> {
        let parts = self.slices.iter().flat_map(|(_, parts)| parts);
        std::iter::once(&self.whole)
            .chain(parts)
            .find_map(Population::take_fault)
    }

    /// Merges the runs of all shards; the result has the same bits as that of one machine.
    ///
    /// # Errors
    /// [`GatherError::Spill`] for runs that cannot be read, [`GatherError::TooManyParts`].
    pub fn of_runs(plan: &GatherPlan, runs: Vec<RunsOfPart>) -> Result<Self, GatherError> {
        let mut spill = None;
        let weighted = plan.weight.is_some();
        let (whole, parts): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.cut.is_none());
        let whole = Population::of_runs(String::new(), &whole, weighted, &mut spill)?;
        let mut slices = Vec::with_capacity(plan.slices.len());
        for (index, cut) in plan.slices.iter().enumerate() {
            let mut of_cut: Vec<&RunsOfPart> = parts
                .iter()
                .filter(|part| part.cut == Some(index))
                .collect();
            of_cut.sort_by_cached_key(|part| place(&cut.0, &cut.1, &part.name));
            let populations = of_cut
                .chunk_by(|left, right| left.name == right.name)
                .map(|same| {
                    let same: Vec<RunsOfPart> = same.iter().copied().cloned().collect();
                    Population::of_runs(same[0].name.clone(), &same, weighted, &mut spill)
                })
                .collect::<Result<Vec<_>, _>>()?;
            if populations.len() > PARTS_MAX {
                return Err(GatherError::TooManyParts {
                    column: cut.0.clone(),
                });
            }
            slices.push((cut.clone(), populations));
        }
        Ok(Self {
            whole,
            slices,
            champion_range: None,
            weighted,
            grouped: false,
        })
    }
}

/// The rows of one population as runs.
#[derive(Clone, Debug)]
pub struct RunsOfPart {
    /// Which of the plan's ways to cut the data it belongs to; nothing for all rows.
    pub cut: Option<usize>,
    /// What the rows have in common; empty for all rows.
    pub name: String,
    /// Rows of both classes.
    pub rows: u64,
    /// The runs.
    pub runs: Vec<RunPart>,
}

impl Population {
    /// Returns what resampling draws from of the model's rows.
    pub(super) fn sample(&self) -> Cow<'_, Sample> {
        self.kept(&self.samples.of_model, || match &self.rows {
            Some(rows) => Sample::of_rows(rows),
            None => Sample::of_scores(&self.scores),
        })
    }

    /// Returns what resampling draws from of the rows under both models.
    pub(super) fn sample_of_pairs(&self, pairs: &SortedRows<2>) -> Cow<'_, Sample> {
        self.kept(&self.samples.of_pairs, || Sample::of_rows(pairs))
    }

    /// Makes the sample of all rows once, for many checks; a slice's is made for each, since
    /// hundreds of slices with some 30 MB each are too much to keep.
    fn kept<'a>(
        &self,
        cell: &'a OnceLock<Sample>,
        make: impl FnOnce() -> Sample,
    ) -> Cow<'a, Sample> {
        if self.name.is_empty() {
            Cow::Borrowed(cell.get_or_init(make))
        } else {
            Cow::Owned(make())
        }
    }

    fn take_fault(&self) -> Option<RunError> {
        let of_rows = self.rows.as_ref().and_then(SortedRows::take_fault);
        let of_pairs = self.pairs.as_ref().and_then(SortedRows::take_fault);
        self.scores.take_fault().or(of_rows).or(of_pairs)
    }

    /// Merges what several shards have of one population.
    fn of_runs(
        name: String,
        shards: &[RunsOfPart],
        weighted: bool,
        spill: &mut Option<Spill>,
    ) -> Result<Self, GatherError> {
        let rows = shards.iter().map(|shard| shard.rows).sum();
        let runs: Vec<RunPart> = shards.iter().flat_map(|shard| shard.runs.clone()).collect();
        Ok(Self {
            name,
            scores: Scores::of_runs(&runs, rows, opened(spill)?)?,
            rows: weighted.then(|| weighted_rows(&runs, spill)).transpose()?,
            pairs: None,
            samples: Samples::default(),
        })
    }
}

/// Returns one row for each that the entries of weighted runs stand for.
fn weighted_rows(runs: &[RunPart], spill: &mut Option<Spill>) -> Result<SortedRows, RunError> {
    let mut rows = Sorter::default();
    for run in runs {
        for entry in run.open()? {
            let entry = entry?;
            for (count, positive) in [(entry.positives, true), (entry.negatives, false)] {
                let row = Row {
                    scores: [entry.score()],
                    positive,
                    weight: entry.weight(),
                    cluster: None,
                };
                rows.extend_within((0..count).map(|_| row), spill)?;
            }
        }
    }
    SortedRows::new(rows.finish(spill)?)
}

/// A population in the making.
#[derive(Debug, Default)]
pub(super) struct Part {
    scores: ScoreAccumulator,
    spilled: Vec<RunPart>,
    spilled_rows: u64,
    /// The rows themselves, where weights or groups matter; without zeros of two signs.
    pub(super) rows: Sorter<Row>,
    /// The rows under champion and model, where there is a champion; likewise.
    pub(super) pairs: Sorter<Row<2>>,
}

impl Part {
    pub(super) fn extend(
        &mut self,
        scores: &[f64],
        labels: &[bool],
        exact_in_f32: bool,
    ) -> Result<(), GatherError> {
        let slice = if exact_in_f32 {
            ScoreSlice::Widened(scores)
        } else {
            ScoreSlice::Double(scores)
        };
        self.scores
            .extend(slice, labels)
            .map_err(|_| GatherError::Length {
                scores: scores.len(),
                rows: labels.len(),
            })
    }

    /// Writes the scores and rows in memory to disk, and forgets them.
    pub(super) fn spill(&mut self, spill: &mut Spill) -> Result<(), GatherError> {
        let scores = std::mem::take(&mut self.scores);
        let rows = scores.positives() + scores.negatives();
        if rows > 0 {
            self.spilled.push(spill.write(&scores.finish())?);
            self.spilled_rows += rows;
        }
        self.rows.spill(spill)?;
        self.pairs.spill(spill)?;
        Ok(())
    }

    pub(super) fn finish(
        mut self,
        name: String,
        plan: &GatherPlan,
        spill: &mut Option<Spill>,
    ) -> Result<Population, GatherError> {
        let scores = if self.spilled.is_empty() {
            Scores::Ranked(std::mem::take(&mut self.scores).finish())
        } else {
            let spill = opened(spill)?;
            self.spill(spill)?;
            Scores::of_runs(&self.spilled, self.spilled_rows, spill)?
        };
        let rows = (plan.keeps_rows())
            .then(|| SortedRows::new(self.rows.finish(spill)?))
            .transpose()?;
        let pairs = (plan.with_champion)
            .then(|| SortedRows::new(self.pairs.finish(spill)?))
            .transpose()?;
        Ok(Population {
            name,
            scores,
            rows,
            pairs,
            samples: Samples::default(),
        })
    }

    /// Returns the population as runs; weights, where there are any, go with the rows.
    pub(super) fn into_runs(
        mut self,
        cut: Option<usize>,
        name: String,
        weighted: bool,
        spill: &mut Option<Spill>,
    ) -> Result<RunsOfPart, GatherError> {
        self.spill(opened(spill)?)?;
        let runs = if weighted {
            let rows = SortedRows::new(self.rows.finish(spill)?)?;
            vec![opened(spill)?.write_weighted(&rows)?]
        } else {
            self.spilled
        };
        Ok(RunsOfPart {
            cut,
            name,
            rows: self.spilled_rows,
            runs,
        })
    }
}
