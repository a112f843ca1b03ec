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

/// What the numbers of a check are, by the check's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Shares, areas, losses and their changes.
    Plain,
    Milliseconds,
    Mebibytes,
    RowsPerSecond,
}

impl Unit {
    pub(super) fn of(metric: &str) -> Self {
        if metric.starts_with("latency_ms_") || metric == "cold_start_ms" {
            Self::Milliseconds
        } else if metric == "model_memory_mib" {
            Self::Mebibytes
        } else if metric.starts_with("throughput_rows_per_s") {
            Self::RowsPerSecond
        } else {
            Self::Plain
        }
    }

    /// Writes a value with as many decimals as it takes to tell it from `other`.
    pub(super) fn value(self, value: f64, other: f64) -> String {
        match self {
            Self::Plain => share(value, other),
            Self::Milliseconds => milliseconds_beside(value, other),
            Self::Mebibytes => format!("{} MiB", told_apart(value, other)),
            Self::RowsPerSecond if (value - other).abs() >= 1.0 => rows_per_s(value),
            Self::RowsPerSecond => format!("{} rows/s", told_apart(value, other)),
        }
    }

    /// Writes a limit as it was given; one without a unit with the decimals of `value`.
    pub(super) fn limit(self, limit: f64, value: f64) -> String {
        match self {
            Self::Plain => share(limit, value),
            Self::Milliseconds => limit_ms(limit),
            Self::Mebibytes => format!("{limit} MiB"),
            Self::RowsPerSecond => format!("{limit} rows/s"),
        }
    }
}

/// Writes a number without decimals, or with as many as it takes to tell it from `other`.
fn told_apart(value: f64, other: f64) -> String {
    let of = |value: f64, decimals: usize| format!("{value:.decimals$}");
    let decimals =
        (0..=17).find(|&places| value == other || of(value, places) != of(other, places));
    of(value, decimals.unwrap_or(0))
}

/// Writes a throughput in whole rows.
pub(super) fn rows_per_s(value: f64) -> String {
    format!("{} rows/s", count(value.round() as u64))
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
    fn each_check_has_its_unit() {
        let of = |metric: &str, value, limit| {
            let unit = Unit::of(metric);
            (unit.value(value, limit), unit.limit(limit, value))
        };
        let texts = |value: &str, limit: &str| (value.to_owned(), limit.to_owned());
        assert_eq!(of("auc", 0.93, 0.9), texts("0.9300", "0.9000"));
        assert_eq!(
            of("cold_start_ms", 268.2, 5000.0),
            texts("268 ms", "5000 ms")
        );
        assert_eq!(
            of("model_memory_mib", 139.9, 2048.0),
            texts("140 MiB", "2048 MiB")
        );
        assert_eq!(
            of("model_memory_mib", 64.3, 64.0),
            texts("64.3 MiB", "64 MiB")
        );
        let name = "throughput_rows_per_s_batch_16";
        assert_eq!(
            of(name, 41_234.6, 5000.0),
            texts("41,235 rows/s", "5000 rows/s")
        );
        assert_eq!(
            of(name, 4_999.96, 5000.0),
            texts("4999.96 rows/s", "5000 rows/s")
        );
    }

    #[test]
    fn a_value_just_below_its_limit_does_not_read_as_the_limit() {
        assert_eq!(share(0.931_21, 0.9), "0.9312");
        assert_eq!(share(0.899_999, 0.9), "0.899999");
        assert_eq!(share(0.9, 0.9), "0.9000");
    }
}
