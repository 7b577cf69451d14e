//! On-call shifts from iCalendar files (RFC 5545), and to them.
//!
//! [`read`] makes [`Occurrence`]s of what a calendar says about some time, and [`Import::shifts`] makes shifts of them:
//! the title of an event is the name of who is on call. One odd event never breaks the rest; it is [`Skipped`], with
//! its UID and the reason. [`feed`] writes shifts as a calendar that others subscribe to.
//!
//! Calendars are hostile: what one may cost is bounded in bytes, events, occurrences and days looked at, also for
//! rules without an end.

mod event;
mod export;
mod import;
mod lines;
mod recurrence;
mod rule;
mod zones;

pub use export::{Entry, feed, uid};
pub use import::{Import, Occurrence, Skipped, read};
pub use rule::BadRule;

/// Bytes of one calendar.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Events of one calendar.
pub const MAX_EVENTS: usize = 10_000;
/// Occurrences of one calendar within the time asked about: as many as a layer of a schedule can list.
pub const MAX_OCCURRENCES: usize = model::schedule::MAX_LISTED;
/// Days and times that are looked at for all recurring events of one calendar.
pub const MAX_STEPS: u32 = 1_000_000;
/// Occurrences that one event may name one by one, to be added or left out.
pub const MAX_DATES: usize = 10_000;
/// Odd events that are named; the others are counted.
pub const MAX_SKIPPED: usize = 200;
/// The longest event, in days.
pub const MAX_EVENT_DAYS: i64 = 366;
/// Bytes of a title or UID that are kept.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Why a text is no calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCalendar {
    /// Too long.
    #[error("the calendar has {0} bytes, the limit is {MAX_BYTES}")]
    TooLong(usize),
    /// Too many events.
    #[error("the calendar has more than {MAX_EVENTS} events")]
    TooManyEvents,
    /// Something else, such as a web page.
    #[error("this is no calendar: there is no line BEGIN:VCALENDAR")]
    NotOne,
}

/// The most bytes of a text that end with a character, up to so many.
fn boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
