//! Sessions: who is logged in. Only hashes of what browsers have are kept.

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// A session without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: Id,
    /// Who is logged in.
    pub user: Id,
    /// Since when.
    pub created_at: Time,
    /// When something was last asked for, to the minute.
    pub seen_at: Time,
    /// When it ends, however busy it is.
    pub expires_at: Time,
    /// What the browser calls itself; may be empty.
    pub agent: String,
    /// Where the login came from; may be empty.
    pub address: String,
}

const COLUMNS: &str = "id, user_id, created_at, seen_at, expires_at, agent, address";

/// Keeps a session under the hash of its secret.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, session: &Session, hash: &str) -> Result<()> {
    let sql = "INSERT INTO sessions (id, hash, user_id, created_at, seen_at, expires_at, agent, address) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = [
        session.id.into(),
        Value::Text(hash),
        session.user.into(),
        session.created_at.into(),
        session.seen_at.into(),
        session.expires_at.into(),
        Value::Text(&session.agent),
        Value::Text(&session.address),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// The session whose secret has this hash; it may have ended.
///
/// # Errors
/// When the database is gone.
pub fn by_hash(tx: &mut Tx<'_>, hash: &str) -> Result<Option<Session>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM sessions WHERE hash = $1"), &[hash.into()], read)
}

/// A user's sessions, newest first.
///
/// # Errors
/// When the database is gone.
pub fn of_user(tx: &mut Tx<'_>, user: Id) -> Result<Vec<Session>> {
    let mut found =
        tx.query(&format!("SELECT {COLUMNS} FROM sessions WHERE user_id = $1"), &[user.into()], read)?;
    found.sort_unstable_by_key(|it| std::cmp::Reverse(it.id));
    Ok(found)
}

/// Notes that a session was used.
///
/// # Errors
/// When the database is gone or full.
pub fn seen(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE sessions SET seen_at = $1 WHERE id = $2", &[at.into(), id.into()])?;
    Ok(())
}

/// Ends a session; `false`: there was none.
///
/// # Errors
/// When the database is gone or full.
pub fn end(tx: &mut Tx<'_>, id: Id) -> Result<bool> {
    let ended = tx.execute("DELETE FROM sessions WHERE id = $1", &[id.into()])? > 0;
    if ended {
        crate::users::access_changed(tx)?;
    }
    Ok(ended)
}

/// Ends all sessions of a user but one, if there is one to spare; returns how many ended.
///
/// # Errors
/// When the database is gone or full.
pub fn end_all(tx: &mut Tx<'_>, user: Id, but: Option<Id>) -> Result<u64> {
    let sql = "DELETE FROM sessions WHERE user_id = $1 AND id <> $2";
    let ended = tx.execute(sql, &[user.into(), but.unwrap_or_default().into()])?;
    if ended > 0 {
        crate::users::access_changed(tx)?;
    }
    Ok(ended)
}

/// Ends the oldest sessions of a user beyond so many.
///
/// # Errors
/// When the database is gone or full.
pub fn keep_newest(tx: &mut Tx<'_>, user: Id, most: usize) -> Result<()> {
    let old: Vec<Id> = of_user(tx, user)?.into_iter().skip(most).map(|it| it.id).collect();
    tx.execute_many("DELETE FROM sessions WHERE id = $1", &old, |id| [(*id).into()])?;
    if !old.is_empty() {
        crate::users::access_changed(tx)?;
    }
    Ok(())
}

/// Forgets at most `limit` sessions that ended before a time; returns how many went.
///
/// # Errors
/// When the database is gone.
pub fn sweep(tx: &mut Tx<'_>, ended_before: Time, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM sessions WHERE id IN ( \
               SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
    tx.execute(sql, &[ended_before.into(), limit.into()])
}

fn read(row: &Row<'_>) -> Result<Session> {
    Ok(Session {
        id: row.id(0)?,
        user: row.id(1)?,
        created_at: row.time(2)?,
        seen_at: row.time(3)?,
        expires_at: row.time(4)?,
        agent: row.string(5)?,
        address: row.string(6)?,
    })
}
