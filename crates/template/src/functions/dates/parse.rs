//! Reads a moment by a layout.
//!
//! Source: `time/format.go` of Go 1.26.

use super::{
    layout::{MONTHS, Offset, Part, WEEKDAYS, days_of, next_part},
    moment::{Moment, Zone},
};
use crate::bytes;

/// Reads `value` by `layout`; without an offset it is a time of `zone`.
///
/// # Errors
/// Go's text, such as `parsing time "x" as "2006": cannot parse "x" as "2006"`.
pub(super) fn parse(layout: &str, value: &str, zone: &Zone) -> Result<Moment, String> {
    let mut fields = Fields {
        month: None,
        day: None,
        year_day: None,
        ..Fields::default()
    };
    let (mut layout_rest, mut rest) = (layout, value);
    let quoted = quoted_as_time;
    let failure = |element: &str, held: &str, message: &str| {
        let (layout, value) = (quoted(layout), quoted(value));
        if message.is_empty() {
            format!(
                "parsing time {value} as {layout}: cannot parse {} as {}",
                quoted(held),
                quoted(element)
            )
        } else {
            format!("parsing time {value}{message}")
        }
    };
    loop {
        let (text, part, after) = next_part(layout_rest);
        let element = &layout_rest[text.len()..layout_rest.len() - after.len()];
        rest = skipped(rest, text).ok_or_else(|| failure(text, rest, ""))?;
        let Some(part) = part else {
            if !rest.is_empty() {
                return Err(failure(
                    "",
                    rest,
                    &format!(": extra text: {}", quoted(rest)),
                ));
            }
            break;
        };
        layout_rest = after;
        let held = rest;
        match fields.take(part, &mut rest, layout_rest) {
            Ok(()) => {}
            Err(Bad::Value) => return Err(failure(element, held, "")),
            Err(Bad::Range(name)) => {
                return Err(failure(element, rest, &format!(": {name} out of range")));
            }
        }
    }
    fields
        .moment(zone)
        .map_err(|message| failure("", rest, &message))
}

/// Skips the text of a layout; a space of it stands for any number of spaces.
fn skipped<'v>(mut value: &'v str, mut text: &str) -> Option<&'v str> {
    while let Some(first) = text.chars().next() {
        if first == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return None;
            }
            text = text.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(first)?;
        text = &text[first.len_utf8()..];
    }
    Some(value)
}

enum Bad {
    Value,
    Range(&'static str),
}

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    is_afternoon: bool,
    is_morning: bool,
    is_utc: bool,
    offset: Option<i64>,
    zone_name: String,
}

/// Takes one or two digits, exactly two where `fixed`.
fn number(value: &mut &str, fixed: bool) -> Result<u32, Bad> {
    let digits = value.bytes().take(2).take_while(u8::is_ascii_digit).count();
    if digits == 0 || fixed && digits < 2 {
        return Err(Bad::Value);
    }
    take_digits(value, digits)
}

fn take_digits(value: &mut &str, digits: usize) -> Result<u32, Bad> {
    let text = value.get(..digits).ok_or(Bad::Value)?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Bad::Value);
    }
    *value = &value[digits..];
    text.parse().map_err(|_| Bad::Value)
}

fn looked_up(names: &[&str], value: &mut &str, length: Option<usize>) -> Result<u32, Bad> {
    for (index, name) in names.iter().enumerate() {
        let name = &name[..length.unwrap_or(name.len())];
        if value
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
        {
            *value = &value[name.len()..];
            return Ok(index as u32);
        }
    }
    Err(Bad::Value)
}

fn within(number: u32, least: u32, most: u32, name: &'static str) -> Result<u32, Bad> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(Bad::Range(name))
    }
}

/// Takes a separator and digits as parts of a second.
fn fraction(value: &mut &str, digits: usize) -> Result<u32, Bad> {
    let text = value.get(..=digits).ok_or(Bad::Value)?;
    if !text.starts_with(['.', ',']) || !text[1..].bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Bad::Value);
    }
    *value = &value[1 + digits..];
    let mut padded: String = text[1..].chars().take(9).collect();
    padded.extend(std::iter::repeat_n('0', 9 - padded.len()));
    padded.parse().map_err(|_| Bad::Value)
}

fn fraction_digits(value: &str) -> usize {
    if !value.starts_with(['.', ',']) {
        return 0;
    }
    value[1..].bytes().take_while(u8::is_ascii_digit).count()
}

impl Fields {
    fn take(&mut self, part: Part, value: &mut &str, layout_rest: &str) -> Result<(), Bad> {
        match part {
            Part::Year => {
                let year = i64::from(take_digits(value, 2)?);
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            Part::LongYear => self.year = i64::from(take_digits(value, 4)?),
            Part::Month => self.month = Some(looked_up(&MONTHS, value, Some(3))? + 1),
            Part::LongMonth => self.month = Some(looked_up(&MONTHS, value, None)? + 1),
            Part::NumberMonth | Part::ZeroMonth => {
                self.month = Some(within(
                    number(value, part == Part::ZeroMonth)?,
                    1,
                    12,
                    "month",
                )?);
            }
            Part::Weekday => {
                looked_up(&WEEKDAYS, value, Some(3))?;
            }
            Part::LongWeekday => {
                looked_up(&WEEKDAYS, value, None)?;
            }
            Part::Day | Part::UnderDay | Part::ZeroDay => {
                if part == Part::UnderDay {
                    *value = value.strip_prefix(' ').unwrap_or(value);
                }
                self.day = Some(number(value, part == Part::ZeroDay)?);
            }
            Part::UnderYearDay | Part::ZeroYearDay => {
                if part == Part::UnderYearDay {
                    *value = value.trim_start_matches(' ');
                }
                let digits = value.bytes().take(3).take_while(u8::is_ascii_digit).count();
                if digits == 0 || part == Part::ZeroYearDay && digits < 3 {
                    return Err(Bad::Value);
                }
                self.year_day = Some(take_digits(value, digits)?);
            }
            Part::Hour => self.hour = within(number(value, false)?, 0, 23, "hour")?,
            Part::Hour12 | Part::ZeroHour12 => {
                self.hour = within(number(value, part == Part::ZeroHour12)?, 0, 12, "hour")?;
            }
            Part::Minute | Part::ZeroMinute => {
                self.minute = within(number(value, part == Part::ZeroMinute)?, 0, 59, "minute")?;
            }
            Part::Second | Part::ZeroSecond => {
                self.second = within(number(value, part == Part::ZeroSecond)?, 0, 59, "second")?;
                // Parts of a second may follow though the layout does not ask for them.
                let is_asked =
                    matches!(next_part(layout_rest), (_, Some(Part::Fraction { .. }), _));
                if !is_asked && fraction_digits(value) > 0 {
                    self.nanoseconds = fraction(value, fraction_digits(value))?;
                }
            }
            Part::UpperNoon | Part::LowerNoon => self.noon(value, part == Part::UpperNoon)?,
            Part::Offset(style) => self.take_offset(style, value)?,
            Part::ZoneName => self.take_zone(value)?,
            Part::Fraction {
                digits,
                keep_zeros: true,
                ..
            } => self.nanoseconds = fraction(value, digits)?,
            Part::Fraction { .. } => {
                if fraction_digits(value) > 0 {
                    self.nanoseconds = fraction(value, fraction_digits(value))?;
                }
            }
        }
        Ok(())
    }

    fn noon(&mut self, value: &mut &str, is_upper: bool) -> Result<(), Bad> {
        let (afternoon, morning) = if is_upper { ("PM", "AM") } else { ("pm", "am") };
        match value.get(..2) {
            Some(text) if text == afternoon => self.is_afternoon = true,
            Some(text) if text == morning => self.is_morning = true,
            _ => return Err(Bad::Value),
        }
        *value = &value[2..];
        Ok(())
    }

    fn take_offset(&mut self, style: Offset, value: &mut &str) -> Result<(), Bad> {
        if style.zulu && value.starts_with('Z') {
            *value = &value[1..];
            self.is_utc = true;
            return Ok(());
        }
        let sign = match value.bytes().next() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(Bad::Value),
        };
        *value = &value[1..];
        let mut offset = i64::from(within(
            take_digits(value, 2)?,
            0,
            24,
            "time zone offset hour",
        )?) * 3_600;
        for (present, seconds, name) in [
            (style.minutes, 60, "time zone offset minute"),
            (style.seconds, 1, "time zone offset second"),
        ] {
            if present {
                if style.colon {
                    *value = value.strip_prefix(':').ok_or(Bad::Value)?;
                }
                offset += i64::from(within(take_digits(value, 2)?, 0, 60, name)?) * seconds;
            }
        }
        self.offset = Some(sign * offset);
        Ok(())
    }

    /// Takes a name of three to five letters, `GMT` with hours, or an offset in the place of one.
    fn take_zone(&mut self, value: &mut &str) -> Result<(), Bad> {
        if let Some(rest) = value.strip_prefix("UTC") {
            *value = rest;
            self.is_utc = true;
            return Ok(());
        }
        let signed = |text: &str| {
            let digits = text
                .get(1..)
                .unwrap_or_default()
                .bytes()
                .take_while(u8::is_ascii_digit)
                .count();
            if text.starts_with(['+', '-']) && digits > 0 {
                1 + digits
            } else {
                0
            }
        };
        let letters = value.bytes().take_while(u8::is_ascii_uppercase).count();
        let length = if let Some(offset) = value.strip_prefix("GMT") {
            3 + signed(offset)
        } else if letters == 0 && signed(value) > 0 {
            signed(value)
        } else if matches!(letters, 3..=5) {
            letters
        } else {
            return Err(Bad::Value);
        };
        value[..length].clone_into(&mut self.zone_name);
        *value = &value[length..];
        Ok(())
    }

    fn date(&self) -> Result<(u32, u32), String> {
        let is_leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        if let Some(year_day) = self.year_day {
            let days = if is_leap { 366 } else { 365 };
            if !(1..=days).contains(&year_day) {
                return Err(": day-of-year out of range".to_owned());
            }
            let (_, month, day) = super::civil(days_of(self.year, 1, 1) + i64::from(year_day) - 1);
            if self.month.is_some_and(|given| given != month) {
                return Err(": day-of-year does not match month".to_owned());
            }
            if self.day.is_some_and(|given| given != day) {
                return Err(": day-of-year does not match day".to_owned());
            }
            return Ok((month, day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        if day < 1 || day > days {
            return Err(": day out of range".to_owned());
        }
        Ok((month, day))
    }

    fn moment(self, zone: &Zone) -> Result<Moment, String> {
        let (month, day) = self.date()?;
        let hour = match self.hour {
            hour if self.is_afternoon && hour < 12 => hour + 12,
            12 if self.is_morning => 0,
            hour => hour,
        };
        let clock = i64::from(hour * 3_600 + self.minute * 60 + self.second);
        let local = days_of(self.year, month, day) * 86_400 + clock;
        if self.is_utc {
            return Ok(Moment::new(local, self.nanoseconds, Zone::Utc));
        }
        if let Some(offset) = self.offset {
            let seconds = local - offset;
            let (name, actual) = zone.at(seconds);
            let is_local =
                actual == offset && (self.zone_name.is_empty() || self.zone_name == name);
            let zone = if is_local {
                zone.clone()
            } else {
                Zone::Fixed(self.zone_name, offset)
            };
            return Ok(Moment::new(seconds, self.nanoseconds, zone));
        }
        if !self.zone_name.is_empty() {
            let seconds = zone.moment_of_local(local);
            if zone.at(seconds).0 == self.zone_name {
                return Ok(Moment::new(seconds, self.nanoseconds, zone.clone()));
            }
            let hours = self
                .zone_name
                .strip_prefix("GMT")
                .and_then(|hours| hours.parse::<i64>().ok());
            let offset = hours.unwrap_or(0) * 3_600;
            return Ok(Moment::new(
                local,
                self.nanoseconds,
                Zone::Fixed(self.zone_name, offset),
            ));
        }
        Ok(Moment::new(
            zone.moment_of_local(local),
            self.nanoseconds,
            zone.clone(),
        ))
    }
}

/// The quotes of Go's package `time`: every byte that is not plain ASCII is written in hex.
pub(super) fn quoted_as_time(text: &str) -> String {
    let mut out = String::from("\"");
    for byte in bytes::of(text).iter().copied() {
        match byte {
            0..=0x1f | 0x80.. => out.push_str(&format!("\\x{byte:02x}")),
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            _ => out.push(char::from(byte)),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{super::moment::Zone, parse};

    #[test]
    fn moments_are_read_as_by_go() {
        let cases = [
            ("2006-01-02", "2017-12-31", "2017-12-31T00:00:00Z"),
            (
                "2006-01-02T15:04:05Z07:00",
                "2017-12-31T13:04:05.25+02:00",
                "2017-12-31T11:04:05.25Z",
            ),
            (
                "Jan 2, 2006 3:04PM",
                "Feb 9, 2020 1:07PM",
                "2020-02-09T13:07:00Z",
            ),
            (
                "02 Jan 06 15:04 MST",
                "09 Feb 20 13:07 UTC",
                "2020-02-09T13:07:00Z",
            ),
        ];
        for (layout, value, expected) in cases {
            let moment = parse(layout, value, &Zone::Utc).unwrap().within(Zone::Utc);
            assert_eq!(
                moment.format("2006-01-02T15:04:05.999999999Z07:00"),
                expected
            );
        }
        assert_eq!(
            parse("2006-01-02", "x", &Zone::Utc).unwrap_err(),
            "parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as \"2006\""
        );
        assert_eq!(
            parse("2006-01-02", "2020-02-30", &Zone::Utc).unwrap_err(),
            "parsing time \"2020-02-30\": day out of range"
        );
    }
}
