//! Ranges of the calendar as Alertmanager writes them: `monday:friday`, `-3:-1`, `january`, `2026:2028`, and
//! `{start_time: '09:00', end_time: '17:00'}`.

use std::fmt;
use std::marker::PhantomData;

use jiff::civil::Date;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no range. The conditions are Alertmanager's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRange {
    #[error("{text:?} is not a {what}; write {right}")]
    Not { text: String, what: &'static str, right: &'static str },
    #[error(
        "{text:?} has more than one colon; write one value, or the first and the last with a colon between"
    )]
    Colons { text: String },
    #[error("{text:?} ends before it starts; {right}")]
    Backwards { text: String, right: &'static str },
}

/// What is counted by a [`Range`].
pub(super) trait Unit {
    /// In words.
    const WHAT: &'static str;
    /// What is right, for an error.
    const RIGHT: &'static str;
    /// What to do about a range that ends before it starts.
    const FORWARDS: &'static str;

    /// One value, from lower-case text.
    fn read(text: &str) -> Option<i16>;

    /// One value, as text.
    fn write(value: i16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{value}")
    }

    /// Whether a range with these ends can hold anything.
    fn is_forwards(first: i16, last: i16) -> bool {
        first <= last
    }
}

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Where a name is in a list, counted from `first`.
fn position(names: &[&str], first: i16, text: &str) -> Option<i16> {
    (first..).zip(names).find(|(_, name)| **name == text).map(|(n, _)| n)
}

/// Days of the week by name; they begin on Sunday, which is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weekday;

impl Unit for Weekday {
    const WHAT: &'static str = "weekday";
    const RIGHT: &'static str = "sunday to saturday, or a range such as monday:friday";
    const FORWARDS: &'static str =
        "weeks start on sunday, so write two ranges, such as friday:saturday and sunday:monday";

    fn read(text: &str) -> Option<i16> {
        position(&WEEKDAYS, 0, text)
    }

    fn write(value: i16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WEEKDAYS[value as usize])
    }
}

/// Days of the month from 1, or from -1 when counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DayOfMonth;

impl Unit for DayOfMonth {
    const WHAT: &'static str = "day of the month";
    const RIGHT: &'static str = "1 to 31, -1 to -31 to count from the end, or a range such as 1:5 or -3:-1";
    const FORWARDS: &'static str =
        "the last day may not be before the first in any month, and counts from the end if the first does";

    fn read(text: &str) -> Option<i16> {
        text.parse().ok().filter(|day: &i16| *day != 0 && (-31..=31).contains(day))
    }

    // How long the month is, is not known here. As in Alertmanager, what is refused is what is wrong in the
    // shortest of them, and all that runs from its end to its start.
    fn is_forwards(first: i16, last: i16) -> bool {
        let in_february = |day: i16| if day < 0 { 28 + day } else { day };
        !(first < 0 && last > 0) && in_february(first) <= in_february(last)
    }
}

/// Months by name, or by number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month;

impl Unit for Month {
    const WHAT: &'static str = "month";
    const RIGHT: &'static str = "january to december, 1 to 12, or a range such as may:august";
    const FORWARDS: &'static str =
        "years start in january, so write two ranges, such as november:december and january:march";

    fn read(text: &str) -> Option<i16> {
        position(&MONTHS, 1, text).or_else(|| text.parse().ok().filter(|month| (1..=12).contains(month)))
    }

    fn write(value: i16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MONTHS[value as usize - 1])
    }
}

/// Years by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Year;

impl Unit for Year {
    const WHAT: &'static str = "year";
    const RIGHT: &'static str = "1 to 9999, or a range such as 2026:2028";
    const FORWARDS: &'static str = "write the earlier year first";

    fn read(text: &str) -> Option<i16> {
        text.parse().ok().filter(|year| (1..=9999).contains(year))
    }
}

/// As much of a text as an error should repeat.
fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// From one value to another, both of them included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range<U> {
    first: i16,
    last: i16,
    unit: PhantomData<U>,
}

impl<U> Range<U> {
    pub(super) fn contains(&self, value: i16) -> bool {
        self.first <= value && value <= self.last
    }
}

impl Range<DayOfMonth> {
    /// Days that the month does not have are not in it, and neither are those of its neighbours.
    pub(super) fn contains_day(&self, date: Date) -> bool {
        let days = i16::from(date.days_in_month());
        let from_start = |day: i16| if day < 0 { days + day + 1 } else { day };
        (from_start(self.first)..=from_start(self.last)).contains(&i16::from(date.day()))
    }
}

impl<U: Unit> Range<U> {
    pub(super) fn parse(text: &str) -> Result<Range<U>, BadRange> {
        let one = |text: &str| {
            let value = U::read(&text.to_lowercase());
            value.ok_or_else(|| BadRange::Not { text: short(text), what: U::WHAT, right: U::RIGHT })
        };
        let (first, last) = match text.split_once(':') {
            Some((_, last)) if last.contains(':') => return Err(BadRange::Colons { text: short(text) }),
            Some((first, last)) => (one(first)?, one(last)?),
            None => {
                let value = one(text)?;
                (value, value)
            }
        };
        if !U::is_forwards(first, last) {
            return Err(BadRange::Backwards { text: short(text), right: U::FORWARDS });
        }
        Ok(Range { first, last, unit: PhantomData })
    }
}

impl<U: Unit> fmt::Display for Range<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        U::write(self.first, f)?;
        if self.first != self.last {
            f.write_str(":")?;
            U::write(self.last, f)?;
        }
        Ok(())
    }
}

impl<U: Unit> Serialize for Range<U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text, or a bare number, for `years: [2026]` is not worth an error.
impl<'de, U: Unit> Deserialize<'de> for Range<U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrNumber<U>(PhantomData<U>);
        impl<U: Unit> Visitor<'_> for TextOrNumber<U> {
            type Value = Range<U>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a {}: {}", U::WHAT, U::RIGHT)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Range<U>, E> {
                Range::parse(text).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Range<U>, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Range<U>, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(TextOrNumber(PhantomData))
    }
}

/// Times of the day, in minutes since midnight by the clock on the wall: from `start` until just before
/// `end`, on the next day if that is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenHours", into = "WrittenHours")]
pub(super) struct Hours {
    pub(super) start: i16,
    pub(super) end: i16,
}

impl Hours {
    /// The end of a day.
    pub(super) const MIDNIGHT: i16 = 24 * 60;

    pub(super) fn cross_midnight(self) -> bool {
        self.start > self.end
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenHours {
    start_time: String,
    end_time: String,
}

/// Why something is no range of times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadHours {
    #[error("{0} {1:?} is not a time of the day; write HH:MM, such as '09:30'")]
    NotTime(&'static str, String),
    #[error("start_time 24:00 is the end of a day; write 00:00 for its start")]
    StartsAtEnd,
    #[error("start_time and end_time are both {0}; write 00:00 and 24:00 for the whole day")]
    Nothing(String),
}

impl TryFrom<WrittenHours> for Hours {
    type Error = BadHours;

    fn try_from(written: WrittenHours) -> Result<Hours, BadHours> {
        let read = |field, text: &str| minute(text).ok_or_else(|| BadHours::NotTime(field, short(text)));
        let start = read("start_time", &written.start_time)?;
        let end = read("end_time", &written.end_time)?;
        if start == end {
            return Err(BadHours::Nothing(written.start_time));
        }
        if start == Hours::MIDNIGHT { Err(BadHours::StartsAtEnd) } else { Ok(Hours { start, end }) }
    }
}

impl From<Hours> for WrittenHours {
    fn from(hours: Hours) -> Self {
        let write = |minute: i16| format!("{:02}:{:02}", minute / 60, minute % 60);
        WrittenHours { start_time: write(hours.start), end_time: write(hours.end) }
    }
}

/// `HH:MM` in minutes since midnight.
fn minute(text: &str) -> Option<i16> {
    let &[h1, h2, b':', m1, m2] = text.as_bytes() else { return None };
    let number = |tens: u8, ones: u8| {
        let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
        digits.then(|| i16::from(tens - b'0') * 10 + i16::from(ones - b'0'))
    };
    let (hours, minutes) = (number(h1, h2)?, number(m1, m2)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= Hours::MIDNIGHT).then_some(minute)
}
