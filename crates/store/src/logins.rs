//! Logins by a provider of identities that are under way. They end at any node, once.

use model::Time;

use crate::db::{Tx, Value};
use crate::error::Result;

/// A login that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What the provider's word must hold.
    pub nonce: String,
    /// What shows the provider who began.
    pub verifier: String,
    /// When it began.
    pub began_at: Time,
}

/// Keeps a login that begins, by the hash of its state, and forgets those that began before a time; `false`: as many as
/// `most` are under way, and it was not kept.
///
/// # Errors
/// When the database is gone or full.
pub fn begin(tx: &mut Tx<'_>, state: &str, it: &Login, ended_before: Time, most: i64) -> Result<bool> {
    tx.execute("DELETE FROM logins WHERE began_at <= $1", &[ended_before.into()])?;
    let count = tx.query_one("SELECT COUNT(*) FROM logins", &[], |row| row.int(0))?.unwrap_or(0);
    if count >= most {
        return Ok(false);
    }
    let sql = "INSERT INTO logins (state, nonce, verifier, began_at) VALUES ($1, $2, $3, $4)";
    let values = [Value::Text(state), Value::Text(&it.nonce), Value::Text(&it.verifier), it.began_at.into()];
    tx.execute(sql, &values)?;
    Ok(true)
}

/// Takes a login, by the hash of its state: nobody ends it twice.
///
/// # Errors
/// When the database is gone or full.
pub fn take(tx: &mut Tx<'_>, state: &str) -> Result<Option<Login>> {
    let sql = "SELECT nonce, verifier, began_at FROM logins WHERE state = $1";
    let found = tx.query_one(sql, &[Value::Text(state)], |row| {
        Ok(Login { nonce: row.string(0)?, verifier: row.string(1)?, began_at: row.time(2)? })
    })?;
    let taken = tx.execute("DELETE FROM logins WHERE state = $1", &[Value::Text(state)])? > 0;
    Ok(found.filter(|_| taken))
}
