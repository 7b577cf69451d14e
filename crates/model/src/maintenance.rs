//! Planned maintenance: times in which something is known to be wrong, and nobody needs to hear of it.
//!
//! A [`Maintenance`] covers what all of its filters take while it is in force: once, from its start to its end, or
//! within these again and again. What it covers is not told. When it is over, what is still wrong is told as if it
//! began then, and one that collects tells of all the rest in one message ([`Maintenance::settle`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::incident::State;
use crate::limits::MAX_NOTE_BYTES;
use crate::period::Period;
use crate::profile::{Filter, Subject};
use crate::refusal::{self, Refusal};
use crate::time::Time;
use crate::time_interval::TimeInterval;

#[cfg(test)]
mod tests;

/// Filters of one maintenance.
pub const MAX_FILTERS: usize = 64;
/// How long after its end one may still be changed, as in Argus.
pub const EDITABLE_AFTER_END: Duration = Duration::from_secs(12 * 3600);
/// Of how much in a hundred one may cover when it does not say itself.
pub const GUARD_PERCENT: u8 = 50;
/// The guard of one that may cover everything.
pub const GUARD_NOTHING: u8 = 100;
/// How far back the start of a time is looked for that recurs without an end, in days, and how far at first.
const LOOKS_BACK_DAYS: [u64; 4] = [1, 8, 64, 512];

/// A time in which something is known to be wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// What is done, in words.
    pub description: String,
    /// From when.
    pub starts_at: Time,
    /// Until when; for good when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
    /// Only within these times, when it recurs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recurrence: Option<TimeInterval>,
    /// What it covers: what all of them take, as in Argus, those of `filter_ids` included. There is at least one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// The same by filters that somebody keeps, by their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter_ids: Vec<Id>,
    /// What becomes of that.
    #[serde(default)]
    pub mode: Mode,
    /// Of how much of all that is open or was heard of in the last week, in a hundred, it may cover before a person
    /// has to say that it is meant.
    #[serde(default = "guard")]
    pub guard_percent: u8,
    /// The user who made it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Id>,
}

fn guard() -> u8 {
    GUARD_PERCENT
}

/// What becomes of what is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is not told, but for what is still wrong in the end.
    #[default]
    Suppress,
    /// It is collected and told in the end.
    Collect,
}

/// Where a maintenance stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It was not in force yet.
    Future,
    /// It is in force, or recurs and will be again.
    Current,
    /// It is over.
    Past,
}

/// It would cover more than its guard allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error(
    "it covers {covered} of {all}, and its guard is {percent} %; narrow its filters, or raise guard_percent"
)]
pub struct TooBroad {
    /// How much it covers.
    pub covered: u64,
    /// Of how much.
    pub all: u64,
    /// Its guard.
    pub percent: u8,
}

/// An incident of which nothing was told since it was covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub incident: Id,
    /// Where it stands now.
    pub state: State,
    /// Whether another maintenance, which goes on, covers it as well.
    pub still_covered: bool,
}

/// What there is to do when a maintenance is over for now.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Settled {
    /// Incidents that are still wrong: each is told as if it began now.
    pub reopen: Vec<Id>,
    /// Incidents for one message about what was.
    pub tell: Vec<Id>,
}

impl Maintenance {
    /// Whether it can be used.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        let bytes = self.description.len();
        if bytes > MAX_NOTE_BYTES {
            let reason = format!("has {bytes} bytes, the limit is {MAX_NOTE_BYTES}");
            return Err(Refusal::new("description", reason));
        }
        if let Some(end) = self.ends_at.filter(|end| *end <= self.starts_at) {
            let reason = format!("is {end}, which is not after starts_at, {}", self.starts_at);
            return Err(Refusal::new("ends_at", reason));
        }
        if self.recurrence.as_ref().is_some_and(|times| times.spells.is_empty()) {
            return Err(Refusal::new("recurrence", "has no time_intervals, so it would never be in force"));
        }
        refusal::at_most("filters", self.filters.len() + self.filter_ids.len(), MAX_FILTERS)?;
        if self.filters.is_empty() && self.filter_ids.is_empty() {
            return Err(Refusal::new("filters", "is empty; name what is covered"));
        }
        for (n, filter) in self.filters.iter().enumerate() {
            let field = format!("filters[{n}]");
            filter.check().map_err(|bad| bad.within(&field))?;
            if filter.is_empty() {
                return Err(Refusal::new(field, "takes nothing, so nothing would be covered"));
            }
        }
        if !(1..=100).contains(&self.guard_percent) {
            return Err(Refusal::new("guard_percent", format!("is {}; write 1 to 100", self.guard_percent)));
        }
        Ok(())
    }

    /// The same with the filters that it names by their ids. One that is not there covers nothing.
    pub fn with_filters(mut self, by_id: impl Fn(Id) -> Option<Filter>) -> Maintenance {
        self.filters.extend(self.filter_ids.drain(..).map(|id| by_id(id).unwrap_or_default()));
        self
    }

    /// Where it stands.
    pub fn phase(&self, at: Time) -> Phase {
        match () {
            () if at < self.starts_at => Phase::Future,
            () if self.ends_at.is_some_and(|end| end <= at) => Phase::Past,
            () => Phase::Current,
        }
    }

    /// Whether it is in force.
    pub fn is_in_force(&self, at: Time) -> bool {
        self.phase(at) == Phase::Current && self.recurrence.as_ref().is_none_or(|times| times.contains(at))
    }

    /// Whether it covers this: it is in force, and all of its filters take it.
    pub fn covers(&self, subject: &Subject<'_>, at: Time) -> bool {
        self.is_in_force(at) && self.would_cover(subject)
    }

    /// Whether it covers this when it is in force: for a preview.
    pub fn would_cover(&self, subject: &Subject<'_>) -> bool {
        !self.filters.is_empty() && self.filters.iter().all(|filter| filter.takes(subject))
    }

    /// The time for which it is in force now, by which what was held back is known; `None` when it is not in force.
    /// One without an end ends at [`Time::MAX`].
    pub fn occurrence(&self, at: Time) -> Option<Period> {
        if !self.is_in_force(at) {
            return None;
        }
        let end = self.ends_at.unwrap_or(Time::MAX);
        let Some(times) = &self.recurrence else { return Some(Period::new(self.starts_at, end)) };
        let until = times.next_change(at).map_or(end, |change| change.min(end));
        Some(Period::new(began(times, at, self.starts_at), until))
    }

    /// The next moment after `at` at which it begins or ceases to be in force; `None` when it never does.
    pub fn next_change(&self, at: Time) -> Option<Time> {
        let Some(times) = &self.recurrence else {
            return [Some(self.starts_at), self.ends_at].into_iter().flatten().find(|change| *change > at);
        };
        let end = self.ends_at.unwrap_or(Time::MAX);
        let change = match self.phase(at) {
            Phase::Past => return None,
            Phase::Future if times.contains(self.starts_at) => Some(self.starts_at),
            Phase::Future => times.next_change(self.starts_at),
            Phase::Current => times.next_change(at),
        };
        let ends = self.ends_at.filter(|_| self.is_in_force(at));
        change.filter(|change| *change < end).or(ends)
    }

    /// Whether it may cover so much.
    ///
    /// # Errors
    /// When it is more than the guard allows. Of fewer than two nothing is too much.
    pub fn guard(&self, covered: u64, all: u64) -> Result<(), TooBroad> {
        let percent = self.guard_percent;
        let most = u128::from(all) * u128::from(percent);
        if all < 2 || u128::from(covered) * 100 <= most {
            Ok(())
        } else {
            Err(TooBroad { covered, all, percent })
        }
    }

    /// What there is to do with what was held back when it is over for now.
    pub fn settle(&self, held: &[Held]) -> Settled {
        let mut settled = Settled::default();
        for it in held.iter().filter(|it| !it.still_covered) {
            match (it.state, self.mode) {
                (State::Open, _) => settled.reopen.push(it.incident),
                (_, Mode::Collect) => settled.tell.push(it.incident),
                (_, Mode::Suppress) => {}
            }
        }
        settled
    }

    /// Whether it may be changed into another, by Argus' rules: its start is fixed once it has begun, and nothing
    /// changes any more [`EDITABLE_AFTER_END`] after its end.
    ///
    /// # Errors
    /// The field that may not be changed.
    pub fn may_become(&self, other: &Maintenance, at: Time) -> Result<(), Refusal> {
        if self.ends_at.is_some_and(|end| end + EDITABLE_AFTER_END <= at) {
            return Err(Refusal::new(
                "ends_at",
                "is more than 12 hours ago, so nothing can be changed any more",
            ));
        }
        if self.phase(at) != Phase::Future && other.starts_at != self.starts_at {
            return Err(Refusal::new("starts_at", "cannot be changed any more, since it has begun"));
        }
        other.check()
    }

    /// Whether it may be deleted: only one that has not begun. Others are ended, and remembered.
    pub fn may_be_deleted(&self, at: Time) -> bool {
        self.phase(at) == Phase::Future
    }

    /// Ends it now.
    pub fn end(&mut self, at: Time) {
        if self.phase(at) == Phase::Current {
            // an end is after its start
            self.ends_at = Some(at.max(Time(self.starts_at.0 + 1)));
        }
    }
}

/// When the times began to hold that hold now: not before `floor`, and not looked for for ever.
fn began(times: &TimeInterval, at: Time, floor: Time) -> Time {
    let mut edge = floor;
    for days in LOOKS_BACK_DAYS {
        edge = floor.max(at - Duration::from_secs(days * 86_400));
        let changes = std::iter::successors(times.next_change(edge), |change| times.next_change(*change));
        let starts = changes.take_while(|change| *change <= at).filter(|change| times.contains(*change));
        if let Some(start) = starts.last() {
            return start;
        }
        if edge == floor {
            break;
        }
    }
    edge
}
