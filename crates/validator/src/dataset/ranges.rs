//! Which requests to make for which byte ranges: near ranges together, long ones in parts.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Ranges nearer than this are read together: the bytes between cost less than a request.
const GAP_BYTES_MAX: u64 = 512 * 1024;
/// One request reads at most this; longer ranges are read in parts, several at a time.
const PART_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What to request so that all wanted ranges are covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestPlan {
    /// The requests, ascending, not overlapping.
    pub(super) parts: Vec<Range<u64>>,
}

impl RequestPlan {
    /// Plans requests for `wanted` ranges in any order.
    pub(super) fn new(wanted: &[Range<u64>]) -> Self {
        let mut sorted: Vec<Range<u64>> = wanted
            .iter()
            .filter(|range| range.start < range.end)
            .cloned()
            .collect();
        sorted.sort_by_key(|range| (range.start, range.end));
        let mut merged: Vec<Range<u64>> = Vec::new();
        for range in sorted {
            match merged.last_mut() {
                Some(last) if range.start <= last.end.saturating_add(GAP_BYTES_MAX) => {
                    last.end = last.end.max(range.end);
                }
                _ => merged.push(range),
            }
        }
        let parts = merged.into_iter().flat_map(|range| {
            let mut start = range.start;
            std::iter::from_fn(move || {
                let end = range.end.min(start + PART_BYTES_MAX);
                let part = (start < range.end).then_some(start..end);
                start = end;
                part
            })
        });
        Self {
            parts: parts.collect(),
        }
    }

    /// Cuts the wanted ranges out of what the requests returned, `fetched[i]` for `parts[i]`.
    /// A range within one part is not copied.
    pub(super) fn cut(&self, fetched: &[Bytes], wanted: &[Range<u64>]) -> Vec<Bytes> {
        wanted
            .iter()
            .map(|range| self.cut_one(fetched, range))
            .collect()
    }

    fn cut_one(&self, fetched: &[Bytes], range: &Range<u64>) -> Bytes {
        if range.start >= range.end {
            return Bytes::new();
        }
        let first = self.parts.partition_point(|part| part.end <= range.start);
        let mut whole = BytesMut::new();
        for (part, bytes) in self.parts.iter().zip(fetched).skip(first) {
            if part.start >= range.end {
                break;
            }
            let from = range.start.max(part.start) - part.start;
            let to = range.end.min(part.end) - part.start;
            let piece = bytes.slice(from as usize..to as usize);
            if part.start <= range.start && range.end <= part.end {
                return piece;
            }
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// More than a part long, so that ranges cross the border between two.
    static OBJECT: LazyLock<Bytes> =
        LazyLock::new(|| (0..251u8).cycle().take(18_000_000).collect());

    #[test]
    fn near_ranges_share_a_request_and_long_ones_are_split() {
        let plan = RequestPlan::new(&[0..100, 200..300, 30_000_000..47_000_000]);
        assert_eq!(plan.parts[0], 0..300);
        assert_eq!(plan.parts.len(), 4);
        assert!(
            plan.parts
                .iter()
                .all(|part| part.end - part.start <= PART_BYTES_MAX)
        );
    }

    proptest! {
        #[test]
        fn every_range_gets_exactly_its_bytes(
            ranges in prop::collection::vec((0u64..9_000_000, 0u64..9_000_000), 0..4),
        ) {
            let wanted: Vec<Range<u64>> =
                ranges.into_iter().map(|(start, length)| start..start + length).collect();
            let plan = RequestPlan::new(&wanted);
            let fetched: Vec<Bytes> = plan
                .parts
                .iter()
                .map(|part| OBJECT.slice(part.start as usize..part.end as usize))
                .collect();
            for (range, bytes) in wanted.iter().zip(plan.cut(&fetched, &wanted)) {
                let expected = OBJECT.slice(range.start as usize..range.end as usize);
                prop_assert!(bytes == expected, "{range:?}");
            }
        }
    }
}
