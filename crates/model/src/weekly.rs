//! Hours of the week: what recurs every week by the clock on somebody's wall.
//!
//! [`Weekly`] is what layers of schedules are restricted to, what timeslots of profiles are made of and how quiet
//! hours are written. Its meaning is that of [`crate::time_interval`]: an hour that the clock shows twice, when it is
//! put back, is within twice, and one that it skips is never.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::period::{self, Period};
use crate::refusal::{self, Refusal};
use crate::time::Time;
use crate::zone::{DAY, Stretch, Wall, Zone};

/// Windows of one [`Weekly`]: more than anybody's week has.
pub const MAX_WINDOWS: usize = 64;
/// How far [`Weekly::next_change`] looks ahead, in days: a week repeats itself, but for clocks that are put back.
const HORIZON_DAYS: i64 = 16;

const NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A set of days of the week. Written as a list of names, and read from names or ISO 8601's numbers, where Monday is
/// 1 and Sunday 7.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weekdays(u8);

impl Weekdays {
    /// Every day.
    pub const ALL: Weekdays = Weekdays(0b111_1111);

    /// The days with these numbers, where Monday is 1 and Sunday 7; `None` when a number is none of them.
    pub fn from_iso(days: impl IntoIterator<Item = i64>) -> Option<Weekdays> {
        days.into_iter().try_fold(Weekdays(0), |set, day| {
            let shift = (1..=7).contains(&day).then_some(day - 1)?;
            Some(Weekdays(set.0 | 1 << shift))
        })
    }

    /// Their numbers, in order.
    pub fn iso(self) -> impl Iterator<Item = i64> {
        (1..=7).filter(move |day| self.0 & 1 << (day - 1) != 0)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this day, counted from 1970-01-01, is one of them.
    fn contains(self, day: i64) -> bool {
        // that day was a Thursday
        self.0 & 1 << (day + 3).rem_euclid(7) != 0
    }
}

impl Default for Weekdays {
    fn default() -> Self {
        Weekdays::ALL
    }
}

impl fmt::Debug for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iso().map(|day| NAMES[day as usize - 1])).finish()
    }
}

impl Serialize for Weekdays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iso().map(|day| NAMES[day as usize - 1]))
    }
}

impl<'de> Deserialize<'de> for Weekdays {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Day {
            Number(i64),
            Name(String),
        }
        let number = |day: &Day| match day {
            Day::Number(number) => Some(*number),
            Day::Name(name) => {
                NAMES.iter().position(|it| it.eq_ignore_ascii_case(name)).map(|at| at as i64 + 1)
            }
        };
        let days = Vec::<Day>::deserialize(deserializer)?;
        let days: Option<Vec<i64>> = days.iter().map(number).collect();
        days.and_then(Weekdays::from_iso).ok_or_else(|| {
            serde::de::Error::custom("a weekday is one of monday to sunday, or 1 (Monday) to 7 (Sunday)")
        })
    }
}

/// A time of the day by the clock on the wall, to the second: `09:30`, `09:30:15`; `24:00` is the end of a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    seconds: u32,
}

impl TimeOfDay {
    /// The start of a day.
    pub const START: TimeOfDay = TimeOfDay { seconds: 0 };
    /// The end of a day.
    pub const END: TimeOfDay = TimeOfDay { seconds: 86_400 };

    /// This many seconds after the start of a day; `None` when no day is so long.
    pub fn from_seconds(seconds: u32) -> Option<TimeOfDay> {
        Some(TimeOfDay { seconds }).filter(|time| *time <= TimeOfDay::END)
    }

    /// Seconds since the start of the day.
    pub fn seconds(self) -> u32 {
        self.seconds
    }

    fn micros(self) -> i64 {
        i64::from(self.seconds) * 1_000_000
    }
}

/// A text that is no [`TimeOfDay`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time of the day; write HH:MM, such as 09:30, up to 24:00")]
pub struct BadTimeOfDay(String);

impl FromStr for TimeOfDay {
    type Err = BadTimeOfDay;

    fn from_str(text: &str) -> Result<Self, BadTimeOfDay> {
        let two = |text: &str| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u32>().ok()).flatten()
        };
        let read = || {
            let mut parts = text.split(':').map(two);
            let (hours, minutes) = (parts.next()??, parts.next()??);
            let seconds = parts.next().unwrap_or(Some(0))?;
            let fits = parts.next().is_none() && minutes < 60 && seconds < 60;
            fits.then(|| TimeOfDay::from_seconds(hours * 3600 + minutes * 60 + seconds)).flatten()
        };
        read().ok_or_else(|| BadTimeOfDay(text.chars().take(40).collect()))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.seconds / 60, self.seconds % 60);
        write!(f, "{:02}:{:02}", minutes / 60, minutes % 60)?;
        if seconds > 0 { write!(f, ":{seconds:02}") } else { Ok(()) }
    }
}

impl fmt::Debug for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hours of some days of the week: from `start` until just before `end`, on the next day if that is not later. It is
/// the day on which it starts that must be one of `weekdays`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// On which days it starts; every day when not given.
    #[serde(default)]
    pub weekdays: Weekdays,
    /// When it starts; at the start of the day when not given.
    #[serde(default = "start")]
    pub start: TimeOfDay,
    /// When it ends; at the end of the day when not given.
    #[serde(default = "end")]
    pub end: TimeOfDay,
}

fn start() -> TimeOfDay {
    TimeOfDay::START
}

fn end() -> TimeOfDay {
    TimeOfDay::END
}

impl Window {
    /// The whole of these days.
    pub const fn all_day(weekdays: Weekdays) -> Window {
        Window { weekdays, start: TimeOfDay::START, end: TimeOfDay::END }
    }

    /// Whether it is the whole of its days.
    pub fn is_all_day(&self) -> bool {
        self.start == TimeOfDay::START && self.end == TimeOfDay::END
    }

    /// What the clock shows at the ends of the window that starts on this day, if one does.
    fn on(&self, day: i64) -> Option<(Wall, Wall)> {
        self.weekdays.contains(day).then(|| {
            let midnight = Wall::midnight(day).0;
            let over_midnight = if self.end <= self.start { DAY } else { 0 };
            (Wall(midnight + self.start.micros()), Wall(midnight + self.end.micros() + over_midnight))
        })
    }

    fn holds(&self, wall: Wall) -> bool {
        let on = |day| self.on(day).is_some_and(|(start, end)| start <= wall && wall < end);
        on(wall.day()) || on(wall.day() - 1)
    }
}

/// Hours of the week: any of these windows. None at all are no hours.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Weekly(pub Vec<Window>);

impl Weekly {
    /// All the time.
    pub fn always() -> Weekly {
        Weekly(vec![Window::all_day(Weekdays::ALL)])
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// The first window that could never hold, and too many of them.
    pub fn check(&self) -> Result<(), Refusal> {
        refusal::at_most("", self.0.len(), MAX_WINDOWS)?;
        for (n, window) in self.0.iter().enumerate() {
            let refuse = |field: &str, reason: &str| Err(Refusal::new(format!("[{n}].{field}"), reason));
            match () {
                () if window.weekdays.is_empty() => refuse("weekdays", "is empty; name at least one day")?,
                () if window.start == TimeOfDay::END => {
                    refuse("start", "24:00 is the end of a day; write 00:00 for its start")?;
                }
                () if window.start == window.end => {
                    refuse("end", "is the same as start; write 00:00 and 24:00 for the whole day")?;
                }
                () => {}
            }
        }
        Ok(())
    }

    /// Whether it is within these hours by the clock of this zone.
    pub fn contains(&self, zone: &Zone, at: Time) -> bool {
        let wall = zone.wall(at);
        self.0.iter().any(|window| window.holds(wall))
    }

    /// When it is within these hours, in order, between these times. Takes a few steps for each window and day, and
    /// one look at the zone for each time that its clocks are put forward or back.
    pub fn periods(&self, zone: &Zone, within: Period) -> Vec<Period> {
        let stretches: Vec<Stretch> = zone.stretches(within.from, within.until).collect();
        self.periods_in(&stretches, within)
    }

    /// The same, where the stretches are known; they may reach beyond the period.
    pub(crate) fn periods_in(&self, stretches: &[Stretch], within: Period) -> Vec<Period> {
        let mut all = Vec::new();
        for stretch in stretches {
            let part = Period::new(stretch.from, stretch.until).intersect(within);
            if part.is_empty() {
                continue;
            }
            for day in stretch.wall(part.from).day() - 1..=stretch.wall(part.until).day() {
                let windows = self.0.iter().filter_map(|window| window.on(day));
                let periods = windows
                    .map(|(start, end)| Period::new(stretch.time(start), stretch.time(end)).intersect(part));
                all.extend(periods.filter(|period| !period.is_empty()));
            }
        }
        all.sort_unstable();
        let mut joined = Vec::with_capacity(all.len());
        all.into_iter().for_each(|next| period::append(&mut joined, next));
        joined
    }

    /// The next moment after `at` at which [`contains`](Self::contains) changes its answer; nothing if it never does.
    pub fn next_change(&self, zone: &Zone, at: Time) -> Option<Time> {
        let until = Time(at.0.saturating_add(HORIZON_DAYS * DAY));
        let periods = self.periods(zone, Period::new(at, until));
        let first = periods.first()?;
        let change = if first.from > at { first.from } else { first.until };
        (change < until).then_some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn weekly(json: serde_json::Value) -> Weekly {
        serde_json::from_value(json).unwrap()
    }

    const ZONES: [&str; 5] =
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"];
    /// Shortly before weekends on which the clocks of some zone change, and one on which none does.
    const STARTS: [i64; 7] = [
        1_774_569_600,
        1_792_713_600,
        1_772_841_600,
        1_793_404_800,
        1_775_088_000,
        1_790_985_600,
        1_779_999_900,
    ];

    /// Asks the calendar for what the clock shows, and the windows by their words.
    fn by_the_words(windows: &Weekly, zone: &Zone, at: Time) -> bool {
        let wall = at.to_timestamp().to_zoned(zone.tz().clone());
        let second = i64::from(wall.hour()) * 3600 + i64::from(wall.minute()) * 60 + i64::from(wall.second());
        let today = i64::from(wall.weekday().to_monday_one_offset());
        let yesterday = (today + 5) % 7 + 1;
        windows.0.iter().any(|window| {
            let (start, end) = (i64::from(window.start.seconds()), i64::from(window.end.seconds()));
            let is_day = |day: i64| window.weekdays.iso().any(|it| it == day);
            match end > start {
                true => is_day(today) && start <= second && second < end,
                false => (is_day(today) && start <= second) || (is_day(yesterday) && second < end),
            }
        })
    }

    fn windows() -> impl Strategy<Value = Weekly> {
        let quarter = |most: u32| (0..=most).prop_map(|n| TimeOfDay::from_seconds(n * 900).unwrap());
        let window = (1u8..128, quarter(95), quarter(96)).prop_map(|(days, start, end)| {
            let end = if end == start { TimeOfDay::END } else { end };
            Window { weekdays: Weekdays(days), start, end }
        });
        prop::collection::vec(window, 0..4).prop_map(Weekly)
    }

    proptest! {
        #[test]
        fn periods_are_where_the_words_hold(
            windows in windows(),
            zone in prop::sample::select(ZONES.to_vec()),
            start in prop::sample::select(STARTS.to_vec()),
        ) {
            prop_assert!(windows.check().is_ok());
            let zone = Zone::named(zone).unwrap();
            let within = Period::new(Time::from_seconds(start), Time::from_seconds(start + 4 * 86_400));
            let periods = windows.periods(&zone, within);
            prop_assert!(periods.windows(2).all(|two| two[0].until < two[1].from));
            let mut at = within.from;
            let mut change = None;
            while at < within.until {
                let holds = by_the_words(&windows, &zone, at);
                prop_assert_eq!(windows.contains(&zone, at), holds, "{}", at);
                prop_assert_eq!(periods.iter().any(|period| period.contains(at)), holds, "{}", at);
                if change.is_none() && holds != windows.contains(&zone, within.from) {
                    change = Some(at);
                }
                at = at + std::time::Duration::from_secs(300);
            }
            if let Some(change) = change {
                prop_assert_eq!(windows.next_change(&zone, within.from), Some(change));
            }
        }
    }

    #[test]
    fn windows_are_read_and_written_alike() {
        let json = json!([{"weekdays": ["monday", "friday"], "start": "22:00", "end": "06:30:15"}]);
        assert_eq!(serde_json::to_value(weekly(json.clone())).unwrap(), json);
        assert_eq!(
            weekly(json!([{"weekdays": [1, 7]}])),
            weekly(json!([{"weekdays": ["Monday", "sunday"]}]))
        );
        assert!(weekly(json!([{}])).0[0].is_all_day());
        assert_eq!(weekly(json!([{}])), Weekly::always());
    }

    #[test]
    fn what_could_never_hold_is_refused_with_its_field() {
        let refused = |json| weekly(json).check().unwrap_err().to_string();
        assert!(refused(json!([{}, {"weekdays": []}])).starts_with("[1].weekdays: is empty"));
        assert!(refused(json!([{"start": "09:00", "end": "09:00"}])).starts_with("[0].end: is the same"));
        assert!(refused(json!([{"start": "24:00", "end": "09:00"}])).starts_with("[0].start: 24:00"));
        for bad in ["9:00", "24:01", "12:60", "12", "12:00:00:00", "aa:bb", "+1:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
        assert!(serde_json::from_value::<Weekly>(json!([{"weekdays": [8]}])).is_err());
    }

    #[test]
    fn all_the_time_never_changes() {
        let at = Time::from_seconds(1_774_569_600);
        assert_eq!(Weekly::always().next_change(&Zone::UTC, at), None);
        assert_eq!(Weekly::default().next_change(&Zone::UTC, at), None);
    }
}
