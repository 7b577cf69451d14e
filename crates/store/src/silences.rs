//! Silences, and the number by which nodes notice that they have changed.

use model::{Silence, Time};

use crate::db::{Row, Tx, Value};
use crate::error::{Result, StoreError};
use crate::rules::{bump, version};

const COLUMNS: &str = "id, matchers, starts_at, ends_at, recurrence, created_by, comment, updated_at";
const NAME: &str = "silences";

/// Keeps a silence, new or changed.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, silence: &Silence) -> Result<()> {
    let json = |error: serde_json::Error| StoreError::Refused(format!("writing a silence: {error}"));
    let matchers = serde_json::to_string(&silence.matchers).map_err(json)?;
    let recurrence = silence.recurrence.as_ref().map(serde_json::to_string).transpose().map_err(json)?;
    let sql = "INSERT INTO silences (id, matchers, starts_at, ends_at, recurrence, created_by, comment, updated_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
               matchers = excluded.matchers, starts_at = excluded.starts_at, ends_at = excluded.ends_at, \
               recurrence = excluded.recurrence, created_by = excluded.created_by, comment = excluded.comment, \
               updated_at = excluded.updated_at";
    tx.execute(
        sql,
        &[
            Value::Text(&silence.id),
            Value::Text(&matchers),
            silence.starts_at.into(),
            silence.ends_at.into(),
            recurrence.as_deref().into(),
            Value::Text(&silence.created_by),
            Value::Text(&silence.comment),
            silence.updated_at.into(),
        ],
    )?;
    bump(tx, NAME)
}

/// One silence.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: &str) -> Result<Option<Silence>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM silences WHERE id = $1"), &[id.into()], read)
}

/// All silences that end after this time, in the order of their ends. One that cannot be read silences
/// nothing, which is said in the log.
///
/// # Errors
/// When the database is gone.
pub fn ending_after(tx: &mut Tx<'_>, at: Time) -> Result<Vec<Silence>> {
    let sql = format!("SELECT {COLUMNS} FROM silences WHERE ends_at > $1 ORDER BY ends_at, id");
    let found = tx.query(&sql, &[at.into()], |row| match read(row) {
        Err(StoreError::BadRow(why)) => {
            tracing::warn!(silence = row.string(0).unwrap_or_default(), why, "a silence cannot be read");
            Ok(None)
        }
        other => other.map(Some),
    });
    Ok(found?.into_iter().flatten().collect())
}

/// How many silences stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In force.
    pub active: i64,
    /// To come.
    pub pending: i64,
    /// Over.
    pub expired: i64,
}

/// Counts silences by where they stand.
///
/// # Errors
/// When the database is gone.
pub fn counts(tx: &mut Tx<'_>, at: Time) -> Result<Counts> {
    let sql = "SELECT COUNT(*), COUNT(CASE WHEN ends_at <= $1 THEN 1 END), \
               COUNT(CASE WHEN ends_at > $1 AND starts_at > $1 THEN 1 END) FROM silences";
    let found = tx.query_one(sql, &[at.into()], |row| Ok([row.int(0)?, row.int(1)?, row.int(2)?]))?;
    let [all, expired, pending] = found.unwrap_or_default();
    Ok(Counts { active: all - expired - pending, pending, expired })
}

/// A number that changes whenever a silence does.
///
/// # Errors
/// When the database is gone.
pub fn current_version(tx: &mut Tx<'_>) -> Result<i64> {
    version(tx, NAME)
}

fn read(row: &Row<'_>) -> Result<Silence> {
    let recurrence = row.opt_string(4)?;
    let recurrence = recurrence.map(|text| serde_json::from_str(&text)).transpose();
    Ok(Silence {
        id: row.string(0)?,
        matchers: row.json(1)?,
        starts_at: row.time(2)?,
        ends_at: row.time(3)?,
        recurrence: recurrence.map_err(|error| StoreError::BadRow(format!("recurrence: {error}")))?,
        created_by: row.string(5)?,
        comment: row.string(6)?,
        updated_at: row.time(7)?,
    })
}
