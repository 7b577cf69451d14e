//! Settings that were changed while the hub ran, each change as a version of all of them.

use model::Time;

use crate::db::{Row, Tx, Value};
use crate::error::{Result, StoreError};
use crate::keys::{Keys, override_row};

/// Versions that are kept.
pub const KEPT: i64 = 200;

/// What was in force after a change.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number: greater ones came later. 0 is what there is before any change.
    pub version: i64,
    /// When.
    pub at: Time,
    /// Who.
    pub by: String,
    /// What was changed, in words.
    pub summary: String,
    /// The version that was gone back to; nothing: it is new.
    pub rolled_back_to: Option<i64>,
    /// All overrides as JSON, with their secrets; empty in lists. In words why it cannot be read, if its key is not
    /// there.
    pub document: std::result::Result<String, String>,
}

/// The version in force; nothing: nothing was ever changed.
///
/// # Errors
/// When the database is gone.
pub fn newest(tx: &mut Tx<'_>) -> Result<Option<Version>> {
    let sql = "SELECT version, at, by_whom, summary, rolled_back_to, document FROM config_overrides \
               ORDER BY version DESC LIMIT 1";
    let keys = tx.keys.clone();
    tx.query_one(sql, &[], |row| read(row, &keys))
}

/// The number of the version in force; 0: nothing was ever changed.
///
/// # Errors
/// When the database is gone.
pub fn newest_version(tx: &mut Tx<'_>) -> Result<i64> {
    let newest = tx.query_one("SELECT MAX(version) FROM config_overrides", &[], |row| row.opt_int(0))?;
    Ok(newest.flatten().unwrap_or_default())
}

/// A version, as long as it is kept.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, version: i64) -> Result<Option<Version>> {
    let sql = "SELECT version, at, by_whom, summary, rolled_back_to, document FROM config_overrides \
               WHERE version = $1";
    let keys = tx.keys.clone();
    tx.query_one(sql, &[version.into()], |row| read(row, &keys))
}

/// All versions that are kept, without what is in them, newest first.
///
/// # Errors
/// When the database is gone.
pub fn list(tx: &mut Tx<'_>) -> Result<Vec<Version>> {
    let sql = "SELECT version, at, by_whom, summary, rolled_back_to, '' FROM config_overrides \
               ORDER BY version DESC LIMIT $1";
    let keys = tx.keys.clone();
    tx.query(sql, &[KEPT.into()], |row| read(row, &keys))
}

/// Keeps the next version, and forgets the oldest; `false`: there is one of this number already, and nothing was kept.
///
/// # Errors
/// When the database is gone or full.
pub fn keep(tx: &mut Tx<'_>, version: &Version) -> Result<bool> {
    let sql = "INSERT INTO config_overrides (version, at, by_whom, summary, rolled_back_to, document) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (version) DO NOTHING";
    let document = version.document.as_deref().map_err(|why| StoreError::Refused(why.to_owned()))?;
    let document = tx.keys.seal(document, &override_row(version.version))?;
    let kept = tx.execute(
        sql,
        &[
            version.version.into(),
            version.at.into(),
            Value::Text(&version.by),
            Value::Text(&version.summary),
            version.rolled_back_to.into(),
            Value::Text(&document),
        ],
    )?;
    let sql = "DELETE FROM config_overrides WHERE version <= $1";
    tx.execute(sql, &[(version.version - KEPT).into()])?;
    Ok(kept > 0)
}

fn read(row: &Row<'_>, keys: &Keys) -> Result<Version> {
    let version = row.int(0)?;
    Ok(Version {
        version,
        at: row.time(1)?,
        by: row.string(2)?,
        summary: row.string(3)?,
        rolled_back_to: row.opt_int(4)?,
        document: keys.open(row.string(5)?, &override_row(version)),
    })
}
