//! Numbers: conversions as `spf13/cast` makes them, and Sprig's arithmetic.

use num_bigint::BigInt;

use super::{
    Context, Function, Returned,
    Type::{Any, Float, Int},
    arguments::int,
};
use crate::{
    format::plain_text,
    strconv::{format_float, parse_float, parse_int, parse_radix},
    value::{TypedList, Value},
};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("int", &[Any], |_, arguments| {
        Ok(Value::Int(to_int(&arguments[0])))
    }),
    Function::new("int64", &[Any], |_, arguments| {
        Ok(Value::Int64(to_int(&arguments[0])))
    }),
    Function::new("float64", &[Any], |_, arguments| {
        Ok(Value::Float(to_float(&arguments[0])))
    }),
    Function::new("toDecimal", &[Any], to_decimal),
    Function::new("add1", &[Any], |_, arguments| {
        Ok(Value::Int64(to_int(&arguments[0]).wrapping_add(1)))
    }),
    Function::variadic("add", &[Any], |_, arguments| {
        folded(0, arguments, i64::wrapping_add)
    }),
    Function::new("sub", &[Any, Any], |_, arguments| {
        folded(to_int(&arguments[0]), &arguments[1..], i64::wrapping_sub)
    }),
    Function::new("div", &[Any, Any], |_, arguments| {
        divided(arguments, i64::wrapping_div)
    }),
    Function::new("mod", &[Any, Any], |_, arguments| {
        divided(arguments, i64::wrapping_rem)
    }),
    Function::variadic("mul", &[Any, Any], |_, arguments| {
        folded(to_int(&arguments[0]), &arguments[1..], i64::wrapping_mul)
    }),
    Function::new("add1f", &[Any], |_, arguments| {
        decimals(&arguments[0], &[Value::Int(1)], |left, right| {
            Ok(left.add(right))
        })
    }),
    Function::variadic("addf", &[Any], |_, arguments| {
        decimals(&Value::Float(0.0), arguments, |left, right| {
            Ok(left.add(right))
        })
    }),
    Function::variadic("subf", &[Any, Any], |_, arguments| {
        decimals(&arguments[0], &arguments[1..], |left, right| {
            Ok(left.add(&right.negated()))
        })
    }),
    Function::variadic("divf", &[Any, Any], |_, arguments| {
        decimals(&arguments[0], &arguments[1..], Decimal::divide)
    }),
    Function::variadic("mulf", &[Any, Any], |_, arguments| {
        decimals(&arguments[0], &arguments[1..], |left, right| {
            Ok(left.multiply(right))
        })
    }),
    Function::variadic("max", &[Any, Any], |_, arguments| {
        folded(to_int(&arguments[0]), arguments, i64::max)
    }),
    Function::variadic("biggest", &[Any, Any], |_, arguments| {
        folded(to_int(&arguments[0]), arguments, i64::max)
    }),
    Function::variadic("min", &[Any, Any], |_, arguments| {
        folded(to_int(&arguments[0]), arguments, i64::min)
    }),
    Function::variadic("maxf", &[Any, Any], |_, arguments| {
        floats(arguments, f64::max)
    }),
    Function::variadic("minf", &[Any, Any], |_, arguments| {
        floats(arguments, f64::min)
    }),
    Function::new("ceil", &[Any], |_, arguments| {
        Ok(Value::Float(to_float(&arguments[0]).ceil()))
    }),
    Function::new("floor", &[Any], |_, arguments| {
        Ok(Value::Float(to_float(&arguments[0]).floor()))
    }),
    Function::variadic("round", &[Any, Int, Float], round),
    Function::new("until", &[Int], until),
    Function::new("untilStep", &[Int, Int, Int], until_step),
    Function::variadic("seq", &[Int], seq),
];

/// Any value as an integer; what is none is 0.
pub(super) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number,
        Value::Uint(number) => *number as i64,
        Value::Float(number) => float_to_int(*number),
        Value::Bool(truth) => i64::from(*truth),
        Value::Str(text) => parse_int(without_zero_decimals(text)).unwrap_or(0),
        _ => 0,
    }
}

/// Go's conversion on amd64: out of range gives the smallest integer.
fn float_to_int(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if number.is_nan() || !(-LIMIT..LIMIT).contains(&number) {
        i64::MIN
    } else {
        number as i64
    }
}

/// `1.00` counts as `1`.
fn without_zero_decimals(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, decimals))
            if !whole.is_empty() && decimals.bytes().all(|digit| digit == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

/// Any value as a float; what is none is 0.
pub(super) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(number) | Value::Int64(number) => *number as f64,
        Value::Uint(number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(truth) => f64::from(u8::from(*truth)),
        Value::Str(text) => parse_float(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

fn folded(start: i64, values: &[Value], fold: fn(i64, i64) -> i64) -> Returned {
    Ok(Value::Int64(
        values
            .iter()
            .fold(start, |sum, value| fold(sum, to_int(value))),
    ))
}

fn divided(arguments: &[Value], divide: fn(i64, i64) -> i64) -> Returned {
    match to_int(&arguments[1]) {
        0 => Err("runtime error: integer divide by zero".to_owned()),
        divisor => Ok(Value::Int64(divide(to_int(&arguments[0]), divisor))),
    }
}

fn floats(arguments: &[Value], fold: fn(f64, f64) -> f64) -> Returned {
    let mut numbers = arguments.iter().map(to_float);
    let first = numbers.next().unwrap_or(0.0);
    let pick = |left: f64, right: f64| {
        if left.is_nan() || right.is_nan() {
            f64::NAN
        } else {
            fold(left, right)
        }
    };
    Ok(Value::Float(numbers.fold(first, pick)))
}

/// Reads the printed value in base 8, whatever the name says.
fn to_decimal(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let text = plain_text(&arguments[0]);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let magnitude = parse_radix(digits, 8)
        .and_then(|number| i64::try_from(number).ok())
        .unwrap_or(0);
    Ok(Value::Int64(if negative { -magnitude } else { magnitude }))
}

fn round(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let round_on = arguments.get(2).map_or(0.5, to_float);
    let power = 10f64.powf(int(arguments, 1) as f64);
    let digit = power * to_float(&arguments[0]);
    let rounded = if digit.fract() >= round_on {
        digit.ceil()
    } else {
        digit.floor()
    };
    Ok(Value::Float(rounded / power))
}

/// The numbers from `start` towards `stop`, which is left out.
fn steps(context: &Context<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, String> {
    let (distance, stride) = if stop < start {
        (start.abs_diff(stop), step < 0)
    } else {
        (stop.abs_diff(start), step > 0)
    };
    if !stride || distance == 0 {
        return Ok(Vec::new());
    }
    let count = distance.div_ceil(step.unsigned_abs());
    context.charge(
        usize::try_from(count)
            .unwrap_or(usize::MAX)
            .saturating_mul(size_of::<Value>()),
    )?;
    Ok((0..count)
        .map(|index| start.wrapping_add(step.wrapping_mul(index as i64)))
        .collect())
}

fn ints(numbers: Vec<i64>) -> Value {
    TypedList::value("[]int", numbers.into_iter().map(Value::Int).collect())
}

fn until(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let count = int(arguments, 0);
    Ok(ints(steps(
        context,
        0,
        count,
        if count < 0 { -1 } else { 1 },
    )?))
}

fn until_step(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(ints(steps(
        context,
        int(arguments, 0),
        int(arguments, 1),
        int(arguments, 2),
    )?))
}

fn seq(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let numbers = match arguments.len() {
        1 => {
            let end = int(arguments, 0);
            let step = if end < 1 { -1 } else { 1 };
            steps(context, 1, end.saturating_add(step), step)?
        }
        2 => {
            let (start, end) = (int(arguments, 0), int(arguments, 1));
            let step = if end < start { -1 } else { 1 };
            steps(context, start, end.saturating_add(step), step)?
        }
        3 => {
            let (start, step, end) = (int(arguments, 0), int(arguments, 1), int(arguments, 2));
            let past = if end < start { -1 } else { 1 };
            if end < start && step > 0 {
                return Ok(Value::string(""));
            }
            steps(context, start, end.saturating_add(past), step)?
        }
        _ => Vec::new(),
    };
    context.charge(numbers.len().saturating_mul(24))?;
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    Ok(Value::string(texts.join(" ")))
}

/// A decimal number: `coefficient` times ten to the power of `exponent`.
///
/// Source: `shopspring/decimal` 1.4, with its 16 digits after the point for quotients.
#[derive(Clone, Debug)]
struct Decimal {
    coefficient: BigInt,
    exponent: i32,
}

const QUOTIENT_DIGITS: i32 = 16;

impl Decimal {
    fn from_float(number: f64) -> Result<Self, String> {
        if !number.is_finite() {
            return Err(format!(
                "Cannot create a Decimal from {}",
                format_float(number, 'g', None)
            ));
        }
        let text = format!("{number:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let decimals = mantissa
            .split_once('.')
            .map_or(0, |(_, decimals)| decimals.len());
        let coefficient = mantissa.replace('.', "").parse().unwrap_or_default();
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Ok(Self {
            coefficient,
            exponent: exponent - i32::try_from(decimals).unwrap_or(0),
        })
    }

    fn power_of_ten(exponent: i32) -> BigInt {
        BigInt::from(10).pow(exponent.unsigned_abs())
    }

    fn negated(&self) -> Self {
        Self {
            coefficient: -&self.coefficient,
            exponent: self.exponent,
        }
    }

    fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let scaled =
            |decimal: &Self| &decimal.coefficient * Self::power_of_ten(decimal.exponent - exponent);
        Self {
            coefficient: scaled(self) + scaled(other),
            exponent,
        }
    }

    fn multiply(&self, other: &Self) -> Self {
        Self {
            coefficient: &self.coefficient * &other.coefficient,
            exponent: self.exponent.saturating_add(other.exponent),
        }
    }

    /// Rounds half away from zero at the last digit.
    fn divide(&self, other: &Self) -> Result<Self, String> {
        if other.coefficient == BigInt::ZERO {
            return Err("decimal division by 0".to_owned());
        }
        let shift = self.exponent - other.exponent + QUOTIENT_DIGITS;
        let (mut dividend, mut divisor) = (self.coefficient.clone(), other.coefficient.clone());
        if shift >= 0 {
            dividend *= Self::power_of_ten(shift);
        } else {
            divisor *= Self::power_of_ten(shift);
        }
        let mut quotient = &dividend / &divisor;
        let remainder = &dividend % &divisor;
        if remainder.magnitude() * 2u32 >= *divisor.magnitude() {
            if dividend.sign() == divisor.sign() {
                quotient += 1;
            } else {
                quotient -= 1;
            }
        }
        Ok(Self {
            coefficient: quotient,
            exponent: -QUOTIENT_DIGITS,
        })
    }

    fn to_float(&self) -> f64 {
        format!("{}e{}", self.coefficient, self.exponent)
            .parse()
            .unwrap_or(0.0)
    }
}

fn decimals(
    first: &Value,
    others: &[Value],
    fold: fn(&Decimal, &Decimal) -> Result<Decimal, String>,
) -> Returned {
    let mut result = Decimal::from_float(to_float(first))?;
    for other in others {
        result = fold(&result, &Decimal::from_float(to_float(other))?)?;
    }
    Ok(Value::Float(result.to_float()))
}

#[cfg(test)]
mod tests {
    use super::{Decimal, to_float, to_int};
    use crate::value::Value;

    #[test]
    fn values_become_integers_as_cast_makes_them() {
        let cases = [
            (Value::string("12"), 12),
            (Value::string("0x10"), 16),
            (Value::string("010"), 8),
            (Value::string("7.00"), 7),
            (Value::string("7.5"), 0),
            (Value::string("08"), 0),
            (Value::Float(3.9), 3),
            (Value::Float(-3.9), -3),
            (Value::Bool(true), 1),
            (Value::Nil, 0),
        ];
        for (value, expected) in cases {
            assert_eq!(to_int(&value), expected, "{value:?}");
        }
        assert!((to_float(&Value::string("1.5")) - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn decimals_are_exact_where_floats_are_not() {
        let decimal = |number| Decimal::from_float(number).unwrap();
        assert_eq!(
            decimal(0.1).add(&decimal(0.2)).to_float().to_string(),
            "0.3"
        );
        assert_eq!(
            decimal(1.1).multiply(&decimal(3.0)).to_float().to_string(),
            "3.3"
        );
        let third = decimal(1.0).divide(&decimal(3.0)).unwrap().to_float();
        assert_eq!(third.to_string(), "0.3333333333333333");
    }
}
