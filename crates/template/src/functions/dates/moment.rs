//! Go's `time.Time`: a moment and the zone in which it is shown.

use std::{
    any::Any,
    rc::Rc,
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use jiff::{Timestamp, tz::TimeZone};

use super::layout::{self, civil, days_of};
use crate::value::{Kind, Object, Value};

/// Where the clock of the process stood at first use, for the `m=` that Go prints of `now`.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A time zone.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    Utc,
    /// The zone of the machine.
    Local,
    Named(TimeZone),
    /// An offset that a parsed text gave, with its name.
    Fixed(String, i64),
}

impl Zone {
    /// Finds a zone by name, as Go's `LoadLocation` does.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" => Some(Self::Utc),
            "Local" => Some(Self::Local),
            _ if name.contains("..") || name.starts_with(['/', '\\']) => None,
            _ => TimeZone::get(name).ok().map(Self::Named),
        }
    }

    /// The name and the offset in seconds that hold at a moment.
    pub(super) fn at(&self, seconds: i64) -> (String, i64) {
        let system;
        let zone = match self {
            Self::Utc => return ("UTC".to_owned(), 0),
            Self::Fixed(name, offset) => return (name.clone(), *offset),
            Self::Named(zone) => zone,
            Self::Local => {
                system = TimeZone::system();
                &system
            }
        };
        match Timestamp::from_second(seconds) {
            Ok(timestamp) => {
                let info = zone.to_offset_info(timestamp);
                (
                    info.abbreviation().to_owned(),
                    i64::from(info.offset().seconds()),
                )
            }
            Err(_) => ("UTC".to_owned(), 0),
        }
    }

    /// The moment at which clocks of the zone show a local time.
    pub(super) fn moment_of_local(&self, local_seconds: i64) -> i64 {
        let (_, offset) = self.at(local_seconds);
        let (_, offset) = self.at(local_seconds - offset);
        local_seconds - offset
    }
}

/// A moment; the default is Go's zero time, the first of January of the year 1.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// Since 1970.
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    pub(super) zone: Zone,
    /// Nanoseconds of the process's own clock, where the moment came from it.
    monotonic: Option<u128>,
}

/// Go's zero time.
const ZERO_SECONDS: i64 = -62_135_596_800;

impl Default for Moment {
    fn default() -> Self {
        Self {
            seconds: ZERO_SECONDS,
            nanoseconds: 0,
            zone: Zone::Utc,
            monotonic: None,
        }
    }
}

impl Moment {
    pub(super) fn new(seconds: i64, nanoseconds: u32, zone: Zone) -> Self {
        Self {
            seconds,
            nanoseconds,
            zone,
            monotonic: None,
        }
    }

    pub(super) fn unix(seconds: i64) -> Self {
        Self::new(seconds, 0, Zone::Local)
    }

    pub(super) fn now() -> Self {
        let monotonic = START.elapsed().as_nanos() + 1;
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            seconds: i64::try_from(elapsed.as_secs()).unwrap_or(0),
            nanoseconds: elapsed.subsec_nanos(),
            zone: Zone::Local,
            monotonic: Some(monotonic),
        }
    }

    pub(super) fn within(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    pub(super) fn plus(self, nanoseconds: i64) -> Self {
        let total = i128::from(self.seconds) * 1_000_000_000
            + i128::from(self.nanoseconds)
            + i128::from(nanoseconds);
        let monotonic = self
            .monotonic
            .and_then(|clock| clock.checked_add_signed(i128::from(nanoseconds)));
        Self {
            seconds: total.div_euclid(1_000_000_000) as i64,
            nanoseconds: total.rem_euclid(1_000_000_000) as u32,
            monotonic,
            zone: self.zone,
        }
    }

    pub(super) fn format(&self, layout: &str) -> String {
        let (name, offset) = self.zone.at(self.seconds);
        layout::format(
            layout,
            self.seconds.saturating_add(offset),
            self.nanoseconds,
            &name,
            offset,
        )
    }

    fn clock(&self) -> (i64, i64) {
        let (_, offset) = self.zone.at(self.seconds);
        let local = self.seconds.saturating_add(offset);
        (local.div_euclid(86_400), local.rem_euclid(86_400))
    }

    /// Moves by years, months and days of the calendar; days past the end of a month run over.
    fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        let (date, clock) = self.clock();
        let (year, month, day) = civil(date);
        let month = i64::from(month) - 1 + months;
        let year = year + years + month.div_euclid(12);
        let date = days_of(year, month.rem_euclid(12) as u32 + 1, 1) + i64::from(day) - 1 + days;
        let seconds = self
            .zone
            .moment_of_local(date.saturating_mul(86_400).saturating_add(clock));
        Self::new(seconds, self.nanoseconds, self.zone.clone())
    }

    fn part(&self, method: &str) -> Option<Value> {
        let (date, clock) = self.clock();
        let (year, month, day) = civil(date);
        Some(match method {
            "Year" => Value::Int(year),
            "Month" => named_number(
                "time.Month",
                layout::MONTHS[month as usize - 1],
                i64::from(month),
            ),
            "Day" => Value::Int(i64::from(day)),
            "Hour" => Value::Int(clock / 3600),
            "Minute" => Value::Int(clock / 60 % 60),
            "Second" => Value::Int(clock % 60),
            "Nanosecond" => Value::Int(i64::from(self.nanoseconds)),
            "YearDay" => Value::Int(date - days_of(year, 1, 1) + 1),
            "Weekday" => {
                let day = (date + 4).rem_euclid(7);
                named_number("time.Weekday", layout::WEEKDAYS[day as usize], day)
            }
            "Unix" => Value::Int64(self.seconds),
            "UnixMilli" => {
                Value::Int64(self.seconds * 1_000 + i64::from(self.nanoseconds / 1_000_000))
            }
            "UnixMicro" => {
                Value::Int64(self.seconds * 1_000_000 + i64::from(self.nanoseconds / 1_000))
            }
            "UnixNano" => Value::Int64(
                self.seconds
                    .wrapping_mul(1_000_000_000)
                    .wrapping_add(i64::from(self.nanoseconds)),
            ),
            "IsZero" => Value::Bool(self.seconds == ZERO_SECONDS && self.nanoseconds == 0),
            "String" => Value::string(self.shown()),
            "UTC" => self.clone().within(Zone::Utc).into_value(),
            "Local" => self.clone().within(Zone::Local).into_value(),
            _ => return None,
        })
    }

    fn shown(&self) -> String {
        let mut text = self.format("2006-01-02 15:04:05.999999999 -0700 MST");
        if let Some(clock) = self.monotonic {
            text.push_str(&format!(
                " m=+{}.{:09}",
                clock / 1_000_000_000,
                clock % 1_000_000_000
            ));
        }
        text
    }
}

impl Object for Moment {
    fn type_name(&self) -> &'static str {
        "time.Time"
    }
    fn call(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let value = match (name, arguments) {
            (_, []) => self.part(name)?,
            ("Format", [Value::Str(layout)]) => Value::string(self.format(layout)),
            ("AddDate", [Value::Int(years), Value::Int(months), Value::Int(days)]) => {
                self.plus_date(*years, *months, *days).into_value()
            }
            ("Before" | "After" | "Equal", [Value::Object(other)]) => {
                let other = other.as_any().downcast_ref::<Self>()?;
                let order =
                    (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds));
                Value::Bool(match name {
                    "Before" => order.is_lt(),
                    "After" => order.is_gt(),
                    _ => order.is_eq(),
                })
            }
            _ => return None,
        };
        Some(Ok(value))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn text(&self) -> Option<String> {
        Some(self.shown())
    }
    fn serialized(&self) -> Value {
        Value::string(self.format("2006-01-02T15:04:05.999999999Z07:00"))
    }
}

/// A number of Go that prints as a word, such as a month.
#[derive(Debug)]
struct NamedNumber {
    type_name: &'static str,
    name: &'static str,
    number: i64,
}

fn named_number(type_name: &'static str, name: &'static str, number: i64) -> Value {
    Value::Object(Rc::new(NamedNumber {
        type_name,
        name,
        number,
    }))
}

impl Object for NamedNumber {
    fn type_name(&self) -> &str {
        self.type_name
    }
    fn call(&self, name: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        (name == "String").then(|| Ok(Value::string(self.name)))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn kind(&self) -> Kind {
        Kind::Int
    }
    fn text(&self) -> Option<String> {
        Some(self.name.to_owned())
    }
    fn serialized(&self) -> Value {
        Value::Int(self.number)
    }
}
