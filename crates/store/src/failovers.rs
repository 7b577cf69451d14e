//! Messages for which another destination stands in, unless they are confirmed in time.

use model::{Id, Time};

use crate::db::{Tx, Value};
use crate::error::Result;

/// A message to somebody's destination, and when another is told in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The delivery.
    pub delivery: Id,
    /// Where it goes.
    pub destination: String,
    /// When its confirmation must be there.
    pub due_at: Time,
}

/// Keeps what waits for its confirmation.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, all: &[Waiting]) -> Result<()> {
    let sql = "INSERT INTO failovers (delivery_id, destination, due_at) VALUES ($1, $2, $3) \
               ON CONFLICT (delivery_id) DO NOTHING";
    tx.execute_many(sql, all, |it| [it.delivery.into(), Value::Text(&it.destination), it.due_at.into()])?;
    Ok(())
}

/// Takes what had time enough.
///
/// # Errors
/// When the database is gone.
pub fn take(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<Waiting>> {
    let sql = "SELECT delivery_id, destination, due_at FROM failovers WHERE due_at <= $1 \
               ORDER BY due_at, delivery_id LIMIT $2";
    let due = tx.query(sql, &[at.into(), limit.into()], |row| {
        Ok(Waiting { delivery: row.id(0)?, destination: row.string(1)?, due_at: row.time(2)? })
    })?;
    tx.execute_many("DELETE FROM failovers WHERE delivery_id = $1", &due, |it| [it.delivery.into()])?;
    Ok(due)
}

/// Gives these no more time: they were refused.
///
/// # Errors
/// When the database is gone or full.
pub fn hasten(tx: &mut Tx<'_>, deliveries: &[(Id, Time)]) -> Result<()> {
    let sql = "UPDATE failovers SET due_at = $1 WHERE delivery_id = $2 AND due_at > $1";
    tx.execute_many(sql, deliveries, |(id, at)| [(*at).into(), (*id).into()])?;
    Ok(())
}

/// Gives everything for a destination no more time: it is down.
///
/// # Errors
/// When the database is gone or full.
pub fn hasten_all(tx: &mut Tx<'_>, destination: &str, at: Time) -> Result<()> {
    let sql = "UPDATE failovers SET due_at = $1 WHERE destination = $2 AND due_at > $1";
    tx.execute(sql, &[at.into(), destination.into()])?;
    Ok(())
}

/// When the next one has had time enough.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    Ok(tx.query_one("SELECT MIN(due_at) FROM failovers", &[], |row| row.opt_time(0))?.flatten())
}
