//! Seals what lies in rows from before there was a key, or was sealed with an older one.

use crate::db::{Session, Tx, Value};
use crate::definitions;
use crate::error::Result;
use crate::keys::{DEFINITIONS, OVERRIDES, row_of};

const SEAL_OVERRIDES: &str = "UPDATE config_overrides SET document = $1 WHERE version = $2";
const SEAL_DEFINITION: &str = "UPDATE definitions SET body = $1 WHERE id = $2";
const SEAL_PAST: &str = "UPDATE definitions_past SET body = $1 WHERE id = $2 AND until_at = $3";

/// Seals what is not yet, or with an older key; says what cannot be opened, and why. Nothing is lost of that.
pub(crate) fn seal_all(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    let keys = tx.keys.clone();
    if let Session::Sqlite(connection) = &tx.session {
        // what was in the clear is not to be found in what is free
        connection.pragma_update(None, "secure_delete", "ON")?;
    }
    let of_kinds = definitions::WITH_SECRETS.map(|kind| Value::Text(kind.name()));
    let tables = [
        (
            "SELECT version, CAST(0 AS BIGINT), document FROM config_overrides",
            &of_kinds[..0],
            OVERRIDES,
            SEAL_OVERRIDES,
        ),
        (
            "SELECT id, CAST(0 AS BIGINT), body FROM definitions WHERE kind IN ($1, $2, $3)",
            &of_kinds[..],
            DEFINITIONS,
            SEAL_DEFINITION,
        ),
        (
            "SELECT id, until_at, body FROM definitions_past WHERE kind IN ($1, $2, $3)",
            &of_kinds[..],
            DEFINITIONS,
            SEAL_PAST,
        ),
    ];
    let mut closed = Vec::new();
    for (found, values, table, write) in tables {
        let rows = tx.query(found, values, |row| Ok((row.int(0)?, row.int(1)?, row.string(2)?)))?;
        for (id, until, kept) in rows {
            let row = row_of(table, id);
            if !keys.is_stale(&kept) {
                continue;
            }
            match keys.open(kept, &row) {
                Ok(clear) => {
                    let sealed = keys.seal(&clear, &row)?;
                    let values = [Value::Text(&sealed), id.into(), until.into()];
                    let needed = if write == SEAL_PAST { 3 } else { 2 };
                    tx.execute(write, &values[..needed])?;
                }
                Err(why) => closed.push(format!("{row}: {why}")),
            }
        }
    }
    Ok(closed)
}
