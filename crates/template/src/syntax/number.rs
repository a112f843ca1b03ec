//! Numeric literals: integers of four bases, floats (hexadecimal ones too), runes, complex numbers.

use super::{lexer::TokenKind, node::Number};
use crate::{
    quote,
    strconv::{parse_float, parse_int, parse_uint},
};

/// Parses a literal into every kind of number that it can stand for.
///
/// # Errors
/// Go's text, such as `illegal number syntax: "1x"`.
pub(super) fn parse(text: &str, kind: TokenKind) -> Result<Number, String> {
    let mut number = Number {
        text: text.to_owned(),
        ..Number::default()
    };
    if kind == TokenKind::CharConstant {
        return rune(text, number);
    }
    if kind == TokenKind::Complex || text.ends_with('i') {
        return complex(text, number);
    }
    number.uint = parse_uint(text);
    number.int = parse_int(text);
    if number.int == Some(0) {
        number.uint = Some(0);
    }
    if let Some(int) = number.int {
        number.float = Some(int as f64);
    } else if let Some(uint) = number.uint {
        number.float = Some(uint as f64);
    } else if let Some(float) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quote::quoted(text)));
        }
        number.float = Some(float);
        set_whole(&mut number, float);
    }
    if number.int.is_none() && number.uint.is_none() && number.float.is_none() {
        return Err(format!("illegal number syntax: {}", quote::quoted(text)));
    }
    Ok(number)
}

fn rune(text: &str, mut number: Number) -> Result<Number, String> {
    match quote::unquoted_rune(text) {
        quote::Rune::Character(code) => {
            number.int = Some(i64::from(code));
            number.uint = Some(u64::from(code));
            number.float = Some(f64::from(code));
            Ok(number)
        }
        quote::Rune::TooLong => Err(format!("malformed character constant: {text}")),
        quote::Rune::Invalid => Err("invalid syntax".to_owned()),
    }
}

fn complex(text: &str, mut number: Number) -> Result<Number, String> {
    let body = text.strip_suffix('i').unwrap_or(text);
    // The sign that parts the real from the imaginary is the last one not in an exponent.
    let split = body.char_indices().skip(1).filter(|(index, character)| {
        matches!(character, '+' | '-') && !body[..*index].ends_with(['e', 'E', 'p', 'P'])
    });
    let (real, imaginary) = match split.last() {
        Some((index, _)) => (parse_float(&body[..index]), parse_float(&body[index..])),
        None => (Some(0.0), parse_float(body)),
    };
    let (Some(real), Some(imaginary)) = (real, imaginary) else {
        return Err(format!("illegal number syntax: {}", quote::quoted(text)));
    };
    number.complex = Some((real, imaginary));
    if imaginary == 0.0 {
        number.float = Some(real);
        set_whole(&mut number, real);
    }
    Ok(number)
}

/// A float without a fraction also stands for an integer.
fn set_whole(number: &mut Number, float: f64) {
    if (float as i64) as f64 == float && number.int.is_none() {
        number.int = Some(float as i64);
    }
    if (float as u64) as f64 == float && number.uint.is_none() {
        number.uint = Some(float as u64);
    }
}
