//! Go's text of floating-point numbers, which YAML, JSON and templates all show.

/// Returns the shortest text as Go's `strconv.FormatFloat(value, 'g', -1, 64)` gives it: an
/// exponent below -4 or from 6 up is written (`1e+06`).
pub fn float_shortest(value: f64) -> String {
    match special(value) {
        Some(text) => text.to_owned(),
        None => general(&shortest(value), -4, 6),
    }
}

/// Returns the shortest text of the value rounded to 32 bits, as
/// `strconv.FormatFloat(value, 'g', -1, 32)` gives it.
pub fn float_shortest_f32(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the rounding to 32 bits is Go's behaviour that is kept"
    )]
    let narrow = value as f32;
    match special(f64::from(narrow)) {
        Some(text) => text.to_owned(),
        None => general(&format!("{narrow:e}"), -4, 6),
    }
}

/// Returns the text of a number in JSON as Go's encoder writes it: plain digits from 1e-6 up to
/// 1e21, an exponent outside. `None` for a value that JSON cannot hold.
///
/// Source: `encoding/json` encode.go, floatEncoder.
pub fn float_json(value: f64) -> Option<String> {
    if !value.is_finite() {
        return None;
    }
    let scientific = shortest(value);
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let mut text = general(&scientific, 0, 0);
        // Go shortens e-09 to e-9, and leaves e+21 as it is.
        if let Some(position) = text.rfind("e-0") {
            text.remove(position + 2);
        }
        return Some(text);
    }
    Some(general(&scientific, -30, 30))
}

/// Rust's `{:e}` with Go's choice where two shortest texts are equally near: the even digit.
pub(crate) fn shortest(value: f64) -> String {
    let text = format!("{value:e}");
    let digits = text
        .bytes()
        .take_while(|byte| *byte != b'e')
        .filter(u8::is_ascii_digit)
        .count();
    // Only a float with as many digits as it can have stands in the middle between two texts.
    if digits < 16 {
        return text;
    }
    let even = format!("{value:.*e}", digits - 1);
    if even != text && even.parse() == Ok(value) {
        return even;
    }
    text
}

fn special(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("+Inf")
    } else if value == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// Rewrites Rust's `{:e}` text: plain digits for exponents in `low..high`, else Go's exponent form.
fn general(scientific: &str, low: i32, high: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < low || exponent >= high {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = digits
        .chars()
        .filter(|character| *character != '.')
        .collect();
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent.unsigned_abs() as usize + 1;
    if digits.len() <= whole {
        let zeros = "0".repeat(whole - digits.len());
        format!("{sign}{digits}{zeros}")
    } else {
        format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
    }
}
