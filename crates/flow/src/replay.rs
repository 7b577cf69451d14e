//! "What would another configuration have told?": what was recorded of a window happens again, on a virtual
//! clock, once under the rules in force and once under others, and the notifications are compared.
//!
//! The cast: the [`Tape`] is what was recorded: events, what people did, silences. A *side* is a hub in memory
//! that goes by one of the two sets of rules and hears the tape; both sides run in step, so that a window that
//! takes too long is cut at one moment for both. The [`Difference`] is what only one side told, or told at
//! another time.
//!
//! The steps are the real ones. What is not there is the world outside: every message counts as delivered when it
//! is planned, and nothing is sent.

mod difference;
mod side;
mod tape;

use std::time::Duration;

use model::{Rules, Time};
use store::Result;

pub use difference::{Change, Difference, Item};
pub use tape::{Read, Tape};

use side::Side;

/// Events of a window that are replayed; of more, the last.
pub const MAX_EVENTS: usize = 50_000;
/// Incidents that a window may begin with; of more, the last.
pub const MAX_STANDING: usize = 10_000;
/// How long a replay may take; a window that takes longer ends earlier.
pub const MAX_TIME: Duration = Duration::from_secs(20);

/// Plays a tape under two sets of rules. As long as `patience` says so, it goes on; otherwise the window ends
/// where it is.
///
/// # Errors
/// When there is no memory for it, or the rules do not come to rest.
pub fn compare(
    tape: &Tape,
    old: Rules,
    new: Rules,
    patience: &mut dyn FnMut() -> bool,
) -> Result<Difference> {
    let (mut old, mut new) = (Side::new(old, tape)?, Side::new(new, tape)?);
    let mut reached = tape.from;
    let mut whole = true;
    for happening in &tape.happenings {
        whole = old.run_until(happening.at, patience)? && new.run_until(happening.at, patience)?;
        if !whole {
            break;
        }
        old.happens(happening)?;
        new.happens(happening)?;
        reached = reached.max(happening.at);
    }
    if whole {
        whole = old.run_until(tape.until, patience)? && new.run_until(tape.until, patience)?;
    }
    let until = if whole { tape.until } else { reached };
    let in_window = |at: Time| at >= tape.from && at < until;
    let mut difference = Difference::between(old.told(in_window), new.told(in_window));
    (difference.from, difference.until) = (tape.from, until);
    difference.events = tape.events;
    difference.silences = tape.silences.len();
    difference.notes.splice(0..0, tape.notes.iter().cloned());
    if !whole {
        let span = model::time::span::format(MAX_TIME);
        difference.notes.push(format!("cut: what comes after {until} took longer than {span} to work out"));
    }
    Ok(difference)
}
