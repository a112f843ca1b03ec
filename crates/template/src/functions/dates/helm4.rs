//! Helm v4's functions of durations, and Go's `time.Duration` that two of them return.
//!
//! Source: `pkg/engine/funcs.go` of Helm v4.3 and `time/time.go` of Go 1.26.

use std::{any::Any, rc::Rc};

use super::{NANOSECONDS, duration};
use crate::{
    functions::{Function, Returned, Type},
    quote::quoted,
    strconv,
    value::{Kind, Object, Value},
};

pub(in crate::functions) const FUNCTIONS: &[Function] = &[
    Function::new("mustToDuration", &[Type::Any], |_, arguments| {
        Ok(Duration::value(nanoseconds_of(&arguments[0])?))
    }),
    Function::new("durationSeconds", &[Type::Any], |_, arguments| {
        parts(&arguments[0], SECOND)
    }),
    Function::new("durationMilliseconds", &[Type::Any], |_, arguments| {
        whole(&arguments[0], 1_000_000)
    }),
    Function::new("durationMicroseconds", &[Type::Any], |_, arguments| {
        whole(&arguments[0], 1_000)
    }),
    Function::new("durationNanoseconds", &[Type::Any], |_, arguments| {
        whole(&arguments[0], 1)
    }),
    Function::new("durationMinutes", &[Type::Any], |_, arguments| {
        parts(&arguments[0], 60 * SECOND)
    }),
    Function::new("durationHours", &[Type::Any], |_, arguments| {
        parts(&arguments[0], 3_600 * SECOND)
    }),
    Function::new("durationDays", &[Type::Any], |_, arguments| {
        Ok(Value::Float(hours(&arguments[0]) / 24.0))
    }),
    Function::new("durationWeeks", &[Type::Any], |_, arguments| {
        Ok(Value::Float(hours(&arguments[0]) / 24.0 / 7.0))
    }),
    Function::new(
        "durationRoundTo",
        &[Type::Any, Type::Any],
        |_, arguments| to_multiple(arguments, rounded),
    ),
    Function::new(
        "durationTruncateTo",
        &[Type::Any, Type::Any],
        |_, arguments| to_multiple(arguments, truncated),
    ),
];

const SECOND: i64 = NANOSECONDS;

/// Go's `time.Duration`.
#[derive(Debug)]
struct Duration {
    nanoseconds: i64,
}

impl Duration {
    fn value(nanoseconds: i64) -> Value {
        Value::Object(Rc::new(Self { nanoseconds }))
    }
}

impl Object for Duration {
    fn type_name(&self) -> &'static str {
        "time.Duration"
    }
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let own = self.nanoseconds;
        Some(Ok(match (name, arguments) {
            ("String", []) => Value::string(duration::text(own)),
            ("Seconds", []) => Value::Float(in_units(own, SECOND)),
            ("Minutes", []) => Value::Float(in_units(own, 60 * SECOND)),
            ("Hours", []) => Value::Float(in_units(own, 3_600 * SECOND)),
            ("Milliseconds", []) => Value::Int64(own / 1_000_000),
            ("Microseconds", []) => Value::Int64(own / 1_000),
            ("Nanoseconds", []) => Value::Int64(own),
            ("Abs", []) => Self::value(own.checked_abs().unwrap_or(i64::MAX)),
            ("Round" | "Truncate", [Value::Object(other)]) => {
                let unit = other.as_any().downcast_ref::<Self>()?.nanoseconds;
                Self::value(if name == "Round" {
                    rounded(own, unit)
                } else {
                    truncated(own, unit)
                })
            }
            _ => return None,
        }))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn kind(&self) -> Kind {
        Kind::Int64
    }
    fn text(&self) -> Option<String> {
        Some(duration::text(self.nanoseconds))
    }
    fn serialized(&self) -> Value {
        Value::Int64(self.nanoseconds)
    }
}

/// The duration that a value of a template stands for, in nanoseconds.
fn nanoseconds_of(value: &Value) -> Result<i64, String> {
    match value {
        Value::Str(text) => {
            let trimmed = text.trim();
            if trimmed.is_empty() {
                return Err("empty duration".to_owned());
            }
            if let Ok(nanoseconds) = duration::parse(trimmed) {
                return Ok(nanoseconds);
            }
            match strconv::parse_float(trimmed) {
                Some(seconds) => of_seconds(seconds),
                None => Err(format!("could not parse duration {}", quoted(text))),
            }
        }
        Value::Nil => Err("invalid duration".to_owned()),
        Value::Int(seconds) | Value::Int64(seconds) => seconds
            .checked_mul(SECOND)
            .ok_or_else(|| format!("duration seconds overflow: {seconds}")),
        Value::Uint(seconds) => i64::try_from(*seconds)
            .ok()
            .and_then(|seconds| seconds.checked_mul(SECOND))
            .ok_or_else(|| format!("duration seconds overflow: {seconds}")),
        Value::Float(seconds) => of_seconds(*seconds),
        Value::Object(object) => match object.as_any().downcast_ref::<Duration>() {
            Some(duration) => Ok(duration.nanoseconds),
            None => match (object.kind(), object.serialized()) {
                (Kind::Int | Kind::Int64, number @ (Value::Int(_) | Value::Int64(_))) => {
                    nanoseconds_of(&number)
                }
                _ => Err(unsupported(value)),
            },
        },
        _ => Err(unsupported(value)),
    }
}

fn unsupported(value: &Value) -> String {
    format!("unsupported duration type {}", value.type_name())
}

fn of_seconds(seconds: f64) -> Result<i64, String> {
    let shown = |number: f64| strconv::format_float(number, 'g', None);
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", shown(seconds)));
    }
    let bound = i64::MAX as f64 / SECOND as f64;
    if seconds.abs() > bound {
        return Err(format!("duration seconds overflow: {}", shown(seconds)));
    }
    let nanoseconds = seconds * SECOND as f64;
    // The largest float that passes Go's check is 2^63, which its conversion turns over.
    if nanoseconds >= i64::MAX as f64 {
        return Ok(i64::MIN);
    }
    Ok(nanoseconds as i64)
}

/// A duration in units of some nanoseconds, added up as Go does to keep its rounding.
fn in_units(nanoseconds: i64, unit: i64) -> f64 {
    (nanoseconds / unit) as f64 + (nanoseconds % unit) as f64 / unit as f64
}

/// What is no duration counts as none.
fn parts(value: &Value, unit: i64) -> Returned {
    Ok(Value::Float(in_units(
        nanoseconds_of(value).unwrap_or(0),
        unit,
    )))
}

fn whole(value: &Value, unit: i64) -> Returned {
    Ok(Value::Int64(nanoseconds_of(value).unwrap_or(0) / unit))
}

fn hours(value: &Value) -> f64 {
    in_units(nanoseconds_of(value).unwrap_or(0), 3_600 * SECOND)
}

fn to_multiple(arguments: &[Value], change: fn(i64, i64) -> i64) -> Returned {
    let nanoseconds = match (nanoseconds_of(&arguments[0]), nanoseconds_of(&arguments[1])) {
        (Ok(nanoseconds), Ok(unit)) => change(nanoseconds, unit),
        (Ok(nanoseconds), Err(_)) => nanoseconds,
        (Err(_), _) => 0,
    };
    Ok(Duration::value(nanoseconds))
}

fn truncated(nanoseconds: i64, unit: i64) -> i64 {
    if unit <= 0 {
        nanoseconds
    } else {
        nanoseconds - nanoseconds % unit
    }
}

/// Halves are rounded away from zero; what would overflow is the largest duration.
fn rounded(nanoseconds: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return nanoseconds;
    }
    let rest = nanoseconds % unit;
    let is_small = rest.unsigned_abs() < unit.unsigned_abs() - rest.unsigned_abs();
    match (nanoseconds < 0, is_small) {
        (_, true) => nanoseconds - rest,
        (true, false) => nanoseconds.checked_sub(unit + rest).unwrap_or(i64::MIN),
        (false, false) => nanoseconds.checked_add(unit - rest).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::{nanoseconds_of, rounded, truncated};
    use crate::value::Value;

    #[test]
    fn values_stand_for_durations() {
        for (value, expected) in [
            (Value::string(" 1h2m "), Ok(3_720_000_000_000)),
            (Value::string("2.5"), Ok(2_500_000_000)),
            (Value::Int(2), Ok(2_000_000_000)),
            (Value::Float(0.5), Ok(500_000_000)),
            (Value::Nil, Err("invalid duration".to_owned())),
            (Value::string(""), Err("empty duration".to_owned())),
            (
                Value::Int64(9_223_372_037),
                Err("duration seconds overflow: 9223372037".to_owned()),
            ),
            (
                Value::Bool(true),
                Err("unsupported duration type bool".to_owned()),
            ),
        ] {
            assert_eq!(nanoseconds_of(&value), expected);
        }
        assert_eq!((rounded(93, 60), truncated(93, 60)), (120, 60));
        assert_eq!((rounded(-90, 60), truncated(-93, 60)), (-120, -60));
        assert_eq!(rounded(i64::MAX, i64::MAX - 1), i64::MAX - 1);
    }
}
