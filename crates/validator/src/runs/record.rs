//! What is sorted on disk where memory ends, and its bytes there.

use std::cmp::Ordering;

use verdict::rows::{Row, TaggedRow};

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

    /// Reads what [`Self::write`] wrote, from as many bytes as [`Self::size`] says; nothing when that
    /// is no record.
    fn read(layout: Self::Layout, bytes: &[u8]) -> Option<Self>;
}

/// What the rows of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLayout {
    /// Every output is exact in single precision.
    pub single: bool,
    /// Some weight is not 1.
    pub weighted: bool,
    /// Rows belong to clusters.
    pub clustered: bool,
}

impl<const MODELS: usize> Record for Row<MODELS> {
    type Layout = RowLayout;

    fn compare(&self, other: &Self) -> Ordering {
        Row::compare(self, other)
    }

    fn layout(rows: &[Self]) -> RowLayout {
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
            write_score(score, layout.single, sink);
        }
        if layout.weighted {
            sink.extend(self.weight.to_le_bytes());
        }
        if layout.clustered {
            sink.extend(self.cluster.unwrap_or_default().to_le_bytes());
        }
    }

    fn read(layout: RowLayout, bytes: &[u8]) -> Option<Self> {
        let mut left = bytes;
        let positive = read_label(&mut left)?;
        let mut scores = [0.0; MODELS];
        for score in &mut scores {
            *score = read_score(layout.single, &mut left)?;
        }
        let weight = if layout.weighted {
            read_weight(&mut left)?
        } else {
            1.0
        };
        let cluster = if layout.clustered {
            Some(u64::from_le_bytes(take(&mut left)?))
        } else {
            None
        };
        Some(Self {
            scores,
            positive,
            weight,
            cluster,
        })
    }
}

/// A row as one model ranks it; its tag is always written.
impl Record for TaggedRow {
    type Layout = RowLayout;

    fn compare(&self, other: &Self) -> Ordering {
        TaggedRow::compare(self, other)
    }

    fn layout(rows: &[Self]) -> RowLayout {
        RowLayout {
            single: rows.iter().all(|row| is_single(&row.score)),
            weighted: rows.iter().any(|row| row.weight != 1.0),
            clustered: false,
        }
    }

    fn widest(one: RowLayout, other: RowLayout) -> RowLayout {
        Row::<1>::widest(one, other)
    }

    fn size(layout: RowLayout) -> usize {
        Row::<1>::size(layout) + size_of::<u32>()
    }

    fn write(&self, layout: RowLayout, sink: &mut Vec<u8>) {
        let row = Row {
            scores: [self.score],
            positive: self.positive,
            weight: self.weight,
            cluster: None,
        };
        row.write(layout, sink);
        sink.extend(self.tag.to_le_bytes());
    }

    fn read(layout: RowLayout, bytes: &[u8]) -> Option<Self> {
        let (row, tag) = bytes.split_last_chunk()?;
        let row = Row::<1>::read(layout, row)?;
        let [score] = row.scores;
        Some(Self {
            score,
            positive: row.positive,
            weight: row.weight,
            tag: u32::from_le_bytes(*tag),
        })
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

    fn read((): (), bytes: &[u8]) -> Option<Self> {
        let mut left = bytes;
        Some(Self::from_le_bytes(take(&mut left)?))
    }
}

fn is_single(score: &f64) -> bool {
    f64::from(*score as f32) == *score
}

fn write_score(score: f64, single: bool, sink: &mut Vec<u8>) {
    if single {
        sink.extend((score as f32).to_le_bytes());
    } else {
        sink.extend(score.to_le_bytes());
    }
}

fn read_score(single: bool, left: &mut &[u8]) -> Option<f64> {
    let score = if single {
        f64::from(f32::from_le_bytes(take(left)?))
    } else {
        f64::from_le_bytes(take(left)?)
    };
    (!score.is_nan()).then_some(score)
}

fn read_label(left: &mut &[u8]) -> Option<bool> {
    match take(left)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

fn read_weight(left: &mut &[u8]) -> Option<f64> {
    let weight = f64::from_le_bytes(take(left)?);
    (weight > 0.0 && weight.is_finite()).then_some(weight)
}

fn take<const BYTES: usize>(left: &mut &[u8]) -> Option<[u8; BYTES]> {
    let (first, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(*first)
}
