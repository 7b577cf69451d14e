//! Time zones, and what their clocks show.
//!
//! A [`Zone`] comes from the IANA database in this binary, which is the same on every node. Where people say when
//! something is to happen, they mean the clock on their wall; [`Stretch`] is how all of the model goes from one to
//! the other: a time during which that clock is neither put forward nor back, so that it is plain arithmetic within.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Time;

/// What the time zone of a machine is called, whichever that is.
pub const LOCAL: &str = "Local";
/// Microseconds of a day by a clock that is neither put forward nor back.
pub const DAY: i64 = 86_400_000_000;
/// Further than any clock was ever put back: a whole day, where the date line was moved.
const PUT_BACK: i64 = 2 * DAY;

/// A time zone of the IANA database. Written as its name.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A name that no time zone has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?}{local} is no IANA time zone; write a name such as Europe/Berlin or UTC")]
pub struct BadZone {
    name: String,
    local: &'static str,
}

impl Zone {
    /// The zone whose clocks show what the world agrees on.
    pub const UTC: Zone = Zone(TimeZone::UTC);

    /// The zone with this name.
    ///
    /// # Errors
    /// When the database in this binary has none of this name.
    pub fn named(name: &str) -> Result<Zone, BadZone> {
        // not `jiff::tz::db()`, which reads the files of the machine
        TimeZoneDatabase::bundled().get(name).map(Zone).map_err(|_| BadZone {
            name: name.chars().take(80).collect(),
            local: if name == LOCAL { ", which may differ from node to node" } else { "" },
        })
    }

    /// Its name; [`LOCAL`] for a zone of a machine that has none.
    pub fn name(&self) -> &str {
        // every zone of the database has its name; a copy of one of its files has none, nor has a rule
        self.0.iana_name().unwrap_or(LOCAL)
    }

    /// As jiff's type.
    pub fn tz(&self) -> &TimeZone {
        &self.0
    }

    /// What the clock on the wall shows at this time.
    pub fn wall(&self, at: Time) -> Wall {
        Wall(at.0.saturating_add(self.offset(at)))
    }

    /// How far its clocks are ahead, in microseconds.
    fn offset(&self, at: Time) -> i64 {
        i64::from(self.0.to_offset(at.to_timestamp()).seconds()) * 1_000_000
    }

    /// The stretches between these times, one after another. Nothing when they are the wrong way round.
    pub fn stretches(&self, from: Time, until: Time) -> impl Iterator<Item = Stretch> + '_ {
        let mut next = from;
        std::iter::from_fn(move || {
            (next < until).then(|| {
                let shift = self.0.following(next.to_timestamp()).next();
                let end = shift.map_or(until, |shift| Time::from(shift.timestamp()).min(until));
                let stretch = Stretch { from: next, until: end, offset: self.offset(next) };
                next = end;
                stretch
            })
        })
    }

    /// The same, beginning so much earlier that clocks which were put back before `from` have shown again by then
    /// what they had shown before.
    pub fn stretches_with_past(&self, from: Time, until: Time) -> impl Iterator<Item = Stretch> + '_ {
        self.stretches(Time(from.0.saturating_sub(PUT_BACK)), until)
    }

    /// The first moment at which the clock shows this or later: when it is skipped, the moment at which the clock is
    /// put forward over it, and when it is shown twice, the first time.
    pub fn first_at(&self, wall: Wall) -> Time {
        let near = Time(wall.0);
        let around = self.stretches(
            Time(wall.0.saturating_sub(PUT_BACK)),
            near + std::time::Duration::from_micros(PUT_BACK as u64),
        );
        let mut last = near;
        for stretch in around {
            if wall < stretch.wall_until() {
                return stretch.time(wall).max(stretch.from);
            }
            last = stretch.until;
        }
        last
    }
}

impl Default for Zone {
    fn default() -> Self {
        Zone::UTC
    }
}

impl From<TimeZone> for Zone {
    fn from(zone: TimeZone) -> Self {
        Zone(zone)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Zone::named(&name).map_err(|bad| serde::de::Error::custom(format!("time zone {bad}")))
    }
}

/// What a clock shows, date and time of day, as microseconds since it showed 1970-01-01 00:00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub i64);

impl Wall {
    /// Midnight of this day, counted from 1970-01-01.
    pub const fn midnight(day: i64) -> Wall {
        Wall(day.saturating_mul(DAY))
    }

    /// Its day, counted from 1970-01-01.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(DAY)
    }

    /// Microseconds since midnight.
    pub const fn time_of_day(self) -> i64 {
        self.0.rem_euclid(DAY)
    }
}

impl From<DateTime> for Wall {
    fn from(civil: DateTime) -> Self {
        // the same digits in UTC, where a day is a day; the last years that jiff knows are clamped
        let same = TimeZone::UTC.to_timestamp(civil).map(|it| it.as_microsecond());
        Wall(same.unwrap_or(if civil.year() < 0 { Time::MIN.0 } else { Time::MAX.0 }))
    }
}

/// A time during which the clocks of a zone are neither put forward nor back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its first moment.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
    /// How far the clocks are ahead of UTC, in microseconds.
    offset: i64,
}

impl Stretch {
    /// What the clock shows at this time of the stretch.
    pub fn wall(&self, at: Time) -> Wall {
        Wall(at.0.saturating_add(self.offset))
    }

    /// What the clock shows first.
    pub fn wall_from(&self) -> Wall {
        self.wall(self.from)
    }

    /// What it does not show any more.
    pub fn wall_until(&self) -> Wall {
        self.wall(self.until)
    }

    /// When the clock shows this; outside of the stretch, when it would if it went on as here.
    pub fn time(&self, wall: Wall) -> Time {
        Time(wall.0.saturating_sub(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_is_at_the_leap_and_what_is_shown_twice_is_the_first() {
        let first = |zone: &str, wall: &str| {
            let wall: DateTime = wall.parse().unwrap();
            Zone::named(zone).unwrap().first_at(wall.into()).to_string()
        };
        assert_eq!(first("Europe/Berlin", "2026-03-29T02:30:00"), "2026-03-29T01:00:00Z");
        assert_eq!(first("Europe/Berlin", "2026-10-25T02:30:00"), "2026-10-25T00:30:00Z");
        assert_eq!(first("Europe/Berlin", "2026-07-01T09:00:00"), "2026-07-01T07:00:00Z");
        assert_eq!(first("Australia/Lord_Howe", "2026-10-04T02:10:00"), "2026-10-03T15:30:00Z");
        assert_eq!(first("Asia/Kathmandu", "2026-01-01T00:00:00"), "2025-12-31T18:15:00Z");
        // a day that was left out when the date line moved
        assert_eq!(first("Pacific/Apia", "2011-12-30T12:00:00"), "2011-12-30T10:00:00Z");
    }

    #[test]
    fn stretches_end_where_clocks_are_put_forward_or_back() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let year = ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"].map(|text| text.parse::<Time>().unwrap());
        let ends: Vec<_> = berlin.stretches(year[0], year[1]).map(|it| it.until.to_string()).collect();
        assert_eq!(ends, ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2027-01-01T00:00:00Z"]);
        assert_eq!(berlin.stretches(year[1], year[0]).count(), 0);
    }

    #[test]
    fn a_zone_that_does_not_exist_is_refused_by_name() {
        let bad = serde_json::from_str::<Zone>("\"Europe/Atlantis\"").unwrap_err().to_string();
        assert!(bad.starts_with("time zone \"Europe/Atlantis\" is no IANA time zone"), "{bad}");
        assert_eq!(
            serde_json::to_string(&Zone::named("Europe/Berlin").unwrap()).unwrap(),
            "\"Europe/Berlin\""
        );
    }
}
