//! Real rows from all over the dataset, evenly spread and without chance.

use ndarray::{Array2, ArrayView2};

/// At most this many rows are kept.
const ROWS_MAX: usize = 2048;
/// At most this many bytes of rows are kept.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Keeps every n-th row of a stream of unknown length; n doubles whenever the sample is full,
/// so the rows stay evenly spread and the same stream gives the same sample.
#[derive(Clone, Debug)]
pub struct RowSample {
    width: usize,
    capacity: usize,
    stride: u64,
    offered: u64,
    values: Vec<f32>,
}

impl RowSample {
    /// Returns an empty sample of rows of that width.
    #[must_use]
    pub fn new(width: usize) -> Self {
        let fitting = BYTES_MAX / size_of::<f32>() / width.max(1);
        Self {
            width,
            capacity: fitting.clamp(2, ROWS_MAX),
            stride: 1,
            offered: 0,
            values: Vec::new(),
        }
    }

    /// Offers rows, shape `[rows, width]`.
    pub fn offer(&mut self, rows: ArrayView2<'_, f32>) {
        for row in rows.rows() {
            if self.offered.is_multiple_of(self.stride) {
                if self.rows() == self.capacity {
                    self.thin_out();
                }
                if self.offered.is_multiple_of(self.stride) {
                    self.values.extend(row);
                }
            }
            self.offered += 1;
        }
    }

    /// Returns how many rows are kept.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Returns the kept rows, shape `[rows, width]`.
    #[must_use]
    pub fn into_rows(self) -> Array2<f32> {
        Array2::from_shape_vec((self.rows(), self.width), self.values).expect("whole rows are kept")
    }

    fn thin_out(&mut self) {
        let mut kept = Vec::with_capacity(self.values.len());
        for row in self.values.chunks(self.width).step_by(2) {
            kept.extend_from_slice(row);
        }
        self.values = kept;
        self.stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(range: std::ops::Range<u32>) -> Array2<f32> {
        let values: Vec<f32> = range.clone().map(|row| row as f32).collect();
        Array2::from_shape_vec((values.len(), 1), values).expect("one column")
    }

    #[test]
    fn a_short_stream_is_kept_whole() {
        let mut sample = RowSample::new(1);
        sample.offer(rows(0..100).view());
        assert_eq!(sample.into_rows(), rows(0..100));
    }

    #[test]
    fn a_long_stream_is_kept_evenly_and_within_bounds() {
        let mut sample = RowSample::new(1);
        for start in (0..100_000).step_by(1000) {
            sample.offer(rows(start..start + 1000).view());
        }
        let kept: Vec<f32> = sample.into_rows().into_iter().collect();
        assert!(
            kept.len() <= ROWS_MAX && kept.len() >= ROWS_MAX / 2,
            "{}",
            kept.len()
        );
        let stride = kept[1] - kept[0];
        assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == stride));
        assert!(kept.last().is_some_and(|&last| last + stride >= 100_000.0));
    }
}
