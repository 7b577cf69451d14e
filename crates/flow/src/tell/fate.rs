//! What becomes of something that somebody wants to hear of at a destination: one decision, by which they are told and
//! by which it is explained.

use std::sync::Arc;
use std::time::Duration;

use model::group::Hold;
use model::maintenance::{Maintenance, Mode};
use model::profile::Told;
use model::{Id, Incident, Severity, Time};
use store::definitions::Definition;

use crate::live::LivePlace;
use crate::people::People;

/// What becomes of it.
#[derive(Clone)]
pub(crate) enum Fate {
    /// It is told now.
    Told(Arc<LivePlace>),
    /// It is told with other things.
    Later {
        /// When, at the latest.
        at: Time,
        /// What keeps it back: a maintenance, or the hours of its owner; `Id(0)`: they want it collected.
        held_by: Id,
        /// The same in words; empty for a digest.
        why: String,
    },
    /// It is not told at all, for this reason.
    Untold(String),
}

/// What becomes of an event for somebody who wants to hear of it.
pub(crate) fn of(people: &People, told: &Told, incident: &Incident, hold: Option<&Hold>, now: Time) -> Fate {
    let wait = Duration::from_secs(u64::from(told.digest_minutes) * 60);
    at(people, (told.destination, told.owner), incident, hold, wait, now)
}

/// What becomes of an incident at somebody's destination, where it may wait for so long.
pub(crate) fn at(
    people: &People,
    (destination, owner): (Id, Id),
    incident: &Incident,
    hold: Option<&Hold>,
    wait: Duration,
    now: Time,
) -> Fate {
    let place = match people.usable_place(destination) {
        Ok(place) => place,
        Err(why) => return Fate::Untold(why),
    };
    if let Some(hold) = hold {
        return match people.maintenance_of(incident, now).filter(|_| hold.is_maintenance()) {
            Some(it) => Fate::Later { at: until(it, now), held_by: it.id, why: hold.to_string() },
            None => Fate::Untold(hold.to_string()),
        };
    }
    match quiet(people, owner, incident.severity, now) {
        Some(Quiet { until: Some(at), why }) => Fate::Later { at, held_by: owner, why },
        Some(Quiet { until: None, why }) => Fate::Untold(why),
        None if wait.is_zero() => Fate::Told(place),
        None => Fate::Later { at: now + wait, held_by: Id(0), why: String::new() },
    }
}

/// Somebody is left alone.
pub(super) struct Quiet {
    /// Until when, if it ends.
    pub(super) until: Option<Time>,
    /// The same in words.
    why: String,
}

impl Quiet {
    /// What is said of a message that is therefore not sent there, or not yet.
    pub(super) fn untold(&self, place: &str) -> String {
        let yet = if self.until.is_some() { " yet" } else { "" };
        format!("not told to {place}{yet}: {}", self.why)
    }
}

/// Whether somebody is left alone about something so bad; `None`: they are not.
pub(super) fn quiet(people: &People, owner: Id, severity: Severity, now: Time) -> Option<Quiet> {
    let person = people.book().person(owner).filter(|it| it.is_left_alone(severity, now))?;
    Some(match person.quiet_until(now) {
        Some(at) => Quiet { until: Some(at), why: format!("it is their quiet hour until {at}") },
        None => Quiet { until: None, why: "it is their quiet hour, which does not end".to_owned() },
    })
}

/// When a maintenance that is in force is over for now.
pub(crate) fn until(it: &Definition<Maintenance>, now: Time) -> Time {
    it.body.occurrence(now).map_or(now, |period| period.until)
}

/// Whether what is over by then is told all the same when this has kept it back.
pub(crate) fn tells_what_is_over(people: &People, held_by: Id) -> bool {
    people.maintenance(held_by).is_some_and(|it| it.body.mode == Mode::Collect)
}
