//! Registered sources: systems that tell of incidents through machine users of their own, and whose silence is noticed.

use std::time::Duration;

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// A registered source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its id.
    pub id: Id,
    /// What it is called; with its kind, unlike any other.
    pub name: String,
    /// What kind of system it is.
    pub kind: String,
    /// What addresses that it gives without a host begin with; may be empty.
    pub base_url: String,
    /// The machine user that it comes as: nobody else's.
    pub user: Id,
    /// When it was registered.
    pub created_at: Time,
    /// When it was last heard of, to some seconds.
    pub last_seen: Option<Time>,
    /// How often it must be heard of.
    pub heartbeat_every: Option<Duration>,
    /// When its silence is too long.
    pub due_at: Option<Time>,
    /// Whether its silence has been raised.
    pub overdue: bool,
}

const COLUMNS: &str =
    "id, name, kind, base_url, user_id, created_at, last_seen, heartbeat_every, due_at, overdue";

/// Keeps a source, new or changed.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, source: &Source) -> Result<()> {
    let sql = "INSERT INTO sources (id, name, kind, base_url, user_id, created_at, last_seen, heartbeat_every, \
               due_at, overdue) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET \
               name = excluded.name, kind = excluded.kind, base_url = excluded.base_url, \
               user_id = excluded.user_id, last_seen = excluded.last_seen, \
               heartbeat_every = excluded.heartbeat_every, due_at = excluded.due_at, overdue = excluded.overdue";
    let every = source.heartbeat_every.map(|every| i64::try_from(every.as_micros()).unwrap_or(i64::MAX));
    let values = [
        source.id.into(),
        Value::Text(&source.name),
        Value::Text(&source.kind),
        Value::Text(&source.base_url),
        source.user.into(),
        source.created_at.into(),
        source.last_seen.into(),
        every.into(),
        source.due_at.into(),
        i64::from(source.overdue).into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// One source.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Source>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM sources WHERE id = $1"), &[id.into()], read)
}

/// All sources, in the order in which they were registered.
///
/// # Errors
/// When the database is gone.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Source>> {
    tx.query(&format!("SELECT {COLUMNS} FROM sources ORDER BY id"), &[], read)
}

/// Sources whose silence has been too long since before a time and was not raised.
///
/// # Errors
/// When the database is gone.
pub fn due(tx: &mut Tx<'_>, at: Time) -> Result<Vec<Source>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM sources WHERE overdue = 0 AND due_at IS NOT NULL AND due_at <= $1 ORDER BY id"
    );
    tx.query(&sql, &[at.into()], read)
}

/// When the first silence will be too long.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let sql = "SELECT MIN(due_at) FROM sources WHERE overdue = 0 AND due_at IS NOT NULL";
    Ok(tx.query_one(sql, &[], |row| row.opt_time(0))?.flatten())
}

/// What was to be heard of before a time may be heard of until then: for a hub that was away.
///
/// # Errors
/// When the database is gone or full.
pub fn put_off(tx: &mut Tx<'_>, until: Time) -> Result<u64> {
    tx.execute("UPDATE sources SET due_at = $1 WHERE overdue = 0 AND due_at < $1", &[until.into()])
}

/// Names of kinds, by name.
///
/// # Errors
/// When the database is gone.
pub fn kinds(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    tx.query("SELECT name FROM source_kinds ORDER BY name", &[], |row| row.string(0))
}

/// Keeps the name of a kind; `false`: it is there.
///
/// # Errors
/// When the database is gone or full.
pub fn put_kind(tx: &mut Tx<'_>, name: &str) -> Result<bool> {
    let sql = "INSERT INTO source_kinds (name) VALUES ($1) ON CONFLICT (name) DO NOTHING";
    Ok(tx.execute(sql, &[name.into()])? > 0)
}

fn read(row: &Row<'_>) -> Result<Source> {
    let every = row.opt_int(7)?.and_then(|micros| u64::try_from(micros).ok());
    Ok(Source {
        id: row.id(0)?,
        name: row.string(1)?,
        kind: row.string(2)?,
        base_url: row.string(3)?,
        user: row.id(4)?,
        created_at: row.time(5)?,
        last_seen: row.opt_time(6)?,
        heartbeat_every: every.map(Duration::from_micros),
        due_at: row.opt_time(8)?,
        overdue: row.int(9)? != 0,
    })
}
