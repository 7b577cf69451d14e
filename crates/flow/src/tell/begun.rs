//! Groups that begin and are due at once are told before they have rows, and written once, as they are after
//! that.

use std::collections::{HashMap, HashSet};

use model::group::Told;
use model::{Id, Time};
use store::groups::{GroupRow, MemberRow};
use store::{Result, Tx};

use super::due::MEMBERS_BESIDE;
use super::{GROUPS_PER_TICK, Plan, Tick, tell_all};
use crate::core::Core;
use crate::route::{Begun, write_begun};

/// Tells groups that have just begun, as far as there is room beside what others wait for. The rest, and what
/// cannot be told, becomes rows for the next run.
pub(crate) fn tell_begun(core: &Core, tx: &mut Tx<'_>, mut begun: Vec<Begun>, now: Time) -> Result<Tick> {
    if begun.is_empty() {
        return Ok(Tick::default());
    }
    let left = begun.split_off(begun.len().min(most(&begun)));
    write_begun(tx, &left)?;
    let (groups, members): (Vec<GroupRow>, Vec<Vec<MemberRow>>) = begun.into_iter().map(rows).unzip();
    let due: Vec<&GroupRow> = groups.iter().collect();
    let told = tx
        .part(|tx| tell_all(core, tx, &due, &members, |tx, plan| insert(tx, plan, &groups, &members), now))?;
    let mut tick = match told {
        Ok(tick) => tick,
        Err(error) => {
            core.forget();
            core.counters.failures.add("tell", 1);
            tracing::warn!(%error, "groups that begin could not be told with what was accepted");
            insert(tx, &Plan::default(), &groups, &members)?;
            Tick { due: Some(now), ..Tick::default() }
        }
    };
    if !left.is_empty() {
        tick.due = Some(now);
    }
    Ok(tick)
}

/// How many of these groups are told now.
fn most(begun: &[Begun]) -> usize {
    let mut members = 0;
    let fits = |it: &&Begun| {
        members += it.members.len() as i64;
        members <= MEMBERS_BESIDE
    };
    begun.iter().take(GROUPS_PER_TICK as usize).take_while(fits).count()
}

fn rows(begun: Begun) -> (GroupRow, Vec<MemberRow>) {
    let row = |incident| MemberRow { told: Told::Nothing, hold: String::new(), incident };
    (begun.group, begun.members.into_iter().map(row).collect())
}

/// Writes groups and members as the plan leaves them.
fn insert(tx: &mut Tx<'_>, plan: &Plan, groups: &[GroupRow], members: &[Vec<MemberRow>]) -> Result<()> {
    let ended: HashSet<Id> = plan.ended.iter().copied().collect();
    let clocks: HashMap<Id, _> = plan.clocks.iter().map(|(id, clock, due)| (*id, (*clock, *due))).collect();
    let stay = || groups.iter().zip(members).filter(|(group, _)| !ended.contains(&group.id));
    let ticked = |group: &GroupRow| {
        let (clock, due_at) = clocks.get(&group.id).copied().unwrap_or((group.clock, group.due_at));
        GroupRow { clock, due_at, ..group.clone() }
    };
    let rows: Vec<GroupRow> = stay().map(|(group, _)| ticked(group)).collect();
    store::groups::insert(tx, &rows)?;
    let changes: HashMap<(Id, Id), _> =
        plan.members.iter().map(|it| ((it.group, it.incident), &it.now)).collect();
    let mut joined = Vec::with_capacity(members.len());
    for (group, members) in stay() {
        for row in members {
            match changes.get(&(group.id, row.incident.id)) {
                Some(Some((told, hold))) => joined.push((group.id, row.incident.id, *told, hold.as_str())),
                Some(None) => {}
                None => joined.push((group.id, row.incident.id, row.told, row.hold.as_str())),
            }
        }
    }
    store::groups::join_told(tx, &joined)
}
