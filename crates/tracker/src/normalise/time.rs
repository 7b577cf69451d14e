//! Times as clients write them.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use super::reading::{Path, Reading};
use crate::event::Change;
use crate::json::Value;

/// A client's clock that is off by more than this is corrected.
const MAX_DRIFT: SignedDuration = SignedDuration::from_secs(60);
/// An event may be so old: one that was kept on a machine without a network.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// An event may come from the future by this much.
const MAX_AHEAD: SignedDuration = SignedDuration::from_secs(60);
/// Numbers from here on are milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// RFC 3339, with or without a zone (then UTC), or seconds since 1970.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(time) = text.parse::<civil::DateTime>() {
        return time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp());
    }
    text.parse::<f64>().ok().and_then(from_number)
}

fn from_number(number: f64) -> Option<Timestamp> {
    let seconds = if number.abs() >= MILLISECONDS_FROM { number / 1000.0 } else { number };
    if !seconds.is_finite() || seconds.abs() > 1e11 {
        return None;
    }
    // whole microseconds: a double has no more to say of our days
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

fn read(value: &Value<'_>) -> Option<Timestamp> {
    match value {
        Value::Text(text) => parse(text),
        other => other.as_float().and_then(from_number),
    }
}

/// What has to be added to a client's times so that they are ours: nothing within a minute, which is the network's.
pub(crate) fn drift(sent_at: Option<Timestamp>, received: Timestamp) -> SignedDuration {
    let drift = sent_at.map_or(SignedDuration::ZERO, |sent| received.duration_since(sent));
    if drift.abs() > MAX_DRIFT { drift } else { SignedDuration::ZERO }
}

impl Reading {
    /// A time of the client's in our clock. One that cannot be becomes the arrival, with a note.
    pub(crate) fn time(&mut self, value: &Value<'_>, path: &Path<'_>) -> Option<Timestamp> {
        if value.is_nothing() {
            return None;
        }
        let Some(time) = read(value) else {
            self.note(path, Change::Invalid, None);
            return None;
        };
        Some(time.checked_add(self.drift).unwrap_or(time))
    }

    /// The time of the event itself.
    pub(crate) fn time_of_event(&mut self, value: Option<&Value<'_>>) -> Timestamp {
        let path = Path::of("timestamp");
        let Some(time) = value.and_then(|value| self.time(value, &path)) else { return self.received };
        let age = self.received.duration_since(time);
        if age > MAX_AGE || age < -MAX_AHEAD {
            self.note(&path, Change::ClockOff, None);
            return self.received;
        }
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_time_is_read() {
        let expected: Timestamp = "2026-11-21T10:00:00Z".parse().expect("a time");
        for text in [
            "2026-11-21T10:00:00Z",
            "2026-11-21T10:00:00",
            "2026-11-21 10:00:00",
            "2026-11-21T12:00:00+02:00",
            "2026-11-21T10:00:00.000000Z",
            "1795255200",
            "1795255200.0",
            "1795255200000",
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["", "yesterday", "1e300", "NaN", "2026-13-01T00:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
