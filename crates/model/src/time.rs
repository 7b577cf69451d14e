//! Points in time: microseconds since the Unix epoch, as the databases keep them.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time to the microsecond. Arithmetic saturates, so that no hostile date can overflow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

impl Time {
    /// Earlier than anything that happens.
    pub const MIN: Time = Time(0);
    /// Later than anything that happens: 9999-12-30, the last day that every format can write.
    pub const MAX: Time = Time(253_402_200_000_000_000);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Time(millis.saturating_mul(1000))
    }

    /// From seconds since the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Time(seconds.saturating_mul(1_000_000))
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// As jiff's type, for calendars and printing. Out of jiff's range is clamped into it.
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Time(timestamp.as_microsecond())
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, span: Duration) -> Time {
        Time(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
                .min(Time::MAX.0.max(self.0)),
        )
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, span: Duration) -> Time {
        Time(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_timestamp(), f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 3339, with `Z` or an offset.
impl FromStr for Time {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<Timestamp>().map(Time::from)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error| {
            serde::de::Error::custom(format!("{text:?} is not a time like 2026-01-31T12:00:00Z: {error}"))
        })
    }
}

/// Spans of time as people write them in configuration: `30s`, `5m`, `1h30m`, `2d`, `1w`, `250ms`.
///
/// The grammar is Prometheus' (units `y w d h m s ms`, descending, whole numbers; a year has 365 days),
/// so that both configuration files read alike.
pub mod span {
    use super::*;

    const UNITS: [(&str, u64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];

    /// A text that is no span.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[error("{0:?} is not a span of time like 30s, 5m, 1h30m or 2d")]
    pub struct BadSpan(pub String);

    /// Reads a span. `0` needs no unit.
    pub fn parse(text: &str) -> Result<Duration, BadSpan> {
        let bad = || BadSpan(text.chars().take(40).collect());
        if text == "0" {
            return Ok(Duration::ZERO);
        }
        let (mut rest, mut millis, mut next_unit) = (text, 0u64, 0);
        if rest.is_empty() {
            return Err(bad());
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_lowercase).count();
            let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
            let unit = &rest[digits..digits + letters];
            let at = UNITS.iter().position(|(name, _)| *name == unit).ok_or_else(bad)?;
            if at < next_unit {
                return Err(bad());
            }
            next_unit = at + 1;
            millis = number.checked_mul(UNITS[at].1).and_then(|n| n.checked_add(millis)).ok_or_else(bad)?;
            rest = &rest[digits + letters..];
        }
        Ok(Duration::from_millis(millis))
    }

    /// Writes a span the shortest way that [`parse`] reads back, to the millisecond.
    pub fn format(span: Duration) -> String {
        let mut millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return "0s".to_owned();
        }
        let mut text = String::new();
        for (name, size) in UNITS.iter().skip(1) {
            if millis >= *size && (*name != "w" || millis.is_multiple_of(*size)) {
                text.push_str(&format!("{}{name}", millis / size));
                millis %= size;
            }
        }
        text
    }

    /// For `#[serde(with = "model::time::span")]`.
    pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format(*span))
    }

    /// For `#[serde(with = "model::time::span")]`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        parse(&text).map_err(serde::de::Error::custom)
    }

    /// For `#[serde(with = "model::time::span::option")]`.
    pub mod option {
        use super::*;

        /// Writes nothing or the span.
        pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
            span.map(super::format).serialize(serializer)
        }

        /// Reads nothing or a span.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
            let text = Option::<std::borrow::Cow<str>>::deserialize(deserializer)?;
            text.map(|text| parse(&text).map_err(serde::de::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_prometheus_reads_them() {
        let s = Duration::from_secs;
        for (text, span) in
            [("0", s(0)), ("30s", s(30)), ("1h30m", s(5400)), ("2d", s(172_800)), ("1y", s(31_536_000))]
        {
            assert_eq!(span::parse(text), Ok(span), "{text}");
        }
        for text in ["", "5", "m", "1m1h", "1.5h", "-1s", "1s1s", "99999999999999y", "1 s"] {
            assert!(span::parse(text).is_err(), "{text}");
        }
        assert_eq!(span::format(s(5400)), "1h30m");
        assert_eq!(span::format(Duration::from_millis(1500)), "1s500ms");
        assert_eq!(span::format(s(7 * 86_400)), "1w");
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Time::MAX + Duration::MAX, Time::MAX);
        assert_eq!(Time(5).since(Time(9)), Duration::ZERO);
        assert_eq!(Time::from_seconds(0).to_string(), "1970-01-01T00:00:00Z");
    }
}
