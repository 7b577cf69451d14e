//! What the hub has told of who is on call: findings, and hand-overs.

use std::collections::HashMap;

use model::{Id, Time};

use crate::db::Tx;
use crate::error::Result;

/// A hand-over as one of those who are concerned was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Told {
    /// By which schedule.
    pub schedule: Id,
    /// When it takes place.
    pub at: Time,
    /// Who.
    pub user: Id,
    /// Whether they come on call; else they go off.
    pub comes: bool,
}

/// What was found, with a sum of its words.
///
/// # Errors
/// When the database is gone.
pub fn findings(tx: &mut Tx<'_>) -> Result<HashMap<String, i64>> {
    let found =
        tx.query("SELECT key, sum FROM duty_findings", &[], |row| Ok((row.string(0)?, row.int(1)?)))?;
    Ok(found.into_iter().collect())
}

/// Keeps what was found.
///
/// # Errors
/// When the database is gone or full.
pub fn find(tx: &mut Tx<'_>, key: &str, sum: i64) -> Result<()> {
    let sql = "INSERT INTO duty_findings (key, sum) VALUES ($1, $2) \
               ON CONFLICT (key) DO UPDATE SET sum = excluded.sum";
    tx.execute(sql, &[key.into(), sum.into()])?;
    Ok(())
}

/// Forgets what is not so any more.
///
/// # Errors
/// When the database is gone.
pub fn forget(tx: &mut Tx<'_>, key: &str) -> Result<()> {
    tx.execute("DELETE FROM duty_findings WHERE key = $1", &[key.into()])?;
    Ok(())
}

/// Notes that somebody is told of a hand-over; `false`: they were.
///
/// # Errors
/// When the database is gone or full.
pub fn tell(tx: &mut Tx<'_>, it: Told) -> Result<bool> {
    let sql = "INSERT INTO duty_notices (schedule_id, at, user_id, comes) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (schedule_id, at, user_id, comes) DO NOTHING";
    let values = [it.schedule.into(), it.at.into(), it.user.into(), i64::from(it.comes).into()];
    Ok(tx.execute(sql, &values)? > 0)
}

/// Forgets hand-overs that took place before a time.
///
/// # Errors
/// When the database is gone.
pub fn sweep(tx: &mut Tx<'_>, before: Time) -> Result<u64> {
    tx.execute("DELETE FROM duty_notices WHERE at < $1", &[before.into()])
}
