//! Rows with weights or clusters, under one model or two, in a canonical order.

use std::cmp::Ordering;
use std::convert::Infallible;

use crate::metric::{Groups, Mass, Totals};
use crate::score::{key_double, key_of_single};
use crate::summary::{Entry, stream};

/// One row under `MODELS` models, where weights or clusters matter.
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

/// Gathers rows, in any order and any number of batches; all of them have a cluster, or none.
///
/// A row takes one byte, 4 for each output (8 when one is not exact in single precision), 8 for
/// its weight where any is not 1, and 8 for its cluster where there are clusters.
#[derive(Clone, Debug)]
pub struct RowAccumulator<const MODELS: usize = 1> {
    scores: [ScoreColumn; MODELS],
    positives: Vec<bool>,
    /// Empty while every weight is 1.
    weights: Vec<f64>,
    /// Empty without clusters.
    clusters: Vec<u64>,
}

#[derive(Clone, Debug)]
enum ScoreColumn {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl ScoreColumn {
    fn push(&mut self, score: f64) {
        // Both zeros become one.
        let score = score + 0.0;
        if let Self::Single(column) = self {
            if f64::from(score as f32) == score {
                column.push(score as f32);
                return;
            }
            *self = Self::Double(column.iter().copied().map(f64::from).collect());
        }
        if let Self::Double(column) = self {
            column.push(score);
        }
    }

    fn get(&self, row: usize) -> f64 {
        match self {
            Self::Single(column) => f64::from(column[row]),
            Self::Double(column) => column[row],
        }
    }

    /// Returns the rows in ascending order of their outputs; tied ones in any.
    fn ascending(&self) -> Vec<u32> {
        match self {
            Self::Single(column) => {
                let packed = |(row, &score)| u64::from(key_of_single(score)) << 32 | row as u64;
                let mut keys: Vec<u64> = column.iter().enumerate().map(packed).collect();
                keys.sort_unstable();
                keys.into_iter().map(|key| key as u32).collect()
            }
            Self::Double(column) => {
                let mut rows: Vec<u32> = (0..column.len() as u32).collect();
                rows.sort_unstable_by_key(|&row| key_double(column[row as usize]));
                rows
            }
        }
    }

    fn in_order(self, order: &[u32]) -> Self {
        match self {
            Self::Single(column) => Self::Single(in_order(column, order)),
            Self::Double(column) => Self::Double(in_order(column, order)),
        }
    }
}

/// Moves a column into an order; an empty one stays empty.
fn in_order<T: Copy>(column: Vec<T>, order: &[u32]) -> Vec<T> {
    if column.is_empty() {
        return column;
    }
    order.iter().map(|&row| column[row as usize]).collect()
}

impl<const MODELS: usize> Default for RowAccumulator<MODELS> {
    fn default() -> Self {
        Self {
            scores: std::array::from_fn(|_| ScoreColumn::Single(Vec::new())),
            positives: Vec::new(),
            weights: Vec::new(),
            clusters: Vec::new(),
        }
    }
}

impl<const MODELS: usize> Extend<Row<MODELS>> for RowAccumulator<MODELS> {
    /// # Panics
    /// When a score is NaN, or a weight not finite and above 0: those are refused by name where
    /// rows are gathered. Beyond 2^32 rows.
    fn extend<I: IntoIterator<Item = Row<MODELS>>>(&mut self, rows: I) {
        for row in rows {
            assert!(
                row.scores.iter().all(|score| !score.is_nan()),
                "scores are ordered"
            );
            assert!(
                row.weight > 0.0 && row.weight.is_finite(),
                "weights are finite and above 0"
            );
            assert!(
                self.positives.len() < u32::MAX as usize,
                "rows are numbered"
            );
            if row.weight != 1.0 && self.weights.is_empty() {
                self.weights = vec![1.0; self.positives.len()];
            }
            if row.weight != 1.0 || !self.weights.is_empty() {
                self.weights.push(row.weight);
            }
            for (column, score) in self.scores.iter_mut().zip(row.scores) {
                column.push(score);
            }
            self.positives.push(row.positive);
            self.clusters.extend(row.cluster);
        }
    }
}

impl<const MODELS: usize> RowAccumulator<MODELS> {
    /// Orders what was gathered.
    ///
    /// # Panics
    /// When some rows have a cluster and others have none.
    #[must_use]
    pub fn finish(self) -> OrderedRows<MODELS> {
        let clustered = self.clusters.len();
        assert!(
            clustered == 0 || clustered == self.positives.len(),
            "all rows have a cluster, or none"
        );
        let rows = self.ordered();
        let Ok(scan) = stream::scan(entries(&rows).map(Ok::<_, Infallible>));
        OrderedRows {
            rows,
            totals: scan.totals,
        }
    }

    fn ordered(self) -> Self {
        // Those of [`crate::paired::PairedScores`] are.
        if (1..self.positives.len()).all(|row| self.compare(row - 1, row).is_le()) {
            return self;
        }
        let mut order = self.scores[0].ascending();
        let first = |row: &u32| self.scores[0].get(*row as usize);
        for tied in order.chunk_by_mut(|left, right| first(left) == first(right)) {
            tied.sort_unstable_by(|&left, &right| self.compare(left as usize, right as usize));
        }
        Self {
            scores: self.scores.map(|column| column.in_order(&order)),
            positives: in_order(self.positives, &order),
            weights: in_order(self.weights, &order),
            clusters: in_order(self.clusters, &order),
        }
    }

    fn get(&self, row: usize) -> Row<MODELS> {
        Row {
            scores: std::array::from_fn(|model| self.scores[model].get(row)),
            positive: self.positives[row],
            weight: self.weights.get(row).copied().unwrap_or(1.0),
            cluster: self.clusters.get(row).copied(),
        }
    }

    /// Orders rows by everything that they hold, so that equal ones are exchangeable.
    fn compare(&self, left: usize, right: usize) -> Ordering {
        let (left, right) = (self.get(left), self.get(right));
        let scores = left.scores.iter().zip(&right.scores);
        let by_score = scores.fold(Ordering::Equal, |so_far, (left, right)| {
            so_far.then(left.total_cmp(right))
        });
        by_score
            .then(left.weight.total_cmp(&right.weight))
            .then(left.cluster.cmp(&right.cluster))
            .then(left.positive.cmp(&right.positive))
    }
}

/// Rows in ascending order of the first model's output, and then of everything else that they
/// hold: whatever order they came in, this one is the same.
#[derive(Clone, Debug)]
pub struct OrderedRows<const MODELS: usize = 1> {
    rows: RowAccumulator<MODELS>,
    totals: Totals,
}

impl<const MODELS: usize> Default for OrderedRows<MODELS> {
    fn default() -> Self {
        RowAccumulator::default().finish()
    }
}

impl<const MODELS: usize> OrderedRows<MODELS> {
    /// Returns how many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.positives.len()
    }

    /// Tells whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.positives.is_empty()
    }

    /// Tells whether every output is exact in single precision.
    #[must_use]
    pub fn is_single(&self) -> bool {
        let is_single = |column: &ScoreColumn| matches!(column, ScoreColumn::Single(_));
        self.rows.scores.iter().all(is_single)
    }

    /// Tells whether rows belong to clusters.
    pub(super) fn is_clustered(&self) -> bool {
        !self.rows.clusters.is_empty()
    }

    /// Iterates over the rows in order.
    pub fn iter(&self) -> impl Iterator<Item = Row<MODELS>> + '_ {
        (0..self.len()).map(|place| self.rows.get(place))
    }

    /// Returns the places of the rows in ascending order of a model's output.
    pub(super) fn ranked_by(&self, model: usize) -> Vec<u32> {
        if model == 0 {
            return (0..self.len() as u32).collect();
        }
        self.rows.scores[model].ascending()
    }

    /// Returns the row at a place of the order.
    pub(super) fn at(&self, place: usize) -> Row<MODELS> {
        self.rows.get(place)
    }

    /// Iterates over the rows by the first model's output and by weight, as entries of a run;
    /// clusters are left aside.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        entries(&self.rows)
    }
}

fn entries<const MODELS: usize>(rows: &RowAccumulator<MODELS>) -> impl Iterator<Item = Entry> + '_ {
    let mut rows = (0..rows.positives.len())
        .map(|row| rows.get(row))
        .peekable();
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
        Entry::weighted(first.scores[0], first.weight, positives, negatives)
    })
}

/// As the first model ranks the rows.
impl<const MODELS: usize> Groups for OrderedRows<MODELS> {
    fn totals(&self) -> Totals {
        self.totals
    }

    fn for_each_mass(&self, mut visit: impl FnMut(Mass)) {
        for group in stream::groups(self.entries().map(Ok::<_, Infallible>)) {
            let Ok((_, mass)) = group;
            visit(mass);
        }
    }
}
