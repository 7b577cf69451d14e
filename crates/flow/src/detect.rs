//! What did *not* happen: heartbeats that are overdue become events, deadlines that passed become inputs.

use model::event::{Action, Event, NewEvent};
use model::incident::Input;
use model::{Labels, Time};
use store::heartbeats::Heartbeat;
use store::{Result, Tx};

use crate::core::Core;
use crate::incident::{Moved, apply_to, readable};
use crate::live::{Expected, Live};

/// Incidents whose deadlines one transaction passes at the most.
pub const DEADLINES_PER_TICK: i64 = 256;

/// Passes the deadlines of incidents; returns what moved.
pub(crate) fn pass_deadlines(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Vec<Moved>> {
    let due = store::incidents::due(tx, now, DEADLINES_PER_TICK)?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let due = readable(core, tx, due.into_iter(), now)?;
    apply_to(core, tx, due, &Input::Deadline, now)
}

/// The key of the incident that the absence of a heartbeat opens.
pub fn heartbeat_key(name: &str) -> String {
    format!("heartbeat:{name}")
}

/// Heartbeats that were missed, as events; each once, until it beats again.
pub(crate) fn missed_heartbeats(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Vec<Event>> {
    let live = core.live();
    let mut events = Vec::new();
    if live.heartbeats.is_empty() {
        return Ok(events);
    }
    let known = store::heartbeats::all(tx)?;
    if live.heartbeats.iter().any(|it| known.iter().all(|have| have.name != it.name)) {
        // another node, which goes by other rules, has come into force meanwhile
        expect_missing(tx, &live, now)?;
    }
    for heartbeat in known {
        // those that only others know are theirs to miss
        let Some(expected) = live.heartbeats.iter().find(|it| it.name == heartbeat.name) else { continue };
        if heartbeat.due_at <= now && !heartbeat.overdue {
            store::heartbeats::put(tx, &Heartbeat { overdue: true, ..heartbeat.clone() })?;
            events.push(Event::arrive(absence(expected, &heartbeat), core.id(now), now));
        }
    }
    Ok(events)
}

fn absence(expected: &Expected, heartbeat: &Heartbeat) -> NewEvent {
    let last =
        heartbeat.last_at.map_or("it has never come".to_owned(), |at| format!("the last one came at {at}"));
    let mut labels = expected.labels.clone();
    if labels.get("alertname").is_none() {
        labels.set("alertname", "HeartbeatMissed");
    }
    labels.set("heartbeat", expected.name.as_str());
    let title = match expected.title.as_str() {
        "" => format!("Heartbeat {} is overdue", expected.name),
        title => title.to_owned(),
    };
    NewEvent {
        key: heartbeat_key(&expected.name),
        severity: Some(expected.severity),
        title,
        annotations: [("description", format!("A ping must come every {:?}; {last}.", expected.every))]
            .into_iter()
            .collect(),
        ..NewEvent::raise("heartbeat", labels)
    }
}

/// Takes a ping in: when the next one is due, and the event that ends its absence, if it was missed.
pub(crate) fn beat(tx: &mut Tx<'_>, expected: &Expected, now: Time) -> Result<Option<NewEvent>> {
    // the row may be new, since the heartbeat was not expected for a while
    let key = heartbeat_key(&expected.name);
    let overdue = store::incidents::is_active(tx, &key)?
        || store::heartbeats::get(tx, &expected.name)?.is_some_and(|it| it.overdue);
    let due_at = now + expected.every + expected.grace;
    let heartbeat = Heartbeat { name: expected.name.clone(), last_at: Some(now), due_at, overdue: false };
    store::heartbeats::put(tx, &heartbeat)?;
    let back = NewEvent { key, action: Action::Clear, ..NewEvent::raise("heartbeat", Labels::new()) };
    Ok(overdue.then_some(back))
}

/// A job says that it failed: as if its ping had been missed, unless that is known already.
pub(crate) fn fail(tx: &mut Tx<'_>, expected: &Expected, now: Time) -> Result<Option<NewEvent>> {
    let known = store::heartbeats::get(tx, &expected.name)?;
    if known.as_ref().is_some_and(|it| it.overdue) {
        return Ok(None);
    }
    let fresh = || Heartbeat { name: expected.name.clone(), last_at: None, due_at: now, overdue: false };
    let heartbeat = known.unwrap_or_else(fresh);
    store::heartbeats::put(tx, &Heartbeat { overdue: true, ..heartbeat.clone() })?;
    let mut event = absence(expected, &heartbeat);
    if expected.title.is_empty() {
        event.title = format!("Heartbeat {}: its job failed", expected.name);
    }
    event.annotations.set("description", format!("The job itself says that it failed, at {now}."));
    Ok(Some(event))
}

/// A configuration comes into force: heartbeats that it does not expect are forgotten, those that are new count
/// from now.
pub(crate) fn expect_heartbeats(tx: &mut Tx<'_>, live: &Live, now: Time) -> Result<()> {
    for known in store::heartbeats::all(tx)? {
        if live.heartbeats.iter().all(|it| it.name != known.name) {
            store::heartbeats::remove(tx, &known.name)?;
            // nobody will end what its absence has opened
            store::incidents::end_at(tx, &heartbeat_key(&known.name), now)?;
        }
    }
    expect_missing(tx, live, now)
}

fn expect_missing(tx: &mut Tx<'_>, live: &Live, now: Time) -> Result<()> {
    for expected in &live.heartbeats {
        if store::heartbeats::get(tx, &expected.name)?.is_none() {
            let due_at = now + expected.every + expected.grace;
            let name = expected.name.clone();
            store::heartbeats::put(tx, &Heartbeat { name, last_at: None, due_at, overdue: false })?;
        }
    }
    Ok(())
}
