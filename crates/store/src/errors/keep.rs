//! Keeping errors within their bounds: what is old goes, and of what is too much, that which there is plenty of.

use std::time::Duration;

use model::{Id, Time};

use super::{HOUR, forget_issue};
use crate::db::Tx;
use crate::error::Result;

/// What a project keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// Events.
    pub events: i64,
    /// Their bytes.
    pub bytes: i64,
}

/// An issue, and how much of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plenty {
    /// The issue.
    pub issue: Id,
    /// How much.
    pub weight: Weight,
    /// The first hour of which anything is kept.
    pub since_hour: i64,
}

/// How much a project keeps, by what was counted.
///
/// # Errors
/// When the database is gone.
pub fn weigh(tx: &mut Tx<'_>, project: i64) -> Result<Weight> {
    let sql = "SELECT CAST(COALESCE(SUM(h.kept), 0) AS BIGINT), CAST(COALESCE(SUM(h.bytes), 0) AS BIGINT) \
               FROM issues i JOIN issue_hours h ON h.issue_id = i.id WHERE i.project_id = $1";
    let found =
        tx.query_one(sql, &[project.into()], |row| Ok(Weight { events: row.int(0)?, bytes: row.int(1)? }))?;
    Ok(found.unwrap_or_default())
}

/// Bytes of the texts that errors of a project are compressed against.
///
/// # Errors
/// When the database is gone.
pub fn weigh_bases(tx: &mut Tx<'_>, project: i64) -> Result<i64> {
    let sql = "SELECT CAST(COALESCE(SUM(LENGTH(body)), 0) AS BIGINT) FROM error_bases WHERE project_id = $1";
    Ok(tx.query_one(sql, &[project.into()], |row| row.int(0))?.unwrap_or_default())
}

/// Forgets what a project was heard of before a time and not since: what it sent by the hour, releases and
/// environments, and words about errors that never came. Words about errors that have come meanwhile are put to them.
///
/// # Errors
/// When the database is gone or full.
pub fn sweep_project(tx: &mut Tx<'_>, project: i64, since: Time) -> Result<()> {
    tx.execute(
        "UPDATE error_feedback SET issue_id = (SELECT e.issue_id FROM error_events e \
         WHERE e.event_key = error_feedback.event_key LIMIT 1) \
         WHERE project_id = $1 AND issue_id IS NULL AND event_key IS NOT NULL",
        &[project.into()],
    )?;
    let hour = since.0 / HOUR;
    tx.execute(
        "DELETE FROM project_hours WHERE project_id = $1 AND hour < $2",
        &[project.into(), hour.into()],
    )?;
    for sql in [
        "DELETE FROM project_seen WHERE project_id = $1 AND last_seen < $2",
        "DELETE FROM error_feedback WHERE project_id = $1 AND issue_id IS NULL AND at < $2",
    ] {
        tx.execute(sql, &[project.into(), since.into()])?;
    }
    Ok(())
}

/// Issues of a project by how much of them is kept, the most first.
///
/// # Errors
/// When the database is gone.
pub fn plenty(tx: &mut Tx<'_>, project: i64) -> Result<Vec<Plenty>> {
    let sql = "SELECT i.id, CAST(SUM(h.kept) AS BIGINT), CAST(SUM(h.bytes) AS BIGINT), MIN(h.hour) \
               FROM issues i JOIN issue_hours h ON h.issue_id = i.id \
               WHERE i.project_id = $1 AND h.kept > 0 GROUP BY i.id";
    let mut found = tx.query(sql, &[project.into()], |row| {
        let weight = Weight { events: row.int(1)?, bytes: row.int(2)? };
        Ok(Plenty { issue: row.id(0)?, weight, since_hour: row.int(3)? })
    })?;
    found.sort_by_key(|it| std::cmp::Reverse(it.weight.events));
    Ok(found)
}

/// Forgets the oldest events of an issue, at most `limit`, and none that arrived at or after a time; the newest one
/// stays whatever happens. Returns how much went.
///
/// # Errors
/// When the database is gone or full.
pub fn evict(tx: &mut Tx<'_>, issue: Id, before: Time, limit: i64) -> Result<Weight> {
    let sql = "SELECT MAX(id) FROM error_events WHERE issue_id = $1";
    let Some(last) = tx.query_one(sql, &[issue.into()], |row| row.opt_int(0))?.flatten() else {
        // nothing is there: nothing is counted, either
        tx.execute("UPDATE issue_hours SET kept = 0, bytes = 0 WHERE issue_id = $1", &[issue.into()])?;
        return Ok(Weight::default());
    };
    let sql = "SELECT id, LENGTH(body) FROM error_events WHERE issue_id = $1 AND id < $2 AND id < $3 \
               ORDER BY id LIMIT $4";
    let sql = if tx.engine() == crate::Engine::Postgres {
        sql.replace("LENGTH(body)", "CAST(LENGTH(body) AS BIGINT)")
    } else {
        sql.to_owned()
    };
    let values = [issue.into(), last.into(), Id::first_at(before).into(), limit.into()];
    let going = tx.query(&sql, &values, |row| Ok((row.id(0)?, row.int(1)?)))?;
    let (mut gone, mut hours) = (Weight::default(), std::collections::BTreeMap::<i64, Weight>::new());
    for (id, bytes) in &going {
        let hour = hours.entry(id.made_at().0 / HOUR).or_default();
        hour.events += 1;
        hour.bytes += bytes;
        gone.events += 1;
        gone.bytes += bytes;
    }
    tx.execute_many("DELETE FROM error_events WHERE id = $1", &going, |(id, _)| [(*id).into()])?;
    let sql = "UPDATE issue_hours SET kept = kept - $1, bytes = bytes - $2 WHERE issue_id = $3 AND hour = $4";
    tx.execute_many(sql, &hours.into_iter().collect::<Vec<_>>(), |(hour, weight)| {
        [weight.events.into(), weight.bytes.into(), issue.into(), (*hour).into()]
    })?;
    Ok(gone)
}

/// Forgets all events of an issue.
///
/// # Errors
/// When the database is gone or full.
pub fn forget_events(tx: &mut Tx<'_>, issue: Id) -> Result<u64> {
    tx.execute("DELETE FROM error_events WHERE issue_id = $1", &[issue.into()])
}

/// How long a node may go on compressing against a text after there is a newer one, with room to spare.
const BASES_OVERLAP: Duration = Duration::from_secs(2 * 3600);

/// Forgets texts that nothing is compressed against any more: those whose issue is gone, and those that were replaced
/// so long before the oldest event that is kept that it cannot need them. At most `limit` are looked at, after an id.
/// Returns the last one that was looked at; `None`: there are no more.
///
/// # Errors
/// When the database is gone or full.
pub fn sweep_bases(tx: &mut Tx<'_>, after: Id, limit: i64) -> Result<Option<Id>> {
    let sql = "SELECT b.id, (SELECT MIN(o.id) FROM error_bases o WHERE o.project_id = b.project_id \
               AND o.hash = b.hash AND o.id > b.id), h.issue_id, \
               (SELECT MIN(e.id) FROM error_events e WHERE e.issue_id = h.issue_id) \
               FROM error_bases b LEFT JOIN issue_hashes h ON h.project_id = b.project_id AND h.hash = b.hash \
               WHERE b.id > $1 ORDER BY b.id LIMIT $2";
    let found = tx.query(sql, &[after.into(), limit.into()], |row| {
        let (newer, issue) = (row.opt_int(1)?.map(Id), row.opt_int(2)?.unwrap_or(0));
        Ok((row.id(0)?, newer, issue, row.opt_int(3)?.map(Id)))
    })?;
    let unneeded = found.iter().filter(|(_, newer, issue, oldest)| match (newer, oldest) {
        _ if *issue == 0 => true,
        (Some(newer), Some(oldest)) => oldest.made_at() > newer.made_at() + BASES_OVERLAP,
        (Some(_), None) => true,
        (None, _) => false,
    });
    let unneeded: Vec<Id> = unneeded.map(|(id, ..)| *id).collect();
    tx.execute_many("DELETE FROM error_bases WHERE id = $1", &unneeded, |id| [(*id).into()])?;
    Ok(found.last().map(|(id, ..)| *id))
}

/// Of tags of an issue with more values than `most`, the rarest go.
///
/// # Errors
/// When the database is gone or full.
pub fn trim_tags(tx: &mut Tx<'_>, issue: Id, most: i64) -> Result<u64> {
    let count = "SELECT COUNT(*) FROM issue_tags WHERE issue_id = $1";
    let count = tx.query_one(count, &[issue.into()], |row| row.int(0))?.unwrap_or(0);
    if count <= most {
        return Ok(0);
    }
    let sql = "DELETE FROM issue_tags WHERE issue_id = $1 AND times <= (SELECT times FROM issue_tags \
               WHERE issue_id = $1 ORDER BY times DESC LIMIT 1 OFFSET $2)";
    tx.execute(sql, &[issue.into(), (most / 2).into()])
}

/// Projects that were deleted, and of which something is still there.
///
/// # Errors
/// When the database is gone.
pub fn gone_projects(tx: &mut Tx<'_>) -> Result<Vec<i64>> {
    tx.query("SELECT id FROM projects WHERE gone_at IS NOT NULL ORDER BY id", &[], |row| row.int(0))
}

/// Forgets a part of a project that was deleted; returns how many rows went, zero when nothing was left and the project
/// itself is gone, too. Its incidents are resolved, and go as others do.
///
/// # Errors
/// When the database is gone or full.
pub fn forget_project(tx: &mut Tx<'_>, project: i64, at: Time, limit: i64) -> Result<u64> {
    let sql = "SELECT id FROM issues WHERE project_id = $1 ORDER BY id LIMIT $2";
    let issues = tx.query(sql, &[project.into(), limit.into()], |row| row.id(0))?;
    if let Some(first) = issues.first() {
        let sql = "DELETE FROM error_events WHERE id IN (SELECT id FROM error_events WHERE issue_id = $1 \
                   ORDER BY id LIMIT $2)";
        let gone = tx.execute(sql, &[(*first).into(), limit.into()])?;
        if gone > 0 {
            return Ok(gone);
        }
        forget_issue(tx, *first)?;
        crate::incidents::set_aside(tx, &[*first], at)?;
        return Ok(1);
    }
    if let Some(bundle) = crate::artifacts::any_of(tx, project)? {
        return crate::artifacts::forget(tx, bundle);
    }
    for sql in [
        "DELETE FROM error_bases WHERE project_id = $1",
        "DELETE FROM error_feedback WHERE project_id = $1",
        "DELETE FROM issue_hashes WHERE project_id = $1",
        "DELETE FROM project_seen WHERE project_id = $1",
        "DELETE FROM project_hours WHERE project_id = $1",
        "DELETE FROM projects WHERE id = $1",
    ] {
        tx.execute(sql, &[project.into()])?;
    }
    Ok(0)
}
