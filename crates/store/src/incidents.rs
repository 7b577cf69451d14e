//! Incidents: one row a life of a key.

use std::sync::Arc;

use model::flap::Flap;
use model::incident::{Incident, State};
use model::{Id, Severity, Time};

use crate::db::{Row, Tx, Value};
use crate::error::{Readable, Result, StoreError, Unreadable};
use crate::events::Texts;

const COLUMNS: &str = "id, key, source, state, severity, title, labels, annotations, link, started_at, ends_at, \
                       resolved_at, first_seen, last_seen, times_seen, acknowledged_by, acknowledged_until, \
                       snoozed_until, reopens_until, version, times_out, flap, extra";

/// How many columns [`read`] reads; a query may add its own after them.
pub(crate) const WIDTH: usize = 23;

/// The columns that [`read`] reads, of a table that goes by another name in a join.
pub(crate) fn columns_of(table: &str) -> String {
    COLUMNS.split(", ").map(|column| format!("{table}.{}", column.trim())).collect::<Vec<_>>().join(", ")
}

/// Which incidents a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Which {
    /// Those that are wrong now.
    #[default]
    Active,
    /// Those that are over.
    Resolved,
    /// Those that flap, whatever they are at the moment.
    Flapping,
    /// Those of a registered source.
    OfSource(Id),
    /// All.
    All,
}

/// The number that a key is looked up by. Two keys may share one, so the key itself is compared, too.
pub fn key_hash(key: &str) -> i64 {
    // FNV-1a: short, and the same on every node and in every release
    let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
    key.bytes().fold(14_695_981_039_346_656_037, step).cast_signed()
}

/// The live incidents of these keys, each with the key's place in `keys`: those that are active, may be
/// re-opened, or are over and have not been told of yet.
///
/// # Errors
/// When the database is gone.
pub fn live_by_keys(tx: &mut Tx<'_>, keys: &[&str]) -> Result<Vec<(usize, Readable<Incident>)>> {
    let sql = format!("SELECT {COLUMNS} FROM incidents WHERE key_hash = $1 AND key = $2 AND live = 1");
    let keys: Vec<(i64, &str)> = keys.iter().map(|key| (key_hash(key), *key)).collect();
    tx.query_many(
        &sql,
        &keys,
        |(hash, key)| [Value::Int(*hash), Value::Text(key)],
        |place, row| Ok((place, try_read(row)?)),
    )
}

/// Which of these keys incidents of registered sources have had, each with its place in `keys` and the incident.
///
/// # Errors
/// When the database is gone.
pub fn used_keys(tx: &mut Tx<'_>, keys: &[&str]) -> Result<Vec<(usize, Id)>> {
    let sql = "SELECT id FROM incidents WHERE key_hash = $1 AND key = $2 AND source_id IS NOT NULL";
    let keys: Vec<(i64, &str)> = keys.iter().map(|key| (key_hash(key), *key)).collect();
    tx.query_many(
        sql,
        &keys,
        |(hash, key)| [Value::Int(*hash), Value::Text(key)],
        |place, row| Ok((place, row.id(0)?)),
    )
}

/// Keeps new incidents.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, incidents: &[(&Incident, Arc<Texts>)]) -> Result<()> {
    let sql = "INSERT INTO incidents (id, key, key_hash, live, source, state, severity, title, labels, annotations, \
               link, started_at, ends_at, resolved_at, first_seen, last_seen, times_seen, acknowledged_by, \
               acknowledged_until, snoozed_until, reopens_until, due_at, version, times_out, flap, flapping, extra, \
               source_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
               $21, $22, $23, $24, $25, $26, $27, $28)";
    let rows = incidents.iter().map(|(it, texts)| (*it, texts, flap_column(&it.flap), extra_column(it)));
    tx.execute_many(sql, &rows.collect::<Vec<_>>(), |(it, texts, flap, extra)| {
        [
            it.id.into(),
            Value::Text(&it.key),
            key_hash(&it.key).into(),
            i64::from(it.is_live()).into(),
            Value::Text(&it.source),
            (it.state as i64).into(),
            (it.severity as i64).into(),
            Value::Text(&it.title),
            Value::Text(&texts.labels),
            Value::Text(&texts.annotations),
            Value::Text(&it.link),
            it.started_at.into(),
            it.ends_at.into(),
            it.resolved_at.into(),
            it.first_seen.into(),
            it.last_seen.into(),
            it.times_seen.into(),
            it.acknowledged_by.as_deref().into(),
            it.acknowledged_until.into(),
            it.snoozed_until.into(),
            it.reopens_until.into(),
            it.due_at().into(),
            it.version.into(),
            i64::from(it.times_out).into(),
            Value::Text(flap),
            i64::from(it.is_flapping()).into(),
            Value::Text(extra),
            it.more().source.map(|id| id.0).into(),
        ]
    })?;
    Ok(())
}

/// Writes what has changed of incidents that are there. One that is over stays live as long as a group has
/// still to tell of its end.
///
/// # Errors
/// When the database is gone or full.
pub fn update(tx: &mut Tx<'_>, incidents: &[&Incident]) -> Result<()> {
    let sql = "UPDATE incidents SET live = CASE WHEN CAST($1 AS BIGINT) = 0 AND EXISTS (SELECT 1 FROM members m \
               WHERE m.incident_id = $2) THEN 1 ELSE $1 END, source = $3, state = $4, severity = $5, title = $6, \
               labels = $7, annotations = $8, link = $9, started_at = $10, ends_at = $11, resolved_at = $12, \
               last_seen = $13, times_seen = $14, acknowledged_by = $15, acknowledged_until = $16, \
               snoozed_until = $17, reopens_until = $18, due_at = $19, version = $20, times_out = $21, flap = $22, \
               flapping = $23, extra = $24 WHERE id = $2";
    let texts = |it: &Incident| (it.labels.to_json(), it.annotations.to_json(), extra_column(it));
    let rows = incidents.iter().map(|it| (*it, texts(it), flap_column(&it.flap)));
    tx.execute_many(sql, &rows.collect::<Vec<_>>(), |(it, (labels, annotations, extra), flap)| {
        [
            i64::from(it.is_live()).into(),
            it.id.into(),
            Value::Text(&it.source),
            (it.state as i64).into(),
            (it.severity as i64).into(),
            Value::Text(&it.title),
            Value::Text(labels),
            Value::Text(annotations),
            Value::Text(&it.link),
            it.started_at.into(),
            it.ends_at.into(),
            it.resolved_at.into(),
            it.last_seen.into(),
            it.times_seen.into(),
            it.acknowledged_by.as_deref().into(),
            it.acknowledged_until.into(),
            it.snoozed_until.into(),
            it.reopens_until.into(),
            it.due_at().into(),
            it.version.into(),
            i64::from(it.times_out).into(),
            Value::Text(flap),
            i64::from(it.is_flapping()).into(),
            Value::Text(extra),
        ]
    })?;
    Ok(())
}

/// Most incidents have nothing besides: for them it is empty.
fn extra_column(it: &Incident) -> String {
    // texts, times and numbers can always be written
    let text = it.extra.as_ref().map(|extra| serde_json::to_string(extra).unwrap_or_default());
    text.unwrap_or_default()
}

/// Most incidents have never come back: for them it is empty.
fn flap_column(flap: &Flap) -> String {
    if *flap == Flap::default() {
        return String::new();
    }
    // times and numbers can always be written
    serde_json::to_string(flap).unwrap_or_default()
}

/// One incident.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Incident>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM incidents WHERE id = $1"), &[id.into()], read)
}

/// These incidents, as far as they are there and can be read, each with its id's place in `ids`.
///
/// # Errors
/// When the database is gone.
pub fn get_many(tx: &mut Tx<'_>, ids: &[Id]) -> Result<Vec<(usize, Incident)>> {
    let sql = format!("SELECT {COLUMNS} FROM incidents WHERE id = $1");
    let found =
        tx.query_many(&sql, ids, |id| [Value::from(*id)], |place, row| Ok((place, try_read(row)?)))?;
    Ok(found.into_iter().filter_map(|(place, it)| Some((place, it.ok()?))).collect())
}

/// Incidents for which a deadline has passed, the longest overdue first.
///
/// # Errors
/// When the database is gone.
pub fn due(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<Readable<Incident>>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM incidents WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2"
    );
    tx.query(&sql, &[at.into(), limit.into()], try_read)
}

/// Closes incidents that cannot be read and takes them out of their groups, so that nothing in the flow reads
/// them again. Retention forgets them like others.
///
/// # Errors
/// When the database is gone or full.
pub fn set_aside(tx: &mut Tx<'_>, ids: &[Id], at: Time) -> Result<()> {
    let sql = "UPDATE incidents SET live = 0, state = 2, resolved_at = $1, due_at = NULL, flapping = 0 WHERE id = $2";
    tx.execute_many(sql, ids, |id| [at.into(), (*id).into()])?;
    tx.execute_many("DELETE FROM members WHERE incident_id = $1", ids, |id| [(*id).into()])?;
    Ok(())
}

/// Puts off what would end by itself before a time until then, but nothing that it says of itself; for a hub
/// that was away, and could not hear that it goes on.
///
/// # Errors
/// When the database is gone or full.
pub fn put_off_ends(tx: &mut Tx<'_>, until: Time) -> Result<u64> {
    let sql = "UPDATE incidents SET due_at = $1, ends_at = $1 WHERE due_at IS NOT NULL AND due_at < $1 AND state < 2 \
               AND ends_at IS NOT NULL AND ends_at < $1";
    tx.execute(sql, &[until.into()])
}

/// Whether anything is wrong under this key.
///
/// # Errors
/// When the database is gone.
pub fn is_active(tx: &mut Tx<'_>, key: &str) -> Result<bool> {
    let known = live_by_keys(tx, &[key])?;
    Ok(known.into_iter().any(|(_, it)| it.is_ok_and(|incident| incident.is_active())))
}

/// What is wrong under this key ends at a time, if it did not before.
///
/// # Errors
/// When the database is gone or full.
pub fn end_at(tx: &mut Tx<'_>, key: &str, at: Time) -> Result<u64> {
    let sql = "UPDATE incidents SET due_at = $1, ends_at = $1 WHERE key_hash = $2 AND live = 1 AND state < 2 \
               AND key = $3";
    tx.execute(sql, &[at.into(), key_hash(key).into(), key.into()])
}

/// When the next deadline passes.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let sql = "SELECT MIN(due_at) FROM incidents WHERE due_at IS NOT NULL";
    Ok(tx.query_one(sql, &[], |row| row.opt_time(0))?.flatten())
}

/// Rows of which a page looks at a time.
const STEP: i64 = 250;

/// Bytes of texts after which a page is full, whatever number was asked for: incidents may be large, and those who ask
/// many.
pub const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// A page of incidents, newest first, before an id or from the newest on. `keep` has the last word on each
/// row; at most `scan` rows are looked at, so that no search takes for ever, and a page ends with the incident that
/// makes it larger than [`MAX_PAGE_BYTES`]: the second half of the answer is where to go on, if there may be more.
///
/// # Errors
/// When the database is gone.
pub fn page(
    tx: &mut Tx<'_>,
    which: Which,
    before: Option<Id>,
    limit: usize,
    scan: i64,
    mut keep: impl FnMut(&Incident) -> bool,
) -> Result<(Vec<Incident>, Option<Id>)> {
    walk(tx, which, (before.unwrap_or(Id(i64::MAX)), false), limit, scan, &mut keep)
}

/// The same the other way: a page of incidents that are newer than an id, oldest first.
///
/// # Errors
/// When the database is gone.
pub fn page_after(
    tx: &mut Tx<'_>,
    which: Which,
    after: Id,
    limit: usize,
    scan: i64,
    mut keep: impl FnMut(&Incident) -> bool,
) -> Result<(Vec<Incident>, Option<Id>)> {
    walk(tx, which, (after, true), limit, scan, &mut keep)
}

fn walk(
    tx: &mut Tx<'_>,
    which: Which,
    (from, ascending): (Id, bool),
    limit: usize,
    scan: i64,
    keep: &mut dyn FnMut(&Incident) -> bool,
) -> Result<(Vec<Incident>, Option<Id>)> {
    let filter = match which {
        Which::Active => "state < 2 AND".to_owned(),
        Which::Resolved => "state = 2 AND".to_owned(),
        Which::Flapping => "flapping = 1 AND".to_owned(),
        Which::OfSource(Id(source)) => format!("source_id = {source} AND"),
        Which::All => String::new(),
    };
    let (than, order) = if ascending { (">", "ASC") } else { ("<", "DESC") };
    let sql =
        format!("SELECT {COLUMNS} FROM incidents WHERE {filter} id {than} $1 ORDER BY id {order} LIMIT $2");
    // labels, annotations and what some have besides
    let weigh = |row: &Row<'_>| -> Result<usize> {
        Ok(row.text(6)?.len() + row.text(7)?.len() + row.text(22)?.len())
    };
    let (mut found, mut at, mut looked_at, mut bytes) = (Vec::new(), from, 0, 0);
    while looked_at < scan {
        let step = (scan - looked_at).min(STEP);
        let rows = tx.query(&sql, &[at.into(), step.into()], |row| Ok((weigh(row)?, try_read(row)?)))?;
        let last_page = (rows.len() as i64) < step;
        looked_at += rows.len() as i64;
        for (weight, row) in rows {
            at = row.as_ref().map_or_else(|odd| odd.id, |incident| incident.id);
            let Ok(incident) = row else { continue };
            if keep(&incident) {
                found.push(incident);
                bytes += weight;
                if found.len() >= limit || bytes >= MAX_PAGE_BYTES {
                    return Ok((found, Some(at)));
                }
            }
        }
        if last_page {
            return Ok((found, None));
        }
    }
    Ok((found, Some(at)))
}

/// All active incidents after an id, as far as they can be read, oldest first: for going through all of them
/// in steps.
///
/// # Errors
/// When the database is gone.
pub fn active_after(tx: &mut Tx<'_>, after: Id, limit: i64) -> Result<Vec<Incident>> {
    let sql = format!("SELECT {COLUMNS} FROM incidents WHERE state < 2 AND id > $1 ORDER BY id LIMIT $2");
    let found = tx.query(&sql, &[after.into(), limit.into()], try_read)?;
    Ok(found.into_iter().filter_map(std::result::Result::ok).collect())
}

/// Incidents that flap, as far as they can be read, the latest first.
///
/// # Errors
/// When the database is gone.
pub fn flapping(tx: &mut Tx<'_>, limit: i64) -> Result<Vec<Incident>> {
    let sql = format!("SELECT {COLUMNS} FROM incidents WHERE flapping = 1 ORDER BY id DESC LIMIT $1");
    let found = tx.query(&sql, &[limit.into()], try_read)?;
    Ok(found.into_iter().filter_map(std::result::Result::ok).collect())
}

/// Incidents that were wrong at a time, the last `limit` that had begun by then, newest first, as far as they can
/// be read.
///
/// # Errors
/// When the database is gone.
pub fn wrong_at(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<Incident>> {
    let mut found = Vec::new();
    // each of these has an index of its own
    for which in [
        "state < 2",
        "state = 2 AND live = 0 AND resolved_at >= $1",
        "state = 2 AND live = 1 AND resolved_at >= $1",
    ] {
        let sql = format!(
            "SELECT {COLUMNS} FROM incidents WHERE {which} AND first_seen < $1 ORDER BY id DESC LIMIT $2"
        );
        found.extend(tx.query(&sql, &[at.into(), limit.into()], try_read)?.into_iter().flatten());
    }
    found.sort_by_key(|incident| std::cmp::Reverse(incident.id));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

/// How many incidents there are in each state that is not resolved: open, acknowledged.
///
/// # Errors
/// When the database is gone.
pub fn count_active(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    // both are in the index: no row is looked at
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(state), 0) AS BIGINT) FROM incidents WHERE state < 2";
    let counts = tx.query_one(sql, &[], |row| Ok((row.int(0)?, row.int(1)?)))?;
    Ok(counts.map_or((0, 0), |(active, acknowledged)| (active - acknowledged, acknowledged)))
}

/// How many incidents flap.
///
/// # Errors
/// When the database is gone.
pub fn count_flapping(tx: &mut Tx<'_>) -> Result<i64> {
    Ok(tx.query_one("SELECT COUNT(*) FROM incidents WHERE flapping = 1", &[], |row| row.int(0))?.unwrap_or(0))
}

/// An incident, or which one cannot be read.
pub(crate) fn try_read(row: &Row<'_>) -> Result<Readable<Incident>> {
    match read(row) {
        Err(StoreError::BadRow(why)) => Ok(Err(Unreadable { id: row.id(0)?, why })),
        other => other.map(Ok),
    }
}

fn read(row: &Row<'_>) -> Result<Incident> {
    let state = match row.int(3)? {
        0 => State::Open,
        1 => State::Acknowledged,
        _ => State::Resolved,
    };
    let severity = row.int(4)?;
    Ok(Incident {
        id: row.id(0)?,
        key: row.string(1)?,
        source: row.string(2)?,
        state,
        severity: Severity::ALL.into_iter().find(|it| *it as i64 == severity).unwrap_or_default(),
        title: row.string(5)?,
        labels: row.json(6)?,
        annotations: row.json(7)?,
        link: row.string(8)?,
        started_at: row.time(9)?,
        ends_at: row.opt_time(10)?,
        resolved_at: row.opt_time(11)?,
        first_seen: row.time(12)?,
        last_seen: row.time(13)?,
        times_seen: row.int(14)?,
        acknowledged_by: row.opt_string(15)?,
        acknowledged_until: row.opt_time(16)?,
        snoozed_until: row.opt_time(17)?,
        reopens_until: row.opt_time(18)?,
        version: row.int(19)?,
        times_out: row.int(20)? != 0,
        flap: if row.text(21)?.is_empty() { Flap::default() } else { row.json(21)? },
        extra: if row.text(22)?.is_empty() { None } else { Some(row.json(22)?) },
    })
}
