//! Reading a time that was written in a layout, as Go's `time.Parse` does.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use super::layout::{Part, part};
use super::{MONTHS, Moment, WEEKDAYS};

/// What was read of a time so far.
struct Read {
    year: i16,
    month: i8,
    day: i8,
    year_day: Option<i16>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    offset: i32,
}

/// Reads a time in UTC, unless the text says where it is.
pub(crate) fn parse_time(layout: &str, text: &str) -> Result<Moment, String> {
    let failed = || format!("parsing time {text:?} as {layout:?}: cannot parse");
    let mut read = Read {
        year: 0,
        month: 1,
        day: 1,
        year_day: None,
        hour: 0,
        afternoon: None,
        minute: 0,
        second: 0,
        nanos: 0,
        offset: 0,
    };
    let (mut layout_rest, mut rest) = (layout, text);
    while let Some(char) = layout_rest.chars().next() {
        match part(layout_rest) {
            Some((part, bytes)) => {
                let second = matches!(part, Part::Second | Part::SecondTwoDigits);
                rest = read.part(part, rest).ok_or_else(failed)?;
                layout_rest = &layout_rest[bytes..];
                // a fraction behind the seconds is taken even if the layout has none
                if second && !layout_rest.starts_with(['.', ',']) && rest.starts_with(['.', ',']) {
                    rest = read.fraction(rest, None).unwrap_or(rest);
                }
            }
            None => {
                rest = rest.strip_prefix(char).ok_or_else(failed)?;
                layout_rest = &layout_rest[char.len_utf8()..];
            }
        }
    }
    if !rest.is_empty() {
        return Err(format!("parsing time {text:?}: extra text: {rest:?}"));
    }
    read.moment().ok_or_else(|| format!("parsing time {text:?}: out of range"))
}

/// A number of so many digits at the start, and the rest.
fn digits(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

/// Which of these names, or their first three letters, the text starts with, from 1.
fn name<'t>(text: &'t str, names: &[&str], short: bool) -> Option<(i8, &'t str)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = if short { &name[..3] } else { name };
        let head = text.get(..name.len())?;
        let at = i8::try_from(index + 1).ok()?;
        head.eq_ignore_ascii_case(name).then(|| (at, &text[name.len()..]))
    })
}

impl Read {
    fn part<'t>(&mut self, part: Part, text: &'t str) -> Option<&'t str> {
        let small = |least: usize, text: &'t str| {
            let (number, rest) = digits(text, least, 2)?;
            Some((i8::try_from(number).ok()?, rest))
        };
        let rest;
        match part {
            Part::Month => (self.month, rest) = name(text, &MONTHS, false)?,
            Part::ShortMonth => (self.month, rest) = name(text, &MONTHS, true)?,
            Part::MonthNumber => (self.month, rest) = small(1, text)?,
            Part::MonthTwoDigits => (self.month, rest) = small(2, text)?,
            Part::Weekday => (_, rest) = name(text, &WEEKDAYS, false)?,
            Part::ShortWeekday => (_, rest) = name(text, &WEEKDAYS, true)?,
            Part::Day => (self.day, rest) = small(1, text)?,
            Part::DaySpaced => (self.day, rest) = small(1, text.trim_start_matches(' '))?,
            Part::DayTwoDigits => (self.day, rest) = small(2, text)?,
            Part::YearDaySpaced | Part::YearDayThreeDigits => {
                let (day, after) = digits(text.trim_start_matches(' '), 1, 3)?;
                self.year_day = Some(i16::try_from(day).ok()?);
                rest = after;
            }
            Part::Hour => (self.hour, rest) = small(2, text)?,
            Part::Hour12 => (self.hour, rest) = small(1, text)?,
            Part::Hour12TwoDigits => (self.hour, rest) = small(2, text)?,
            Part::Minute => (self.minute, rest) = small(1, text)?,
            Part::MinuteTwoDigits => (self.minute, rest) = small(2, text)?,
            Part::Second => (self.second, rest) = small(1, text)?,
            Part::SecondTwoDigits => (self.second, rest) = small(2, text)?,
            Part::Year => {
                let (year, after) = digits(text, 4, 4)?;
                self.year = i16::try_from(year).ok()?;
                rest = after;
            }
            Part::YearTwoDigits => {
                let (year, after) = digits(text, 2, 2)?;
                self.year = i16::try_from(if year >= 69 { 1900 + year } else { 2000 + year }).ok()?;
                rest = after;
            }
            Part::Noon | Part::NoonSmall => {
                let words = if part == Part::Noon { ["AM", "PM"] } else { ["am", "pm"] };
                self.afternoon = Some(text.starts_with(words[1]));
                rest = text.strip_prefix(words[0]).or_else(|| text.strip_prefix(words[1]))?;
            }
            Part::Zone => {
                let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
                rest = (3..=5).contains(&letters).then(|| &text[letters..])?;
            }
            Part::Offset { z, colons, numbers } => return self.zone(text, z, colons, numbers),
            Part::Fraction { digits, trims, .. } => {
                return match text.starts_with(['.', ',']) {
                    false if trims => Some(text),
                    _ => self.fraction(text, if trims { None } else { Some(digits) }),
                };
            }
        }
        Some(rest)
    }

    fn fraction<'t>(&mut self, text: &'t str, want: Option<usize>) -> Option<&'t str> {
        let inside = text.strip_prefix(['.', ','])?;
        let count = inside.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 || want.is_some_and(|want| want != count) {
            return None;
        }
        self.nanos = format!("{:0<9}", &inside[..count.min(9)]).parse().ok()?;
        Some(&inside[count..])
    }

    fn zone<'t>(&mut self, text: &'t str, z: bool, colons: bool, numbers: u8) -> Option<&'t str> {
        if let Some(rest) = text.strip_prefix('Z').filter(|_| z) {
            return Some(rest);
        }
        let sign = if text.starts_with('-') { -1 } else { 1 };
        let mut rest = text.strip_prefix(['+', '-'])?;
        let mut seconds = 0;
        for (index, unit) in [3600, 60, 1].into_iter().take(usize::from(numbers)).enumerate() {
            if colons && index > 0 {
                rest = rest.strip_prefix(':')?;
            }
            let (number, after) = digits(rest, 2, 2)?;
            seconds += number * unit;
            rest = after;
        }
        self.offset = sign * seconds;
        Some(rest)
    }

    fn moment(&self) -> Option<Moment> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let date = match self.year_day {
            Some(day) => {
                let first = jiff::civil::Date::new(self.year, 1, 1).ok()?;
                let date = first.checked_add(jiff::Span::new().try_days(i64::from(day) - 1).ok()?).ok()?;
                (date.year() == self.year).then_some(date)?
            }
            None => jiff::civil::Date::new(self.year, self.month, self.day).ok()?,
        };
        let time = jiff::civil::Time::new(hour, self.minute, self.second, self.nanos).ok()?;
        let zone = match self.offset {
            0 => TimeZone::UTC,
            seconds => TimeZone::fixed(Offset::from_seconds(seconds).ok()?),
        };
        DateTime::from_parts(date, time).to_zoned(zone).ok().map(Moment::zoned)
    }
}
