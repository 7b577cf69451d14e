//! Which of the groups that are due one transaction tells: as many as it has room for, and the others
//! although one of them cannot be told.

use std::time::Duration;

use model::{Id, Time};
use store::groups::{GroupRow, MemberRow};
use store::{Readable, Result, Tx};

use super::{Tick, tell_all, update};
use crate::core::Core;
use crate::incident::readable;

/// Groups that one transaction looks at at the most.
pub(crate) const GROUPS_PER_TICK: i64 = 256;
/// Up to so many members a group is small, and read without being counted first.
const FEW: i64 = 16;
/// Members of larger groups that are told beside something else, at the most.
pub(super) const MEMBERS_BESIDE: i64 = 512;
/// Members of larger groups that one run of the steps tells. A group that has more is told in one piece: what
/// it says must be true of all of it at one moment.
const MEMBERS_PER_RUN: i64 = 8192;
/// How long a group that cannot be told is put off.
const PUT_OFF: Duration = Duration::from_secs(60);

/// What a tick may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Little: it rides in an accept or a person's verb, for which others wait. What is large is left to the
    /// next run.
    Little,
    /// Much: it is a run of the steps.
    Much,
}

/// Tells the groups that are due, as far as there is room.
pub(crate) fn tick(core: &Core, tx: &mut Tx<'_>, room: Room, now: Time) -> Result<Tick> {
    let due = store::groups::due(tx, now, GROUPS_PER_TICK)?;
    let Some(first) = due.first() else { return Ok(Tick::default()) };
    if let Some(oldest) = first.due_at {
        core.counters.tell_lag(u64::try_from(now.since(oldest).as_micros()).unwrap_or(u64::MAX));
    }
    let mut tick = halving(core, tx, &due, room, now)?;
    if due.len() as i64 == GROUPS_PER_TICK {
        tick.due = Some(now);
    }
    if !tick.rung.is_empty() || tick.due.is_some_and(|due| due <= now) {
        core.ring_others(tx, now)?;
    }
    Ok(tick)
}

/// Tells these groups together. When that fails, the first half of them, and so on: the next run takes the
/// rest, and what is left in the end is the one group that cannot be told, which is put off.
fn halving(core: &Core, tx: &mut Tx<'_>, mut due: &[GroupRow], room: Room, now: Time) -> Result<Tick> {
    let all = due.len();
    loop {
        let error = match tx.part(|tx| some(core, tx, due, room, now))? {
            Ok(tick) if due.len() == all => return Ok(tick),
            Ok(tick) => return Ok(Tick { due: Some(now), ..tick }),
            Err(error) => error,
        };
        core.forget();
        core.counters.failures.add("tell", 1);
        match due {
            _ if room == Room::Little => {
                tracing::warn!(%error, "groups could not be told with what was accepted");
                return Ok(Tick { due: Some(now), ..Tick::default() });
            }
            [group] => {
                tracing::error!(%error, group = group.group_key, "a group cannot be told, and is put off");
                store::groups::tick(tx, &[(group.id, group.clock, Some(now + PUT_OFF))])?;
                return Ok(Tick { due: Some(now), ..Tick::default() });
            }
            _ => due = &due[..due.len() / 2],
        }
    }
}

fn some(core: &Core, tx: &mut Tx<'_>, due: &[GroupRow], room: Room, now: Time) -> Result<Tick> {
    let ids: Vec<Id> = due.iter().map(|group| group.id).collect();
    let (members, left) = members(tx, &ids, room)?;
    let (mut groups, mut readable_members) = (Vec::new(), Vec::new());
    for (group, rows) in due.iter().zip(members) {
        if let Some(rows) = rows {
            groups.push(group);
            readable_members.push(readable(core, tx, rows.into_iter(), now)?);
        }
    }
    let mut tick = tell_all(core, tx, &groups, &readable_members, update, now)?;
    if left {
        tick.due = Some(now);
    }
    Ok(tick)
}

type Members = Vec<Readable<MemberRow>>;

/// The members of groups, as far as there is room for them: all small groups, and larger ones in their order.
/// The second half of the answer says whether some are left for another time.
fn members(tx: &mut Tx<'_>, groups: &[Id], room: Room) -> Result<(Vec<Option<Members>>, bool)> {
    let mut all: Vec<Option<Members>> = groups.iter().map(|_| Some(Members::new())).collect();
    for (place, row) in store::groups::first_members(tx, groups, FEW + 1)? {
        all[place].get_or_insert_default().push(row);
    }
    let large = |rows: &Option<Members>| rows.as_ref().is_some_and(|rows| rows.len() as i64 > FEW);
    let (most, mut whatever_size) = match room {
        Room::Little => (MEMBERS_BESIDE, false),
        Room::Much => (MEMBERS_PER_RUN, true),
    };
    let (mut free, mut left) = (most, false);
    for (rows, group) in all.iter_mut().zip(groups).filter(|(rows, _)| large(rows)) {
        if !left {
            free -= store::groups::count_members(tx, *group, free + 1)?;
            left = free < 0 && !whatever_size;
        }
        *rows = match left {
            true => None,
            false => {
                let rows = store::groups::first_members(tx, &[*group], i64::MAX)?;
                Some(rows.into_iter().map(|(_, row)| row).collect())
            }
        };
        whatever_size = false;
        free = free.max(0);
    }
    Ok((all, left))
}
