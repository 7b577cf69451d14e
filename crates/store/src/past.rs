//! What was: what people had defined at some time, and incidents as filters looked at them then.

use model::{Id, Incident, Time};
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
