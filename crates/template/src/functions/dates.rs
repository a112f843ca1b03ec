//! Dates and durations with the layouts of Go's `time`.

mod duration;
mod helm4;
mod layout;
mod moment;
mod parse;

use super::{
    Context, Function, Returned,
    Type::{Any, Str, Time},
    arguments::string,
};
use crate::value::{Object, Value};
pub(super) use helm4::FUNCTIONS as HELM4_FUNCTIONS;
pub(super) use layout::{civil, days_of};
use moment::{Moment, Zone};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], |context, _| Ok(now(context).into_value())),
    Function::new("date", &[Str, Any], |context, arguments| {
        formatted(context, string(arguments, 0), &arguments[1], "Local")
    }),
    Function::new("dateInZone", &[Str, Any, Str], date_in_zone),
    Function::new("date_in_zone", &[Str, Any, Str], date_in_zone),
    Function::new("htmlDate", &[Any], |context, arguments| {
        formatted(context, HTML, &arguments[0], "Local")
    }),
    Function::new("htmlDateInZone", &[Any, Str], |context, arguments| {
        formatted(context, HTML, &arguments[0], string(arguments, 1))
    }),
    Function::new("dateModify", &[Str, Time], date_modify),
    Function::new("date_modify", &[Str, Time], date_modify),
    Function::new("mustDateModify", &[Str, Time], must_date_modify),
    Function::new("must_date_modify", &[Str, Time], must_date_modify),
    Function::new("toDate", &[Str, Str], |_, arguments| {
        Ok(parsed(arguments).unwrap_or_default().into_value())
    }),
    Function::new("mustToDate", &[Str, Str], |_, arguments| {
        Ok(parsed(arguments)?.into_value())
    }),
    Function::new("unixEpoch", &[Time], unix_epoch),
    Function::new("ago", &[Any], ago),
    Function::new("duration", &[Any], duration_text),
    Function::new("durationRound", &[Any], duration_round),
];

const HTML: &str = "2006-01-02";
const NANOSECONDS: i64 = 1_000_000_000;

/// Tells whether a text is a time as Go's JSON demands it: RFC 3339.
///
/// # Errors
/// Go's text, such as `parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"`.
pub fn check_time(text: &str) -> Result<(), String> {
    parse::parse("2006-01-02T15:04:05Z07:00", text, &Zone::Utc).map(drop)
}

/// Tells whether a text is a date as `2006-01-02`.
///
/// # Errors
/// As [`check_time`].
pub fn check_date(text: &str) -> Result<(), String> {
    parse::parse("2006-01-02", text, &Zone::Utc).map(drop)
}

/// Reads a time of Go's JSON, RFC 3339, with the methods of Go's `time.Time`; `None` where it is none.
pub fn time_value(text: &str) -> Option<Value> {
    parse::parse("2006-01-02T15:04:05Z07:00", text, &Zone::Local)
        .ok()
        .map(Moment::into_value)
}

/// Writes a moment, given as seconds since 1970 and nanoseconds, in UTC by one of Go's layouts.
pub fn format_time(layout: &str, seconds: i64, nanoseconds: u32) -> String {
    let moment = Moment::unix(seconds).plus(i64::from(nanoseconds));
    moment.within(Zone::Utc).format(layout)
}

/// The time of the templates' clock.
fn now(context: &Context<'_>) -> Moment {
    let ahead = context.runtime.templates.options().clock_ahead;
    Moment::now().plus(i64::try_from(ahead.as_nanos()).unwrap_or(i64::MAX))
}

/// The moment that a value stands for; what is none is now.
fn moment_of(context: &Context<'_>, value: &Value) -> Moment {
    match value {
        Value::Int(seconds) | Value::Int64(seconds) => Moment::unix(*seconds),
        Value::Object(object) => object
            .as_any()
            .downcast_ref::<Moment>()
            .cloned()
            .unwrap_or_else(|| now(context)),
        _ => now(context),
    }
}

fn formatted(context: &Context<'_>, layout: &str, value: &Value, zone: &str) -> Returned {
    let zone = Zone::named(zone).unwrap_or(Zone::Utc);
    Ok(Value::string(
        moment_of(context, value).within(zone).format(layout),
    ))
}

fn date_in_zone(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    formatted(
        context,
        string(arguments, 0),
        &arguments[1],
        string(arguments, 2),
    )
}

fn date_modify(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    match duration::parse(string(arguments, 0)) {
        Ok(nanoseconds) => Ok(moment_of(context, &arguments[1])
            .plus(nanoseconds)
            .into_value()),
        Err(_) => Ok(arguments[1].clone()),
    }
}

fn must_date_modify(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(moment_of(context, &arguments[1])
        .plus(duration::parse(string(arguments, 0))?)
        .into_value())
}

fn parsed(arguments: &[Value]) -> Result<Moment, String> {
    parse::parse(string(arguments, 0), string(arguments, 1), &Zone::Local)
}

fn unix_epoch(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    Ok(Value::string(
        moment_of(context, &arguments[0]).seconds.to_string(),
    ))
}

/// Nanoseconds since a moment.
fn since(context: &Context<'_>, moment: &Moment) -> i64 {
    let now = now(context);
    let seconds = now.seconds.saturating_sub(moment.seconds);
    seconds
        .saturating_mul(NANOSECONDS)
        .saturating_add(i64::from(now.nanoseconds) - i64::from(moment.nanoseconds))
}

fn ago(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let elapsed = since(context, &moment_of(context, &arguments[0]));
    // Half a second rounds away from zero.
    let half = if elapsed < 0 {
        -NANOSECONDS / 2
    } else {
        NANOSECONDS / 2
    };
    let seconds = elapsed.saturating_add(half) / NANOSECONDS;
    Ok(Value::string(duration::text(
        seconds.saturating_mul(NANOSECONDS),
    )))
}

fn duration_text(_context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let seconds = match &arguments[0] {
        Value::Str(text) => crate::strconv::parse_decimal(text).unwrap_or(0),
        Value::Int64(seconds) => *seconds,
        _ => 0,
    };
    Ok(Value::string(duration::text(
        seconds.wrapping_mul(NANOSECONDS),
    )))
}

/// The largest whole unit of a duration.
fn duration_round(context: &mut Context<'_>, arguments: &[Value]) -> Returned {
    let nanoseconds = match &arguments[0] {
        Value::Str(text) => duration::parse(text).unwrap_or(0),
        Value::Int64(nanoseconds) => *nanoseconds,
        Value::Object(object) => object
            .as_any()
            .downcast_ref::<Moment>()
            .map_or(0, |moment| since(context, moment)),
        _ => 0,
    };
    const HOUR: u64 = 3_600 * NANOSECONDS as u64;
    const UNITS: [(u64, &str); 6] = [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    let magnitude = nanoseconds.unsigned_abs();
    let unit = UNITS.iter().find(|(unit, _)| magnitude > *unit);
    Ok(Value::string(unit.map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", magnitude / unit),
    )))
}

/// What Go says of a duration that is none.
fn invalid_duration(text: &str) -> String {
    format!("time: invalid duration {}", parse::quoted_as_time(text))
}

/// What a date or time of TOML becomes: Go names the zone after what the text leaves out.
pub(super) fn moment_value(seconds: i64, nanoseconds: u32, zone: TomlZone) -> Value {
    let zone = match zone {
        TomlZone::None(name) => {
            let (_, offset) = Zone::Local.at(seconds);
            Zone::Fixed(name.to_owned(), offset)
        }
        TomlZone::Offset(0) => Zone::Utc,
        TomlZone::Offset(offset) => Zone::Fixed(String::new(), offset),
    };
    let (_, offset) = zone.at(seconds);
    Moment::new(seconds - offset, nanoseconds, zone).into_value()
}

/// The zone of a date or time of TOML.
pub(super) enum TomlZone {
    /// Go's name for a text without offset.
    None(&'static str),
    /// Seconds east of Greenwich.
    Offset(i64),
}

impl Moment {
    fn into_value(self) -> Value {
        Value::Object(std::rc::Rc::new(self) as std::rc::Rc<dyn Object>)
    }
}
