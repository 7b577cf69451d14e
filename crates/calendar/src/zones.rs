//! The time zones that a calendar speaks of.
//!
//! A TZID is a name of its file's own. Most are names of the IANA database, alone or at the end of a path; for the
//! others (Outlook's "W. Europe Standard Time") the rules of their VTIMEZONE are taken as they stand now.

use std::collections::HashMap;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use model::zone::Zone;

use crate::lines::{self, Component};
use crate::rule::{Frequency, Rule};

/// The time zones of one file.
pub(crate) struct Zones {
    known: HashMap<String, Option<TimeZone>>,
    /// What times without a zone are meant in.
    pub(crate) floating: TimeZone,
}

impl Zones {
    pub(crate) fn new(calendars: &[Component], floating: &Zone) -> Zones {
        let mut known = HashMap::new();
        for zone in calendars.iter().flat_map(|it| &it.children).filter(|it| it.name == "VTIMEZONE") {
            let id = zone.text("TZID");
            let tz =
                by_name(&id).or_else(|| by_name(&zone.text("X-LIC-LOCATION"))).or_else(|| by_rules(zone));
            known.insert(id, tz);
        }
        Zones { known, floating: floating.tz().clone() }
    }

    /// The zone that is called so in this file.
    pub(crate) fn get(&mut self, id: &str) -> Option<TimeZone> {
        if let Some(known) = self.known.get(id) {
            return known.clone();
        }
        let tz = by_name(id);
        self.known.insert(id.to_owned(), tz.clone());
        tz
    }
}

/// By a name of the IANA database, or what ends in one: `/example.org/2005/Europe/Berlin`.
fn by_name(id: &str) -> Option<TimeZone> {
    let named = |name: &str| Zone::named(name).ok().map(|zone| zone.tz().clone());
    let slashes = id.match_indices('/').map(|(at, _)| at + 1);
    // no name of the database has more than three parts
    let ends = slashes.collect::<Vec<_>>().into_iter().rev().take(3).rev();
    std::iter::once(0).chain(ends).filter(|at| id.len() - at < 64).find_map(|at| named(&id[at..]))
}

/// By the latest rules for standard and daylight time, as a zone of POSIX.
fn by_rules(zone: &Component) -> Option<TimeZone> {
    let latest = |name: &str| {
        let all = zone.children.iter().filter(|it| it.name == name);
        all.filter_map(Observance::read).max_by_key(|it| it.start)
    };
    let standard = latest("STANDARD")?;
    let fixed = || Some(TimeZone::fixed(Offset::from_seconds(standard.offset).ok()?));
    let Some(daylight) = latest("DAYLIGHT").filter(|it| it.day.is_some()) else { return fixed() };
    let (Some(begins), Some(ends)) = (&daylight.day, &standard.day) else { return fixed() };
    let [winter, summer] = [&standard, &daylight].map(|it| posix_time(-it.offset));
    TimeZone::posix(&format!("STD{winter}DST{summer},{begins},{ends}")).ok()
}

/// STANDARD or DAYLIGHT of a VTIMEZONE.
struct Observance {
    start: DateTime,
    /// Seconds ahead of UTC.
    offset: i32,
    /// When it begins each year, as POSIX writes it; nothing when it does not any more.
    day: Option<String>,
}

impl Observance {
    fn read(component: &Component) -> Option<Observance> {
        let start = lines::date_time(component.get("DTSTART")?.value.trim())?;
        let offset = offset(component.get("TZOFFSETTO")?.value.trim())?;
        let day = component.get("RRULE").and_then(|rule| yearly(&rule.value, start));
        Some(Observance { start, offset, day })
    }
}

/// `Mmonth.week.day/time`.
fn yearly(rule: &str, start: DateTime) -> Option<String> {
    let rule = Rule::parse(rule).ok().filter(|it| it.frequency == Frequency::Yearly && it.until.is_none())?;
    let month = rule.months.first().copied().unwrap_or(start.month());
    let (nth, weekday) = *rule.weekdays.first()?;
    let week = match nth {
        -1 => 5,
        1..=5 => nth,
        _ => return None,
    };
    let time = start.hour() as i32 * 3600 + start.minute() as i32 * 60 + start.second() as i32;
    Some(format!("M{month}.{week}.{}/{}", weekday.to_sunday_zero_offset(), posix_time(time)))
}

fn posix_time(seconds: i32) -> String {
    let (sign, seconds) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
    format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `+0100`, `-023015`.
fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let two = |at: usize| digits.get(at..at + 2).and_then(|it| it.parse::<i32>().ok()).unwrap_or(0);
    let seconds = two(0) * 3600 + two(2) * 60 + two(4);
    (two(0) < 24 && two(2) < 60 && two(4) < 60).then_some(sign * seconds)
}
