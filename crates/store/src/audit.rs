//! The audit log: who changed what, from where, what it was before and what it is now. A line is written in the
//! transaction of what it tells of, so that there is none without the other.

use model::account::{Actor, ActorKind};
use model::{Id, Time};
use serde_json::Value as Json;

use crate::db::{Row, Tx, Value};
use crate::error::{Result, StoreError};

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: Id,
    /// When.
    pub at: Time,
    /// Who did it.
    pub actor: Actor,
    /// What was done, such as `user.create`.
    pub action: String,
    /// What kind of thing it was done to, such as `user`.
    pub object_kind: String,
    /// Which one: its id or name; may be empty.
    pub object_id: String,
    /// What it was before, without secrets.
    pub before: Option<Json>,
    /// What it is now, without secrets.
    pub after: Option<Json>,
}

const COLUMNS: &str =
    "id, at, actor_kind, actor_id, actor, address, action, object_kind, object_id, was, becomes";

/// What stands where a secret would.
pub const REDACTED: &str = "<secret>";

/// Names of fields whose values are never kept, wherever they are.
const SECRET: [&str; 6] = ["password", "secret", "hash", "token", "authorization", "cookie"];

/// Writes a line; values of fields that are named like secrets are left out.
///
/// # Errors
/// When the database is gone or full.
pub fn write(tx: &mut Tx<'_>, entry: &Entry) -> Result<()> {
    let sql = format!("INSERT INTO audit ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
    let text = |json: &Option<Json>| json.clone().map(|json| redacted(json).to_string());
    let (before, after) = (text(&entry.before), text(&entry.after));
    let values = [
        entry.id.into(),
        entry.at.into(),
        Value::Text(entry.actor.kind.name()),
        entry.actor.id.into(),
        Value::Text(&entry.actor.name),
        Value::Text(&entry.actor.address),
        Value::Text(&entry.action),
        Value::Text(&entry.object_kind),
        Value::Text(&entry.object_id),
        before.as_ref().into(),
        after.as_ref().into(),
    ];
    tx.execute(&sql, &values)?;
    Ok(())
}

fn redacted(json: Json) -> Json {
    match json {
        Json::Object(fields) => {
            let field = |(name, value): (String, Json)| {
                let lower = name.to_lowercase();
                let hidden = !value.is_null() && !value.is_boolean() && SECRET.contains(&lower.as_str());
                let value = if hidden { Json::from(REDACTED) } else { redacted(value) };
                (name, value)
            };
            fields.into_iter().map(field).collect()
        }
        Json::Array(items) => items.into_iter().map(redacted).collect(),
        other => other,
    }
}

/// A page of lines, newest first, before an id or from the newest on. `keep` has the last word on each; at most
/// `scan` are looked at. The second half of the answer is where to go on, if there may be more.
///
/// # Errors
/// When the database is gone.
pub fn page(
    tx: &mut Tx<'_>,
    before: Option<Id>,
    limit: usize,
    scan: i64,
    mut keep: impl FnMut(&Entry) -> bool,
) -> Result<(Vec<Entry>, Option<Id>)> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2");
    let rows = tx.query(&sql, &[before.unwrap_or(Id(i64::MAX)).into(), scan.into()], read)?;
    let whole = (rows.len() as i64) < scan;
    let (mut found, mut at) = (Vec::new(), None);
    for entry in rows {
        at = Some(entry.id);
        if keep(&entry) {
            found.push(entry);
            if found.len() >= limit {
                return Ok((found, at));
            }
        }
    }
    Ok((found, if whole { None } else { at }))
}

/// Forgets at most `limit` of the oldest lines, if they are from before a time; returns how many went.
///
/// # Errors
/// When the database is gone.
pub fn sweep(tx: &mut Tx<'_>, before: Time, limit: i64) -> Result<u64> {
    let sql = "DELETE FROM audit WHERE id IN (SELECT id FROM ( \
               SELECT id, at FROM audit ORDER BY id LIMIT $1) AS oldest WHERE at < $2)";
    tx.execute(sql, &[limit.into(), before.into()])
}

fn read(row: &Row<'_>) -> Result<Entry> {
    let json = |column| -> Result<Option<Json>> {
        let text = row.opt_string(column)?;
        let read = text.map(|text| serde_json::from_str(&text)).transpose();
        read.map_err(|error| StoreError::BadRow(format!("column {column}: {error}")))
    };
    let kind = row.text(2)?;
    let kind = ActorKind::from_name(kind).ok_or_else(|| StoreError::BadRow(format!("actor {kind:?}")))?;
    let actor = Actor { kind, id: row.opt_int(3)?.map(Id), name: row.string(4)?, address: row.string(5)? };
    Ok(Entry {
        id: row.id(0)?,
        at: row.time(1)?,
        actor,
        action: row.string(6)?,
        object_kind: row.string(7)?,
        object_id: row.string(8)?,
        before: json(9)?,
        after: json(10)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_left_out_wherever_they_are() {
        let shown = redacted(json!({
            "Password": "hush", "name": "ann", "has": [{"secret": 1, "token": null}], "password": true,
        }));
        let expected = json!({
            "Password": REDACTED, "name": "ann", "has": [{"secret": REDACTED, "token": null}], "password": true,
        });
        assert_eq!(shown, expected);
    }
}
