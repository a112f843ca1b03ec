//! How old a verdict may be, as people write it: `90s`, `30m`, `12h`, `7d`, `2w`.

use std::time::Duration;

/// Why a text is no age.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{text}` is no age: expected a whole number and one of s, m, h, d, w, as in `12h` or `7d`"
)]
pub struct AgeError {
    /// What was written.
    pub text: String,
}

/// Reads an age of one number and one unit.
///
/// # Errors
/// [`AgeError`] for anything else, and for what exceeds 64 bits of seconds.
pub fn parse_age(text: &str) -> Result<Duration, AgeError> {
    let error = || AgeError {
        text: text.to_owned(),
    };
    let trimmed = text.trim();
    let digits = trimmed
        .find(|character: char| !character.is_ascii_digit())
        .ok_or_else(error)?;
    let (number, unit) = trimmed.split_at(digits);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(error()),
    };
    let number: u64 = number.parse().map_err(|_| error())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit_are_an_age() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1_800),
            ("12h", 43_200),
            (" 7d ", 604_800),
        ] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "7",
            "d",
            "-7d",
            "1.5h",
            "7 d",
            "7days",
            "99999999999999999999w",
        ] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }
}
