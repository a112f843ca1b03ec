//! What xtask says: talk to stderr, data to stdout. Nothing else here prints.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// Writes one line of talk to stderr.
pub(crate) fn say(text: impl Display) {
    // A closed stderr leaves nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes a heading of a step to stderr, bold on a terminal.
pub(crate) fn heading(text: impl Display) {
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        say(format_args!("\u{1b}[1m==> {text}\u{1b}[0m"));
    } else {
        say(format_args!("==> {text}"));
    }
}

/// Writes one line of data to stdout.
///
/// # Errors
/// Whatever the write returns, except a broken pipe, which is a quiet end.
pub(crate) fn data(text: impl Display) -> std::io::Result<()> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Returns a size as people read it: bytes below 1,000, then kB, MB, GB with one decimal.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, f64); 3] = [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    #[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
    let exact = bytes as f64;
    UNITS
        .iter()
        .find(|(_, factor)| exact >= *factor)
        .map_or_else(
            || format!("{bytes} B"),
            |(unit, factor)| format!("{:.1} {unit}", exact / factor),
        )
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_carry_a_unit_and_one_decimal() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(526_605_292), "526.6 MB");
        assert_eq!(size(2_340_000_000), "2.3 GB");
    }
}
