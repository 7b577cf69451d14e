//! What plugins keep between their lives: values by name, each plugin for itself.

use crate::db::Tx;
use crate::error::Result;

/// A value, as JSON.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, plugin: &str, name: &str) -> Result<Option<String>> {
    let sql = "SELECT value FROM plugin_values WHERE plugin = $1 AND name = $2";
    tx.query_one(sql, &[plugin.into(), name.into()], |row| row.string(0))
}

/// Keeps a value, in place of the one that was there; `false`: there are `most` others already, and it was not kept.
///
/// # Errors
/// When the database is gone or full.
pub fn set(tx: &mut Tx<'_>, plugin: &str, name: &str, value: &str, most: i64) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM plugin_values WHERE plugin = $1 AND name <> $2";
    let others = tx.query_one(sql, &[plugin.into(), name.into()], |row| row.int(0))?;
    if others.is_some_and(|others| others >= most) {
        return Ok(false);
    }
    let sql = "INSERT INTO plugin_values (plugin, name, value) VALUES ($1, $2, $3) \
               ON CONFLICT (plugin, name) DO UPDATE SET value = excluded.value";
    tx.execute(sql, &[plugin.into(), name.into(), value.into()])?;
    Ok(true)
}

/// Forgets a value; `false`: there was none.
///
/// # Errors
/// When the database is gone.
pub fn delete(tx: &mut Tx<'_>, plugin: &str, name: &str) -> Result<bool> {
    let sql = "DELETE FROM plugin_values WHERE plugin = $1 AND name = $2";
    Ok(tx.execute(sql, &[plugin.into(), name.into()])? > 0)
}

/// The names that begin so, in their order.
///
/// # Errors
/// When the database is gone.
pub fn names(tx: &mut Tx<'_>, plugin: &str, prefix: &str) -> Result<Vec<String>> {
    let sql = "SELECT name FROM plugin_values WHERE plugin = $1 ORDER BY name";
    let all = tx.query(sql, &[plugin.into()], |row| row.string(0))?;
    Ok(all.into_iter().filter(|name| name.starts_with(prefix)).collect())
}
