//! Events of a calendar (RFC 5545, 3.6.1).

use jiff::Span;
use jiff::civil::{DateTime, Time as Clock};
use jiff::tz::TimeZone;
use model::Time;

use crate::lines::{self, Component, Property};
use crate::rule::{BadRule, Rule, Until};
use crate::zones::Zones;
use crate::{MAX_DATES, MAX_EVENT_DAYS};

/// Seconds of a day by a clock that is neither put forward nor back.
const DAY: i64 = 86_400;

/// Why an event cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadEvent {
    #[error("the calendar is cut off within it")]
    CutOff,
    #[error("it has no DTSTART")]
    NoStart,
    #[error("it has neither an end nor a duration")]
    NoEnd,
    #[error("it ends before it starts, or when it starts")]
    Backwards,
    #[error("it lasts longer than {MAX_EVENT_DAYS} days")]
    TooLong,
    #[error("{name} is {value:?}, which is no date, time or duration")]
    NotTime { name: String, value: String },
    #[error("its time zone {0:?} is none that is known, and the calendar does not say what it is")]
    NoZone(String),
    #[error("it names more than {MAX_DATES} dates one by one")]
    TooManyDates,
    #[error("it changes all occurrences from one on (RANGE={0}), which is not supported")]
    Range(String),
    #[error(transparent)]
    Rule(#[from] BadRule),
}

/// A date or a time, and by whose clock.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: DateTime,
    pub(crate) zone: TimeZone,
    /// Whether it is a day rather than a time.
    pub(crate) is_day: bool,
}

impl Moment {
    /// When that is. A time that the clock skips is as much later as it skips, and of one that it shows twice it is the
    /// first (RFC 5545, 3.3.5).
    pub(crate) fn time(&self) -> Option<Time> {
        time(&self.zone, self.wall)
    }

    /// When something ends that begins with it.
    pub(crate) fn ends(&self, length: &Span) -> Option<Time> {
        time(&self.zone, self.wall.checked_add(*length).ok()?)
    }

    /// One value of a property.
    fn read(property: &Property, value: &str, zones: &mut Zones) -> Result<Moment, BadEvent> {
        let value = value.trim();
        let bad =
            || BadEvent::NotTime { name: property.name.clone(), value: value.chars().take(60).collect() };
        if !value.contains(['T', 't']) {
            let date = lines::date(value).ok_or_else(bad)?;
            let wall = date.to_datetime(Clock::midnight());
            return in_bounds(Moment { wall, zone: zones.floating.clone(), is_day: true }).ok_or_else(bad);
        }
        let (text, zone) = match (value.strip_suffix(['Z', 'z']), property.param("TZID")) {
            (Some(utc), _) => (utc, TimeZone::UTC),
            (None, Some(id)) => (value, zones.get(id).ok_or_else(|| BadEvent::NoZone(short(id)))?),
            (None, None) => (value, zones.floating.clone()),
        };
        let wall = lines::date_time(text).ok_or_else(bad)?;
        in_bounds(Moment { wall, zone, is_day: false }).ok_or_else(bad)
    }
}

/// What is further away is a mistake, and costly.
fn in_bounds(moment: Moment) -> Option<Moment> {
    (1970..=9000).contains(&moment.wall.year()).then_some(moment)
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// When the clock of a zone shows this.
pub(crate) fn time(zone: &TimeZone, wall: DateTime) -> Option<Time> {
    zone.to_timestamp(wall).ok().map(Time::from)
}

/// An event as it is written, with its times.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) start: Moment,
    /// From start to end by the clock on the wall: who is on call from nine to nine is so when clocks change, too.
    pub(crate) length: Span,
    pub(crate) rules: Vec<Rule>,
    /// Occurrences beside those of the rules, some of them with a length of their own.
    pub(crate) added: Vec<(Moment, Option<Span>)>,
    pub(crate) left_out: Vec<Moment>,
    /// Which occurrence of the event with the same UID it stands for.
    pub(crate) instead_of: Option<Moment>,
    pub(crate) is_cancelled: bool,
    /// Of two versions the one with the greater counts.
    pub(crate) sequence: (i64, String),
}

impl Event {
    pub(crate) fn read(component: &Component, zones: &mut Zones) -> Result<Event, BadEvent> {
        if !component.is_whole {
            return Err(BadEvent::CutOff);
        }
        let start = component.get("DTSTART").ok_or(BadEvent::NoStart)?;
        let start = Moment::read(start, &start.value, zones)?;
        let is_cancelled = component.text("STATUS").trim().eq_ignore_ascii_case("CANCELLED");
        let length = if is_cancelled { Span::new() } else { length(component, &start, zones)? };
        let instead_of = match component.get("RECURRENCE-ID") {
            Some(id) if id.param("RANGE").is_some() => {
                return Err(BadEvent::Range(short(id.param("RANGE").unwrap_or_default())));
            }
            Some(id) => Some(Moment::read(id, &id.value, zones)?),
            None => None,
        };
        let rules: Result<Vec<Rule>, BadRule> =
            component.all("RRULE").map(|it| Rule::parse(&it.value)).collect();
        let mut event = Event {
            start,
            length,
            rules: rules?,
            added: Vec::new(),
            left_out: Vec::new(),
            instead_of,
            is_cancelled,
            sequence: (
                component.text("SEQUENCE").trim().parse().unwrap_or(0),
                component.text("LAST-MODIFIED"),
            ),
        };
        for (property, value) in values(component, "EXDATE") {
            event.left_out.push(Moment::read(property, value, zones)?);
            event.bounded()?;
        }
        for (property, value) in values(component, "RDATE") {
            let (from, rest) = value.split_once('/').map_or((value, None), |(from, rest)| (from, Some(rest)));
            let from = Moment::read(property, from, zones)?;
            let own = match rest {
                None => None,
                Some(rest) if rest.trim_start().starts_with(['P', 'p']) => Some(duration(property, rest)?),
                Some(rest) => Some(from_to(&from, &Moment::read(property, rest, zones)?)?),
            };
            event.added.push((from, own));
            event.bounded()?;
        }
        Ok(event)
    }

    fn bounded(&self) -> Result<(), BadEvent> {
        let dates = self.left_out.len() + self.added.len();
        if dates > MAX_DATES { Err(BadEvent::TooManyDates) } else { Ok(()) }
    }

    /// Whether a rule lets it occur then.
    pub(crate) fn is_not_after(&self, until: Option<Until>, wall: DateTime) -> bool {
        match until {
            None => true,
            Some(Until::Date(date)) => wall.date() <= date,
            Some(Until::Wall(last)) => wall <= last,
            Some(Until::Utc(last)) => time(&self.start.zone, wall) <= time(&TimeZone::UTC, last),
        }
    }
}

/// All values of a property that may have several, in one line or in many.
fn values<'a>(component: &'a Component, name: &'a str) -> impl Iterator<Item = (&'a Property, &'a str)> {
    let pairs = component.all(name).flat_map(|it| it.value.split(',').map(move |value| (it, value)));
    pairs.filter(|(_, value)| !value.trim().is_empty())
}

fn length(component: &Component, start: &Moment, zones: &mut Zones) -> Result<Span, BadEvent> {
    match (component.get("DTEND"), component.get("DURATION")) {
        (Some(end), _) => from_to(start, &Moment::read(end, &end.value, zones)?),
        (None, Some(property)) => duration(property, &property.value),
        (None, None) if start.is_day => span(DAY),
        (None, None) => Err(BadEvent::NoEnd),
    }
}

/// From one moment to another by the clock of the first.
fn from_to(from: &Moment, to: &Moment) -> Result<Span, BadEvent> {
    let same_clock = from.zone == to.zone;
    let wall = match to.time() {
        Some(at) if !same_clock => at.to_timestamp().to_zoned(from.zone.clone()).datetime(),
        _ => to.wall,
    };
    span(from.wall.duration_until(wall).as_secs())
}

/// So many seconds by a clock that is neither put forward nor back, as days and seconds.
fn span(seconds: i64) -> Result<Span, BadEvent> {
    match () {
        () if seconds <= 0 => Err(BadEvent::Backwards),
        () if seconds > MAX_EVENT_DAYS * DAY => Err(BadEvent::TooLong),
        () => Ok(Span::new().days(seconds / DAY).seconds(seconds % DAY)),
    }
}

/// `P1W`, `P1DT12H`, `PT30M` (RFC 5545, 3.3.6).
fn duration(property: &Property, text: &str) -> Result<Span, BadEvent> {
    let bad = || BadEvent::NotTime { name: property.name.clone(), value: short(text) };
    let digits = text.trim().trim_start_matches('+');
    let rest = digits.strip_prefix(['P', 'p']).ok_or_else(bad)?;
    let (mut days, mut seconds, mut number, mut is_time) = (0i64, 0i64, String::new(), false);
    for letter in rest.chars() {
        if letter.is_ascii_digit() {
            number.push(letter);
            continue;
        }
        if matches!(letter, 'T' | 't') && number.is_empty() {
            is_time = true;
            continue;
        }
        let count: i64 =
            number.parse().ok().filter(|n: &i64| *n <= MAX_EVENT_DAYS * 86_400).ok_or_else(bad)?;
        number.clear();
        match (letter.to_ascii_uppercase(), is_time) {
            ('W', false) => days = days.saturating_add(count * 7),
            ('D', false) => days = days.saturating_add(count),
            ('H', true) => seconds = seconds.saturating_add(count * 3600),
            ('M', true) => seconds = seconds.saturating_add(count * 60),
            ('S', true) => seconds = seconds.saturating_add(count),
            _ => return Err(bad()),
        }
    }
    if !number.is_empty() || rest.is_empty() {
        return Err(bad());
    }
    span(days.saturating_mul(DAY).saturating_add(seconds))
}
