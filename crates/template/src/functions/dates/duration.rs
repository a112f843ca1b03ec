//! Durations as Go writes and reads them: `1h2m3.5s`.

use super::{invalid_duration, parse::quoted_as_time};

/// Nanoseconds of a unit's name.
fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// Reads a duration, in nanoseconds.
///
/// # Errors
/// Go's text, such as `time: missing unit in duration "1"`.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || invalid_duration(text);
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| {
            text.find(|next: char| !next.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let (whole, after) = rest.split_at(digits(rest));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let end = after
            .find(|next: char| next == '.' || next.is_ascii_digit())
            .unwrap_or(after.len());
        let (name, next) = after.split_at(end);
        if name.is_empty() {
            return Err(format!(
                "time: missing unit in duration {}",
                quoted_as_time(text)
            ));
        }
        let Some(unit) = unit(name) else {
            return Err(format!(
                "time: unknown unit {} in duration {}",
                quoted_as_time(name),
                quoted_as_time(text)
            ));
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        let part = format!("0.{fraction}").parse::<f64>().unwrap_or(0.0) * unit as f64;
        let added = whole
            .checked_mul(unit)
            .and_then(|whole| whole.checked_add(part as u64));
        total = added
            .and_then(|added| total.checked_add(added))
            .filter(|total| *total <= 1 << 63)
            .ok_or_else(invalid)?;
        rest = next;
    }
    if negative {
        return Ok((total as i64).wrapping_neg());
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// A number of units with its decimals, zeros at the end left out.
fn decimal(number: u64, places: usize) -> String {
    let divisor = 10u64.pow(places as u32);
    let fraction = format!("{:0places$}", number % divisor);
    match fraction.trim_end_matches('0') {
        "" => (number / divisor).to_string(),
        fraction => format!("{}.{fraction}", number / divisor),
    }
}

/// Go's text of a duration given in nanoseconds.
pub(super) fn text(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let body = match magnitude {
        0 => return "0s".to_owned(),
        1..1_000 => format!("{magnitude}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(magnitude, 3)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(magnitude, 6)),
        _ => {
            let seconds = decimal(magnitude % 60_000_000_000, 9);
            let minutes = magnitude / 60_000_000_000;
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{body}")
}

#[cfg(test)]
mod tests {
    use super::{parse, text};

    #[test]
    fn durations_go_both_ways() {
        for (written, nanoseconds, shown) in [
            ("1h", 3_600_000_000_000, "1h0m0s"),
            ("-1.5h", -5_400_000_000_000, "-1h30m0s"),
            ("1m30.5s", 90_500_000_000, "1m30.5s"),
            ("1500us", 1_500_000, "1.5ms"),
            ("10ns", 10, "10ns"),
            ("0", 0, "0s"),
        ] {
            assert_eq!(parse(written), Ok(nanoseconds));
            assert_eq!(text(nanoseconds), shown);
        }
        assert_eq!(
            parse("1").unwrap_err(),
            "time: missing unit in duration \"1\""
        );
        assert_eq!(
            parse("1d").unwrap_err(),
            "time: unknown unit \"d\" in duration \"1d\""
        );
        assert_eq!(parse("x").unwrap_err(), "time: invalid duration \"x\"");
    }
}
