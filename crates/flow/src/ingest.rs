//! The accept path: events become rows, and as much of the flow as is not waiting for anything rides in
//! the same transaction, so that one sync of the disk is all that stands between a POST and its webhook.

use model::event::{Event, NewEvent};
use model::{Id, Time};
use store::events::Judged;
use store::{Result, Tx};

use crate::core::Core;
use crate::incident::{Moved, apply_events};
use crate::{detect, route, tell};

/// What became of an accepted event, for the answer to its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event's id.
    pub event: Id,
    /// The incident that it belongs to, if any.
    pub incident: Option<Id>,
    /// In a word: `opened`, `repeated`, `resolved`, …
    pub verdict: String,
}

/// What a run of the flow did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Destinations that have something new to do.
    pub rung: Vec<String>,
    /// Incidents that have moved, for live updates.
    pub moved: Vec<Moved>,
    /// Whether there is more to do at once.
    pub more: bool,
}

/// Takes events in and moves the flow on.
///
/// # Errors
/// When the database is gone or full: then nothing of this is kept.
pub fn accept(core: &Core, tx: &mut Tx<'_>, new: Vec<NewEvent>, now: Time) -> Result<(Vec<Accepted>, Done)> {
    tx.lock_flow()?;
    for event in &new {
        core.counters.accepted.add(&event.source, 1);
    }
    let events: Vec<Event> = new.into_iter().map(|event| Event::arrive(event, core.id(now), now)).collect();
    let (judged, mut done) = take(core, tx, events, now)?;
    store::events::insert(tx, &judged)?;
    let accepted = judged.into_iter().map(|it| Accepted {
        event: it.event.id,
        incident: it.incident,
        verdict: it.verdict,
    });
    let accepted = accepted.collect();
    let (count, rung) = tell::tick(core, tx, now)?;
    done.rung = rung;
    done.more = count as i64 == tell::GROUPS_PER_TICK;
    Ok((accepted, done))
}

/// Takes a ping of a heartbeat in.
///
/// # Errors
/// As [`accept`].
pub fn beat(core: &Core, tx: &mut Tx<'_>, name: &str, now: Time) -> Result<Done> {
    let live = core.live();
    let Some(expected) = live.heartbeats.iter().find(|it| it.name == name) else {
        return Ok(Done::default());
    };
    tx.lock_flow()?;
    let back = detect::beat(tx, expected, now)?;
    Ok(match back {
        Some(event) => accept(core, tx, vec![event], now)?.1,
        None => Done::default(),
    })
}

fn take(core: &Core, tx: &mut Tx<'_>, events: Vec<Event>, now: Time) -> Result<(Vec<Judged>, Done)> {
    let (judged, moved) = apply_events(core, tx, events, now)?;
    route::place(core, tx, &moved, now)?;
    Ok((judged, Done { moved, ..Done::default() }))
}

/// One run of everything that is due: events without a verdict, deadlines, heartbeats, groups. Idempotent,
/// bounded, and the same on every node.
///
/// # Errors
/// When the database is gone or full: then nothing of this is kept.
pub fn run(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Done> {
    tx.lock_flow()?;
    let mut moved = detect::pass_deadlines(core, tx, now)?;
    let mut more = moved.len() as i64 >= detect::DEADLINES_PER_TICK;
    route::place(core, tx, &moved, now)?;
    let waiting = store::events::waiting(tx, EVENTS_PER_TICK)?;
    more |= waiting.len() as i64 == EVENTS_PER_TICK;
    let (judged, done) = take(core, tx, waiting, now)?;
    store::events::judge(tx, &judged)?;
    moved.extend(done.moved);
    let missed = detect::missed_heartbeats(core, tx, now)?;
    let (judged, done) = take(core, tx, missed, now)?;
    store::events::insert(tx, &judged)?;
    moved.extend(done.moved);
    let (count, rung) = tell::tick(core, tx, now)?;
    more |= count as i64 == tell::GROUPS_PER_TICK;
    Ok(Done { rung, moved, more })
}

/// Events without a verdict that one run looks at, at the most.
const EVENTS_PER_TICK: i64 = 512;

/// When [`run`] has something to do next, if nothing happens before.
///
/// # Errors
/// When the database is gone.
pub fn next_due(core: &Core, tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let mut due = [store::incidents::next_due(tx)?, store::groups::next_due(tx)?].into_iter().flatten().min();
    if !core.live().heartbeats.is_empty() {
        let beats = store::heartbeats::all(tx)?.into_iter().filter(|it| !it.overdue).map(|it| it.due_at);
        due = due.into_iter().chain(beats).min();
    }
    Ok(due)
}
