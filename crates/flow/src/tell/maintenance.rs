//! When a planned maintenance is over for now: what is still wrong is told as if it began then, and where somebody
//! wants to hear of all that happened, the rest in one message.

use std::collections::{BTreeMap, HashSet};

use model::group::Told;
use model::maintenance::{Held, Settled};
use model::notification::Reason;
use model::{Id, Incident, Time};
use store::groups::MemberChange;
use store::{Result, Tx};

use super::people::say;
use super::say::{Shown, wants};
use super::{Holds, Plan, Tick, fate, keep};
use crate::core::Core;
use crate::incident::untold;
use crate::people::People;

/// Incidents that one run looks at at the most.
const SETTLED_PER_RUN: i64 = 1024;

/// Notes what planned maintenance covers of these incidents; returns when that is to be looked at.
pub(crate) fn note_maintained<'a>(
    core: &Core,
    tx: &mut Tx<'_>,
    incidents: impl ExactSizeIterator<Item = &'a Incident>,
    now: Time,
) -> Result<Option<Time>> {
    if incidents.len() == 0 {
        return Ok(None);
    }
    let people = core.people(tx)?;
    let covered: Vec<(Id, Id, Time)> = incidents.filter_map(|it| covering(&people, it, now)).collect();
    store::maintained::note(tx, &covered)?;
    Ok(covered.iter().map(|(_, _, due)| *due).min())
}

fn covering(people: &People, incident: &Incident, now: Time) -> Option<(Id, Id, Time)> {
    let it = people.maintenance_of(incident, now)?;
    Some((it.id, incident.id, fate::until(it, now)))
}

/// Looks at what maintenance covered that is over for now, or was changed.
pub(crate) fn pass_maintenance(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Tick> {
    let due = store::maintained::take(tx, now, SETTLED_PER_RUN)?;
    if due.is_empty() {
        return Ok(Tick::default());
    }
    let mut next = (due.len() as i64 == SETTLED_PER_RUN).then_some(now);
    core.observe_ids(tx)?;
    let people = core.people(tx)?;
    let mut by_maintenance: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
    for (maintenance, incident) in due {
        by_maintenance.entry(maintenance).or_default().push(incident);
    }
    let mut plan = Plan::default();
    for (maintenance, ids) in by_maintenance {
        let found = store::incidents::get_many(tx, &ids)?;
        let incidents: Vec<&Incident> = found.iter().map(|(_, it)| it).collect();
        let goes_on: Vec<(Id, Id, Time)> =
            incidents.iter().filter_map(|it| covering(&people, it, now)).collect();
        store::maintained::note(tx, &goes_on)?;
        next = next.into_iter().chain(goes_on.iter().map(|(_, _, due)| *due)).min();
        let Some(definition) = people.maintenance(maintenance) else { continue };
        let covered: HashSet<Id> = goes_on.iter().map(|(_, incident, _)| *incident).collect();
        let held = incidents.iter().map(|it| Held {
            incident: it.id,
            state: it.state,
            still_covered: covered.contains(&it.id),
        });
        let Settled { reopen, tell } = definition.body.settle(&held.collect::<Vec<_>>());
        let groups = store::groups::of_incidents(tx, &reopen)?;
        let rings: Vec<(Id, Time)> = groups.into_iter().map(|(_, group)| (group.id, now)).collect();
        store::groups::ring(tx, &rings)?;
        let tell: Vec<&Incident> = incidents.into_iter().filter(|it| tell.contains(&it.id)).collect();
        sum_up(core, tx, &mut plan, &definition.name, &tell, now)?;
    }
    let tick = keep(core, tx, plan, now)?;
    Ok(Tick { due: [next, tick.due].into_iter().flatten().min(), ..tick })
}

/// One message to each destination of the receivers that would have heard of these incidents one by one, which their
/// groups have told of then.
fn sum_up(
    core: &Core,
    tx: &mut Tx<'_>,
    plan: &mut Plan,
    maintenance: &str,
    incidents: &[&Incident],
    now: Time,
) -> Result<()> {
    let live = core.live();
    let holds = Holds::find(core, tx, incidents, now)?;
    let mut by_receiver: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        if let Some(hold) = holds.0.get(&incident.id) {
            let detail = format!("not told after planned maintenance {maintenance:?}: {hold}");
            plan.lines.push(untold(core, incident.id, detail, live.version, now));
            continue;
        }
        for route in live.rules.root.find(&incident.labels, incident.severity) {
            let told = by_receiver.entry(&route.receiver).or_default();
            if !told.iter().any(|it| it.id == incident.id) {
                told.push(incident);
            }
        }
    }
    for (receiver, incidents) in by_receiver {
        let places = live.rules.receivers.get(receiver).map(|it| it.destinations.as_slice());
        for place in places.unwrap_or_default().iter().filter_map(|it| live.places.get(&it.id)) {
            let shown = incidents.iter().map(|it| Shown::alone(it));
            let shown: Vec<Shown> = shown.filter(|it| wants(&place.place.manners, it)).collect();
            if !shown.is_empty() {
                let about = format!("maintenance:{maintenance}");
                say(core, &live, plan, place, receiver, about, Reason::Digest, shown, now);
            }
        }
    }
    // their groups have nothing to add
    let ids: Vec<Id> = incidents.iter().filter(|it| !holds.0.contains_key(&it.id)).map(|it| it.id).collect();
    let mut rings = Vec::new();
    let mut changes = Vec::new();
    for (nth, group) in store::groups::of_incidents(tx, &ids)? {
        let over = incidents.iter().any(|it| it.id == ids[nth] && !it.is_active());
        let now_told = (!over).then(|| (Told::Acknowledged, String::new()));
        changes.push(MemberChange { group: group.id, incident: ids[nth], now: now_told });
        rings.push((group.id, now));
    }
    store::groups::change_members(tx, &changes)?;
    store::groups::ring(tx, &rings)
}
