//! Tokens: who may use the API. Only hashes are kept.

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: Id,
    /// The user whom it belongs to; none: it belongs to nobody, and stands for itself.
    pub user: Option<Id>,
    /// What its owner calls it.
    pub name: String,
    /// What it allows, as words with spaces between.
    pub scopes: String,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl Token {
    /// Whether it can be used at this time.
    pub fn is_good(&self, at: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > at)
    }
}

const COLUMNS: &str = "id, name, scopes, created_at, expires_at, revoked_at, user_id";

/// Keeps a token under the hash of its secret.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, token: &Token, hash: &str) -> Result<()> {
    let sql = "INSERT INTO tokens (id, name, hash, scopes, created_at, expires_at, user_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    tx.execute(
        sql,
        &[
            token.id.into(),
            Value::Text(&token.name),
            Value::Text(hash),
            Value::Text(&token.scopes),
            token.created_at.into(),
            token.expires_at.into(),
            token.user.into(),
        ],
    )?;
    Ok(())
}

/// The token whose secret has this hash.
///
/// # Errors
/// When the database is gone.
pub fn by_hash(tx: &mut Tx<'_>, hash: &str) -> Result<Option<Token>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM tokens WHERE hash = $1"), &[hash.into()], read)
}

/// All tokens, newest first.
///
/// # Errors
/// When the database is gone.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Token>> {
    tx.query(&format!("SELECT {COLUMNS} FROM tokens ORDER BY id DESC"), &[], read)
}

/// The token with this id.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Token>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM tokens WHERE id = $1"), &[id.into()], read)
}

/// A user's tokens, newest first.
///
/// # Errors
/// When the database is gone.
pub fn of_user(tx: &mut Tx<'_>, user: Id) -> Result<Vec<Token>> {
    let mut found =
        tx.query(&format!("SELECT {COLUMNS} FROM tokens WHERE user_id = $1"), &[user.into()], read)?;
    found.sort_unstable_by_key(|it| std::cmp::Reverse(it.id));
    Ok(found)
}

/// Revokes a token; says whether there was one to revoke.
///
/// # Errors
/// When the database is gone or full.
pub fn revoke(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<bool> {
    let sql = "UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL";
    let revoked = tx.execute(sql, &[at.into(), id.into()])? > 0;
    if revoked {
        crate::users::access_changed(tx)?;
    }
    Ok(revoked)
}

fn read(row: &Row<'_>) -> Result<Token> {
    Ok(Token {
        id: row.id(0)?,
        name: row.string(1)?,
        scopes: row.string(2)?,
        created_at: row.time(3)?,
        expires_at: row.opt_time(4)?,
        revoked_at: row.opt_time(5)?,
        user: row.opt_int(6)?.map(Id),
    })
}
