//! Links by which programs for calendars fetch who is on call. Only hashes are kept.

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// Whose shifts a link shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Those of a schedule.
    Schedule(Id),
    /// Those of a user, by all schedules.
    User(Id),
}

impl About {
    fn parts(self) -> (&'static str, Id) {
        match self {
            About::Schedule(id) => ("schedule", id),
            About::User(id) => ("user", id),
        }
    }
}

/// A link without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: Id,
    /// The user who made it; `Id(0)`: somebody who is none.
    pub owner: Id,
    /// What it shows.
    pub about: About,
    /// When it was made.
    pub created_at: Time,
    /// A sum of what was fetched last; empty: nothing was.
    pub etag: String,
    /// When that was not there before.
    pub changed_at: Time,
}

const COLUMNS: &str = "id, owner, about, about_id, created_at, etag, changed_at";

/// Keeps a link under the hash of its secret.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, it: &Link, hash: &str) -> Result<()> {
    let sql = "INSERT INTO calendar_links (id, hash, owner, about, about_id, created_at, etag, changed_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let (about, id) = it.about.parts();
    let values = [
        it.id.into(),
        Value::Text(hash),
        it.owner.into(),
        Value::Text(about),
        id.into(),
        it.created_at.into(),
        Value::Text(&it.etag),
        it.changed_at.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// The link whose secret has this hash.
///
/// # Errors
/// When the database is gone.
pub fn by_hash(tx: &mut Tx<'_>, hash: &str) -> Result<Option<Link>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM calendar_links WHERE hash = $1"), &[hash.into()], read)
}

/// The link with this id.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Link>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM calendar_links WHERE id = $1"), &[id.into()], read)
}

/// All links, or those that a user made, at most so many.
///
/// # Errors
/// When the database is gone.
pub fn list(tx: &mut Tx<'_>, owner: Option<Id>, limit: i64) -> Result<Vec<Link>> {
    match owner {
        Some(owner) => {
            let sql = format!("SELECT {COLUMNS} FROM calendar_links WHERE owner = $1 ORDER BY id LIMIT $2");
            tx.query(&sql, &[owner.into(), limit.into()], read)
        }
        None => tx.query(
            &format!("SELECT {COLUMNS} FROM calendar_links ORDER BY id LIMIT $1"),
            &[limit.into()],
            read,
        ),
    }
}

/// Notes that something else was fetched by a link than before.
///
/// # Errors
/// When the database is gone or full.
pub fn changed(tx: &mut Tx<'_>, id: Id, etag: &str, at: Time) -> Result<()> {
    let sql = "UPDATE calendar_links SET etag = $1, changed_at = $2 WHERE id = $3";
    tx.execute(sql, &[Value::Text(etag), at.into(), id.into()])?;
    Ok(())
}

/// Revokes a link; `false`: there was none.
///
/// # Errors
/// When the database is gone.
pub fn delete(tx: &mut Tx<'_>, id: Id) -> Result<bool> {
    Ok(tx.execute("DELETE FROM calendar_links WHERE id = $1", &[id.into()])? > 0)
}

/// Revokes all links that somebody made or that are about them, or about a schedule, which is gone.
///
/// # Errors
/// When the database is gone.
pub fn delete_of(tx: &mut Tx<'_>, gone: About) -> Result<()> {
    let (about, id) = gone.parts();
    tx.execute("DELETE FROM calendar_links WHERE about = $1 AND about_id = $2", &[about.into(), id.into()])?;
    if let About::User(user) = gone {
        tx.execute("DELETE FROM calendar_links WHERE owner = $1", &[user.into()])?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Link> {
    let id = row.id(3)?;
    Ok(Link {
        id: row.id(0)?,
        owner: row.id(1)?,
        about: if row.text(2)? == "user" { About::User(id) } else { About::Schedule(id) },
        created_at: row.time(4)?,
        etag: row.string(5)?,
        changed_at: row.time(6)?,
    })
}
