//! Other providers stand in: what somebody's destination refuses, cannot be told or does not confirm in time, the next
//! one is told.

use model::delivery::{Delivery, DeliveryState, Outcome};
use model::escalation::Leave;
use model::notification::Reason;
use model::{Id, Incident, Notification, Time};
use store::failovers::Waiting;
use store::{Result, Tx};

use super::leave::{self, HELD, Leaves};
use super::{Plan, Tick, fate, idempotency_key, keep, planned};
use crate::core::Core;
use crate::incident::untold;
use crate::people::{Known, People};

/// Messages that one run looks at, at the most.
const PASSED_PER_RUN: i64 = 256;

/// What a destination's name begins with that is somebody's own.
const OWN: char = '@';

/// Notes until when destinations with somebody to stand in for them must have confirmed what they are told. Those that
/// are down already get no time.
pub(super) fn watch(
    core: &Core,
    tx: &mut Tx<'_>,
    told: &[(Delivery, Notification)],
    now: Time,
) -> Result<Option<Time>> {
    let own: Vec<&Delivery> =
        told.iter().map(|(it, _)| it).filter(|it| it.destination.starts_with(OWN)).collect();
    if own.is_empty() {
        return Ok(None);
    }
    let people = core.people(tx)?;
    let mut waiting = Vec::new();
    for it in own {
        let known =
            people.at_place(&it.destination).and_then(|known| known.definition.body.failover.as_ref());
        let Some(failover) = known else { continue };
        let is_down =
            store::deliveries::health(tx, &it.destination)?.is_some_and(|it| it.open_since.is_some());
        let due_at = if is_down { now } else { now + failover.after };
        waiting.push(Waiting { delivery: it.id, destination: it.destination.clone(), due_at });
    }
    store::failovers::put(tx, &waiting)?;
    Ok(waiting.iter().map(|it| it.due_at).min())
}

/// Tells others what was not confirmed in time.
pub(crate) fn pass_failovers(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Tick> {
    let due = store::failovers::take(tx, now, PASSED_PER_RUN)?;
    if due.is_empty() {
        return Ok(Tick::default());
    }
    let again = (due.len() as i64 == PASSED_PER_RUN).then_some(now);
    core.observe_ids(tx)?;
    let people = core.people(tx)?;
    let (mut plan, mut later) = (Plan::default(), Vec::new());
    for it in due {
        let found =
            (store::deliveries::get(tx, it.delivery)?, store::deliveries::notification(tx, it.delivery)?);
        let (Some(delivery), Some(says)) = found else { continue };
        let Some(why) = why_not(tx, &delivery, now)? else { continue };
        let Some(known) = people.at_place(&it.destination) else { continue };
        match turn(core, tx, &mut plan, &says, now)? {
            Turn::Never => continue,
            Turn::Later(due_at) => {
                later.push(Waiting { due_at, ..it });
                continue;
            }
            Turn::Now => {}
        }
        match left_alone(core, &mut plan, &people, known, &says, now) {
            Turn::Never => {}
            Turn::Later(due_at) => later.push(Waiting { due_at, ..it }),
            Turn::Now => stand_in(core, &mut plan, &people, known, (delivery, says), &why, now),
        }
    }
    store::failovers::put(tx, &later)?;
    let next = later.iter().map(|it| it.due_at).min();
    let tick = keep(core, tx, plan, now)?;
    Ok(Tick { due: [again, next, tick.due].into_iter().flatten().min(), ..tick })
}

/// When somebody is told in the place of another.
enum Turn {
    Now,
    /// It is looked at again then.
    Later(Time),
    Never,
}

/// When others may be told of what somebody was paged about: while nobody may be paged about it, they are not. What was
/// told without a page was let pass already.
fn turn(core: &Core, tx: &mut Tx<'_>, plan: &mut Plan, says: &Notification, now: Time) -> Result<Turn> {
    if says.reason != Reason::Paged {
        return Ok(Turn::Now);
    }
    let ids: Vec<Id> = says.alerts.iter().map(|alert| alert.incident).collect();
    let found = store::incidents::get_many(tx, &ids)?;
    let incidents: Vec<&Incident> = found.iter().map(|(_, it)| it).collect();
    let leaves = Leaves::find(core, tx, &incidents, now)?;
    let mut turn = Turn::Never;
    for incident in incidents {
        let leave = leaves.of(incident);
        leave::note_of(core, tx, plan, &leave, incident, now)?;
        match leave {
            Leave::Given => return Ok(Turn::Now),
            Leave::Held(_) => turn = Turn::Later(now + HELD),
            Leave::Rests | Leave::Over => {}
        }
    }
    Ok(turn)
}

/// When somebody is told elsewhere who may be left alone by now. What is about no incident, such as a hand-over, they
/// hear at any hour.
fn left_alone(
    core: &Core,
    plan: &mut Plan,
    people: &People,
    known: &Known,
    says: &Notification,
    now: Time,
) -> Turn {
    let Some(severity) = says.alerts.iter().map(|it| it.severity).max() else { return Turn::Now };
    let Some(quiet) = fate::quiet(people, known.definition.owner, severity, now) else { return Turn::Now };
    let Some(failover) = &known.definition.body.failover else { return Turn::Never };
    let detail = quiet.untold(&people.called(failover.destination));
    for alert in &says.alerts {
        plan.lines.push(untold(core, alert.incident, detail.clone(), core.live().version, now));
    }
    quiet.until.map_or(Turn::Never, Turn::Later)
}

/// Why a message is not known to have reached its destination; `None`: it has, or somebody took it off.
fn why_not(tx: &mut Tx<'_>, delivery: &Delivery, now: Time) -> Result<Option<String>> {
    Ok(match delivery.state {
        DeliveryState::Buried => None,
        DeliveryState::Delivered if is_confirmed(tx, delivery)? => None,
        DeliveryState::Dead => Some(format!("did not take it ({})", delivery.note)),
        DeliveryState::Delivered | DeliveryState::Pending => {
            let health = store::deliveries::health(tx, &delivery.destination)?;
            match health.filter(|it| it.open_since.is_some()) {
                Some(health) => Some(format!("is down ({})", health.last_fault)),
                None => {
                    let waited = model::time::span::format(now.since(delivery.created_at));
                    Some(format!("has not confirmed it within {waited}"))
                }
            }
        }
    })
}

/// Whether a destination said for sure that it has a message, rather than that it will see to it.
pub(super) fn is_confirmed(tx: &mut Tx<'_>, delivery: &Delivery) -> Result<bool> {
    if delivery.state != DeliveryState::Delivered {
        return Ok(false);
    }
    let last = store::deliveries::attempts(tx, delivery.id)?.pop();
    Ok(!last.is_some_and(|it| matches!(it.outcome, Outcome::Accepted { .. })))
}

/// Plans the same message for the one that stands in, or says why it cannot be.
fn stand_in(
    core: &Core,
    plan: &mut Plan,
    people: &People,
    known: &Known,
    (delivery, says): (Delivery, Notification),
    why: &str,
    now: Time,
) {
    let Some(failover) = &known.definition.body.failover else { return };
    let (from, to) = (&delivery.destination, people.called(failover.destination));
    let live = core.live();
    let (place, detail) = match people.usable_place(failover.destination) {
        Ok(place) => (Some(place), format!("{from} {why}, so {to} is told in its place")),
        Err(also) => (None, format!("{from} {why}, and {to} cannot be told in its place: {also}")),
    };
    for alert in &says.alerts {
        plan.lines.push(untold(core, alert.incident, detail.clone(), live.version, now));
    }
    let Some(place) = place else { return };
    let id = core.id(now);
    plan.told.extend(says.alerts.iter().map(|alert| (alert.incident, id)));
    core.counters.planned.add(says.reason.name(), 1);
    let planned = planned(id, &delivery.receiver, &place.place.id, &says.group_key, says.reason, now);
    plan.deliveries.push((planned, Notification { idempotency_key: idempotency_key(id), at: now, ..says }));
}
