//! Requests that carried an `Idempotency-Key`: their answers, to be given again.

use model::Time;

use crate::db::{Tx, Value};
use crate::error::Result;

/// What is remembered of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// A hash of its body: another body under the same key is a mistake.
    pub body_hash: String,
    /// The answer's body.
    pub answer: String,
}

/// The answer that was given under this key.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, key: &str) -> Result<Option<Answered>> {
    let sql = "SELECT body_hash, answer FROM requests WHERE key = $1";
    tx.query_one(sql, &[key.into()], |row| Ok(Answered { body_hash: row.string(0)?, answer: row.string(1)? }))
}

/// Remembers an answer.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, key: &str, answered: &Answered, at: Time) -> Result<()> {
    let sql = "INSERT INTO requests (key, at, body_hash, answer) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING";
    tx.execute(
        sql,
        &[key.into(), at.into(), Value::Text(&answered.body_hash), Value::Text(&answered.answer)],
    )?;
    Ok(())
}
