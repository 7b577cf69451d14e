//! What people answer to messages: the key that links are signed with, which answers were given already, and who
//! listens for them where only one may.

use model::{Id, Time};

use crate::db::{Tx, Value};
use crate::error::Result;

/// The secret of this name, which all nodes share; `fresh` becomes it when there is none yet.
///
/// # Errors
/// When the database is gone or full.
pub fn secret(tx: &mut Tx<'_>, name: &str, fresh: &str) -> Result<String> {
    let sql = "INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    tx.execute(sql, &[name.into(), Value::Text(fresh)])?;
    let sql = "SELECT value FROM secrets WHERE name = $1";
    Ok(tx.query_one(sql, &[name.into()], |row| row.string(0))?.unwrap_or_default())
}

/// Whether a message was answered in this way already.
///
/// # Errors
/// When the database is gone.
pub fn was_given(tx: &mut Tx<'_>, delivery: Id, way: &str) -> Result<bool> {
    let sql = "SELECT at FROM answers WHERE delivery_id = $1 AND way = $2";
    Ok(tx.query_one(sql, &[delivery.into(), way.into()], |row| row.time(0))?.is_some())
}

/// Answers a message in some way; `false`: that was done before.
///
/// # Errors
/// When the database is gone or full.
pub fn give(tx: &mut Tx<'_>, delivery: Id, way: &str, at: Time) -> Result<bool> {
    let sql = "INSERT INTO answers (delivery_id, way, at) VALUES ($1, $2, $3) \
               ON CONFLICT (delivery_id, way) DO NOTHING";
    Ok(tx.execute(sql, &[delivery.into(), way.into(), at.into()])? > 0)
}

/// Forgets answers from before a time, as far as nobody can give them again; returns how many went.
///
/// # Errors
/// When the database is gone.
pub fn sweep(tx: &mut Tx<'_>, since: Time, limit: i64) -> Result<u64> {
    let sql = "SELECT delivery_id FROM answers WHERE at < $1 AND NOT EXISTS ( \
               SELECT 1 FROM deliveries d WHERE d.id = answers.delivery_id) ORDER BY at LIMIT $2";
    let mut gone = tx.query(sql, &[since.into(), limit.into()], |row| row.id(0))?;
    gone.dedup();
    tx.execute_many("DELETE FROM answers WHERE delivery_id = $1", &gone, |id| [(*id).into()])
}

/// Takes, or keeps, a place where only one node may listen; `false`: another node is at it.
///
/// # Errors
/// When the database is gone or full.
pub fn listen(tx: &mut Tx<'_>, name: &str, node: i64, now: Time, until: Time) -> Result<bool> {
    let sql = "INSERT INTO listeners (name, node, lease_until) VALUES ($1, $2, $3) \
               ON CONFLICT (name) DO UPDATE SET node = excluded.node, lease_until = excluded.lease_until \
               WHERE listeners.node = excluded.node OR listeners.lease_until <= $4";
    let values = [name.into(), node.into(), until.into(), now.into()];
    Ok(tx.execute(sql, &values)? > 0)
}

/// Leaves such a place to other nodes.
///
/// # Errors
/// When the database is gone or full.
pub fn leave(tx: &mut Tx<'_>, name: &str, node: i64) -> Result<()> {
    let sql = "UPDATE listeners SET lease_until = 0 WHERE name = $1 AND node = $2";
    tx.execute(sql, &[name.into(), node.into()])?;
    Ok(())
}
