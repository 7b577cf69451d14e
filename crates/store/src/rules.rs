//! Rules as they were, versions of things, and the inhibitors that the rules make.

use model::inhibition::{Inhibition, Inhibitions};
use model::{Id, Incident, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// How a configuration came into force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// All of it as text without secrets; empty: it was never written.
    pub config: String,
    /// Who or what put it in force: `start`, `SIGHUP`, a name.
    pub by: String,
    /// What it changed, in words.
    pub summary: String,
    /// The version that it went back to; nothing: it is what the files say.
    pub rolled_back_to: Option<i64>,
}

/// A configuration that was put in force once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its number; greater ones came later.
    pub version: i64,
    /// When.
    pub at: Time,
    /// How. The configuration's text is left out of lists.
    pub applied: Applied,
}

/// Keeps rules and the configuration that they are of, if they are not the ones kept last. Returns their
/// version and whether they are new.
///
/// # Errors
/// When the database is gone or full.
pub fn keep(tx: &mut Tx<'_>, rules: &str, applied: &Applied, at: Time) -> Result<(i64, bool)> {
    let sql = "SELECT version, rules, config, rolled_back_to FROM rules ORDER BY version DESC LIMIT 1";
    let last =
        tx.query_one(sql, &[], |row| Ok((row.int(0)?, row.string(1)?, row.string(2)?, row.opt_int(3)?)))?;
    let version = match last {
        Some((version, text, config, rolled_back_to))
            if text == rules && config == applied.config && rolled_back_to == applied.rolled_back_to =>
        {
            return Ok((version, false));
        }
        Some((version, ..)) => version + 1,
        None => 1,
    };
    let sql = "INSERT INTO rules (version, at, rules, config, by_whom, summary, rolled_back_to) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    tx.execute(
        sql,
        &[
            version.into(),
            at.into(),
            Value::Text(rules),
            Value::Text(&applied.config),
            Value::Text(&applied.by),
            Value::Text(&applied.summary),
            applied.rolled_back_to.into(),
        ],
    )?;
    Ok((version, true))
}

/// The rules of this version, as they were kept.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, version: i64) -> Result<Option<String>> {
    tx.query_one("SELECT rules FROM rules WHERE version = $1", &[version.into()], |row| row.string(0))
}

/// The configuration of this version, with its text.
///
/// # Errors
/// When the database is gone.
pub fn kept(tx: &mut Tx<'_>, version: i64) -> Result<Option<Kept>> {
    let sql = "SELECT version, at, config, by_whom, summary, rolled_back_to FROM rules WHERE version = $1";
    tx.query_one(sql, &[version.into()], read_kept)
}

/// The configurations that are kept, without their texts, newest first.
///
/// # Errors
/// When the database is gone.
pub fn history(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Kept>> {
    let sql = "SELECT version, at, '', by_whom, summary, rolled_back_to FROM rules \
               ORDER BY version DESC LIMIT $1";
    tx.query(sql, &[limit.into()], read_kept)
}

fn read_kept(row: &Row<'_>) -> Result<Kept> {
    let applied = Applied {
        config: row.string(2)?,
        by: row.string(3)?,
        summary: row.string(4)?,
        rolled_back_to: row.opt_int(5)?,
    };
    Ok(Kept { version: row.int(0)?, at: row.time(1)?, applied })
}

/// The number of a thing that is remembered elsewhere; 0 before it ever changed.
///
/// # Errors
/// When the database is gone.
pub fn version(tx: &mut Tx<'_>, name: &str) -> Result<i64> {
    let found =
        tx.query_one("SELECT value FROM versions WHERE name = $1", &[name.into()], |row| row.int(0))?;
    Ok(found.unwrap_or(0))
}

/// Says that a thing has changed.
///
/// # Errors
/// When the database is gone or full.
pub fn bump(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    let sql = "INSERT INTO versions (name, value) VALUES ($1, 1) \
               ON CONFLICT (name) DO UPDATE SET value = versions.value + 1";
    tx.execute(sql, &[name.into()])?;
    Ok(())
}

/// Remembers a number under a name.
///
/// # Errors
/// When the database is gone or full.
pub fn set_version(tx: &mut Tx<'_>, name: &str, value: i64) -> Result<()> {
    let sql = "INSERT INTO versions (name, value) VALUES ($1, $2) \
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[name.into(), value.into()])?;
    Ok(())
}

/// Under which number a source is listed: one that is a target, too, is listed apart, since it cannot inhibit
/// its like.
fn listed_under(inhibition: &Inhibition, source_is_target: bool) -> i64 {
    inhibition.fingerprint().wrapping_add(i64::from(source_is_target))
}

/// Puts active incidents on the list of what can inhibit others, or takes those that are over off it.
///
/// # Errors
/// When the database is gone or full.
pub fn list_inhibitors(tx: &mut Tx<'_>, inhibitions: &Inhibitions, incidents: &[&Incident]) -> Result<()> {
    for (inhibition, sources) in inhibitions.sources(incidents) {
        let entry = |it: &&Incident| {
            let rule = listed_under(inhibition, inhibition.is_target(&it.labels));
            (rule, inhibition.equal_hash(&it.labels), it.id)
        };
        let (on, off): (Vec<_>, Vec<_>) = sources.into_iter().partition(|it| it.is_active());
        let sql = "INSERT INTO inhibitors (rule, equal_hash, incident_id) VALUES ($1, $2, $3) \
                   ON CONFLICT (rule, equal_hash, incident_id) DO NOTHING";
        let on: Vec<_> = on.iter().map(&entry).collect();
        tx.execute_many(sql, &on, |(rule, hash, id)| [(*rule).into(), (*hash).into(), (*id).into()])?;
        let sql = "DELETE FROM inhibitors WHERE rule = $1 AND equal_hash = $2 AND incident_id = $3";
        let off: Vec<_> = off.iter().map(&entry).collect();
        tx.execute_many(sql, &off, |(rule, hash, id)| [(*rule).into(), (*hash).into(), (*id).into()])?;
    }
    Ok(())
}

/// Incidents that may inhibit these targets under a rule, each with the target's place: a few for each, of
/// which one may be the target itself.
///
/// # Errors
/// When the database is gone.
pub fn inhibitors(
    tx: &mut Tx<'_>,
    inhibition: &Inhibition,
    targets: &[&Incident],
) -> Result<Vec<(usize, Id)>> {
    let mut asked = Vec::new();
    for (place, target) in targets.iter().enumerate() {
        let hash = inhibition.equal_hash(&target.labels);
        asked.push((place, listed_under(inhibition, false), hash));
        if !inhibition.is_source(&target.labels) {
            asked.push((place, listed_under(inhibition, true), hash));
        }
    }
    let sql = "SELECT incident_id FROM inhibitors WHERE rule = $1 AND equal_hash = $2 LIMIT 4";
    let found = |n: usize, row: &Row<'_>| Ok((asked[n].0, row.id(0)?));
    tx.query_many(sql, &asked, |(_, rule, hash)| [(*rule).into(), (*hash).into()], found)
}

/// Forgets sources of rules that are not in force any more.
///
/// # Errors
/// When the database is gone.
pub fn drop_other_inhibitors(tx: &mut Tx<'_>, inhibitions: &[Inhibition]) -> Result<()> {
    let kept: Vec<i64> =
        inhibitions.iter().flat_map(|it| [listed_under(it, false), listed_under(it, true)]).collect();
    let listed = tx.query("SELECT DISTINCT rule FROM inhibitors", &[], |row| row.int(0))?;
    let gone: Vec<i64> = listed.into_iter().filter(|rule| !kept.contains(rule)).collect();
    tx.execute_many("DELETE FROM inhibitors WHERE rule = $1", &gone, |rule| [(*rule).into()])?;
    Ok(())
}

/// Moves what the hub itself has set times for (ticks of groups, tries, pings) back with a clock that was set
/// back. Times that people and senders gave stay as they are.
///
/// # Errors
/// When the database is gone or full.
pub fn set_clocks_back(tx: &mut Tx<'_>, by: std::time::Duration) -> Result<()> {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    for sql in [
        "UPDATE groups SET due_at = due_at - $1, ticked_at = ticked_at - $1, told_at = told_at - $1",
        "UPDATE deliveries SET due_at = due_at - $1 WHERE state = 0",
        "UPDATE failovers SET due_at = due_at - $1",
        "UPDATE heartbeats SET due_at = due_at - $1",
        "UPDATE sources SET due_at = due_at - $1, last_seen = last_seen - $1",
        "UPDATE rings SET due_at = due_at - $1, paged_at = paged_at - $1",
        "UPDATE digests SET due_at = due_at - $1 WHERE held_by = 0",
    ] {
        tx.execute(sql, &[by.into()])?;
    }
    Ok(())
}

/// The newest version of the rules that any node has put in force; 0: none yet.
///
/// # Errors
/// When the database is gone.
pub fn newest(tx: &mut Tx<'_>) -> Result<i64> {
    let newest = tx.query_one("SELECT MAX(version) FROM rules", &[], |row| row.opt_int(0))?;
    Ok(newest.flatten().unwrap_or(0))
}
