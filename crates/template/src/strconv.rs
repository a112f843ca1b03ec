//! Numbers to and from text by the rules of Go's `strconv`.

use std::fmt::Write as _;

/// Parses a signed integer whose base its prefix tells (Go's `ParseInt(text, 0, 64)`).
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text);
    let magnitude = parse_uint(digits)?;
    if negative {
        if magnitude > 1 << 63 {
            None
        } else {
            Some((magnitude as i64).wrapping_neg())
        }
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Parses an unsigned integer whose base its prefix tells; underscores may part digits.
pub(crate) fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &text[2..]),
        [b'0', b'o', ..] => (8, &text[2..]),
        [b'0', b'b', ..] => (2, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    if !underscores_are_fine(text) {
        return None;
    }
    parse_radix(&digits.replace('_', ""), radix)
}

/// Parses digits of one radix, without sign, prefix or underscores.
pub(crate) fn parse_radix(digits: &str, radix: u32) -> Option<u64> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// Parses a decimal integer with an optional sign (Go's `Atoi` and `ParseInt(text, 10, 64)`).
pub(crate) fn parse_decimal(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text);
    parse_radix(digits, 10)?;
    let signed = if negative {
        format!("-{digits}")
    } else {
        digits.to_owned()
    };
    signed.parse().ok()
}

fn sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Underscores must part digits or follow the prefix of the base.
fn underscores_are_fine(text: &str) -> bool {
    if !text.contains('_') {
        return true;
    }
    let (_, text) = sign(text);
    let bytes = text.as_bytes();
    let has_prefix = bytes.len() >= 2
        && bytes[0] == b'0'
        && matches!(bytes[1].to_ascii_lowercase(), b'x' | b'o' | b'b');
    let is_hex = has_prefix && bytes[1].eq_ignore_ascii_case(&b'x');
    let mut previous = if has_prefix { b'0' } else { b'^' };
    for &byte in &bytes[if has_prefix { 2 } else { 0 }..] {
        if byte.is_ascii_digit() || is_hex && byte.is_ascii_hexdigit() {
            previous = b'0';
        } else if byte == b'_' {
            if previous != b'0' {
                return false;
            }
            previous = b'_';
        } else {
            if previous == b'_' {
                return false;
            }
            previous = b'!';
        }
    }
    previous != b'_'
}

/// Parses a float as Go's `ParseFloat` does: decimal or hexadecimal, `inf`, `nan`.
/// A number out of range gives `None`, as Go gives an error.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let (negative, body) = sign(text);
    let value = match body.to_ascii_lowercase().as_str() {
        "inf" | "infinity" => f64::INFINITY,
        "nan" if body.len() == text.len() => f64::NAN,
        lower if lower.starts_with("0x") => hexadecimal_float(&lower[2..], text)?,
        lower => {
            let valid = lower.starts_with(|first: char| first.is_ascii_digit() || first == '.')
                && lower
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-' | b'_'));
            if !valid || !underscores_are_fine(text) {
                return None;
            }
            let value: f64 = lower.replace('_', "").parse().ok()?;
            if value.is_infinite() {
                return None;
            }
            value
        }
    };
    Some(if negative { -value } else { value })
}

fn hexadecimal_float(body: &str, text: &str) -> Option<f64> {
    if !underscores_are_fine(text) {
        return None;
    }
    let body = body.replace('_', "");
    let (mantissa, exponent) = body.split_once('p')?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let exponent = parse_decimal(exponent)? - 4 * i64::try_from(fraction.len()).ok()?;
    let scaled = value * f64::powi(2.0, i32::try_from(exponent.clamp(-4000, 4000)).ok()?);
    scaled.is_finite().then_some(scaled)
}

/// The shortest decimal digits of a positive finite float and the place of its decimal point.
fn shortest_digits(value: f64) -> (String, i32) {
    digits_of(&crate::yaml::shortest(value))
}

/// Splits Rust's `d.ddde-n` into digits and the place of the decimal point.
fn digits_of(scientific: &str) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if digits.bytes().all(|digit| digit == b'0') {
        return (digits, 1);
    }
    (digits, exponent + 1)
}

/// Formats a float as Go's `FormatFloat(value, verb, precision, 64)`; `verb` is `e`, `E`, `f`, `g`
/// or `G`, and no precision means as many digits as are needed.
pub(crate) fn format_float(value: f64, verb: char, precision: Option<usize>) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let magnitude = value.abs();
    let body = match verb {
        'f' | 'F' => match precision {
            Some(precision) => fixed(magnitude, precision),
            None => plain(&shortest_digits(magnitude)),
        },
        'e' | 'E' => {
            let digits = match precision {
                Some(precision) => digits_of(&format!("{magnitude:.precision$e}")),
                None => shortest_digits(magnitude),
            };
            scientific(&digits, verb)
        }
        _ => general(magnitude, verb, precision),
    };
    format!("{sign}{body}")
}

fn general(magnitude: f64, verb: char, precision: Option<usize>) -> String {
    let (digits, point) = match precision {
        Some(precision) => {
            let places = precision.max(1) - 1;
            let (digits, point) = digits_of(&format!("{magnitude:.places$e}"));
            let trimmed = digits.trim_end_matches('0');
            (
                if trimmed.is_empty() {
                    "0".to_owned()
                } else {
                    trimmed.to_owned()
                },
                point,
            )
        }
        None => shortest_digits(magnitude),
    };
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let mut threshold = precision.map_or(6, |precision| {
        i32::try_from(precision.max(1)).unwrap_or(i32::MAX)
    });
    if threshold > count && count >= point {
        threshold = count;
    }
    if precision.is_none() {
        threshold = 6;
    }
    let exponent = point - 1;
    if magnitude != 0.0 && (exponent < -4 || exponent >= threshold) {
        return scientific(&(digits, point), if verb == 'G' { 'E' } else { 'e' });
    }
    plain(&(digits, point))
}

fn scientific((digits, point): &(String, i32), verb: char) -> String {
    let mut out = digits[..1].to_owned();
    if digits.len() > 1 {
        let _ = write!(out, ".{}", &digits[1..]);
    }
    let exponent = point - 1;
    let sign = if exponent < 0 { '-' } else { '+' };
    let letter = if verb == 'E' { 'E' } else { 'e' };
    let _ = write!(out, "{letter}{sign}{:02}", exponent.abs());
    out
}

fn plain((digits, point): &(String, i32)) -> String {
    let count = digits.len();
    match usize::try_from(*point) {
        Ok(0) | Err(_) => {
            let zeros = "0".repeat(point.unsigned_abs() as usize);
            format!("0.{zeros}{digits}")
        }
        Ok(point) if point >= count => format!("{digits}{}", "0".repeat(point - count)),
        Ok(point) => format!("{}.{}", &digits[..point], &digits[point..]),
    }
}

/// A fixed number of decimals; more than a float can hold are zeros.
fn fixed(magnitude: f64, precision: usize) -> String {
    const DECIMALS_MAX: usize = 1_100;
    let held = precision.min(DECIMALS_MAX);
    let mut out = format!("{magnitude:.held$}");
    out.extend(std::iter::repeat_n('0', precision - held));
    out
}

#[cfg(test)]
mod tests {
    use super::{format_float, parse_float, parse_int, parse_uint};

    #[test]
    fn floats_print_as_in_go() {
        let cases = [
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (100_000.0, "100000"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
            (-3.5, "-3.5"),
            (0.0, "0"),
            (f64::INFINITY, "+Inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(format_float(value, 'g', None), expected);
        }
        assert_eq!(format_float(3.24159, 'f', Some(2)), "3.24");
        assert_eq!(format_float(1e10, 'e', Some(6)), "1.000000e+10");
        assert_eq!(format_float(1e30, 'G', None), "1E+30");
        assert_eq!(format_float(123.456, 'g', Some(2)), "1.2e+02");
        assert_eq!(format_float(100.0, 'g', Some(3)), "100");
    }

    #[test]
    fn integers_are_read_in_every_base() {
        assert_eq!(parse_int("017"), Some(15));
        assert_eq!(parse_int("0o_3_7_7"), Some(255));
        assert_eq!(parse_int("0x1F"), Some(31));
        assert_eq!(parse_int("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_int("08"), None);
        assert_eq!(parse_int("1__0"), None);
        assert_eq!(parse_uint("18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_float("0x0_1.e_0p+02"), Some(7.5));
        assert_eq!(parse_float("1e400"), None);
    }
}
