//! Named stretches of the calendar, in the format of Alertmanager's `time_intervals`: office hours, weekends,
//! the last three days of each quarter.
//!
//! A [`TimeInterval`] is a name and a list of [`Spell`]s, and holds while one of them does. What is read and
//! written is what Alertmanager documents (<https://prometheus.io/docs/alerting/latest/configuration/>,
//! `<time_interval>`; its code is `timeinterval/timeinterval.go`), with these differences:
//!
//! * A range of times may cross midnight. `22:00` to `06:00` lasts until six the next day, and it is the day
//!   on which it started that must be the right weekday, day, month and year.
//! * What could never hold is refused: lists without elements, months outside 1 to 12, years outside 1 to
//!   9999.
//! * `Local` is not read as a location, since what is read may be meant for any node. A configuration, which is
//!   for one, puts the zone of its machine in the place ([`Spell::set_zone`]); where that zone has no name, `Local`
//!   is what is written again. Other locations come from the time zone database in this binary, which is the same
//!   on every node.
//!
//! Everything goes by the clock on the wall of the location. A time that the clock shows twice when it is put
//! back is within the interval twice, and one that it skips is never within it.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::time::Time;
use crate::zone::Zone;

mod range;
#[cfg(test)]
mod tests;

use range::{DayOfMonth, Hours, Month, Range, Weekday, Year};

/// Spells of one interval: enough for a list of holidays over many years.
pub const MAX_SPELLS: usize = 512;
/// Ranges in one list of a spell. There are only 31 days and 24 hours to name.
pub const MAX_RANGES: usize = 64;
/// How far [`TimeInterval::next_change`] looks ahead: two years, with a day to spare in leap years.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 732);

/// A named stretch of the calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeInterval {
    /// What routes call it by; never empty when it was read.
    #[serde(deserialize_with = "read_name")]
    pub name: String,
    /// When it holds: while any of these does. Never, if there are none.
    #[serde(rename = "time_intervals", default, deserialize_with = "read_spells")]
    pub spells: Vec<Spell>,
}

impl TimeInterval {
    /// Whether this is within the interval.
    pub fn contains(&self, at: Time) -> bool {
        let at = at.to_timestamp();
        self.spells.iter().any(|spell| spell.contains(at))
    }

    /// The next instant after `at` at which [`contains`](Self::contains) changes its answer. Nothing if that
    /// is more than about two years ahead, or never.
    pub fn next_change(&self, at: Time) -> Option<Time> {
        let from = at.to_timestamp();
        let until = from.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let change =
            if self.contains(at) { self.next_end(from, until) } else { self.next_start(from, until) };
        change.map(Time::from)
    }

    /// When the first of the spells begins, of which none holds now.
    fn next_start(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        self.spells.iter().fold(None, |first, spell| {
            // nobody asks for what is later than the first so far
            spell.next_flip(from, first.unwrap_or(until)).or(first)
        })
    }

    /// When the last spell ends of those that hold now and of those that take over from them.
    fn next_end(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let mut end = from;
        loop {
            let mut last = None;
            for spell in self.spells.iter().filter(|spell| spell.contains(end)) {
                last = last.max(Some(spell.next_flip(end, until)?));
            }
            match last {
                Some(last) => end = last,
                None => return Some(end),
            }
        }
    }
}

/// One stretch of the calendar: the times, days and years at which it holds, of which all must fit. What is
/// not given fits always; the default holds at any time.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spell {
    #[serde(default, deserialize_with = "read_list", skip_serializing_if = "Vec::is_empty")]
    times: Vec<Hours>,
    #[serde(default, deserialize_with = "read_list", skip_serializing_if = "Vec::is_empty")]
    weekdays: Vec<Range<Weekday>>,
    #[serde(default, deserialize_with = "read_list", skip_serializing_if = "Vec::is_empty")]
    days_of_month: Vec<Range<DayOfMonth>>,
    #[serde(default, deserialize_with = "read_list", skip_serializing_if = "Vec::is_empty")]
    months: Vec<Range<Month>>,
    #[serde(default, deserialize_with = "read_list", skip_serializing_if = "Vec::is_empty")]
    years: Vec<Range<Year>>,
    #[serde(default, deserialize_with = "read_location", skip_serializing_if = "is_utc")]
    location: Zone,
}

impl Spell {
    /// Puts it into a time zone, whether that has a name or not. One without is written as
    /// [`LOCAL`](crate::zone::LOCAL).
    pub fn set_zone(&mut self, zone: TimeZone) {
        self.location = zone.into();
    }

    fn contains(&self, at: Timestamp) -> bool {
        self.holds(self.location.tz().to_offset(at).to_datetime(at))
    }

    /// Whether it holds while the clock on the wall shows this.
    fn holds(&self, wall: DateTime) -> bool {
        let today = self.is_day(wall.date());
        if self.times.is_empty() {
            return today;
        }
        let minute = i16::from(wall.hour()) * 60 + i16::from(wall.minute());
        self.times.iter().any(|hours| match hours.cross_midnight() {
            false => today && hours.start <= minute && minute < hours.end,
            true if hours.start <= minute => today,
            true => minute < hours.end && self.is_day_after(wall.date()),
        })
    }

    /// Whether everything but the time of day fits.
    fn is_day(&self, date: Date) -> bool {
        fn fits<U>(list: &[Range<U>], value: impl Fn(&Range<U>) -> bool) -> bool {
            list.is_empty() || list.iter().any(value)
        }
        let weekday = i16::from(date.weekday().to_sunday_zero_offset());
        fits(&self.weekdays, |range| range.contains(weekday))
            && fits(&self.months, |range| range.contains(date.month().into()))
            && fits(&self.years, |range| range.contains(date.year()))
            && fits(&self.days_of_month, |range| range.contains_day(date))
    }

    /// Whether the day before was one that fits.
    fn is_day_after(&self, date: Date) -> bool {
        date.yesterday().is_ok_and(|date| self.is_day(date))
    }

    /// The first instant after `from` and before `until` at which it begins or ceases to hold.
    fn next_flip(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let now = self.contains(from);
        let mut at = from;
        loop {
            at = self.next_edge(at, until)?;
            if self.contains(at) != now {
                return Some(at);
            }
        }
    }

    /// The first instant after `from` and before `until` at which it might begin or cease to hold: when the
    /// clock on the wall comes to an edge of a range, or is put forward or back.
    fn next_edge(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let zone = self.location.tz();
        let offset = zone.to_offset(from);
        let shift = zone.following(from).next().map(|shift| shift.timestamp()).filter(|at| *at < until);
        // as long as the offset is the same, the wall's order of things is the true one
        let stop = offset.to_datetime(shift.unwrap_or(until));
        match self.next_wall_edge(offset.to_datetime(from), stop) {
            Some(edge) => offset.to_timestamp(edge).ok(),
            None => shift,
        }
    }

    /// The first edge after `from` and before `stop` by a clock that is never put forward or back.
    fn next_wall_edge(&self, from: DateTime, stop: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        let mut before = self.is_day_after(date);
        while date <= stop.date() {
            let today = self.is_day(date);
            let walls = self.edges(before, today).map(|minute| {
                // 24:00 is never among them, so the hour fits
                date.at((minute / 60) as i8, (minute % 60) as i8, 0, 0)
            });
            if let Some(edge) = walls.filter(|wall| *wall > from).min() {
                return (edge < stop).then_some(edge);
            }
            (before, date) = (today, date.tomorrow().ok()?);
        }
        None
    }

    /// The minutes of a day at which something may change, when the day before it and it itself are or are
    /// not among the days of this spell.
    fn edges(&self, before: bool, today: bool) -> impl Iterator<Item = i16> {
        let days = (self.times.is_empty() && before != today).then_some(0);
        let times = self.times.iter().flat_map(move |hours| {
            let end = match hours.end {
                Hours::MIDNIGHT => before.then_some(0),
                end if hours.cross_midnight() => before.then_some(end),
                end => today.then_some(end),
            };
            [today.then_some(hours.start), end]
        });
        days.into_iter().chain(times.flatten())
    }
}

fn is_utc(zone: &Zone) -> bool {
    *zone == Zone::UTC
}

fn read_location<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
    let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
    Zone::named(&name).map_err(|bad| D::Error::custom(format!("location {bad}")))
}

fn read_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.is_empty() {
        return Err(D::Error::custom("missing name in time interval; routes need one to refer to it"));
    }
    Ok(name)
}

fn read_spells<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Spell>, D::Error> {
    let spells = Option::<Vec<Spell>>::deserialize(deserializer)?.unwrap_or_default();
    if spells.len() > MAX_SPELLS {
        return Err(D::Error::custom(format!("more than {MAX_SPELLS} time_intervals under one name")));
    }
    Ok(spells)
}

/// A list of ranges. Nothing stands for any value, but an empty list does not: in Alertmanager it never fits,
/// which nobody means who writes it.
fn read_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list = Option::<Vec<T>>::deserialize(deserializer)?;
    match list.as_ref().map(Vec::len) {
        Some(0) => Err(D::Error::custom("an empty list would never fit; leave it out to let anything fit")),
        Some(n) if n > MAX_RANGES => Err(D::Error::custom(format!("{n} ranges, the most is {MAX_RANGES}"))),
        _ => Ok(list.unwrap_or_default()),
    }
}
