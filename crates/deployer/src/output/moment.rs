//! Moments as Helm prints them.

use chrono::{DateTime, Local, Utc};

/// Formats like C's `asctime`, in the machine's own time zone: `Mon Nov 23 15:04:05 2026`.
pub fn ansi_c(moment: DateTime<Utc>) -> String {
    moment
        .with_timezone(&Local)
        .format("%a %b %e %H:%M:%S %Y")
        .to_string()
}

/// Formats as Go prints a time: `2026-11-23 15:04:05.123456789 +0000 UTC`.
pub fn go_time(moment: DateTime<Utc>) -> String {
    let fraction = moment.timestamp_subsec_nanos();
    let mut digits = format!("{fraction:09}");
    while digits.ends_with('0') {
        digits.pop();
    }
    let fraction = if digits.is_empty() {
        String::new()
    } else {
        format!(".{digits}")
    };
    format!("{}{fraction} +0000 UTC", moment.format("%Y-%m-%d %H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_printed_as_go_does() {
        let moment = DateTime::from_timestamp(1_700_000_000, 120_000_000).expect("a moment");
        assert_eq!(go_time(moment), "2023-11-14 22:13:20.12 +0000 UTC");
        let whole = DateTime::from_timestamp(1_700_000_000, 0).expect("a moment");
        assert_eq!(go_time(whole), "2023-11-14 22:13:20 +0000 UTC");
    }
}
