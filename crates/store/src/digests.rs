//! Digests: what is collected for somebody's destination, to be told all at once.

use model::{Id, Time};

use crate::db::{Tx, Value};
use crate::error::Result;

/// Collects an incident for a destination. It is due with what has been collected there already, at `due_at` at the
/// latest; returns when.
///
/// # Errors
/// When the database is gone or full.
pub fn collect(tx: &mut Tx<'_>, place: &str, incident: Id, due_at: Time) -> Result<Time> {
    let sql = "SELECT MIN(due_at) FROM digests WHERE place = $1";
    let first = tx.query_one(sql, &[place.into()], |row| row.opt_time(0))?.flatten();
    let due_at = first.map_or(due_at, |first| first.min(due_at));
    let sql = "INSERT INTO digests (place, incident_id, due_at) VALUES ($1, $2, $3) \
               ON CONFLICT (place, incident_id) DO UPDATE SET due_at = excluded.due_at";
    tx.execute(sql, &[place.into(), incident.into(), due_at.into()])?;
    if first.is_some_and(|first| first > due_at) {
        tx.execute("UPDATE digests SET due_at = $1 WHERE place = $2", &[due_at.into(), Value::Text(place)])?;
    }
    Ok(due_at)
}

/// Takes what is due: destinations with their incidents, as many incidents as `limit`.
///
/// # Errors
/// When the database is gone.
pub fn take(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<(String, Id)>> {
    let sql =
        "SELECT place, incident_id FROM digests WHERE due_at <= $1 ORDER BY place, incident_id LIMIT $2";
    let due = tx.query(sql, &[at.into(), limit.into()], |row| Ok((row.string(0)?, row.id(1)?)))?;
    let sql = "DELETE FROM digests WHERE place = $1 AND incident_id = $2";
    tx.execute_many(sql, &due, |(place, incident)| [Value::Text(place), (*incident).into()])?;
    Ok(due)
}

/// When the next one is due.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    Ok(tx.query_one("SELECT MIN(due_at) FROM digests", &[], |row| row.opt_time(0))?.flatten())
}
