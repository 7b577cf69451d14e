//! What a calendar says about some time.

use std::collections::{BTreeMap, HashSet};

use jiff::Span;
use jiff::civil::{Date, DateTime};
use model::period::Period;
use model::schedule::Listed;
use model::zone::Zone;
use model::{Id, Time};
use serde::Serialize;

use crate::event::{BadEvent, Event, Moment};
use crate::lines::{self, Component};
use crate::rule::BadRule;
use crate::zones::Zones;
use crate::{BadCalendar, MAX_EVENT_DAYS, MAX_OCCURRENCES, MAX_SKIPPED, MAX_STEPS, MAX_TEXT_BYTES};

/// One time at which an event takes place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Occurrence {
    /// The event.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// The whole of it, also what lies outside of the time asked about.
    pub period: Period,
}

/// An event that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The event; its line where it has no UID.
    pub uid: String,
    /// Its title.
    pub title: String,
    /// What is odd about it.
    pub reason: String,
}

/// What a calendar says about some time.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Import {
    /// What takes place in it, by start: also what began before it and goes on.
    pub occurrences: Vec<Occurrence>,
    /// What could not be used, at the most [`MAX_SKIPPED`] of it.
    pub skipped: Vec<Skipped>,
    /// How much could not be used.
    pub skipped_count: usize,
}

/// Reads a calendar. Times without a zone, and whole days, go by the clock of `floating`.
///
/// # Errors
/// When it is none, or too large. An odd event is no error.
pub fn read(bytes: &[u8], floating: &Zone, within: Period) -> Result<Import, BadCalendar> {
    let calendars = lines::parse(bytes)?;
    let mut zones = Zones::new(&calendars, floating);
    let mut reader = Reader { within, budget: MAX_STEPS, import: Import::default() };
    let mut families: BTreeMap<String, Family<'_>> = BTreeMap::new();
    let events = calendars.iter().flat_map(|it| &it.children).filter(|it| it.name == "VEVENT");
    for component in events {
        let uid = uid(component);
        match Event::read(component, &mut zones) {
            Ok(event) => families.entry(uid).or_default().add(component, event),
            Err(bad) => reader.import.skip(&uid, component, &bad),
        }
    }
    for (uid, family) in &families {
        reader.family(uid, family);
    }
    reader.import.occurrences.sort_by(|a, b| (a.period, &a.uid).cmp(&(b.period, &b.uid)));
    Ok(reader.import)
}

fn uid(component: &Component) -> String {
    let uid = component.text("UID");
    if uid.trim().is_empty() { format!("event in line {}", component.line) } else { short(uid.trim()) }
}

fn short(text: &str) -> String {
    text[..crate::boundary(text, MAX_TEXT_BYTES)].to_owned()
}

/// Events with one UID: one that may recur, and those that stand for some of its occurrences.
#[derive(Default)]
struct Family<'a> {
    master: Option<(&'a Component, Event)>,
    /// By the occurrence that each stands for.
    instead: BTreeMap<(Option<Time>, bool), (&'a Component, Event)>,
}

impl<'a> Family<'a> {
    /// Of several versions the latest is kept.
    fn add(&mut self, component: &'a Component, event: Event) {
        let is_newer = |have: &(&Component, Event)| have.1.sequence <= event.sequence;
        match event.instead_of.as_ref().map(|it| (it.time(), it.is_day)) {
            None if self.master.as_ref().is_none_or(is_newer) => self.master = Some((component, event)),
            Some(which) if self.instead.get(&which).is_none_or(is_newer) => {
                self.instead.insert(which, (component, event));
            }
            _ => {}
        }
    }

    /// What does not take place as the rules say: it is left out, or another event stands for it.
    fn left_out(&self, event: &Event) -> LeftOut {
        let instead = self.instead.values().filter_map(|(_, it)| it.instead_of.as_ref());
        let mut left_out = LeftOut::default();
        for it in event.left_out.iter().chain(instead) {
            left_out.times.extend(it.time());
            if it.is_day {
                left_out.days.insert(it.wall.date());
            }
        }
        left_out
    }
}

/// What is left out: moments, and days on which nothing takes place whatever its time.
#[derive(Default)]
struct LeftOut {
    times: HashSet<Time>,
    days: HashSet<Date>,
}

struct Reader {
    within: Period,
    budget: u32,
    import: Import,
}

impl Reader {
    fn family(&mut self, uid: &str, family: &Family<'_>) {
        if let Some((component, event)) = family.master.as_ref().filter(|(_, event)| !event.is_cancelled) {
            match self.starts(event) {
                Ok(starts) => {
                    let out = family.left_out(event);
                    for (start, length) in starts {
                        let is_out =
                            |at: &Time| out.times.contains(at) || out.days.contains(&start.wall.date());
                        if start.time().is_some_and(|at| !is_out(&at)) {
                            self.add(uid, component, &start, &length);
                        }
                    }
                }
                Err(bad) => self.import.skip(uid, component, &BadEvent::Rule(bad)),
            }
        }
        for (component, event) in family.instead.values().filter(|(_, event)| !event.is_cancelled) {
            self.add(uid, component, &event.start, &event.length);
        }
    }

    /// When an event begins that takes place within the time asked about, each once and in order; a few more may be
    /// among them.
    fn starts(&mut self, event: &Event) -> Result<Vec<(Moment, Span)>, BadRule> {
        let zone = &event.start.zone;
        let wall = |at: Time| at.to_timestamp().to_zoned(zone.clone()).datetime();
        let earliest = Time(self.within.from.0.saturating_sub((MAX_EVENT_DAYS + 2) * model::zone::DAY));
        let first = match wall(self.within.from).checked_sub(event.length) {
            // clocks may be put back meanwhile
            Ok(first) => first.checked_sub(Span::new().days(2)).unwrap_or(first),
            Err(_) => wall(earliest),
        };
        let last = wall(self.within.until);
        let mut walls = Vec::new();
        for rule in &event.rules {
            let goes_on = |at: DateTime| event.is_not_after(rule.until, at);
            walls.extend(rule.occurrences(event.start.wall, (first, last), &goes_on, &mut self.budget)?);
        }
        if event.rules.is_empty() {
            walls.push(event.start.wall);
        }
        let moment = |wall| Moment { wall, zone: zone.clone(), is_day: event.start.is_day };
        let mut starts: Vec<(Moment, Span)> =
            walls.into_iter().map(|wall| (moment(wall), event.length)).collect();
        let added = event.added.iter().map(|(start, own)| (start.clone(), own.unwrap_or(event.length)));
        starts.extend(added);
        starts.sort_by_key(|(start, _)| start.time());
        starts.dedup_by_key(|(start, _)| start.time());
        Ok(starts)
    }

    fn add(&mut self, uid: &str, component: &Component, start: &Moment, length: &Span) {
        let (Some(from), Some(until)) = (start.time(), start.ends(length)) else { return };
        let period = Period::new(from, until);
        if period.is_empty() || period.intersect(self.within).is_empty() {
            return;
        }
        if self.import.occurrences.len() >= MAX_OCCURRENCES {
            let reason = format!("there are more than {MAX_OCCURRENCES} occurrences in the calendar");
            self.import.skip_once(uid, &component.text("SUMMARY"), reason);
            return;
        }
        let title = short(component.text("SUMMARY").trim());
        self.import.occurrences.push(Occurrence { uid: uid.to_owned(), title, period });
    }
}

impl Import {
    fn skip(&mut self, uid: &str, component: &Component, bad: &BadEvent) {
        let mut reason = bad.to_string();
        if let BadEvent::NoZone(_) = bad {
            reason.push_str("; write a name such as Europe/Berlin");
        }
        self.skip_once(uid, &component.text("SUMMARY"), reason);
    }

    fn skip_once(&mut self, uid: &str, title: &str, reason: String) {
        let skipped = Skipped { uid: uid.to_owned(), title: short(title.trim()), reason };
        if self.skipped.last() == Some(&skipped) {
            return;
        }
        self.skipped_count += 1;
        if self.skipped.len() < MAX_SKIPPED {
            self.skipped.push(skipped);
        }
    }

    /// Shifts of those whom the titles name. `user` is asked with the title in lower case and without spaces around it,
    /// as Cabot compares them. Whoever is not known is added to what could not be used.
    pub fn shifts(&mut self, user: &dyn Fn(&str) -> Option<Id>) -> Vec<Listed> {
        let mut shifts = Vec::new();
        let mut unknown: BTreeMap<String, String> = BTreeMap::new();
        for it in &self.occurrences {
            match user(&it.title.trim().to_lowercase()) {
                Some(user) => shifts.push(Listed { user, from: it.period.from, until: it.period.until }),
                None => {
                    unknown.entry(it.title.clone()).or_insert_with(|| it.uid.clone());
                }
            }
        }
        for (title, uid) in unknown {
            self.skip_once(&uid, &title, format!("its title, {title:?}, is the name of no user"));
        }
        shifts
    }
}
