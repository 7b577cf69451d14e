//! Events: written once, given a verdict once.

use std::sync::Arc;
use std::time::Duration;

use model::event::{Action, Event};
use model::{Id, Labels, Severity, Time};

use crate::db::{Row, Tx, Value};
use crate::error::{Result, StoreError};

/// An event with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The event.
    pub event: Event,
    /// The incident that it belongs to; none for one that nothing came of.
    pub incident: Option<Id>,
    /// What became of it, in a word or a sentence; empty: not looked at yet.
    pub verdict: String,
}

/// Labels and annotations as their columns hold them. Made before a transaction begins, and used for the
/// event and for the incident that it opens: writing them is a good part of what a row costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    pub(crate) labels: String,
    pub(crate) annotations: String,
}

impl Texts {
    /// Of these sets.
    pub fn of(labels: &Labels, annotations: &Labels) -> Self {
        Texts { labels: labels.to_json(), annotations: annotations.to_json() }
    }
}

const COLUMNS: &str = "id, incident_id, source, key, action, severity, title, labels, annotations, link, \
                       started_at, ends_at, arrived_at, verdict";

/// Keeps events.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, events: &[(Judged, Arc<Texts>)]) -> Result<()> {
    let sql = "INSERT INTO events (id, incident_id, source, key, action, severity, title, labels, annotations, \
               link, started_at, ends_at, arrived_at, verdict) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    tx.execute_many(sql, events, |(it, texts)| {
        let event = &it.event;
        [
            event.id.into(),
            it.incident.into(),
            Value::Text(&event.source),
            Value::Text(&event.key),
            Value::Text(event.action.name()),
            event.severity.map(Severity::name).into(),
            Value::Text(&event.title),
            Value::Text(&texts.labels),
            Value::Text(&texts.annotations),
            Value::Text(&event.link),
            event.started_at.into(),
            event.ends_at.into(),
            event.arrived_at.into(),
            Value::Text(&it.verdict),
        ]
    })?;
    Ok(())
}

/// Events that have no verdict yet, oldest first.
///
/// # Errors
/// When the database is gone.
pub fn waiting(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Event>> {
    let sql = format!("SELECT {COLUMNS} FROM events WHERE verdict = '' ORDER BY id LIMIT $1");
    tx.query(&sql, &[limit.into()], |row| Ok(read(row)?.event))
}

/// Says what became of events.
///
/// # Errors
/// When the database is gone or full.
pub fn judge(tx: &mut Tx<'_>, events: &[(Judged, Arc<Texts>)]) -> Result<()> {
    let sql = "UPDATE events SET incident_id = $1, verdict = $2 WHERE id = $3";
    tx.execute_many(sql, events, |(it, _)| {
        [it.incident.into(), Value::Text(&it.verdict), it.event.id.into()]
    })?;
    Ok(())
}

/// The greatest id of all events; none when there are none.
///
/// # Errors
/// When the database is gone.
pub fn last_id(tx: &mut Tx<'_>) -> Result<Option<Id>> {
    Ok(tx.query_one("SELECT MAX(id) FROM events", &[], |row| row.opt_int(0))?.flatten().map(Id))
}

/// The last event, with when it arrived.
///
/// # Errors
/// When the database is gone.
pub fn last(tx: &mut Tx<'_>) -> Result<Option<(Id, Time)>> {
    let sql = "SELECT id, arrived_at FROM events ORDER BY id DESC LIMIT 1";
    tx.query_one(sql, &[], |row| Ok((row.id(0)?, row.time(1)?)))
}

/// One event.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Judged>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM events WHERE id = $1"), &[id.into()], read)
}

/// Events, newest first: of one incident or of all, before one id or from the newest on.
///
/// # Errors
/// When the database is gone.
pub fn list(tx: &mut Tx<'_>, incident: Option<Id>, before: Option<Id>, limit: i64) -> Result<Vec<Judged>> {
    let before = before.unwrap_or(Id(i64::MAX));
    match incident {
        Some(incident) => {
            let sql = format!(
                "SELECT {COLUMNS} FROM events WHERE incident_id = $1 AND incident_id <> id AND id < $2 \
                 ORDER BY id DESC LIMIT $3"
            );
            let mut found = tx.query(&sql, &[incident.into(), before.into(), limit.into()], read)?;
            // the event that opened it is the oldest, and has its id
            if (found.len() as i64) < limit && incident < before {
                found.extend(get(tx, incident)?);
            }
            Ok(found)
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM events WHERE id < $1 ORDER BY id DESC LIMIT $2");
            tx.query(&sql, &[before.into(), limit.into()], read)
        }
    }
}

/// Clocks that were set back by less than this leave no event out of [`between`].
const CLOCK_SLACK: Duration = Duration::from_secs(3600);

/// The last `limit` events that arrived in a window, newest first.
///
/// # Errors
/// When the database is gone.
pub fn between(tx: &mut Tx<'_>, from: Time, until: Time, limit: i64) -> Result<Vec<Judged>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE id >= $1 AND arrived_at >= $2 AND arrived_at < $3 \
         ORDER BY id DESC LIMIT $4"
    );
    let first = Id::first_at(from - CLOCK_SLACK);
    tx.query(&sql, &[first.into(), from.into(), until.into(), limit.into()], read)
}

fn read(row: &Row<'_>) -> Result<Judged> {
    let action = row.text(4)?;
    let action = Action::from_name(action).ok_or_else(|| StoreError::BadRow(format!("action {action:?}")))?;
    let event = Event {
        id: row.id(0)?,
        source: row.string(2)?,
        key: row.string(3)?,
        action,
        severity: row.opt_string(5)?.as_deref().and_then(Severity::from_word),
        title: row.string(6)?,
        labels: row.json(7)?,
        annotations: row.json(8)?,
        link: row.string(9)?,
        started_at: row.time(10)?,
        ends_at: row.opt_time(11)?,
        times_out: false,
        extra: None,
        chain: 0,
        arrived_at: row.time(12)?,
    };
    Ok(Judged { event, incident: row.opt_int(1)?.map(Id), verdict: row.string(13)? })
}
