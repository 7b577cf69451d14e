//! The ledger: what happened to each incident, and which deliveries told of it.

use model::incident::{Change, ChangeKind};
use model::{Id, Time};

use crate::db::{Tx, Value};
use crate::error::{Result, StoreError};

/// A line of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The line's id.
    pub id: Id,
    /// The incident.
    pub incident: Id,
    /// When.
    pub at: Time,
    /// What.
    pub change: Change,
    /// The version of the rules that it was routed by.
    pub rules: i64,
}

/// Writes lines.
///
/// # Errors
/// When the database is gone or full.
pub fn write(tx: &mut Tx<'_>, lines: &[Line]) -> Result<()> {
    let sql = "INSERT INTO changes (incident_id, id, at, kind, by_whom, detail, rules) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    tx.execute_many(sql, lines, |line| {
        [
            line.incident.into(),
            line.id.into(),
            line.at.into(),
            Value::Text(line.change.kind.name()),
            Value::Text(&line.change.by),
            Value::Text(&line.change.detail),
            line.rules.into(),
        ]
    })?;
    Ok(())
}

/// The timeline of an incident, oldest first, the last `limit` lines.
///
/// # Errors
/// When the database is gone.
pub fn timeline(tx: &mut Tx<'_>, incident: Id, limit: i64) -> Result<Vec<Line>> {
    let sql = "SELECT id, at, kind, by_whom, detail, rules FROM changes WHERE incident_id = $1 \
               ORDER BY id DESC LIMIT $2";
    let mut lines = tx.query(sql, &[incident.into(), limit.into()], |row| {
        let kind = row.text(2)?;
        let kind =
            ChangeKind::from_name(kind).ok_or_else(|| StoreError::BadRow(format!("change {kind:?}")))?;
        let change = Change { kind, by: row.string(3)?, detail: row.string(4)? };
        Ok(Line { id: row.id(0)?, incident, at: row.time(1)?, change, rules: row.int(5)? })
    })?;
    lines.reverse();
    Ok(lines)
}

/// Notes which deliveries tell of which incidents.
///
/// # Errors
/// When the database is gone or full.
pub fn tell(tx: &mut Tx<'_>, told: &[(Id, Id)]) -> Result<()> {
    let sql = "INSERT INTO told (incident_id, delivery_id) VALUES ($1, $2)";
    tx.execute_many(sql, told, |(incident, delivery)| [(*incident).into(), (*delivery).into()])?;
    Ok(())
}

/// The deliveries that told of an incident, newest first.
///
/// # Errors
/// When the database is gone.
pub fn deliveries_of(tx: &mut Tx<'_>, incident: Id, limit: i64) -> Result<Vec<Id>> {
    let sql = "SELECT delivery_id FROM told WHERE incident_id = $1 ORDER BY delivery_id DESC LIMIT $2";
    tx.query(sql, &[incident.into(), limit.into()], |row| row.id(0))
}
