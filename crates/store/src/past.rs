//! What was: what people had defined at some time, who belonged to their teams, what their calendars said, and
//! incidents as filters looked at them then.

use std::collections::BTreeMap;

use model::schedule::Listed;
use model::{Id, Incident, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::db::{Tx, Value};
use crate::definitions::{COLUMNS, Definition, Kind, read};
use crate::error::{Result, StoreError};

/// The documents of a kind that an owner had at a time, by id.
///
/// # Errors
/// When the database is gone, or one cannot be read.
pub fn definitions<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    kind: Kind,
    owner: Option<Id>,
    at: Time,
) -> Result<Vec<Definition<T>>> {
    let of_owner = if owner.is_some() { "AND owner = $3" } else { "AND owner <> $3" };
    let sql = format!(
        "SELECT {COLUMNS} FROM definitions WHERE kind = $1 AND updated_at <= $2 {of_owner} UNION ALL \
         SELECT {COLUMNS} FROM definitions_past \
         WHERE kind = $1 AND updated_at <= $2 AND until_at > $2 {of_owner} ORDER BY id"
    );
    // no owner has such an id
    let owner = owner.unwrap_or(Id(-1));
    let keys = tx.keys.clone();
    tx.query(&sql, &[kind.name().into(), at.into(), owner.into()], |row| read(row, &keys))
}

/// One document as it was at a time.
///
/// # Errors
/// When the database is gone, or it cannot be read.
pub fn definition<T: DeserializeOwned>(
    tx: &mut Tx<'_>,
    kind: Kind,
    id: Id,
    at: Time,
) -> Result<Option<Definition<T>>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM definitions WHERE kind = $1 AND updated_at <= $2 AND id = $3 UNION ALL \
         SELECT {COLUMNS} FROM definitions_past \
         WHERE kind = $1 AND updated_at <= $2 AND until_at > $2 AND id = $3"
    );
    let keys = tx.keys.clone();
    tx.query_one(&sql, &[kind.name().into(), at.into(), id.into()], |row| read(row, &keys))
}

/// What else is kept as it was until it changed, beside what people define.
#[derive(Clone, Copy)]
enum Other {
    /// Who belonged to a team: a list of users.
    Members,
    /// What the calendars of a schedule said: shifts by layers.
    Shifts,
}

impl Other {
    /// The word in the column, which no kind of definition has; and which of them it is. Schedules are definitions, and
    /// have the other sign here.
    fn row(self, id: Id) -> (&'static str, Id) {
        match self {
            Other::Members => ("members", id),
            Other::Shifts => ("shifts", Id(-id.0)),
        }
    }
}

/// Who belonged to a team at a time; `None`: that has not changed since.
///
/// # Errors
/// When the database is gone, or it cannot be read.
pub fn members(tx: &mut Tx<'_>, team: Id, at: Time) -> Result<Option<Vec<Id>>> {
    other(tx, Other::Members, team, at)
}

/// What the calendars of a schedule said at a time, by layers; `None`: that has not changed since.
///
/// # Errors
/// When the database is gone, or it cannot be read.
pub fn shifts(tx: &mut Tx<'_>, schedule: Id, at: Time) -> Result<Option<BTreeMap<String, Vec<Listed>>>> {
    other(tx, Other::Shifts, schedule, at)
}

/// Keeps who belongs to a team, since that is about to change.
pub(crate) fn keep_members(tx: &mut Tx<'_>, team: Id, until: Time) -> Result<()> {
    let sql = "SELECT user_id FROM memberships WHERE team_id = $1 ORDER BY user_id";
    let members = tx.query(sql, &[team.into()], |row| row.id(0))?;
    keep_other(tx, Other::Members, team, until, &members)
}

/// The same of all teams of a user.
pub(crate) fn keep_teams_of(tx: &mut Tx<'_>, user: Id, until: Time) -> Result<()> {
    let sql = "SELECT team_id FROM memberships WHERE user_id = $1";
    let teams = tx.query(sql, &[user.into()], |row| row.id(0))?;
    teams.into_iter().try_for_each(|team| keep_members(tx, team, until))
}

/// Keeps what the calendars of a schedule say, since that is about to change.
pub(crate) fn keep_shifts(tx: &mut Tx<'_>, schedule: Id, until: Time) -> Result<()> {
    let sql = "SELECT layer, shifts FROM calendars WHERE schedule_id = $1 ORDER BY layer";
    let known = tx.query(sql, &[schedule.into()], |row| Ok((row.string(0)?, row.json::<Vec<Listed>>(1)?)))?;
    keep_other(tx, Other::Shifts, schedule, until, &known.into_iter().collect::<BTreeMap<_, _>>())
}

fn other<T: DeserializeOwned>(tx: &mut Tx<'_>, what: Other, id: Id, at: Time) -> Result<Option<T>> {
    let (kind, id) = what.row(id);
    let sql = "SELECT body FROM definitions_past WHERE id = $1 AND until_at > $2 AND kind = $3 \
               ORDER BY until_at LIMIT 1";
    tx.query_one(sql, &[id.into(), at.into(), kind.into()], |row| row.json(0))
}

fn keep_other(tx: &mut Tx<'_>, what: Other, id: Id, until: Time, body: &impl Serialize) -> Result<()> {
    let (kind, id) = what.row(id);
    let body = serde_json::to_string(body);
    let body = body.map_err(|error| StoreError::Refused(format!("writing {kind}: {error}")))?;
    let sql = "INSERT INTO definitions_past (id, until_at, kind, owner, name, body, created_at, updated_at) \
               VALUES ($1, $2, $3, 0, '', $4, 0, 0) ON CONFLICT (id, until_at) DO NOTHING";
    tx.execute(sql, &[id.into(), until.into(), kind.into(), Value::Text(&body)])?;
    Ok(())
}

/// Keeps incidents as they are, since what filters ask about is about to change.
///
/// # Errors
/// When the database is gone or full.
pub fn keep_incidents(tx: &mut Tx<'_>, incidents: &[&Incident], until: Time) -> Result<()> {
    let rows = incidents.iter().map(|it| {
        let text = serde_json::to_string(it);
        let text = text.map_err(|error| StoreError::Refused(format!("writing an incident: {error}")))?;
        Ok((it.id, text))
    });
    let rows: Vec<(Id, String)> = rows.collect::<Result<_>>()?;
    let sql = "INSERT INTO incidents_past (incident_id, until_at, incident) VALUES ($1, $2, $3) \
               ON CONFLICT (incident_id, until_at) DO NOTHING";
    tx.execute_many(sql, &rows, |(id, text)| [(*id).into(), until.into(), Value::Text(text)])?;
    Ok(())
}

/// An incident as it was at a time, as far as filters ask; `None`: that has not changed since.
///
/// # Errors
/// When the database is gone, or it cannot be read.
pub fn incident(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<Option<Incident>> {
    let sql = "SELECT incident FROM incidents_past WHERE incident_id = $1 AND until_at > $2 \
               ORDER BY until_at LIMIT 1";
    tx.query_one(sql, &[id.into(), at.into()], |row| row.json(0))
}

/// Forgets documents as they were before a time, at most `limit` of them; returns how many went.
pub(crate) fn sweep(tx: &mut Tx<'_>, before: Time, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM definitions_past WHERE (id, until_at) IN (SELECT id, until_at FROM definitions_past \
               WHERE until_at < $1 ORDER BY until_at LIMIT $2)";
    tx.execute(sql, &[before.into(), limit.into()])
}
