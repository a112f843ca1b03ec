//! Go's layouts, which show how the moment `Mon Jan 2 15:04:05 MST 2006` would look.
//!
//! Source: `time/format.go` of Go 1.26.

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The year, month and day of a number of days since 1970, in the Gregorian calendar.
pub(in crate::functions) fn civil(days: i64) -> (i64, u32, u32) {
    // Years are counted from March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The number of days since 1970 of a date.
pub(in crate::functions) fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// How an offset is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offset {
    /// `Z` stands for no offset.
    pub(super) zulu: bool,
    pub(super) colon: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

/// A part of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumberMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperNoon,
    LowerNoon,
    ZoneName,
    Offset(Offset),
    /// So many digits after the point or comma; trailing zeros kept or not.
    Fraction {
        digits: usize,
        keep_zeros: bool,
        separator: char,
    },
}

const FIXED: &[(&str, Part)] = &[
    ("January", Part::LongMonth),
    ("Monday", Part::LongWeekday),
    ("MST", Part::ZoneName),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("002", Part::ZeroYearDay),
    ("15", Part::Hour),
    ("1", Part::NumberMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("_2", Part::UnderDay),
    ("__2", Part::UnderYearDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperNoon),
    ("pm", Part::LowerNoon),
];

const OFFSETS: &[(&str, Offset)] = &[
    (
        "070000",
        Offset {
            zulu: false,
            colon: false,
            minutes: true,
            seconds: true,
        },
    ),
    (
        "07:00:00",
        Offset {
            zulu: false,
            colon: true,
            minutes: true,
            seconds: true,
        },
    ),
    (
        "0700",
        Offset {
            zulu: false,
            colon: false,
            minutes: true,
            seconds: false,
        },
    ),
    (
        "07:00",
        Offset {
            zulu: false,
            colon: true,
            minutes: true,
            seconds: false,
        },
    ),
    (
        "07",
        Offset {
            zulu: false,
            colon: false,
            minutes: false,
            seconds: false,
        },
    ),
];

/// Splits a layout into text, the part after it and the rest.
pub(super) fn next_part(layout: &str) -> (&str, Option<Part>, &str) {
    for (index, _) in layout.char_indices() {
        let rest = &layout[index..];
        // `_2006` is an underscore and a year.
        if let Some(after) = rest.strip_prefix("_2006") {
            return (&layout[..=index], Some(Part::LongYear), after);
        }
        if let Some((part, length)) = part_at(rest) {
            return (&layout[..index], Some(part), &rest[length..]);
        }
    }
    (layout, None, "")
}

fn part_at(rest: &str) -> Option<(Part, usize)> {
    if let Some((text, part)) = FIXED.iter().find(|(text, _)| rest.starts_with(text)) {
        return Some((*part, text.len()));
    }
    for (short, part) in [("Jan", Part::Month), ("Mon", Part::Weekday)] {
        if let Some(after) = rest.strip_prefix(short)
            && !after.starts_with(|next: char| next.is_ascii_lowercase())
        {
            return Some((part, short.len()));
        }
    }
    if let Some(after) = rest.strip_prefix(['-', 'Z']) {
        let (text, offset) = OFFSETS.iter().find(|(text, _)| after.starts_with(text))?;
        return Some((
            Part::Offset(Offset {
                zulu: rest.starts_with('Z'),
                ..*offset
            }),
            text.len() + 1,
        ));
    }
    let separator = rest
        .chars()
        .next()
        .filter(|next| matches!(next, '.' | ','))?;
    let digit = rest[1..]
        .chars()
        .next()
        .filter(|next| matches!(next, '0' | '9'))?;
    let digits = rest[1..].chars().take_while(|next| *next == digit).count();
    if rest[1 + digits..].starts_with(|next: char| next.is_ascii_digit()) {
        return None;
    }
    Some((
        Part::Fraction {
            digits,
            keep_zeros: digit == '0',
            separator,
        },
        1 + digits,
    ))
}

/// Formats a local time by a layout.
pub(super) fn format(
    layout: &str,
    local_seconds: i64,
    nanoseconds: u32,
    zone: &str,
    offset: i64,
) -> String {
    let days = local_seconds.div_euclid(86_400);
    let clock = local_seconds.rem_euclid(86_400);
    let date = civil(days);
    let mut out = String::new();
    let mut rest = layout;
    while !rest.is_empty() {
        let (text, part, after) = next_part(rest);
        out.push_str(text);
        let Some(part) = part else { break };
        rest = after;
        match part {
            Part::Offset(style) => push_offset(&mut out, style, offset),
            Part::ZoneName if zone.is_empty() => push_offset(
                &mut out,
                Offset {
                    zulu: false,
                    colon: false,
                    minutes: true,
                    seconds: false,
                },
                offset,
            ),
            Part::ZoneName => out.push_str(zone),
            Part::Fraction {
                digits,
                keep_zeros,
                separator,
            } => {
                push_fraction(&mut out, nanoseconds, digits, keep_zeros, separator);
            }
            part => out.push_str(&date_or_clock(part, days, date, clock)),
        }
    }
    out
}

fn date_or_clock(part: Part, days: i64, (year, month, day): (i64, u32, u32), clock: i64) -> String {
    let hour = clock / 3_600;
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    let (minute, second) = (clock / 60 % 60, clock % 60);
    let month_name = MONTHS[month as usize - 1];
    let weekday = WEEKDAYS[(days + 4).rem_euclid(7) as usize];
    let day_of_year = days - days_of(year, 1, 1) + 1;
    match part {
        Part::LongMonth => month_name.to_owned(),
        Part::Month => month_name[..3].to_owned(),
        Part::NumberMonth => month.to_string(),
        Part::ZeroMonth => format!("{month:02}"),
        Part::LongWeekday => weekday.to_owned(),
        Part::Weekday => weekday[..3].to_owned(),
        Part::Day => day.to_string(),
        Part::UnderDay => format!("{day:2}"),
        Part::ZeroDay => format!("{day:02}"),
        Part::UnderYearDay => format!("{day_of_year:3}"),
        Part::ZeroYearDay => format!("{day_of_year:03}"),
        Part::Hour => format!("{hour:02}"),
        Part::Hour12 => hour12.to_string(),
        Part::ZeroHour12 => format!("{hour12:02}"),
        Part::Minute => minute.to_string(),
        Part::ZeroMinute => format!("{minute:02}"),
        Part::Second => second.to_string(),
        Part::ZeroSecond => format!("{second:02}"),
        Part::LongYear if year < 0 => format!("-{:04}", -year),
        Part::LongYear => format!("{year:04}"),
        Part::Year => format!("{:02}", year.abs() % 100),
        Part::UpperNoon => if hour >= 12 { "PM" } else { "AM" }.to_owned(),
        Part::LowerNoon => if hour >= 12 { "pm" } else { "am" }.to_owned(),
        Part::ZoneName | Part::Offset(_) | Part::Fraction { .. } => String::new(),
    }
}

fn push_offset(out: &mut String, style: Offset, offset: i64) {
    if style.zulu && offset == 0 {
        out.push('Z');
        return;
    }
    // Go decides the sign by whole minutes.
    let minutes = offset / 60;
    out.push(if minutes < 0 { '-' } else { '+' });
    let minutes = minutes.abs();
    let colon = if style.colon { ":" } else { "" };
    out.push_str(&format!("{:02}", minutes / 60));
    if style.minutes {
        out.push_str(&format!("{colon}{:02}", minutes % 60));
    }
    if style.seconds {
        out.push_str(&format!("{colon}{:02}", offset.abs() % 60));
    }
}

fn push_fraction(
    out: &mut String,
    nanoseconds: u32,
    digits: usize,
    keep_zeros: bool,
    separator: char,
) {
    let mut text = format!("{nanoseconds:09}");
    text.extend(std::iter::repeat_n('0', digits.saturating_sub(9)));
    let text = &text[..digits];
    let text = if keep_zeros {
        text
    } else {
        text.trim_end_matches('0')
    };
    if !text.is_empty() {
        out.push(separator);
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::{civil, days_of, format};

    #[test]
    fn layouts_show_moments_as_go_does() {
        let seconds = days_of(2017, 12, 31) * 86_400 + 13 * 3_600 + 4 * 60 + 5;
        for (layout, expected) in [
            ("2006-01-02T15:04:05Z07:00", "2017-12-31T13:04:05+02:00"),
            (
                "Mon Jan _2 15:04:05 MST 2006",
                "Sun Dec 31 13:04:05 EET 2017",
            ),
            ("Monday, January 2, 3:4:5PM", "Sunday, December 31, 1:4:5PM"),
            ("02/01/06 .000 .999 -0700", "31/12/17 .120 .12 +0200"),
            ("002 __2 _2006 Janet", "365 365 _2017 Janet"),
        ] {
            assert_eq!(format(layout, seconds, 120_000_000, "EET", 7_200), expected);
        }
    }

    #[test]
    fn days_and_dates_agree() {
        for days in (-800_000..800_000).step_by(97) {
            let (year, month, day) = civil(days);
            assert_eq!(days_of(year, month, day), days);
        }
    }
}
