//! Keeps deep templates from overflowing the thread's stack: it grows on the heap where needed,
//! and the limits on depth bound how far.

/// Free stack below which a new segment is taken, and the size of that segment, in bytes.
const RED_ZONE_BYTES: usize = 256 * 1024;
const SEGMENT_BYTES: usize = 4 * 1024 * 1024;

/// Runs `body` with enough stack for one more level of nesting.
pub(crate) fn grown<T>(body: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE_BYTES, SEGMENT_BYTES, body)
}
