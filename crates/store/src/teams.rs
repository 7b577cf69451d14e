//! Teams, and who belongs to them.

use model::account::{Membership, Scope, Team, name_key};
use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::definitions::NAME;
use crate::error::Result;
use crate::past;
use crate::rules::bump;
use crate::users::{access_changed, role};

const COLUMNS: &str = "id, name, about, created_at";

/// Keeps a new team; `false`: there is one of this name, and nothing was kept.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, team: &Team) -> Result<bool> {
    let sql = "INSERT INTO teams (id, name, name_key, about, created_at) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (name_key) DO NOTHING";
    let key = name_key(&team.name);
    let values = [
        team.id.into(),
        Value::Text(&team.name),
        Value::Text(&key),
        Value::Text(&team.about),
        team.created_at.into(),
    ];
    let is_new = tx.execute(sql, &values)? > 0;
    bump(tx, NAME)?;
    Ok(is_new)
}

/// Writes what is known about a team. Whoever asks has looked whether the name is free.
///
/// # Errors
/// When the database is gone or full.
pub fn update(tx: &mut Tx<'_>, team: &Team) -> Result<()> {
    let key = name_key(&team.name);
    let sql = "UPDATE teams SET name = $1, name_key = $2, about = $3 WHERE id = $4";
    let values = [Value::Text(&team.name), Value::Text(&key), Value::Text(&team.about), team.id.into()];
    tx.execute(sql, &values)?;
    bump(tx, NAME)
}

/// Forgets a team and who belonged to it, at this time.
///
/// # Errors
/// When the database is gone or full.
pub fn delete(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<()> {
    past::keep_members(tx, id, at)?;
    tx.execute("DELETE FROM memberships WHERE team_id = $1", &[id.into()])?;
    tx.execute("DELETE FROM teams WHERE id = $1", &[id.into()])?;
    access_changed(tx)?;
    bump(tx, NAME)
}

/// The team with this id.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Team>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM teams WHERE id = $1"), &[id.into()], read)
}

/// The team of this name, however it is written.
///
/// # Errors
/// When the database is gone.
pub fn by_name(tx: &mut Tx<'_>, name: &str) -> Result<Option<Team>> {
    // no text of PostgreSQL has one, and no name either
    if name.contains('\0') {
        return Ok(None);
    }
    let key = name_key(name);
    tx.query_one(&format!("SELECT {COLUMNS} FROM teams WHERE name_key = $1"), &[Value::Text(&key)], read)
}

/// The team that an address means by a name or an id.
///
/// # Errors
/// When the database is gone.
pub fn named(tx: &mut Tx<'_>, text: &str) -> Result<Option<Team>> {
    match text.parse() {
        Ok(id) => get(tx, id),
        Err(_) => by_name(tx, text),
    }
}

/// Teams in the order in which they were made, after an id, at most so many.
///
/// # Errors
/// When the database is gone.
pub fn page(tx: &mut Tx<'_>, after: Option<Id>, limit: i64) -> Result<Vec<Team>> {
    let sql = format!("SELECT {COLUMNS} FROM teams WHERE id > $1 ORDER BY id LIMIT $2");
    tx.query(&sql, &[after.unwrap_or_default().into(), limit.into()], read)
}

/// Makes somebody a member of a team, or gives a member another role, at this time.
///
/// # Errors
/// When the database is gone or full.
pub fn put_member(tx: &mut Tx<'_>, it: Membership, at: Time) -> Result<()> {
    if member(tx, it.team, it.user)?.is_none() {
        past::keep_members(tx, it.team, at)?;
    }
    let sql = "INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, $3) \
               ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role";
    tx.execute(sql, &[it.team.into(), it.user.into(), Value::Text(it.role.name())])?;
    access_changed(tx)?;
    bump(tx, NAME)
}

/// Ends a membership at this time; `false`: there was none.
///
/// # Errors
/// When the database is gone or full.
pub fn remove_member(tx: &mut Tx<'_>, team: Id, user: Id, at: Time) -> Result<bool> {
    past::keep_members(tx, team, at)?;
    let sql = "DELETE FROM memberships WHERE team_id = $1 AND user_id = $2";
    let was = tx.execute(sql, &[team.into(), user.into()])? > 0;
    access_changed(tx)?;
    bump(tx, NAME)?;
    Ok(was)
}

/// What a user is to a team.
///
/// # Errors
/// When the database is gone.
pub fn member(tx: &mut Tx<'_>, team: Id, user: Id) -> Result<Option<Membership>> {
    let sql = "SELECT team_id, user_id, role FROM memberships WHERE team_id = $1 AND user_id = $2";
    tx.query_one(sql, &[team.into(), user.into()], read_member)
}

/// Who belongs to a team, in the order in which the users were made.
///
/// # Errors
/// When the database is gone.
pub fn members(tx: &mut Tx<'_>, team: Id) -> Result<Vec<Membership>> {
    let sql = "SELECT team_id, user_id, role FROM memberships WHERE team_id = $1 ORDER BY user_id";
    tx.query(sql, &[team.into()], read_member)
}

/// The teams that a user belongs to.
///
/// # Errors
/// When the database is gone.
pub fn of_user(tx: &mut Tx<'_>, user: Id) -> Result<Vec<Membership>> {
    let sql = "SELECT team_id, user_id, role FROM memberships WHERE user_id = $1";
    let mut found = tx.query(sql, &[user.into()], read_member)?;
    found.sort_unstable_by_key(|it| it.team);
    Ok(found)
}

/// The teams for which a user may respond.
///
/// # Errors
/// When the database is gone.
pub fn responding(tx: &mut Tx<'_>, user: Id) -> Result<Vec<Id>> {
    let theirs = of_user(tx, user)?.into_iter();
    Ok(theirs.filter(|it| it.role.may(Scope::Respond)).map(|it| it.team).collect())
}

fn read(row: &Row<'_>) -> Result<Team> {
    Ok(Team { id: row.id(0)?, name: row.string(1)?, about: row.string(2)?, created_at: row.time(3)? })
}

fn read_member(row: &Row<'_>) -> Result<Membership> {
    Ok(Membership { team: row.id(0)?, user: row.id(1)?, role: role(row.text(2)?)? })
}
