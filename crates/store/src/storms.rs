//! Storms: receivers that were told much of late, and what their people were not told of one by one.

use model::storm::Storm;
use model::{Id, Incident, Time};

use crate::db::{Row, Tx, Value};
use crate::error::{Readable, Result};
use crate::incidents;

/// The storms of these receivers, as far as they are known.
///
/// # Errors
/// When the database is gone.
pub fn of(tx: &mut Tx<'_>, receivers: &[&str]) -> Result<Vec<(String, Storm)>> {
    let sql = "SELECT receiver, storm FROM storms WHERE receiver = $1";
    tx.query_many(sql, receivers, |receiver| [Value::Text(receiver)], |_, row| read(row))
}

/// Those of which a summary is due.
///
/// # Errors
/// When the database is gone.
pub fn due(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<(String, Storm)>> {
    let sql = "SELECT receiver, storm FROM storms WHERE due_at IS NOT NULL AND due_at <= $1 \
               ORDER BY due_at LIMIT $2";
    tx.query(sql, &[at.into(), limit.into()], read)
}

/// When the next summary is due.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let sql = "SELECT MIN(due_at) FROM storms WHERE due_at IS NOT NULL";
    Ok(tx.query_one(sql, &[], |row| row.opt_time(0))?.flatten())
}

/// The receivers that are in a storm, with its beginning.
///
/// # Errors
/// When the database is gone.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<(String, Storm)>> {
    tx.query("SELECT receiver, storm FROM storms WHERE due_at IS NOT NULL ORDER BY receiver", &[], read)
}

/// Keeps storms as they are now.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, storms: &[(&str, &Storm)]) -> Result<()> {
    let sql = "INSERT INTO storms (receiver, storm, due_at) VALUES ($1, $2, $3) \
               ON CONFLICT (receiver) DO UPDATE SET storm = excluded.storm, due_at = excluded.due_at";
    let rows: Vec<_> = storms
        .iter()
        // times and numbers can always be written
        .map(|(receiver, storm)| {
            (*receiver, serde_json::to_string(storm).unwrap_or_default(), storm.due_at())
        })
        .collect();
    tx.execute_many(sql, &rows, |(receiver, storm, due)| {
        [Value::Text(receiver), Value::Text(storm), (*due).into()]
    })?;
    Ok(())
}

/// The summary of a receiver is looked at again later.
///
/// # Errors
/// When the database is gone or full.
pub fn put_off(tx: &mut Tx<'_>, receiver: &str, until: Time) -> Result<()> {
    tx.execute("UPDATE storms SET due_at = $1 WHERE receiver = $2", &[until.into(), receiver.into()])?;
    Ok(())
}

/// Notes what people were not told of one by one.
///
/// # Errors
/// When the database is gone or full.
pub fn hold(tx: &mut Tx<'_>, held: &[(String, Id)]) -> Result<()> {
    let sql = "INSERT INTO storm_incidents (receiver, incident_id) VALUES ($1, $2) \
               ON CONFLICT (receiver, incident_id) DO NOTHING";
    tx.execute_many(sql, held, |(receiver, incident)| [Value::Text(receiver), (*incident).into()])?;
    Ok(())
}

/// What the people of a receiver were not told of one by one, the latest first, as far as it can be read.
///
/// # Errors
/// When the database is gone.
pub fn held(tx: &mut Tx<'_>, receiver: &str, limit: i64) -> Result<Vec<Incident>> {
    let sql = format!(
        "SELECT {} FROM storm_incidents s JOIN incidents i ON i.id = s.incident_id \
         WHERE s.receiver = $1 ORDER BY s.incident_id DESC LIMIT $2",
        incidents::columns_of("i")
    );
    let found: Vec<Readable<Incident>> =
        tx.query(&sql, &[receiver.into(), limit.into()], incidents::try_read)?;
    Ok(found.into_iter().filter_map(std::result::Result::ok).collect())
}

/// How many that are.
///
/// # Errors
/// When the database is gone.
pub fn count_held(tx: &mut Tx<'_>, receiver: &str) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM storm_incidents WHERE receiver = $1";
    Ok(tx.query_one(sql, &[receiver.into()], |row| row.int(0))?.unwrap_or(0))
}

/// A storm is over, and its last summary is written.
///
/// # Errors
/// When the database is gone.
pub fn release(tx: &mut Tx<'_>, receiver: &str) -> Result<()> {
    tx.execute("DELETE FROM storm_incidents WHERE receiver = $1", &[receiver.into()])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<(String, Storm)> {
    // what cannot be read is taken as no storm: the next message counts anew
    Ok((row.string(0)?, row.json(1).unwrap_or_default()))
}
