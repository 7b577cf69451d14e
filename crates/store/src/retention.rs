//! Retention: forgets what is over and old, in small steps, oldest first.

use std::time::Duration;

use model::maintenance::Maintenance;
use model::{Id, Time};

use crate::db::{Engine, Tx};
use crate::definitions::{self, Kind};
use crate::error::Result;

/// What is kept at the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Incidents that ended before this time go, with all that belongs to them.
    pub resolved_since: Time,
    /// Events that only repeated what was known go earlier.
    pub repeats_since: Time,
    /// Lines of the audit log from before this time go.
    pub audit_since: Time,
    /// Resolved incidents beyond this number go, too; zero: no such limit.
    pub most_incidents: i64,
    /// Resolved incidents go, the oldest first, while the embedded database takes more bytes than this;
    /// zero: no such limit. A server's size says nothing about what deleting rows would free.
    pub most_bytes: i64,
    /// The newest configurations, which stay although nothing refers to them any more; at least one.
    pub configurations: i64,
}

/// Forgets at most `limit` incidents, and as many repeated events and other rows that have had their day;
/// returns how many rows went: zero when there is nothing left to do.
///
/// # Errors
/// When the database is gone.
pub fn sweep(tx: &mut Tx<'_>, keep: &Keep, limit: i64) -> Result<u64> {
    let mut gone = sweep_incidents(tx, keep, limit)?;
    // the oldest have the smallest ids: only so many are looked at, and none when those are not old enough
    for (sql, since) in [
        (
            "DELETE FROM events WHERE id IN (SELECT id FROM ( \
             SELECT id, arrived_at FROM events WHERE verdict = 'repeated' ORDER BY id LIMIT $1) AS oldest \
             WHERE arrived_at < $2)",
            keep.repeats_since,
        ),
        (
            "DELETE FROM events WHERE id IN (SELECT id FROM ( \
             SELECT id, arrived_at FROM events WHERE incident_id IS NULL AND verdict <> '' \
             ORDER BY id LIMIT $1) AS oldest WHERE arrived_at < $2)",
            keep.repeats_since,
        ),
        (
            "DELETE FROM inbox WHERE id IN (SELECT id FROM ( \
             SELECT id, at FROM inbox ORDER BY id LIMIT $1) AS oldest WHERE at < $2)",
            keep.resolved_since,
        ),
        (
            "DELETE FROM requests WHERE key IN (SELECT key FROM ( \
          SELECT key, at FROM requests ORDER BY at LIMIT $1) AS oldest WHERE at < $2)",
            keep.repeats_since,
        ),
        (
            "DELETE FROM silences WHERE id IN (SELECT id FROM ( \
          SELECT id, ends_at FROM silences ORDER BY ends_at LIMIT $1) AS oldest WHERE ends_at < $2)",
            keep.resolved_since,
        ),
    ] {
        gone += tx.execute(sql, &[limit.into(), since.into()])?;
    }
    gone += sweep_maintenance(tx, keep, limit)?;
    gone += crate::past::sweep(tx, keep.resolved_since, limit)?;
    gone += crate::audit::sweep(tx, keep.audit_since, limit)?;
    gone += crate::sessions::sweep(tx, keep.repeats_since, limit)?;
    gone += crate::invitations::sweep(tx, keep.resolved_since, limit)?;
    gone += crate::answers::sweep(tx, keep.resolved_since, limit)?;
    Ok(gone + sweep_tests(tx, keep, limit)? + sweep_rules(tx, keep, limit)? + sweep_nodes(tx, limit)?)
}

/// How long nodes may go by rules that have been replaced, at the most, while a change rolls out.
const ROLLING: Duration = Duration::from_secs(86_400);

/// Rules go when nothing that is kept can have been routed by them: all of it began after others had come into
/// force. The newest stay, to be looked at and gone back to.
fn sweep_rules(tx: &mut Tx<'_>, keep: &Keep, limit: i64) -> Result<u64> {
    let sql = "SELECT first_seen FROM incidents ORDER BY id LIMIT 1";
    let oldest = tx.query_one(sql, &[], |row| row.time(0))?;
    let since = oldest.map_or(keep.resolved_since, |oldest| oldest.min(keep.resolved_since)) - ROLLING;
    let sql = "DELETE FROM rules WHERE version IN (SELECT version FROM ( \
               SELECT version, (SELECT later.at FROM rules later WHERE later.version > rules.version \
                   ORDER BY later.version LIMIT 1) AS replaced \
               FROM rules ORDER BY version LIMIT $1) AS oldest WHERE replaced < $2) \
               AND version <= (SELECT MAX(version) FROM rules) - $3";
    tx.execute(sql, &[limit.into(), since.into(), keep.configurations.into()])
}

/// Maintenance that is over as long as incidents that are forgotten goes, too: nobody may delete it before.
fn sweep_maintenance(tx: &mut Tx<'_>, keep: &Keep, limit: i64) -> Result<u64> {
    let sql = "SELECT id, body FROM definitions WHERE kind = 'maintenance'";
    let all = tx.query(sql, &[], |row| Ok((row.id(0)?, row.json::<Maintenance>(1).ok())))?;
    let is_over = |it: Maintenance| it.ends_at.is_some_and(|end| end < keep.resolved_since);
    let over = all.into_iter().filter(|(_, it)| it.clone().is_some_and(is_over)).map(|(id, _)| id);
    let over: Vec<Id> = over.take(usize::try_from(limit).unwrap_or(0)).collect();
    for id in &over {
        definitions::delete(tx, Kind::Maintenance, *id, Time::MIN)?;
    }
    Ok(over.len() as u64)
}

/// Of the nodes' numbers only the greatest counts: the next one is made from it.
fn sweep_nodes(tx: &mut Tx<'_>, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM nodes WHERE id IN ( \
               SELECT id FROM nodes WHERE id < (SELECT MAX(id) FROM nodes) ORDER BY id LIMIT $1)";
    tx.execute(sql, &[limit.into()])
}

/// Test messages belong to no incident, and go by themselves. (A storm's summary belongs to no group, but to the
/// incidents that it tells of.)
fn sweep_tests(tx: &mut Tx<'_>, keep: &Keep, limit: i64) -> Result<u64> {
    let sql = "SELECT id FROM ( \
               SELECT id, settled_at FROM deliveries WHERE reason = 'test' \
               ORDER BY id LIMIT $1) AS oldest WHERE settled_at < $2";
    let old = tx.query(sql, &[limit.into(), keep.repeats_since.into()], |row| row.id(0))?;
    for sql in [
        "DELETE FROM attempts WHERE delivery_id = $1",
        "DELETE FROM messages WHERE delivery_id = $1",
        "DELETE FROM deliveries WHERE id = $1",
    ] {
        tx.execute_many(sql, &old, |id| [(*id).into()])?;
    }
    Ok(old.len() as u64)
}

/// Free pages that are left alone, since they will be used again soon: 4 MiB.
const SPARE_PAGES: i64 = 1024;
/// Pages that one step gives back to the system.
const PAGES_PER_STEP: i64 = 512;

/// Gives free pages of the embedded database back to the system; returns how many went.
///
/// # Errors
/// When the database is gone.
pub fn shrink(tx: &mut Tx<'_>) -> Result<u64> {
    if tx.engine() == Engine::Postgres {
        return Ok(0);
    }
    let free = pragma(tx, "PRAGMA freelist_count")?;
    let going = (free - SPARE_PAGES).clamp(0, PAGES_PER_STEP);
    if going > 0 {
        tx.query(&format!("PRAGMA incremental_vacuum({going})"), &[], |_| Ok(()))?;
    }
    // a file that was made without this mode keeps its pages
    Ok((free - pragma(tx, "PRAGMA freelist_count")?).unsigned_abs())
}

fn is_too_big(tx: &mut Tx<'_>, most_bytes: i64) -> Result<bool> {
    if most_bytes == 0 || tx.engine() == Engine::Postgres {
        return Ok(false);
    }
    let used = pragma(tx, "PRAGMA page_count")? - pragma(tx, "PRAGMA freelist_count")?;
    Ok(used * pragma(tx, "PRAGMA page_size")? > most_bytes)
}

fn pragma(tx: &mut Tx<'_>, sql: &str) -> Result<i64> {
    Ok(tx.query_one(sql, &[], |row| row.int(0))?.unwrap_or(0))
}

/// An incident goes with its events, timeline and deliveries, but not while a delivery that tells of it is
/// pending.
fn sweep_incidents(tx: &mut Tx<'_>, keep: &Keep, limit: i64) -> Result<u64> {
    let mut over = if is_too_big(tx, keep.most_bytes)? { limit } else { 0 };
    if keep.most_incidents > 0 {
        let count = "SELECT COUNT(*) FROM incidents WHERE state = 2 AND live = 0";
        let count = tx.query_one(count, &[], |row| row.int(0))?.unwrap_or(0);
        over = over.max(count - keep.most_incidents);
    }
    // not while a group has still to tell of it, nor while a message about it is on its way
    // an issue's goes after its errors
    let sql = "SELECT id, resolved_at FROM incidents WHERE state = 2 AND live = 0 \
               AND NOT EXISTS (SELECT 1 FROM issues x WHERE x.id = incidents.id) \
               AND NOT EXISTS (SELECT 1 FROM members m WHERE m.incident_id = incidents.id) \
               AND NOT EXISTS (SELECT 1 FROM told t JOIN deliveries d ON d.id = t.delivery_id \
                   WHERE t.incident_id = incidents.id AND d.state = 0) \
               ORDER BY resolved_at LIMIT $1";
    let oldest = tx.query(sql, &[limit.into()], |row| Ok((row.id(0)?, row.opt_time(1)?)))?;
    let mut over = usize::try_from(over).unwrap_or(0);
    let mut going = Vec::new();
    for (id, resolved_at) in oldest {
        let old = resolved_at.is_none_or(|at| at < keep.resolved_since);
        if old || over > 0 {
            over = over.saturating_sub(1);
            going.push(id);
        }
    }
    for sql in [
        // a delivery goes with the last incident that it tells of
        "DELETE FROM attempts WHERE delivery_id IN (SELECT t.delivery_id FROM told t WHERE t.incident_id = $1 \
         AND NOT EXISTS (SELECT 1 FROM told o WHERE o.delivery_id = t.delivery_id AND o.incident_id <> $1))",
        "DELETE FROM messages WHERE delivery_id IN (SELECT t.delivery_id FROM told t WHERE t.incident_id = $1 \
         AND NOT EXISTS (SELECT 1 FROM told o WHERE o.delivery_id = t.delivery_id AND o.incident_id <> $1))",
        "DELETE FROM deliveries WHERE id IN (SELECT t.delivery_id FROM told t WHERE t.incident_id = $1 \
         AND NOT EXISTS (SELECT 1 FROM told o WHERE o.delivery_id = t.delivery_id AND o.incident_id <> $1))",
        "DELETE FROM told WHERE incident_id = $1",
        "DELETE FROM changes WHERE incident_id = $1",
        "DELETE FROM events WHERE incident_id = $1 AND incident_id <> id",
        "DELETE FROM events WHERE id = $1",
        "DELETE FROM members WHERE incident_id = $1",
        "DELETE FROM escalations WHERE incident_id = $1",
        "DELETE FROM rings WHERE incident_id = $1",
        "DELETE FROM digests WHERE incident_id = $1",
        "DELETE FROM maintained WHERE incident_id = $1",
        "DELETE FROM incidents_past WHERE incident_id = $1",
        "DELETE FROM incidents WHERE id = $1",
    ] {
        tx.execute_many(sql, &going, |id| [(*id).into()])?;
    }
    Ok(going.len() as u64)
}
