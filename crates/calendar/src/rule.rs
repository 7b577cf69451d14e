//! Rules of recurrence as they are written (RFC 5545, 3.3.10).

use jiff::civil::{Date, DateTime, Weekday};

use crate::lines;

/// Values of one part of a rule: there are 366 days to name.
const MAX_VALUES: usize = 400;
/// Times of one day that a rule may name.
const MAX_TIMES_PER_DAY: usize = 96;

/// Why a rule of recurrence cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// It does not say how often.
    #[error("it recurs by a rule without FREQ")]
    NoFrequency,
    /// A part that there is not, or with a value that there is not.
    #[error("it recurs by a rule with {0}, which makes no sense")]
    Part(String),
    /// A part that is too rare to be known here.
    #[error("it recurs by a rule with {0}, which is not supported")]
    Unsupported(&'static str),
    /// More often than any shift.
    #[error("it recurs too often; shifts recur daily or less often")]
    TooOften,
    /// It would take too many days to find all occurrences.
    #[error("its occurrences lie too far from its start, or the calendar has too many that recur")]
    TooFar,
}

/// How often, before the interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frequency {
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

/// Until when, this included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// This day.
    Date(Date),
    /// What the clock on the wall shows.
    Wall(DateTime),
    /// This moment, in UTC.
    Utc(DateTime),
}

/// A rule of recurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) frequency: Frequency,
    pub(crate) interval: u32,
    pub(crate) count: Option<u32>,
    pub(crate) until: Option<Until>,
    pub(crate) months: Vec<i8>,
    pub(crate) month_days: Vec<i16>,
    pub(crate) year_days: Vec<i16>,
    /// With which of its kind in the month or year it is: zero is each, negative ones count from the end.
    pub(crate) weekdays: Vec<(i16, Weekday)>,
    pub(crate) hours: Vec<i8>,
    pub(crate) minutes: Vec<i8>,
    pub(crate) seconds: Vec<i8>,
    pub(crate) positions: Vec<i16>,
    pub(crate) week_start: Weekday,
}

impl Rule {
    /// A rule as it is written after `RRULE:`.
    pub(crate) fn parse(text: &str) -> Result<Rule, BadRule> {
        let mut rule = Rule {
            frequency: Frequency::Daily,
            interval: 1,
            count: None,
            until: None,
            months: Vec::new(),
            month_days: Vec::new(),
            year_days: Vec::new(),
            weekdays: Vec::new(),
            hours: Vec::new(),
            minutes: Vec::new(),
            seconds: Vec::new(),
            positions: Vec::new(),
            week_start: Weekday::Monday,
        };
        let mut frequency = None;
        for part in text.trim().split(';').filter(|part| !part.is_empty()) {
            let bad = || BadRule::Part(part.chars().take(60).collect());
            let (name, value) = part.split_once('=').ok_or_else(bad)?;
            let value = value.trim().to_ascii_uppercase();
            match name.trim().to_ascii_uppercase().as_str() {
                "FREQ" => frequency = Some(read_frequency(&value).ok_or_else(|| bad_frequency(&value))?),
                "INTERVAL" => rule.interval = value.parse().ok().filter(|n: &u32| *n > 0).ok_or_else(bad)?,
                "COUNT" => rule.count = Some(value.parse().ok().filter(|n: &u32| *n > 0).ok_or_else(bad)?),
                "UNTIL" => rule.until = Some(read_until(&value).ok_or_else(bad)?),
                "BYMONTH" => rule.months = list(&value, 1, 12).ok_or_else(bad)?,
                "BYMONTHDAY" => rule.month_days = list(&value, -31, 31).ok_or_else(bad)?,
                "BYYEARDAY" => rule.year_days = list(&value, -366, 366).ok_or_else(bad)?,
                "BYSETPOS" => rule.positions = list(&value, -366, 366).ok_or_else(bad)?,
                "BYHOUR" => rule.hours = list(&value, 0, 23).ok_or_else(bad)?,
                "BYMINUTE" => rule.minutes = list(&value, 0, 59).ok_or_else(bad)?,
                "BYSECOND" => rule.seconds = list(&value, 0, 59).ok_or_else(bad)?,
                "BYDAY" => rule.weekdays = read_days(&value).ok_or_else(bad)?,
                "WKST" => rule.week_start = read_weekday(&value).ok_or_else(bad)?,
                "BYWEEKNO" => return Err(BadRule::Unsupported("BYWEEKNO")),
                _ => return Err(bad()),
            }
        }
        rule.frequency = frequency.ok_or(BadRule::NoFrequency)?;
        rule.check()
    }

    fn check(self) -> Result<Rule, BadRule> {
        let nth = self.weekdays.iter().any(|(nth, _)| *nth != 0);
        if nth && matches!(self.frequency, Frequency::Daily | Frequency::Weekly) {
            return Err(BadRule::Part(
                "BYDAY with a number, in a rule that is neither MONTHLY nor YEARLY".into(),
            ));
        }
        let dates = [&self.month_days, &self.year_days, &self.positions];
        if dates.iter().any(|list| list.contains(&0)) {
            return Err(BadRule::Part(
                "0 as a day or position; they count from 1, or from -1 at the end".into(),
            ));
        }
        let times = [&self.hours, &self.minutes, &self.seconds].map(|list| list.len().max(1));
        if times.iter().product::<usize>() > MAX_TIMES_PER_DAY {
            return Err(BadRule::TooOften);
        }
        Ok(self)
    }
}

fn read_frequency(text: &str) -> Option<Frequency> {
    Some(match text {
        "DAILY" => Frequency::Daily,
        "WEEKLY" => Frequency::Weekly,
        "MONTHLY" => Frequency::Monthly,
        "YEARLY" => Frequency::Yearly,
        _ => return None,
    })
}

fn bad_frequency(text: &str) -> BadRule {
    match text {
        "SECONDLY" | "MINUTELY" | "HOURLY" => BadRule::TooOften,
        _ => BadRule::Part(format!("FREQ={}", text.chars().take(40).collect::<String>())),
    }
}

fn list<N: TryFrom<i16>>(text: &str, least: i16, most: i16) -> Option<Vec<N>> {
    let value = |text: &str| {
        let number: i16 = text.trim().parse().ok().filter(|it| (least..=most).contains(it))?;
        N::try_from(number).ok()
    };
    let all: Option<Vec<N>> = text.split(',').take(MAX_VALUES + 1).map(value).collect();
    all.filter(|all| all.len() <= MAX_VALUES)
}

fn read_days(text: &str) -> Option<Vec<(i16, Weekday)>> {
    let value = |text: &str| {
        let text = text.trim();
        let (nth, day) = text.split_at_checked(text.len().checked_sub(2)?)?;
        let nth = if nth.is_empty() {
            0
        } else {
            nth.parse().ok().filter(|n: &i16| *n != 0 && (-53..=53).contains(n))?
        };
        Some((nth, read_weekday(day)?))
    };
    let all: Option<Vec<_>> = text.split(',').take(MAX_VALUES + 1).map(value).collect();
    all.filter(|all| all.len() <= MAX_VALUES)
}

fn read_weekday(text: &str) -> Option<Weekday> {
    let at = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"].iter().position(|day| *day == text)?;
    Weekday::from_monday_zero_offset(at as i8).ok()
}

fn read_until(text: &str) -> Option<Until> {
    match text.strip_suffix('Z') {
        Some(utc) => lines::date_time(utc).map(Until::Utc),
        None if text.contains('T') => lines::date_time(text).map(Until::Wall),
        None => lines::date(text).map(Until::Date),
    }
}
