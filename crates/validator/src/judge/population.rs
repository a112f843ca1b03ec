//! Rows that are judged together: in the making, as runs that merge, and complete.

use std::borrow::Cow;
use std::cell::OnceCell;

use verdict::bootstrap::Sample;
use verdict::metric::MetricError;
use verdict::paired::{PairedAreas, compare};
use verdict::rows::Row;
use verdict::score::{ScoreAccumulator, ScoreSlice};
use verdict::summary::RunError;

use super::columns::GatherError;
use super::gather::{Cut, GatherPlan, PARTS_MAX, place};
use crate::runs::{RunPart, Scores, SortedRows, Sorter, Spill, Spills};
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
    areas: OnceCell<Result<PairedAreas, MetricError>>,
}

/// What resampling draws from, by what it was made of.
#[derive(Debug, Default)]
struct Samples {
    of_model: OnceCell<Sample>,
    of_pairs: OnceCell<Sample>,
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
    /// [`GatherError::Spill`] and [`GatherError::Run`], [`GatherError::TooManyParts`].
    pub fn of_runs(plan: &GatherPlan, runs: Vec<RunsOfPart>) -> Result<Self, GatherError> {
        let mut spills = Spills::default();
        let weighted = plan.weight.is_some();
        let (whole, parts): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.cut.is_none());
        let whole = Population::of_runs(String::new(), &whole, weighted, &mut spills)?;
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
                    Population::of_runs(same[0].name.clone(), &same, weighted, &mut spills)
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

    /// Compares the areas of both models, once for all checks.
    pub(super) fn areas(&self, pairs: &SortedRows<2>) -> Result<PairedAreas, MetricError> {
        *self.areas.get_or_init(|| compare(pairs))
    }

    /// Makes the sample of all rows once, for many checks; a slice's is made for each, since
    /// hundreds of slices with some 30 MB each are too much to keep.
    fn kept<'a>(
        &self,
        cell: &'a OnceCell<Sample>,
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
        spills: &mut Spills,
    ) -> Result<Self, GatherError> {
        let rows = shards.iter().map(|shard| shard.rows).sum();
        let runs: Vec<RunPart> = shards.iter().flat_map(|shard| shard.runs.clone()).collect();
        Ok(Self {
            name,
            scores: Scores::of_runs(&runs, rows, spills.merged()?)?,
            rows: weighted.then(|| weighted_rows(&runs, spills)).transpose()?,
            pairs: None,
            samples: Samples::default(),
            areas: OnceCell::new(),
        })
    }
}

/// Returns one row for each that the entries of weighted runs stand for.
fn weighted_rows(runs: &[RunPart], spills: &mut Spills) -> Result<SortedRows, RunError> {
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
                rows.extend_within((0..count).map(|_| row), spills)?;
            }
        }
    }
    // On disk however few they are: there may be many parts.
    rows.spill(spills.gathered()?)?;
    SortedRows::new(rows.finish(spills)?)
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
        spills: &mut Spills,
    ) -> Result<Population, GatherError> {
        let scores = if self.spilled.is_empty() {
            Scores::Ranked(std::mem::take(&mut self.scores).finish())
        } else {
            self.spill(spills.gathered()?)?;
            Scores::of_runs(&self.spilled, self.spilled_rows, spills.merged()?)?
        };
        let rows = if plan.keeps_rows() {
            Some(SortedRows::new(self.rows.finish(spills)?)?)
        } else {
            None
        };
        let pairs = if plan.with_champion {
            Some(SortedRows::new(self.pairs.finish(spills)?)?)
        } else {
            None
        };
        Ok(Population {
            name,
            scores,
            rows,
            pairs,
            samples: Samples::default(),
            areas: OnceCell::new(),
        })
    }

    /// Returns the population as runs; weights, where there are any, go with the rows.
    pub(super) fn into_runs(
        mut self,
        cut: Option<usize>,
        name: String,
        weighted: bool,
        spills: &mut Spills,
    ) -> Result<RunsOfPart, GatherError> {
        self.spill(spills.gathered()?)?;
        let runs = if weighted {
            let rows = SortedRows::new(self.rows.finish(spills)?)?;
            vec![spills.merged()?.write_weighted(&rows)?]
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
