//! What Go's standard library prints where Helm stores or shows it: JSON and times.

use serde::Serialize;

pub use crate::metadata::shorten_fraction;

/// Returns a value as Go's `json.Marshal` prints it: what HTML would take for markup is escaped.
pub fn json<T: Serialize>(value: &T) -> String {
    escape_markup(&serde_json::to_string(value).unwrap_or_default())
}

/// As [`json()`], indented by two spaces.
pub fn json_indented<T: Serialize>(value: &T) -> String {
    escape_markup(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// These characters stand in strings alone, so that the whole text can be searched.
fn escape_markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_and_a_fraction_shortened() {
        assert_eq!(json(&[">=1 & <2"]), r#"["\u003e=1 \u0026 \u003c2"]"#);
        assert_eq!(
            shorten_fraction("2026-01-02T03:04:05.600Z"),
            "2026-01-02T03:04:05.6Z"
        );
    }

    #[test]
    fn what_is_no_time_is_not_shortened() {
        for text in ["03:04.0:05.0:06Z", "1.0", "1.0+.0", "1.0.0"] {
            assert_eq!(shorten_fraction(text), text);
        }
    }
}
