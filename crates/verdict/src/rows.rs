//! Rows with all that is known of them, under one model or two, in a canonical order.

use std::cmp::Ordering;
use std::convert::Infallible;

use crate::metric::{Groups, Mass, Totals};
use crate::score::TieGroup;
use crate::summary::{Entry, stream};

/// One row under `MODELS` models, where weights, clusters or a second model matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<const MODELS: usize = 1> {
    /// Each model's raw output; not NaN.
    pub scores: [f64; MODELS],
    /// Whether the row is of the positive class.
    pub positive: bool,
    /// Its weight, finite and above 0; 1 where there are none.
    pub weight: f64,
    /// A hash of the cluster's identity (its customer, say); nothing without clusters.
    pub cluster: Option<u64>,
}

impl<const MODELS: usize> Row<MODELS> {
    /// Returns the row as it is gathered: both zeros are one score.
    ///
    /// # Panics
    /// When a score is NaN, or the weight not finite and above 0: those are refused by name
    /// where rows are read.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        assert!(
            self.scores.iter().all(|score| !score.is_nan()),
            "scores are ordered"
        );
        assert!(
            self.weight > 0.0 && self.weight.is_finite(),
            "weights are finite and above 0"
        );
        self.scores = self.scores.map(|score| score + 0.0);
        self
    }

    /// Orders rows by the outputs, the first model's before the second's, and then by all else
    /// that they hold, so that equal ones are exchangeable.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        let scores = self.scores.iter().zip(&other.scores);
        let by_score = scores.fold(Ordering::Equal, |so_far, (left, right)| {
            so_far.then_with(|| left.total_cmp(right))
        });
        by_score
            .then_with(|| self.weight.total_cmp(&other.weight))
            .then_with(|| self.cluster.cmp(&other.cluster))
            .then_with(|| self.positive.cmp(&other.positive))
    }
}

/// Rows in the order of [`Row::compare`], wherever they are held: in memory ([`OrderedRows`]) or
/// on disk. As [`Groups`] they are ranked by the first model.
pub trait Rows<const MODELS: usize = 1>: Groups {
    /// Returns what is known of all rows.
    fn overview(&self) -> &Overview;

    /// Iterates over the rows in order.
    fn iter(&self) -> impl Iterator<Item = Row<MODELS>>;

    /// Brings what was made of these rows into order, with the means that hold these.
    fn sort(&self, rows: impl Iterator<Item = TaggedRow>) -> impl Iterator<Item = TaggedRow>;
}

/// A row as one model ranks it, and a number that goes with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaggedRow {
    /// The model's raw output; not NaN.
    pub score: f64,
    /// Whether the row is of the positive class.
    pub positive: bool,
    /// Its weight.
    pub weight: f64,
    /// What goes with it.
    pub tag: u32,
}

impl TaggedRow {
    /// Orders rows by the output, and then by all else that they hold.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        self.score
            .total_cmp(&other.score)
            .then_with(|| self.weight.total_cmp(&other.weight))
            .then_with(|| self.tag.cmp(&other.tag))
            .then_with(|| self.positive.cmp(&other.positive))
    }
}

/// What is known of all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Masses, and the range of the first model's outputs.
    pub totals: Totals,
    /// Rows of the positive class.
    pub positives: u64,
    /// Rows of the negative class.
    pub negatives: u64,
    /// Whether rows belong to clusters.
    pub clustered: bool,
}

impl Overview {
    /// Looks through ordered rows.
    ///
    /// # Panics
    /// When some rows have a cluster and others have none.
    #[must_use]
    pub fn of<const MODELS: usize>(rows: impl Iterator<Item = Row<MODELS>>) -> Self {
        let mut clustered = None;
        let rows = rows.inspect(|row| {
            let has_cluster = row.cluster.is_some();
            assert!(
                *clustered.get_or_insert(has_cluster) == has_cluster,
                "all rows have a cluster, or none"
            );
        });
        let Ok(scan) = stream::scan(entries(rows).map(Ok::<_, Infallible>));
        Self {
            totals: scan.totals,
            positives: scan.positives,
            negatives: scan.negatives,
            clustered: clustered.unwrap_or(false),
        }
    }
}

/// Joins ordered rows that follow each other with one output and weight under the first model;
/// clusters are left aside. Of one model that makes a run's entries.
///
/// # Panics
/// For rows that are not [`Row::canonical`].
pub fn entries<const MODELS: usize>(
    rows: impl Iterator<Item = Row<MODELS>>,
) -> impl Iterator<Item = Entry> {
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        let first = rows.next()?;
        let count = |row: &Row<MODELS>| (u64::from(row.positive), u64::from(!row.positive));
        let (mut positives, mut negatives) = count(&first);
        let alike =
            |row: &Row<MODELS>| row.scores[0] == first.scores[0] && row.weight == first.weight;
        while let Some(row) = rows.next_if(alike) {
            let more = count(&row);
            positives += more.0;
            negatives += more.1;
        }
        let entry = Entry::weighted(first.scores[0], first.weight, positives, negatives);
        Some(entry.expect("a canonical row has an output and a weight"))
    })
}

/// Joins ordered rows that the first model gives the same output.
pub fn groups<const MODELS: usize>(
    rows: impl Iterator<Item = Row<MODELS>>,
) -> impl Iterator<Item = (TieGroup, Mass)> {
    stream::groups(entries(rows).map(Ok::<_, Infallible>)).map(|group| {
        let Ok(group) = group;
        group
    })
}

/// Gathers rows in memory, in any order; all of them have a cluster, or none.
#[derive(Clone, Debug)]
pub struct RowAccumulator<const MODELS: usize = 1> {
    rows: Vec<Row<MODELS>>,
}

impl<const MODELS: usize> Default for RowAccumulator<MODELS> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<const MODELS: usize> Extend<Row<MODELS>> for RowAccumulator<MODELS> {
    /// # Panics
    /// As [`Row::canonical`].
    fn extend<I: IntoIterator<Item = Row<MODELS>>>(&mut self, rows: I) {
        self.rows.extend(rows.into_iter().map(Row::canonical));
    }
}

impl<const MODELS: usize> RowAccumulator<MODELS> {
    /// Orders what was gathered.
    ///
    /// # Panics
    /// As [`Overview::of`].
    #[must_use]
    pub fn finish(mut self) -> OrderedRows<MODELS> {
        self.rows.sort_unstable_by(Row::compare);
        OrderedRows {
            overview: Overview::of(self.rows.iter().copied()),
            rows: self.rows,
        }
    }
}

/// Rows in memory in the order of [`Row::compare`]: whatever order they came in, this one is the
/// same.
#[derive(Clone, Debug)]
pub struct OrderedRows<const MODELS: usize = 1> {
    rows: Vec<Row<MODELS>>,
    overview: Overview,
}

impl<const MODELS: usize> Rows<MODELS> for OrderedRows<MODELS> {
    fn overview(&self) -> &Overview {
        &self.overview
    }

    fn iter(&self) -> impl Iterator<Item = Row<MODELS>> {
        self.rows.iter().copied()
    }

    fn sort(&self, rows: impl Iterator<Item = TaggedRow>) -> impl Iterator<Item = TaggedRow> {
        let mut rows: Vec<TaggedRow> = rows.collect();
        rows.sort_unstable_by(TaggedRow::compare);
        rows.into_iter()
    }
}

impl<const MODELS: usize> Groups for OrderedRows<MODELS> {
    fn totals(&self) -> Totals {
        self.overview.totals
    }

    fn for_each_mass(&self, mut visit: impl FnMut(Mass)) {
        groups(self.iter()).for_each(|(_, mass)| visit(mass));
    }
}
