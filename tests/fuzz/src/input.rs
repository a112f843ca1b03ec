//! Inputs of several texts: parts are separated by a line of its own, so that seeds stay readable.

/// The line between two parts.
pub(crate) const SEPARATOR: &str = "\n%%\n";

/// Returns the input as text, invalid UTF-8 replaced, as every reader of a chart's files does.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Splits a text into `N` parts; those that are missing are empty, what is too much stays in the last.
pub(crate) fn parts<const N: usize>(text: &str) -> [&str; N] {
    let mut found = text.splitn(N, SEPARATOR);
    std::array::from_fn(|_| found.next().unwrap_or_default())
}
