//! What is sorted on disk where memory ends, and its bytes there.

use std::cmp::Ordering;

use verdict::rows::Row;

/// Something of a fixed size that has an order.
pub trait Record: Copy {
    /// What all records of a run have in common, so that it need not be written with each.
    type Layout: Copy + std::fmt::Debug;

    /// Orders records; those that are equal cannot be told apart.
    fn compare(&self, other: &Self) -> Ordering;

    /// Returns what records have in common.
    fn layout(records: &[Self]) -> Self::Layout;

    /// Returns the layout that holds what either of two holds.
    fn widest(one: Self::Layout, other: Self::Layout) -> Self::Layout;

    /// Returns how many bytes a record takes.
    fn size(layout: Self::Layout) -> usize;

    /// Appends the record's bytes.
    fn write(&self, layout: Self::Layout, sink: &mut Vec<u8>);

    /// Reads what [`Self::write`] wrote, from as many bytes as [`Self::size`] says.
    fn read(layout: Self::Layout, bytes: &[u8]) -> Self;
}

/// What the rows of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLayout {
    /// Every output is exact in single precision.
    pub single: bool,
    weighted: bool,
    clustered: bool,
}

impl<const MODELS: usize> Record for Row<MODELS> {
    type Layout = RowLayout;

    fn compare(&self, other: &Self) -> Ordering {
        Self::compare(self, other)
    }

    fn layout(rows: &[Self]) -> RowLayout {
        let is_single = |score: &f64| f64::from(*score as f32) == *score;
        RowLayout {
            single: rows.iter().all(|row| row.scores.iter().all(is_single)),
            weighted: rows.iter().any(|row| row.weight != 1.0),
            clustered: rows.iter().any(|row| row.cluster.is_some()),
        }
    }

    fn widest(one: RowLayout, other: RowLayout) -> RowLayout {
        RowLayout {
            single: one.single && other.single,
            weighted: one.weighted || other.weighted,
            clustered: one.clustered || other.clustered,
        }
    }

    fn size(layout: RowLayout) -> usize {
        let score = if layout.single { 4 } else { 8 };
        let extra = usize::from(layout.weighted) + usize::from(layout.clustered);
        1 + MODELS * score + 8 * extra
    }

    fn write(&self, layout: RowLayout, sink: &mut Vec<u8>) {
        sink.push(u8::from(self.positive));
        for score in self.scores {
            if layout.single {
                sink.extend((score as f32).to_le_bytes());
            } else {
                sink.extend(score.to_le_bytes());
            }
        }
        if layout.weighted {
            sink.extend(self.weight.to_le_bytes());
        }
        if layout.clustered {
            sink.extend(self.cluster.unwrap_or_default().to_le_bytes());
        }
    }

    fn read(layout: RowLayout, bytes: &[u8]) -> Self {
        let mut left = bytes;
        let [label] = take(&mut left);
        let scores = std::array::from_fn(|_| {
            if layout.single {
                f64::from(f32::from_le_bytes(take(&mut left)))
            } else {
                f64::from_le_bytes(take(&mut left))
            }
        });
        Self {
            scores,
            positive: label != 0,
            weight: if layout.weighted {
                f64::from_le_bytes(take(&mut left))
            } else {
                1.0
            },
            cluster: layout
                .clustered
                .then(|| u64::from_le_bytes(take(&mut left))),
        }
    }
}

/// Names of rows, hashed.
impl Record for u128 {
    type Layout = ();

    fn compare(&self, other: &Self) -> Ordering {
        self.cmp(other)
    }

    fn layout(_: &[Self]) {}

    fn widest((): (), (): ()) {}

    fn size((): ()) -> usize {
        16
    }

    fn write(&self, (): (), sink: &mut Vec<u8>) {
        sink.extend(self.to_le_bytes());
    }

    fn read((): (), bytes: &[u8]) -> Self {
        let mut left = bytes;
        Self::from_le_bytes(take(&mut left))
    }
}

/// Takes the first bytes; zeros where there are too few, which a record's size rules out.
fn take<const BYTES: usize>(left: &mut &[u8]) -> [u8; BYTES] {
    let Some((first, rest)) = left.split_first_chunk() else {
        return [0; BYTES];
    };
    *left = rest;
    *first
}
