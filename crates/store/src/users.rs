//! Users, their passwords' hashes, and who they are to providers of identities.

use model::account::{Role, User, name_key};
use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::definitions::NAME;
use crate::error::{Result, StoreError};
use crate::rules::{bump, version};

const COLUMNS: &str = "id, name, full_name, email, phone, time_zone, role, machine, disabled_at, created_at, \
    last_seen, CASE WHEN password IS NULL THEN '' ELSE 'x' END";

/// Who may come in has one number, which changes whenever somebody may not any more.
const ACCESS: &str = "access";

/// The number that changes when a user does, a session ends or a token is revoked.
///
/// # Errors
/// When the database is gone.
pub fn access(tx: &mut Tx<'_>) -> Result<i64> {
    version(tx, ACCESS)
}

/// Somebody may not come in any more as they did: all nodes look at once.
pub(crate) fn access_changed(tx: &mut Tx<'_>) -> Result<()> {
    bump(tx, ACCESS)?;
    tx.ring_others(0)
}

/// Whoever goes by who is there needs to know.
fn changed(tx: &mut Tx<'_>) -> Result<()> {
    crate::calendars::read_again(tx)?;
    bump(tx, NAME)
}

/// Keeps a new user; `false`: there is one of this name, and nothing was kept.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, user: &User) -> Result<bool> {
    let sql = "INSERT INTO users (id, name, name_key, full_name, email, phone, time_zone, role, machine, \
               disabled_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
               ON CONFLICT (name_key) DO NOTHING";
    let key = name_key(&user.name);
    let values = [
        user.id.into(),
        Value::Text(&user.name),
        Value::Text(&key),
        Value::Text(&user.full_name),
        Value::Text(&user.email),
        Value::Text(&user.phone),
        Value::Text(&user.time_zone),
        Value::Text(user.role.name()),
        i64::from(user.machine).into(),
        user.disabled_at.into(),
        user.created_at.into(),
    ];
    let is_new = tx.execute(sql, &values)? > 0;
    changed(tx)?;
    Ok(is_new)
}

/// Writes what is known about a user, all but the password and when they were last seen. Whoever asks has looked
/// whether the name is free.
///
/// # Errors
/// When the database is gone or full.
pub fn update(tx: &mut Tx<'_>, user: &User) -> Result<()> {
    let sql = "UPDATE users SET name = $1, name_key = $2, full_name = $3, email = $4, phone = $5, \
               time_zone = $6, role = $7, disabled_at = $8 WHERE id = $9";
    let key = name_key(&user.name);
    let values = [
        Value::Text(&user.name),
        Value::Text(&key),
        Value::Text(&user.full_name),
        Value::Text(&user.email),
        Value::Text(&user.phone),
        Value::Text(&user.time_zone),
        Value::Text(user.role.name()),
        user.disabled_at.into(),
        user.id.into(),
    ];
    tx.execute(sql, &values)?;
    access_changed(tx)?;
    changed(tx)
}

/// The user with this id.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<User>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM users WHERE id = $1"), &[id.into()], read)
}

/// The user of this name, however it is written.
///
/// # Errors
/// When the database is gone.
pub fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<User>> {
    // no text of PostgreSQL has one, and no name either
    if name.contains('\0') {
        return Ok(None);
    }
    let key = name_key(name);
    tx.query_one(&format!("SELECT {COLUMNS} FROM users WHERE name_key = $1"), &[Value::Text(&key)], read)
}

/// The user whom an address means by a name or an id.
///
/// # Errors
/// When the database is gone.
pub fn named(tx: &mut Tx<'_>, text: &str) -> Result<Option<User>> {
    match text.parse() {
        Ok(id) => get(tx, id),
        Err(_) => by_name(tx, text),
    }
}

/// Users in the order in which they were made, after an id, at most so many.
///
/// # Errors
/// When the database is gone.
pub fn page(tx: &mut Tx<'_>, after: Option<Id>, limit: i64) -> Result<Vec<User>> {
    let sql = format!("SELECT {COLUMNS} FROM users WHERE id > $1 ORDER BY id LIMIT $2");
    tx.query(&sql, &[after.unwrap_or_default().into(), limit.into()], read)
}

/// How many users there are.
///
/// # Errors
/// When the database is gone.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    Ok(tx.query_one("SELECT COUNT(*) FROM users", &[], |row| row.int(0))?.unwrap_or(0))
}

/// How many admins could log in, besides a user.
///
/// # Errors
/// When the database is gone.
pub fn other_admins(tx: &mut Tx<'_>, than: Id) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM users WHERE id <> $1 AND role = 'admin' AND disabled_at IS NULL \
               AND machine = 0";
    Ok(tx.query_one(sql, &[than.into()], |row| row.int(0))?.unwrap_or(0))
}

/// The hash of a user's password, as a PHC string; none when they have no password.
///
/// # Errors
/// When the database is gone.
pub fn password(tx: &mut Tx<'_>, id: Id) -> Result<Option<String>> {
    let sql = "SELECT password FROM users WHERE id = $1";
    Ok(tx.query_one(sql, &[id.into()], |row| row.opt_string(0))?.flatten())
}

/// Keeps the hash of a user's password, or that they have none.
///
/// # Errors
/// When the database is gone or full.
pub fn set_password(tx: &mut Tx<'_>, id: Id, hash: Option<&str>) -> Result<()> {
    tx.execute("UPDATE users SET password = $1 WHERE id = $2", &[hash.into(), id.into()])?;
    Ok(())
}

/// Forgets a user, and all by which they were let in. What they have defined is for whoever asks.
///
/// # Errors
/// When the database is gone or full.
pub fn delete(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<()> {
    crate::past::keep_teams_of(tx, id, at)?;
    for table in ["identities", "memberships", "sessions", "invitations", "tokens", "rings"] {
        tx.execute(&format!("DELETE FROM {table} WHERE user_id = $1"), &[id.into()])?;
    }
    tx.execute("DELETE FROM users WHERE id = $1", &[id.into()])?;
    access_changed(tx)?;
    changed(tx)
}

/// Notes that a user asked for something.
///
/// # Errors
/// When the database is gone or full.
pub fn seen(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<()> {
    tx.execute("UPDATE users SET last_seen = $1 WHERE id = $2", &[at.into(), id.into()])?;
    Ok(())
}

/// The user who is this to a provider of identities.
///
/// # Errors
/// When the database is gone.
pub fn by_identity(tx: &mut Tx<'_>, issuer: &str, subject: &str) -> Result<Option<User>> {
    let sql = "SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2";
    match tx.query_one(sql, &[issuer.into(), subject.into()], |row| row.id(0))? {
        Some(id) => get(tx, id),
        None => Ok(None),
    }
}

/// Keeps who a user is to a provider of identities.
///
/// # Errors
/// When the database is gone or full, or somebody else is that.
pub fn identify(tx: &mut Tx<'_>, issuer: &str, subject: &str, user: Id) -> Result<()> {
    let sql = "INSERT INTO identities (issuer, subject, user_id) VALUES ($1, $2, $3)";
    tx.execute(sql, &[issuer.into(), subject.into(), user.into()])?;
    Ok(())
}

/// A role by its word in a column.
pub(crate) fn role(word: &str) -> Result<Role> {
    Role::from_name(word).ok_or_else(|| StoreError::BadRow(format!("role {word:?}")))
}

fn read(row: &Row<'_>) -> Result<User> {
    Ok(User {
        id: row.id(0)?,
        name: row.string(1)?,
        full_name: row.string(2)?,
        email: row.string(3)?,
        phone: row.string(4)?,
        time_zone: row.string(5)?,
        role: role(row.text(6)?)?,
        machine: row.int(7)? != 0,
        disabled_at: row.opt_time(8)?,
        created_at: row.time(9)?,
        last_seen: row.opt_time(10)?,
        has_password: !row.text(11)?.is_empty(),
    })
}
