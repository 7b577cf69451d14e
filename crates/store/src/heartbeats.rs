//! Heartbeats: pings that must come.

use model::Time;

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// A heartbeat as remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The integration's name.
    pub name: String,
    /// The last ping; none came yet.
    pub last_at: Option<Time>,
    /// When one is missed.
    pub due_at: Time,
    /// Whether its absence has been raised.
    pub overdue: bool,
}

const COLUMNS: &str = "name, last_at, due_at, overdue";

/// Writes where a heartbeat stands.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, heartbeat: &Heartbeat) -> Result<()> {
    let sql = "INSERT INTO heartbeats (name, last_at, due_at, overdue) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (name) DO UPDATE SET last_at = excluded.last_at, due_at = excluded.due_at, \
               overdue = excluded.overdue";
    let overdue = i64::from(heartbeat.overdue);
    let name = Value::Text(&heartbeat.name);
    tx.execute(sql, &[name, heartbeat.last_at.into(), heartbeat.due_at.into(), overdue.into()])?;
    Ok(())
}

/// One heartbeat.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, name: &str) -> Result<Option<Heartbeat>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM heartbeats WHERE name = $1"), &[name.into()], read)
}

/// All heartbeats, by name.
///
/// # Errors
/// When the database is gone.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Heartbeat>> {
    tx.query(&format!("SELECT {COLUMNS} FROM heartbeats ORDER BY name"), &[], read)
}

/// Forgets a heartbeat that is not configured any more.
///
/// # Errors
/// When the database is gone.
pub fn remove(tx: &mut Tx<'_>, name: &str) -> Result<()> {
    tx.execute("DELETE FROM heartbeats WHERE name = $1", &[name.into()])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Heartbeat> {
    let overdue = row.int(3)? != 0;
    Ok(Heartbeat { name: row.string(0)?, last_at: row.opt_time(1)?, due_at: row.time(2)?, overdue })
}

/// What is expected before a time is expected at that time: for a hub that was away, and could not hear it.
///
/// # Errors
/// When the database is gone or full.
pub fn put_off(tx: &mut Tx<'_>, until: Time) -> Result<u64> {
    tx.execute("UPDATE heartbeats SET due_at = $1 WHERE overdue = 0 AND due_at < $1", &[until.into()])
}
