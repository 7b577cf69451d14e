//! Rules as they were, versions of things, and the inhibitors that the rules make.

use model::inhibition::Inhibition;
use model::{Id, Incident, Time};

use crate::db::{Tx, Value};
use crate::error::Result;

/// Keeps the rules in force if they are not the ones kept last. Returns their version and whether they are
/// new.
///
/// # Errors
/// When the database is gone or full.
pub fn keep(tx: &mut Tx<'_>, rules: &str, at: Time) -> Result<(i64, bool)> {
    let last =
        tx.query_one("SELECT version, rules FROM rules ORDER BY version DESC LIMIT 1", &[], |row| {
            Ok((row.int(0)?, row.string(1)?))
        })?;
    let version = match last {
        Some((version, text)) if text == rules => return Ok((version, false)),
        Some((version, _)) => version + 1,
        None => 1,
    };
    let sql = "INSERT INTO rules (version, at, rules) VALUES ($1, $2, $3)";
    tx.execute(sql, &[version.into(), at.into(), Value::Text(rules)])?;
    Ok((version, true))
}

/// The rules of this version, as they were kept.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, version: i64) -> Result<Option<String>> {
    tx.query_one("SELECT rules FROM rules WHERE version = $1", &[version.into()], |row| row.string(0))
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

/// Puts active incidents on the list of what can inhibit others, or takes those that are over off it.
///
/// # Errors
/// When the database is gone or full.
pub fn list_inhibitors(tx: &mut Tx<'_>, inhibitions: &[Inhibition], incidents: &[&Incident]) -> Result<()> {
    for inhibition in inhibitions {
        let rule = inhibition.fingerprint();
        let sources = incidents.iter().filter(|it| inhibition.is_source(&it.labels));
        let (on, off): (Vec<_>, Vec<_>) =
            sources.map(|it| (inhibition.equal_hash(&it.labels), *it)).partition(|(_, it)| it.is_active());
        let sql = "INSERT INTO inhibitors (rule, equal_hash, incident_id) VALUES ($1, $2, $3) \
                   ON CONFLICT (rule, equal_hash, incident_id) DO NOTHING";
        tx.execute_many(sql, &on, |(hash, it)| [rule.into(), (*hash).into(), it.id.into()])?;
        let sql = "DELETE FROM inhibitors WHERE rule = $1 AND equal_hash = $2 AND incident_id = $3";
        tx.execute_many(sql, &off, |(hash, it)| [rule.into(), (*hash).into(), it.id.into()])?;
    }
    Ok(())
}

/// Incidents that may inhibit others under a rule, for each hash; with the hash's place in `hashes`. Some
/// at the most for each: one that really does is enough.
///
/// # Errors
/// When the database is gone.
pub fn inhibitors(tx: &mut Tx<'_>, rule: i64, hashes: &[i64]) -> Result<Vec<(usize, Id)>> {
    let sql = "SELECT incident_id FROM inhibitors WHERE rule = $1 AND equal_hash = $2 LIMIT 100";
    tx.query_many(sql, hashes, |hash| [rule.into(), (*hash).into()], |place, row| Ok((place, row.id(0)?)))
}

/// Empties the list of inhibitors, to be made anew under other rules.
///
/// # Errors
/// When the database is gone.
pub fn clear_inhibitors(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute("DELETE FROM inhibitors", &[])?;
    Ok(())
}
