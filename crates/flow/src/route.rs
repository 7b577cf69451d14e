//! Incidents that have moved are put into the groups of their routes, and those groups are rung.

use std::collections::{HashMap, HashSet};

use model::incident::ChangeKind;
use model::{Id, Incident, Route, Time};
use store::groups::GroupRow;
use store::{Result, Tx};

use crate::core::Core;
use crate::incident::Moved;

/// Finds the groups of what has moved, making new ones, and makes them due; returns the first time when one
/// must be looked at.
pub(crate) fn place(core: &Core, tx: &mut Tx<'_>, moved: &[Moved], now: Time) -> Result<Option<Time>> {
    let concerned: Vec<&Moved> = moved.iter().filter(|it| it.concerns_routing()).collect();
    if concerned.is_empty() {
        return Ok(None);
    }
    let mut rings = ring_members(core, tx, &concerned, now)?;
    let to_place: Vec<&Incident> =
        concerned.iter().filter(|it| needs_placing(it)).map(|it| &it.after).collect();
    let (joined, begun) = join(core, tx, &to_place, now)?;
    rings.extend(joined);
    store::groups::ring(tx, &rings)?;
    Ok(rings.iter().map(|(_, due)| *due).chain(begun).min())
}

/// Groups that know an incident already hear of whatever happens to it, even when its route would be
/// another one now: who was told that it began shall be told that it is over.
fn ring_members(core: &Core, tx: &mut Tx<'_>, moved: &[&Moved], now: Time) -> Result<Vec<(Id, Time)>> {
    let live = core.live();
    let known: Vec<&&Moved> = moved.iter().filter(|it| it.before.is_some()).collect();
    let ids: Vec<Id> = known.iter().map(|it| it.after.id).collect();
    let groups = store::groups::of_incidents(tx, &ids)?;
    leave_old_groups(core, tx, &known, &groups)?;
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
            ChangeKind::Opened | ChangeKind::Reopened | ChangeKind::SeverityChanged | ChangeKind::Updated
        )
    };
    moved.after.is_active() && moved.changes.iter().any(|change| moves(change.kind))
}

/// Groups that must be looked at, and when; and when the first of those that have just begun must be.
pub(crate) type Joined = (Vec<(Id, Time)>, Option<Time>);

/// Puts active incidents into the groups of their routes.
pub(crate) fn join(core: &Core, tx: &mut Tx<'_>, incidents: &[&Incident], now: Time) -> Result<Joined> {
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
    let mut begun: HashMap<(&str, &str), GroupRow> = HashMap::new();
    let (mut members, mut rings) = (Vec::with_capacity(wanted.len()), Vec::new());
    for (key, route, incident) in &wanted {
        let name = (route.receiver.as_str(), key.as_str());
        if let Some(group) = groups.get(&name) {
            members.push((group.id, incident.id));
            rings.push((group.id, group.clock.due_for_news(&route.timing, incident.started_at, now)));
            continue;
        }
        let fresh = || begin(core, key, route, incident, now);
        let group = begun.entry(name).or_insert_with(fresh);
        let due = group.clock.due_for_news(&route.timing, incident.started_at, now);
        group.due_at = group.due_at.min(Some(due));
        members.push((group.id, incident.id));
    }
    let mut begun: Vec<GroupRow> = begun.into_values().collect();
    // ids ascend in the order of arrival; rows are appended in theirs
    begun.sort_unstable_by_key(|group| group.id);
    store::groups::insert(tx, &begun)?;
    store::groups::join(tx, &members)?;
    Ok((rings, begun.iter().filter_map(|group| group.due_at).min()))
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
        let (joined, _) = join(core, tx, &[*incident], now)?;
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
