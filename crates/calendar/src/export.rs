//! Shifts as a calendar that others subscribe to.

use jiff::tz::TimeZone;
use model::fnv::Fnv;
use model::period::Period;
use model::schedule::{Shift, Why};
use model::{Id, Time};

/// Bytes of a line before it is folded (RFC 5545, 3.1).
const MAX_LINE: usize = 75;

/// One event of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// By which subscribers know it again: see [`uid`].
    pub uid: String,
    /// Its title, such as who is on call.
    pub title: String,
    /// More about it; may be empty.
    pub description: String,
    /// When it is.
    pub period: Period,
}

/// A UID for a shift: the same whenever the calendar is fetched, as long as the shift is whole
/// ([`model::schedule::Roster::whole`]), and another for every other shift of all schedules.
pub fn uid(schedule: Id, shift: &Shift) -> String {
    let mut why = Fnv::default();
    match shift.why {
        Why::Layer { layer, turn } => {
            why.add(b"layer");
            why.add(&(layer as u64).to_be_bytes());
            why.add(&turn.to_be_bytes());
        }
        Why::Override { id, instead_of } => {
            why.add(b"override");
            why.add(&id.0.to_be_bytes());
            why.add(&instead_of.map_or(0, |id| id.0).to_be_bytes());
        }
    }
    format!("{schedule}-{}-{}-{:016x}@nightbell", shift.user, shift.from.as_seconds(), why.sum())
}

/// A calendar of these events, made at this time, that subscribers should fetch again each hour.
pub fn feed(name: &str, entries: &[Entry], at: Time) -> String {
    let mut text = String::new();
    let mut line = |content: &str| fold(&mut text, content);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//Nightbell//On call//EN");
    line("CALSCALE:GREGORIAN");
    line("METHOD:PUBLISH");
    line(&format!("NAME:{}", escape(name)));
    line(&format!("X-WR-CALNAME:{}", escape(name)));
    line("REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    line("X-PUBLISHED-TTL:PT1H");
    for entry in entries {
        line("BEGIN:VEVENT");
        line(&format!("UID:{}", escape(&entry.uid)));
        line(&format!("DTSTAMP:{}", utc(at)));
        line(&format!("DTSTART:{}", utc(entry.period.from)));
        line(&format!("DTEND:{}", utc(entry.period.until)));
        line(&format!("SUMMARY:{}", escape(&entry.title)));
        if !entry.description.is_empty() {
            line(&format!("DESCRIPTION:{}", escape(&entry.description)));
        }
        // others who look at the calendar are free
        line("TRANSP:TRANSPARENT");
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    text
}

/// A value of type TEXT (RFC 5545, 3.3.11). Control characters have no way to be written.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.replace("\r\n", "\n").chars() {
        match letter {
            '\\' | ';' | ',' => escaped.extend(['\\', letter]),
            '\n' | '\r' => escaped.push_str("\\n"),
            letter if letter.is_control() && letter != '\t' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn utc(at: Time) -> String {
    at.to_timestamp().to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Writes a line, broken where it is too long, but never within a character.
fn fold(text: &mut String, line: &str) {
    let (mut rest, mut room) = (line, MAX_LINE);
    while rest.len() > room {
        let (part, after) = rest.split_at(crate::boundary(rest, room));
        text.extend([part, "\r\n "]);
        // the space counts
        (rest, room) = (after, MAX_LINE - 1);
    }
    text.extend([rest, "\r\n"]);
}
