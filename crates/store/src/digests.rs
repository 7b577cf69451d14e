//! What is collected for somebody's destination, to be told all at once: since they want digests, in their quiet hours,
//! or while a planned maintenance covers it.

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// Something that is collected for a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The destination, as deliveries call it.
    pub place: String,
    /// The incident.
    pub incident: Id,
    /// What keeps it back: a maintenance, or the hours of the person with this id; `Id(0)`: they want it collected.
    pub held_by: Id,
    /// Whether the first thing that was collected of it is that it began.
    pub began: bool,
}

/// Collects an incident for a destination. It is due with what has been collected there already for the same reason, at
/// `due_at` at the latest; returns when. What is collected of it already stays the first.
///
/// # Errors
/// When the database is gone or full.
pub fn collect(tx: &mut Tx<'_>, it: &Collected, due_at: Time) -> Result<Time> {
    let Collected { place, incident, held_by, began } = it;
    let same = [Value::Text(place), (*held_by).into()];
    let sql = "SELECT MIN(due_at) FROM digests WHERE place = $1 AND held_by = $2";
    let first = tx.query_one(sql, &same, |row| row.opt_time(0))?.flatten();
    let due_at = first.map_or(due_at, |first| first.min(due_at));
    let sql = "INSERT INTO digests (place, incident_id, due_at, held_by, began) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (place, incident_id) DO UPDATE SET due_at = excluded.due_at, held_by = excluded.held_by";
    let began = i64::from(*began).into();
    tx.execute(sql, &[Value::Text(place), (*incident).into(), due_at.into(), (*held_by).into(), began])?;
    if first.is_some_and(|first| first > due_at) {
        let sql = "UPDATE digests SET due_at = $1 WHERE place = $2 AND held_by = $3";
        tx.execute(sql, &[due_at.into(), Value::Text(place), (*held_by).into()])?;
    }
    Ok(due_at)
}

/// Takes what is due, by destination: as many incidents as `limit`.
///
/// # Errors
/// When the database is gone.
pub fn take(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<Collected>> {
    let sql = "SELECT place, incident_id, held_by, began FROM digests WHERE due_at <= $1 \
               ORDER BY place, incident_id LIMIT $2";
    let due = tx.query(sql, &[at.into(), limit.into()], read)?;
    let sql = "DELETE FROM digests WHERE place = $1 AND incident_id = $2";
    tx.execute_many(sql, &due, |it| [Value::Text(&it.place), it.incident.into()])?;
    Ok(due)
}

/// What waits of an incident: each with when it is due.
///
/// # Errors
/// When the database is gone.
pub fn of_incident(tx: &mut Tx<'_>, incident: Id) -> Result<Vec<(Collected, Time)>> {
    let sql = "SELECT place, incident_id, held_by, began, due_at FROM digests WHERE incident_id = $1 ORDER BY place";
    tx.query(sql, &[incident.into()], |row| Ok((read(row)?, row.time(4)?)))
}

fn read(row: &Row<'_>) -> Result<Collected> {
    let began = row.int(3)? != 0;
    Ok(Collected { place: row.string(0)?, incident: row.id(1)?, held_by: row.id(2)?, began })
}

/// What this kept back is looked at anew.
///
/// # Errors
/// When the database is gone or full.
pub fn ring(tx: &mut Tx<'_>, held_by: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE digests SET due_at = $1 WHERE held_by = $2", &[at.into(), held_by.into()])?;
    Ok(())
}

/// When the next one is due.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    Ok(tx.query_one("SELECT MIN(due_at) FROM digests", &[], |row| row.opt_time(0))?.flatten())
}
