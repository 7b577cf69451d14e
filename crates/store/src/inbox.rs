//! The inbox: messages for people who read them through the API.

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// A message in the inbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: Id,
    /// The destination that it was sent to.
    pub destination: String,
    /// When it came.
    pub at: Time,
    /// What it says.
    pub message: serde_json::Value,
}

/// Keeps a message once, however often it comes under the same key.
///
/// # Errors
/// When the database is gone or full.
pub fn keep(tx: &mut Tx<'_>, id: Id, destination: &str, key: &str, at: Time, message: &str) -> Result<()> {
    let sql = "INSERT INTO inbox (id, destination, key, at, message) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (destination, key) DO NOTHING";
    let values = [id.into(), Value::Text(destination), Value::Text(key), at.into(), Value::Text(message)];
    tx.execute(sql, &values)?;
    Ok(())
}

/// A page of messages, newest first, before an id or from the newest on; of one destination or of all.
///
/// # Errors
/// When the database is gone.
pub fn page(tx: &mut Tx<'_>, destination: Option<&str>, before: Option<Id>, limit: i64) -> Result<Vec<Item>> {
    let before = before.unwrap_or(Id(i64::MAX));
    let read = |row: &Row<'_>| {
        Ok(Item { id: row.id(0)?, destination: row.string(1)?, at: row.time(2)?, message: row.json(3)? })
    };
    let sql = "SELECT id, destination, at, message FROM inbox WHERE id < $1";
    match destination {
        None => tx.query(&format!("{sql} ORDER BY id DESC LIMIT $2"), &[before.into(), limit.into()], read),
        Some(destination) => {
            let sql = format!("{sql} AND destination = $2 ORDER BY id DESC LIMIT $3");
            tx.query(&sql, &[before.into(), destination.into(), limit.into()], read)
        }
    }
}
