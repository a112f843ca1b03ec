//! Numbers as people read them.

/// Writes a count with commas between thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a share with four decimals, or as many more as it takes to tell it from `other`.
pub(super) fn share(value: f64, other: f64) -> String {
    let mut text = format!("{value:.4}");
    for decimals in 4..=17 {
        text = format!("{value:.decimals$}");
        if value == other || text != format!("{other:.decimals$}") {
            break;
        }
    }
    text
}

/// Writes milliseconds with three significant figures.
pub(super) fn milliseconds(value: f64) -> String {
    let text = if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else if value >= 1.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    };
    format!("{text} ms")
}

/// Writes milliseconds with as many more decimals as it takes to tell them from `other`.
pub(super) fn milliseconds_beside(value: f64, other: f64) -> String {
    if value == other || milliseconds(value) != milliseconds(other) {
        return milliseconds(value);
    }
    (1..=9)
        .map(|decimals| (format!("{value:.decimals$}"), format!("{other:.decimals$}")))
        .find(|(text, other)| text != other)
        .map_or_else(|| milliseconds(value), |(text, _)| format!("{text} ms"))
}

/// Writes a limit as it was given.
pub(super) fn limit_ms(value: f64) -> String {
    format!("{value} ms")
}

/// Writes a size in binary units.
pub(super) fn bytes(value: u64) -> String {
    let mut scaled = value as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if scaled < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    if unit == "B" {
        format!("{value} B")
    } else {
        format!("{scaled:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(milliseconds(0.0214), "0.021 ms");
        assert_eq!(milliseconds(12.34), "12.3 ms");
        assert_eq!(milliseconds(210.4), "210 ms");
        assert_eq!(milliseconds_beside(210.4, 200.0), "210 ms");
        assert_eq!(milliseconds_beside(200.3, 200.0), "200.3 ms");
        assert_eq!(milliseconds_beside(200.000_004, 200.0), "200.000004 ms");
        assert_eq!(milliseconds_beside(200.0, 200.0), "200 ms");
        assert_eq!(limit_ms(200.0), "200 ms");
        assert_eq!(bytes(12_635), "12.3 KiB");
        assert_eq!(bytes(12), "12 B");
    }

    #[test]
    fn a_value_just_below_its_limit_does_not_read_as_the_limit() {
        assert_eq!(share(0.931_21, 0.9), "0.9312");
        assert_eq!(share(0.899_999, 0.9), "0.899999");
        assert_eq!(share(0.9, 0.9), "0.9000");
    }
}
