//! Durations as Go writes them (`5m0s`, `1h30m`, `250ms`), the form of Helm's `--timeout`.

use std::time::Duration;

use thiserror::Error;

/// Why a text is not a duration.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// The text is empty or has no digits where a number belongs.
    #[error(
        "`{0}` is not a duration: expected a number and a unit, as in `30s`, `5m0s` or `1h30m`"
    )]
    Malformed(String),
    /// A number stands without its unit.
    #[error("`{0}` has no unit: write `{0}s` for seconds or `{0}m` for minutes")]
    NoUnit(String),
    /// The unit is none of ns, us, ms, s, m and h.
    #[error("unit `{unit}` in `{text}` is unknown: use ns, us, ms, s, m or h")]
    UnknownUnit {
        /// The whole text.
        text: String,
        /// The unit found.
        unit: String,
    },
    /// Negative durations make no sense for a timeout.
    #[error("`{0}` is negative")]
    Negative(String),
    /// More than about 292 years, the largest that Go holds.
    #[error("`{0}` is too long")]
    TooLong(String),
}

/// Parses a duration in the notation of Go's `time.ParseDuration`.
///
/// # Errors
/// [`DurationError`] tells which part is wrong and how to write it.
///
/// Source: Go, package `time`, `ParseDuration`.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    if unsigned.starts_with('-') {
        return Err(DurationError::Negative(text.to_owned()));
    }
    if unsigned == "0" {
        return Ok(Duration::ZERO);
    }
    if unsigned.is_empty() {
        return Err(DurationError::Malformed(text.to_owned()));
    }
    let mut rest = unsigned;
    let mut nanoseconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|character: char| !character.is_ascii_digit() && character != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let value: f64 = number
            .parse()
            .map_err(|_| DurationError::Malformed(text.to_owned()))?;
        let unit_length = tail
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_length);
        nanoseconds += value * nanoseconds_of(unit, text)?;
        rest = tail;
    }
    if nanoseconds > i64::MAX as f64 {
        return Err(DurationError::TooLong(text.to_owned()));
    }
    Ok(Duration::from_nanos(nanoseconds.round() as u64))
}

/// Reads a timeout; zero means 30 s, as for Helm.
///
/// # Errors
/// As [`parse_duration`].
pub fn parse_timeout(text: &str) -> Result<Duration, DurationError> {
    let timeout = parse_duration(text)?;
    Ok(if timeout.is_zero() {
        Duration::from_secs(30)
    } else {
        timeout
    })
}

fn nanoseconds_of(unit: &str, text: &str) -> Result<f64, DurationError> {
    Ok(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        "" => return Err(DurationError::NoUnit(text.to_owned())),
        other => {
            return Err(DurationError::UnknownUnit {
                text: text.to_owned(),
                unit: other.to_owned(),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_notation_is_read() {
        for (text, expected_ms) in [
            ("5m0s", 300_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("250ms", 250),
            ("0", 0),
            ("0s", 0),
            ("+2s", 2_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(expected_ms)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_timeout_of_zero_is_helms_thirty_seconds() {
        assert_eq!(parse_timeout("0s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_timeout("1s"), Ok(Duration::from_secs(1)));
        assert!(parse_timeout("1").is_err());
    }

    #[test]
    fn what_is_no_duration_is_named() {
        assert_eq!(
            parse_duration("300"),
            Err(DurationError::NoUnit("300".to_owned()))
        );
        assert_eq!(
            parse_duration("-1s"),
            Err(DurationError::Negative("-1s".to_owned()))
        );
        assert!(matches!(
            parse_duration("5 minutes"),
            Err(DurationError::UnknownUnit { .. })
        ));
        assert!(matches!(
            parse_duration(""),
            Err(DurationError::Malformed(_))
        ));
        assert!(matches!(
            parse_duration("s"),
            Err(DurationError::Malformed(_))
        ));
        assert!(matches!(
            parse_duration("9999999999h"),
            Err(DurationError::TooLong(_))
        ));
    }
}
