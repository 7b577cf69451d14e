//! Invitations: links that are good once, to become a user or to choose a password. Only hashes are kept.

use model::account::Role;
use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;
use crate::users::role;

/// An invitation without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its id.
    pub id: Id,
    /// Who may choose a password; none: whoever accepts becomes a user.
    pub user: Option<Id>,
    /// The name that the user will have; empty: whoever accepts chooses one.
    pub name: String,
    /// The e-mail address that the user will have; may be empty.
    pub email: String,
    /// The role that the user will have.
    pub role: Role,
    /// Who made it, in words.
    pub made_by: String,
    /// When it was made.
    pub created_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
    /// When it was accepted, or taken back.
    pub used_at: Option<Time>,
}

impl Invitation {
    /// Whether it can be accepted at this time.
    pub fn is_good(&self, at: Time) -> bool {
        self.used_at.is_none() && self.expires_at > at
    }
}

const COLUMNS: &str = "id, user_id, name, email, role, made_by, created_at, expires_at, used_at";

/// Keeps an invitation under the hash of its secret.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, it: &Invitation, hash: &str) -> Result<()> {
    let sql = "INSERT INTO invitations (id, hash, user_id, name, email, role, made_by, created_at, \
               expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let values = [
        it.id.into(),
        Value::Text(hash),
        it.user.into(),
        Value::Text(&it.name),
        Value::Text(&it.email),
        Value::Text(it.role.name()),
        Value::Text(&it.made_by),
        it.created_at.into(),
        it.expires_at.into(),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

/// The invitation whose secret has this hash; it may not be good any more.
///
/// # Errors
/// When the database is gone.
pub fn by_hash(tx: &mut Tx<'_>, hash: &str) -> Result<Option<Invitation>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM invitations WHERE hash = $1"), &[hash.into()], read)
}

/// The newest invitations, at most so many.
///
/// # Errors
/// When the database is gone.
pub fn list(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Invitation>> {
    let sql = format!("SELECT {COLUMNS} FROM invitations ORDER BY id DESC LIMIT $1");
    tx.query(&sql, &[limit.into()], read)
}

/// Uses an invitation up; `false`: somebody has, or there is none.
///
/// # Errors
/// When the database is gone or full.
pub fn use_up(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<bool> {
    let sql = "UPDATE invitations SET used_at = $1 WHERE id = $2 AND used_at IS NULL";
    Ok(tx.execute(sql, &[at.into(), id.into()])? > 0)
}

/// Uses up all invitations of a user to choose a password.
///
/// # Errors
/// When the database is gone or full.
pub fn use_up_all(tx: &mut Tx<'_>, user: Id, at: Time) -> Result<()> {
    let sql = "UPDATE invitations SET used_at = $1 WHERE user_id = $2 AND used_at IS NULL";
    tx.execute(sql, &[at.into(), user.into()])?;
    Ok(())
}

/// Forgets at most `limit` of the oldest invitations that ended before a time; returns how many went.
///
/// # Errors
/// When the database is gone.
pub fn sweep(tx: &mut Tx<'_>, ended_before: Time, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM invitations WHERE id IN (SELECT id FROM ( \
               SELECT id, expires_at FROM invitations ORDER BY id LIMIT $1) AS oldest WHERE expires_at < $2)";
    tx.execute(sql, &[limit.into(), ended_before.into()])
}

fn read(row: &Row<'_>) -> Result<Invitation> {
    Ok(Invitation {
        id: row.id(0)?,
        user: row.opt_int(1)?.map(Id),
        name: row.string(2)?,
        email: row.string(3)?,
        role: role(row.text(4)?)?,
        made_by: row.string(5)?,
        created_at: row.time(6)?,
        expires_at: row.time(7)?,
        used_at: row.opt_time(8)?,
    })
}
