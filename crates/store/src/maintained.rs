//! What planned maintenance covered: incidents to which something happened in its time, until it is over for now.

use model::{Id, Time};

use crate::db::Tx;
use crate::error::Result;

/// Notes incidents that a maintenance covers: it, the incident, and when it is over for now.
///
/// # Errors
/// When the database is gone or full.
pub fn note(tx: &mut Tx<'_>, covered: &[(Id, Id, Time)]) -> Result<()> {
    let sql = "INSERT INTO maintained (maintenance, incident_id, due_at) VALUES ($1, $2, $3) \
               ON CONFLICT (maintenance, incident_id) DO UPDATE SET due_at = excluded.due_at";
    tx.execute_many(sql, covered, |(maintenance, incident, due)| {
        [(*maintenance).into(), (*incident).into(), (*due).into()]
    })?;
    Ok(())
}

/// Takes what is due: maintenance with its incidents, as many incidents as `limit`.
///
/// # Errors
/// When the database is gone.
pub fn take(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<(Id, Id)>> {
    let sql = "SELECT maintenance, incident_id FROM maintained WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
    let due = tx.query(sql, &[at.into(), limit.into()], |row| Ok((row.id(0)?, row.id(1)?)))?;
    let sql = "DELETE FROM maintained WHERE maintenance = $1 AND incident_id = $2";
    tx.execute_many(sql, &due, |(maintenance, incident)| [(*maintenance).into(), (*incident).into()])?;
    Ok(due)
}

/// A maintenance was changed: what it covers is looked at anew, here and in what is collected for people.
///
/// # Errors
/// When the database is gone or full.
pub fn ring(tx: &mut Tx<'_>, maintenance: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE maintained SET due_at = $1 WHERE maintenance = $2", &[at.into(), maintenance.into()])?;
    crate::digests::ring(tx, maintenance, at)
}

/// All of it is looked at anew, here and in what is collected for people: the hours that were worked out for it are
/// those of another clock.
///
/// # Errors
/// When the database is gone or full.
pub fn ring_all(tx: &mut Tx<'_>, at: Time) -> Result<()> {
    tx.execute("UPDATE maintained SET due_at = $1", &[at.into()])?;
    tx.execute("UPDATE digests SET due_at = $1 WHERE held_by <> 0", &[at.into()])?;
    Ok(())
}

/// When the next one is due.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    Ok(tx.query_one("SELECT MIN(due_at) FROM maintained", &[], |row| row.opt_time(0))?.flatten())
}
