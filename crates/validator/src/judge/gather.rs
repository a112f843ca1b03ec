//! Gathers scored rows into populations: the whole dataset and the slices that checks name.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use itertools::Itertools;
use verdict::rows::Row;

use super::columns::{GatherError, cast_to, hashes, weights};
use super::population::{Gathered, Part, RunsOfPart};
use crate::runs::{SCORES_PER_ROW, SPILL_ROWS, Sorter, Spills};
use crate::settings::{Settings, Subject};

/// The most parts that one column may make.
pub const PARTS_MAX: usize = 200;

/// A way to cut the data: a column, and where a numeric one is cut.
pub type Cut = (String, Vec<f64>);

/// What is gathered besides scores and labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatherPlan {
    /// Column and edges of each way to cut the data.
    pub slices: Vec<Cut>,
    /// The column of weights.
    pub weight: Option<String>,
    /// The column that names rows.
    pub id: Option<String>,
    /// The column whose equal values belong together.
    pub group: Option<String>,
    /// Whether a champion's scores come along.
    pub with_champion: bool,
}

impl GatherPlan {
    /// Returns what the checks of a gate need.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let mut slices: Vec<Cut> = Vec::new();
        for slice in settings
            .checks
            .iter()
            .filter_map(|check| check.slice.as_ref())
        {
            let cut = (slice.by.clone(), slice.edges.clone());
            if !slices.contains(&cut) {
                slices.push(cut);
            }
        }
        Self {
            slices,
            weight: settings.data.weight.clone(),
            id: settings.data.id.clone(),
            group: settings.data.group.clone(),
            with_champion: settings
                .checks
                .iter()
                .any(|check| check.subject == Subject::ChangeFromChampion),
        }
    }

    /// Tells whether rows are gathered whole, for their weights or groups.
    #[must_use]
    pub const fn keeps_rows(&self) -> bool {
        self.weight.is_some() || self.group.is_some()
    }

    /// Returns the columns that must be read along with label and features.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        let named = [&self.weight, &self.id, &self.group];
        let mut columns: Vec<String> = named.into_iter().flatten().cloned().collect();
        columns.extend(self.slices.iter().map(|(by, _)| by.clone()));
        columns.sort();
        columns.dedup();
        columns
    }
}

/// One batch as the models scored it.
#[derive(Clone, Copy, Debug)]
pub struct ScoredRows<'a> {
    /// The model's raw outputs, `[rows]`.
    pub scores: &'a [f64],
    /// Whether every score is exactly a single-precision number.
    pub exact_in_f32: bool,
    /// The champion's raw outputs, `[rows]`.
    pub champion: Option<&'a [f64]>,
    /// The labels, `[rows]`.
    pub labels: &'a [bool],
    /// The columns that were read along, by name.
    pub along: &'a [(String, ArrayRef)],
}

/// Takes batches in file order.
#[derive(Debug)]
pub struct Gatherer {
    plan: GatherPlan,
    whole: Part,
    slices: Vec<Parts>,
    ids: Sorter<u128>,
    champion_range: Option<(f64, f64)>,
    /// Scores in memory, those of slices counted again, and rows as several.
    pending: u64,
    pending_max: u64,
    spills: Spills,
}

#[derive(Debug)]
struct Parts {
    by: String,
    edges: Vec<f64>,
    names: HashMap<String, usize>,
    parts: Vec<(String, Part)>,
}

impl Gatherer {
    /// Returns a gatherer that has seen nothing.
    #[must_use]
    pub fn new(plan: GatherPlan) -> Self {
        let slices = plan
            .slices
            .iter()
            .map(|(by, edges)| Parts {
                by: by.clone(),
                edges: edges.clone(),
                names: HashMap::new(),
                parts: Vec::new(),
            })
            .collect();
        Self {
            plan,
            whole: Part::default(),
            slices,
            ids: Sorter::default(),
            champion_range: None,
            pending: 0,
            pending_max: SPILL_ROWS,
            spills: Spills::default(),
        }
    }

    /// Spills to disk beyond this many scores instead of the usual number.
    #[must_use]
    pub fn spilling_beyond(mut self, rows: u64) -> Self {
        self.pending_max = rows;
        self
    }

    /// Adds a batch.
    ///
    /// # Errors
    /// [`GatherError`]; the gatherer is then not worth keeping.
    pub fn take(&mut self, batch: ScoredRows<'_>) -> Result<(), GatherError> {
        let rows = batch.labels.len();
        let wrong = |scores: usize| GatherError::Length { scores, rows };
        if batch.scores.len() != rows {
            return Err(wrong(batch.scores.len()));
        }
        if let Some(champion) = batch.champion.filter(|champion| champion.len() != rows) {
            return Err(wrong(champion.len()));
        }
        for &score in batch.champion.unwrap_or_default() {
            let (least, largest) = self.champion_range.unwrap_or((score, score));
            self.champion_range = Some((least.min(score), largest.max(score)));
        }
        let weights = match &self.plan.weight {
            Some(column) => Some(weights(column, find(&batch, column)?)?),
            None => None,
        };
        let groups = match &self.plan.group {
            Some(column) => Some(hashes(column, find(&batch, column)?)?),
            None => None,
        };
        if let Some(column) = &self.plan.id {
            let names = hashes(column, find(&batch, column)?)?;
            self.ids.extend_within(names, &mut self.spills)?;
        }
        let keep_rows = self.plan.keeps_rows();
        let row = |index: usize| Row {
            scores: [batch.scores[index]],
            positive: batch.labels[index],
            weight: weights.as_ref().map_or(1.0, |weights| weights[index]),
            cluster: groups.as_ref().map(|groups| groups[index] as u64),
        };
        let pair = |champion: &[f64], index: usize| {
            let Row {
                scores: [second],
                positive,
                weight,
                cluster,
            } = row(index);
            Row {
                scores: [champion[index], second],
                positive,
                weight,
                cluster,
            }
        };
        self.whole
            .extend(batch.scores, batch.labels, batch.exact_in_f32)?;
        if keep_rows {
            self.whole
                .rows
                .extend((0..rows).map(row).map(Row::canonical));
        }
        if let Some(champion) = batch.champion {
            let pairs = (0..rows).map(|index| pair(champion, index).canonical());
            self.whole.pairs.extend(pairs);
        }
        for slices in &mut self.slices {
            let array = find(&batch, &slices.by)?;
            let parts = slices.parts_of(array)?;
            let mut indices: Vec<Vec<usize>> = vec![Vec::new(); slices.parts.len()];
            for (index, part) in parts.into_iter().enumerate() {
                indices[part].push(index);
            }
            for ((_, part), indices) in slices.parts.iter_mut().zip(&indices) {
                if indices.is_empty() {
                    continue;
                }
                let pick = |values: &[f64]| -> Vec<f64> {
                    indices.iter().map(|&index| values[index]).collect()
                };
                let labels: Vec<bool> = indices.iter().map(|&index| batch.labels[index]).collect();
                part.extend(&pick(batch.scores), &labels, batch.exact_in_f32)?;
                if keep_rows {
                    let rows = indices.iter().copied().map(row);
                    part.rows.extend(rows.map(Row::canonical));
                }
                if let Some(champion) = batch.champion {
                    let indices = indices.iter().copied();
                    let pairs = indices.map(|index| pair(champion, index).canonical());
                    part.pairs.extend(pairs);
                }
            }
        }
        let whole_rows = u64::from(keep_rows) + u64::from(batch.champion.is_some());
        let counts_as = 1 + SCORES_PER_ROW * whole_rows;
        self.pending += (rows * (1 + self.slices.len())) as u64 * counts_as;
        if self.pending > self.pending_max {
            self.spill_all()?;
        }
        Ok(())
    }

    /// Writes the scores and rows of every part to disk and forgets them.
    fn spill_all(&mut self) -> Result<(), GatherError> {
        let spill = self.spills.gathered()?;
        let parts = self
            .slices
            .iter_mut()
            .flat_map(|slices| slices.parts.iter_mut().map(|(_, part)| part));
        for part in std::iter::once(&mut self.whole).chain(parts) {
            part.spill(spill)?;
        }
        self.pending = 0;
        Ok(())
    }

    /// Writes everything as runs that merge with those of other shards. What does not merge was
    /// refused before; see [`crate::shard`].
    ///
    /// # Errors
    /// [`GatherError::Spill`].
    pub fn into_runs(mut self) -> Result<Vec<RunsOfPart>, GatherError> {
        self.spill_all()?;
        let spills = &mut self.spills;
        let weighted = self.plan.weight.is_some();
        let mut all = vec![
            self.whole
                .into_runs(None, String::new(), weighted, spills)?,
        ];
        for (cut, slices) in self.slices.into_iter().enumerate() {
            for (name, part) in slices.parts {
                all.push(part.into_runs(Some(cut), name, weighted, spills)?);
            }
        }
        Ok(all)
    }

    /// Sorts what was gathered.
    ///
    /// # Errors
    /// [`GatherError::Duplicates`] when the column that names rows does not.
    pub fn finish(mut self) -> Result<Gathered, GatherError> {
        if let Some(column) = &self.plan.id {
            let names = self.ids.finish_for_one_walk(&mut self.spills)?;
            let repeated = names.iter().dedup_with_count();
            let count = repeated.filter(|(times, _)| *times > 1).count();
            if let Some(fault) = names.take_fault() {
                return Err(fault.into());
            }
            if count > 0 {
                return Err(GatherError::Duplicates {
                    column: column.clone(),
                    count,
                });
            }
        }
        let (plan, spills) = (&self.plan, &mut self.spills);
        let mut slices = Vec::with_capacity(self.slices.len());
        for mut cut in self.slices {
            // In an order of their own, so that the report does not depend on that of rows.
            cut.parts
                .sort_by_cached_key(|(name, _)| place(&cut.by, &cut.edges, name));
            let parts = cut.parts.into_iter();
            let populations = parts.map(|(name, part)| part.finish(name, plan, spills));
            let populations = populations.collect::<Result<Vec<_>, _>>()?;
            slices.push(((cut.by, cut.edges), populations));
        }
        Ok(Gathered {
            slices,
            whole: self.whole.finish(String::new(), plan, spills)?,
            champion_range: self.champion_range,
            weighted: self.plan.weight.is_some(),
            grouped: self.plan.group.is_some(),
        })
    }
}

impl Parts {
    /// Returns the part of each row, making parts that are new.
    fn parts_of(&mut self, array: &ArrayRef) -> Result<Vec<usize>, GatherError> {
        if self.edges.is_empty() {
            let texts = cast_to(&self.by, array, &DataType::Utf8, "text")?;
            let texts = texts.as_string::<i32>();
            let rows = 0..texts.len();
            return rows
                .map(|row| {
                    let text = if texts.is_valid(row) {
                        texts.value(row)
                    } else {
                        "null"
                    };
                    // Most rows belong to a part that exists: no name is made for them.
                    match self.names.get(text) {
                        Some(&part) => Ok(part),
                        None => self.add(text.to_owned(), format!("{}={text}", self.by)),
                    }
                })
                .collect();
        }
        let numbers = cast_to(&self.by, array, &DataType::Float64, "numbers")?;
        let numbers = numbers.as_primitive::<Float64Type>();
        (0..numbers.len())
            .map(|row| {
                let number = numbers.is_valid(row).then(|| numbers.value(row));
                let name = self.bin(number.filter(|number| !number.is_nan()));
                match self.names.get(&name) {
                    Some(&part) => Ok(part),
                    None => self.add(name.clone(), name),
                }
            })
            .collect()
    }

    fn add(&mut self, key: String, name: String) -> Result<usize, GatherError> {
        if self.parts.len() == PARTS_MAX {
            return Err(GatherError::TooManyParts {
                column: self.by.clone(),
            });
        }
        self.names.insert(key, self.parts.len());
        self.parts.push((name, Part::default()));
        Ok(self.parts.len() - 1)
    }

    /// Returns the name of the part that holds a number; a part holds its lower edge.
    fn bin(&self, number: Option<f64>) -> String {
        let below = |number: f64| self.edges.partition_point(|&edge| edge <= number);
        bin_name(&self.by, &self.edges, number.map(below))
    }
}

/// Returns the name of the bin that begins at the edge before a place; nothing for what has no number.
fn bin_name(by: &str, edges: &[f64], above: Option<usize>) -> String {
    let Some(above) = above else {
        return format!("{by}=missing");
    };
    match (above.checked_sub(1), edges.get(above)) {
        (None, Some(upper)) => format!("{by}<{upper}"),
        (Some(lower), Some(upper)) => format!("{}<={by}<{upper}", edges[lower]),
        (Some(lower), None) => format!("{by}>={}", edges[lower]),
        (None, None) => by.to_owned(),
    }
}

/// Returns where a part stands among those of its cut: bins from low to high and what is missing
/// last, others by name.
pub(super) fn place(by: &str, edges: &[f64], name: &str) -> (usize, String) {
    let bins = if edges.is_empty() { 0 } else { edges.len() + 1 };
    let bin = (0..bins).position(|above| bin_name(by, edges, Some(above)) == name);
    (bin.unwrap_or(bins), name.to_owned())
}

fn find<'a>(batch: &ScoredRows<'a>, column: &str) -> Result<&'a ArrayRef, GatherError> {
    batch
        .along
        .iter()
        .find(|(name, _)| name == column)
        .map(|(_, array)| array)
        .ok_or_else(|| GatherError::Type {
            column: column.to_owned(),
            data_type: "absent".to_owned(),
            wanted: "anything",
        })
}
