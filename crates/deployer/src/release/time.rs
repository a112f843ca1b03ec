//! A moment in a record: RFC 3339, kept with its offset, where Helm 3 wrote `""` for "never".

use chrono::{DateTime, Datelike, FixedOffset, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment as a record holds it; [`RecordTime::NEVER`] is what Go calls the zero time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordTime(Option<DateTime<FixedOffset>>);

impl RecordTime {
    /// Nothing has happened yet.
    pub const NEVER: Self = Self(None);

    /// Returns the moment in UTC, if there is one.
    pub fn utc(self) -> Option<DateTime<Utc>> {
        self.0.map(|moment| moment.with_timezone(&Utc))
    }

    /// Tells whether nothing has happened yet; such a field is left out of a record.
    pub fn is_never(&self) -> bool {
        self.0.is_none()
    }
}

impl From<DateTime<Utc>> for RecordTime {
    fn from(moment: DateTime<Utc>) -> Self {
        Self(Some(moment.fixed_offset()))
    }
}

impl Serialize for RecordTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(moment) => serializer.serialize_str(&as_go_writes(moment)),
            None => serializer.serialize_str(""),
        }
    }
}

/// Writes a moment as Go's `RFC3339Nano` does, without zeros at the end of the fraction, so that a
/// record of Helm that is rewritten keeps its text.
fn as_go_writes(moment: DateTime<FixedOffset>) -> String {
    let text = moment.to_rfc3339_opts(SecondsFormat::Nanos, true);
    // `2026-03-01T10:00:00` are 19 characters, the fraction ten more.
    let (whole, rest) = text.split_at(19.min(text.len()));
    let (fraction, offset) = rest.split_at(10.min(rest.len()));
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{whole}{fraction}{offset}")
}

impl<'de> Deserialize<'de> for RecordTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        if text.is_empty() {
            return Ok(Self::NEVER);
        }
        let moment = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        // Go prints its zero time as the first of January of the year 1.
        Ok(if moment.year() <= 1 {
            Self::NEVER
        } else {
            Self(Some(moment))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RecordTime {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_way_of_saying_never_is_read() {
        for text in ["\"\"", "null", "\"0001-01-01T00:00:00Z\""] {
            assert!(read(text).is_never(), "{text}");
        }
    }

    #[test]
    fn a_moment_keeps_its_offset_and_its_nanoseconds() {
        for fraction in ["", ".1", ".12345678", ".123456789", ".000001"] {
            for offset in ["Z", "+02:00"] {
                let text = format!("\"2026-03-01T10:00:00{fraction}{offset}\"");
                assert_eq!(serde_json::to_string(&read(&text)).unwrap(), text);
            }
        }
    }
}
