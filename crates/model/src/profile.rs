//! Notification profiles: what people want to hear of, when, and where.
//!
//! A [`Profile`] belongs to a person. An incident's event is told to its destinations when one of its [`Filter`]s takes
//! it and its [`Timeslot`] holds by the clock of that person, unless it is their [`Quiet`] hour. [`Book`] holds all
//! profiles there are and answers for one event who is told, and of everybody else why not.
//!
//! Timeslots, filters and profiles are those of Argus; where ours go further, their documentation says so.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::refusal::{self, Refusal};
use crate::severity::Severity;
use crate::time::Time;
use crate::weekly::Weekly;
use crate::zone::Zone;

mod book;
mod event_type;
mod filter;
mod subject;
#[cfg(test)]
mod tests;

pub use book::{Book, Evaluation, Told, Verdict};
pub use event_type::EventType;
pub use filter::{BadTag, Filter, Miss, Subject, Tag};
pub use subject::tags_of;

/// Filters of one profile.
pub const MAX_FILTERS: usize = 64;
/// Destinations of one profile.
pub const MAX_DESTINATIONS: usize = 64;
/// Values in one list of a filter.
pub const MAX_FILTER_VALUES: usize = 1000;
/// The longest time for which a digest is collected, in minutes: a day.
pub const MAX_DIGEST_MINUTES: u32 = 1440;

/// Hours of the week in which somebody wants to hear of something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeslot {
    /// What it is called.
    pub name: String,
    /// When it holds, by the clock of the person; none at all is never. Argus has no windows that cross midnight.
    pub windows: Weekly,
}

impl Timeslot {
    /// What every new user has.
    pub fn all_the_time() -> Timeslot {
        Timeslot { name: "All the time".to_owned(), windows: Weekly::always() }
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        refusal::name("name", &self.name)?;
        self.windows.check().map_err(|bad| bad.within("windows"))
    }
}

/// What somebody wants to hear of, when, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its id.
    pub id: Id,
    /// Whose it is.
    pub owner: Id,
    /// What it is called.
    pub name: String,
    /// When it holds: the id of a [`Timeslot`].
    pub timeslot: Id,
    /// What it is about: the ids of [`Filter`]s, of which one must take what is told. Without any it never tells.
    pub filters: Vec<Id>,
    /// Where it tells: ids of destinations.
    pub destinations: Vec<Id>,
    /// Whether it is in use.
    pub active: bool,
    /// For how many minutes it collects before it tells all at once; zero: it tells at once.
    #[serde(default)]
    pub digest_minutes: u32,
}

impl Profile {
    /// One that says nothing yet, and is in use.
    pub fn new(id: Id, owner: Id, name: impl Into<String>) -> Profile {
        Profile {
            id,
            owner,
            name: name.into(),
            timeslot: Id(0),
            filters: Vec::new(),
            destinations: Vec::new(),
            active: true,
            digest_minutes: 0,
        }
    }

    /// Whether it can be used, as far as it can be said without what it refers to.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        refusal::name("name", &self.name)?;
        refusal::at_most("filters", self.filters.len(), MAX_FILTERS)?;
        refusal::at_most("destinations", self.destinations.len(), MAX_DESTINATIONS)?;
        if self.digest_minutes > MAX_DIGEST_MINUTES {
            let reason = format!("is {}; write 0 to {MAX_DIGEST_MINUTES} minutes", self.digest_minutes);
            return Err(Refusal::new("digest_minutes", reason));
        }
        Ok(())
    }
}

/// What holds for all profiles of a person.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// By which clock their timeslots and quiet hours go.
    #[serde(default)]
    pub zone: Zone,
    /// When they want to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
}

/// Hours in which a person wants to be left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// When.
    pub windows: Weekly,
    /// What is told all the same: this and worse. When not given, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_by: Option<Severity>,
}

impl Person {
    /// Whether it can be used.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        let windows = self.quiet.as_ref().map_or(Ok(()), |quiet| quiet.windows.check());
        windows.map_err(|bad| bad.within("quiet.windows"))
    }

    /// Whether something so bad has to wait now: for one who is paged on call as well as for profiles.
    pub fn is_left_alone(&self, severity: Severity, at: Time) -> bool {
        self.quiet.as_ref().is_some_and(|quiet| {
            quiet.broken_by.is_none_or(|least| severity < least) && quiet.windows.contains(&self.zone, at)
        })
    }

    /// When the quiet hour ends that it is now; `None` when it is none, or without an end.
    pub fn quiet_until(&self, at: Time) -> Option<Time> {
        let quiet = self.quiet.as_ref().filter(|quiet| quiet.windows.contains(&self.zone, at))?;
        quiet.windows.next_change(&self.zone, at)
    }
}
