//! Incidents that have moved are put into the groups of their routes, and those groups are rung.

use std::collections::{HashMap, HashSet};

use model::flap::OnFlapping;
use model::incident::ChangeKind;
use model::{Id, Incident, Route, Time};
use store::groups::GroupRow;
use store::{Result, Tx};

use crate::core::Core;
use crate::incident::{Moved, untold};

/// A group that has just begun and is due at once, with all its members. Whoever tells it in the same
/// transaction writes its rows once, as they are after that, and has nothing to read.
pub(crate) struct Begun {
    /// The group.
    pub group: GroupRow,
    /// Its members, oldest first.
    pub members: Vec<Incident>,
}

/// Finds the groups of what has moved, making new ones, and makes them due; returns the first time when one
/// must be looked at. Groups that begin and are due are put into `begun` instead of rows, if there is one.
pub(crate) fn place(
    core: &Core,
    tx: &mut Tx<'_>,
    moved: &[Moved],
    begun: Option<&mut Vec<Begun>>,
    now: Time,
) -> Result<Option<Time>> {
    let concerned: Vec<&Moved> = moved.iter().filter(|it| it.concerns_routing()).collect();
    if concerned.is_empty() {
        return Ok(None);
    }
    let mut rings = ring_members(core, tx, &concerned, now)?;
    let to_place: Vec<&Incident> =
        concerned.iter().filter(|it| needs_placing(it)).map(|it| &it.after).collect();
    let (joined, first_due) = join(core, tx, &to_place, begun, now)?;
    rings.extend(joined);
    store::groups::ring(tx, &rings)?;
    Ok(rings.iter().map(|(_, due)| *due).chain(first_due).min())
}

/// Groups that know an incident already hear of whatever happens to it, even when its route would be
/// another one now: who was told that it began shall be told that it is over.
fn ring_members(core: &Core, tx: &mut Tx<'_>, moved: &[&Moved], now: Time) -> Result<Vec<(Id, Time)>> {
    let live = core.live();
    let known: Vec<&&Moved> = moved.iter().filter(|it| it.before.is_some()).collect();
    let ids: Vec<Id> = known.iter().map(|it| it.after.id).collect();
    let groups = store::groups::of_incidents(tx, &ids)?;
    leave_old_groups(core, tx, &known, &groups)?;
    note_flapping(core, tx, &known, &groups, now)?;
    let rings = groups.into_iter().map(|(place, group)| {
        // a route that is gone has no timing any more; the group is looked at, and ends, at once
        let due = live
            .rules
            .route(&group.route, &group.receiver)
            .map_or(now, |route| group.clock.due_for_news(&route.timing, known[place].after.started_at, now));
        (group.id, due)
    });
    Ok(rings.collect())
}

/// A line in the ledger for each change of what flaps that is not told for that reason.
fn note_flapping(
    core: &Core,
    tx: &mut Tx<'_>,
    moved: &[&&Moved],
    groups: &[(usize, GroupRow)],
    now: Time,
) -> Result<()> {
    let live = core.live();
    let mut lines = Vec::new();
    for (place, group) in groups {
        let it = moved[*place];
        let flapped = it.before.as_ref().is_some_and(Incident::is_flapping) && it.after.is_flapping();
        let Some(since) = it.after.flap.since.filter(|_| flapped) else { continue };
        let Some(route) = live.rules.route(&group.route, &group.receiver) else { continue };
        if live.rules.on_flapping(route) == OnFlapping::Notify {
            continue;
        }
        for kind in it.changes.iter().map(|change| change.kind).filter(|kind| kind.concerns_routing()) {
            let detail = format!("{} is not told to {}: flapping since {since}", kind.name(), group.receiver);
            lines.push(untold(core, it.after.id, detail, live.version, now));
        }
    }
    store::ledger::write(tx, &lines)
}

/// An incident whose labels or severity have changed may belong to other groups now. In those that it does
/// not belong to any more it stays only for its end to be told, and only if its beginning was.
fn leave_old_groups(
    core: &Core,
    tx: &mut Tx<'_>,
    moved: &[&&Moved],
    groups: &[(usize, GroupRow)],
) -> Result<()> {
    let live = core.live();
    let mut left = Vec::new();
    for (place, group) in groups {
        let it = moved[*place];
        let changed = |kind| matches!(kind, ChangeKind::Updated | ChangeKind::SeverityChanged);
        if !it.after.is_active() || !it.changes.iter().any(|change| changed(change.kind)) {
            continue;
        }
        let routes = live.rules.root.find(&it.after.labels, it.after.severity);
        let belongs = routes.iter().any(|route| {
            let key = || route.group_key(&route.group_labels(&it.after.labels));
            route.receiver == group.receiver && route.path == group.route && key() == group.group_key
        });
        if !belongs {
            left.push((group.id, it.after.id));
        }
    }
    store::groups::move_away(tx, &left)
}

fn needs_placing(moved: &Moved) -> bool {
    let moves = |kind| {
        matches!(
            kind,
            ChangeKind::Opened
                | ChangeKind::Reopened
                | ChangeKind::SeverityChanged
                | ChangeKind::Updated
                | ChangeKind::Alerted
        )
    };
    moved.after.is_active() && moved.changes.iter().any(|change| moves(change.kind))
}

/// Groups that must be looked at, and when; and when the first of those that have just begun must be.
pub(crate) type Joined = (Vec<(Id, Time)>, Option<Time>);

/// Puts active incidents into the groups of their routes.
pub(crate) fn join(
    core: &Core,
    tx: &mut Tx<'_>,
    incidents: &[&Incident],
    due_at_once: Option<&mut Vec<Begun>>,
    now: Time,
) -> Result<Joined> {
    let live = core.live();
    let mut wanted: Vec<(String, &Route, &Incident)> = Vec::with_capacity(incidents.len());
    for incident in incidents {
        for route in live.rules.root.find(&incident.labels, incident.severity) {
            wanted.push((route.group_key(&route.group_labels(&incident.labels)), route, incident));
        }
    }
    let mut keys: Vec<(&str, &str)> =
        wanted.iter().map(|(key, route, _)| (route.receiver.as_str(), key.as_str())).collect();
    keys.sort_unstable();
    keys.dedup();
    let found = store::groups::by_keys(tx, &keys)?;
    let groups: HashMap<(&str, &str), GroupRow> =
        found.into_iter().map(|(place, group)| (keys[place], group)).collect();
    let mut begun: HashMap<(&str, &str), Begun> = HashMap::new();
    let (mut members, mut rings) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (key, route, incident) in &wanted {
        let name = (route.receiver.as_str(), key.as_str());
        if let Some(group) = groups.get(&name) {
            members.push((group.id, incident.id));
            // what has not gathered yet goes on gathering; what is urgent does not wait for a tick
            let at_once = group.clock.ticked_at.is_some() && live.rules.is_urgent(&incident.labels);
            let due = || group.clock.due_for_news(&route.timing, incident.started_at, now);
            rings.push((group.id, if at_once { now } else { due() }));
            continue;
        }
        let fresh = || Begun { group: begin(core, key, route, incident, now), members: Vec::new() };
        let Begun { group, members } = begun.entry(name).or_insert_with(fresh);
        let due = group.clock.due_for_news(&route.timing, incident.started_at, now);
        group.due_at = group.due_at.min(Some(due));
        members.push((*incident).clone());
    }
    let mut begun: Vec<Begun> = begun.into_values().collect();
    // ids ascend in the order of arrival; rows are appended in theirs
    begun.sort_unstable_by_key(|it| it.group.id);
    let mut later = Vec::new();
    match due_at_once {
        Some(at_once) => {
            for it in begun {
                let is_due = it.group.due_at.is_some_and(|due| due <= now);
                if is_due { at_once.push(it) } else { later.push(it) }
            }
        }
        None => later = begun,
    }
    write_begun(tx, &later)?;
    store::groups::join(tx, &members)?;
    Ok((rings, later.iter().filter_map(|it| it.group.due_at).min()))
}

/// Writes groups that begin, and that nothing was told of yet.
pub(crate) fn write_begun(tx: &mut Tx<'_>, begun: &[Begun]) -> Result<()> {
    store::groups::insert(tx, begun.iter().map(|it| &it.group))?;
    let members = begun.iter().flat_map(|it| it.members.iter().map(|incident| (it.group.id, incident.id)));
    store::groups::join(tx, &members.collect::<Vec<_>>())
}

/// Like [`join`], for incidents that have not moved: rings only the groups that they are new in.
pub(crate) fn join_anew(
    core: &Core,
    tx: &mut Tx<'_>,
    incidents: &[&Incident],
    now: Time,
) -> Result<Vec<(Id, Time)>> {
    let ids: Vec<Id> = incidents.iter().map(|it| it.id).collect();
    let had: HashSet<(Id, Id)> = store::groups::of_incidents(tx, &ids)?
        .into_iter()
        .map(|(place, group)| (group.id, ids[place]))
        .collect();
    let mut rings = Vec::new();
    for incident in incidents {
        let (joined, _) = join(core, tx, &[*incident], None, now)?;
        rings.extend(joined.into_iter().filter(|(group, _)| !had.contains(&(*group, incident.id))));
    }
    Ok(rings)
}

fn begin(core: &Core, key: &str, route: &Route, incident: &Incident, now: Time) -> GroupRow {
    let clock = model::group::Group::default();
    GroupRow {
        id: core.id(now),
        route: route.path.clone(),
        receiver: route.receiver.clone(),
        group_key: key.to_owned(),
        labels: route.group_labels(&incident.labels),
        clock,
        due_at: Some(clock.due_for_news(&route.timing, incident.started_at, now)),
    }
}
