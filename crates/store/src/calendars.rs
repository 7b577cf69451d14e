//! Calendars by which layers of schedules go: the last that could be read, what came of it, and when each is due.

use model::schedule::Listed;
use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::definitions::NAME;
use crate::error::{Result, StoreError};
use crate::past;
use crate::rules::bump;

/// What is known of a calendar, all but its text.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Known {
    /// The schedule.
    pub schedule: Id,
    /// The name of its layer.
    pub layer: String,
    /// A hash of where it was fetched; empty: somebody uploaded it, or it was never fetched.
    pub address: String,
    /// What its server calls this version of it; may be empty.
    pub etag: String,
    /// When it was changed last, in its server's words; may be empty.
    pub last_modified: String,
    /// What came of it.
    pub shifts: Vec<Listed>,
    /// What could not be used, as JSON: a list of what is `Skipped`.
    pub skipped: String,
    /// How much could not be used.
    pub skipped_count: i64,
    /// When it was last fetched or uploaded, also when it was found to be the same.
    pub fetched_at: Option<Time>,
    /// When its text was read last.
    pub read_at: Time,
    /// When it is fetched next.
    pub due_at: Option<Time>,
    /// Tries in a row that failed.
    pub failures: i64,
    /// Why the last one did; empty: it did not.
    pub error: String,
}

const COLUMNS: &str = "schedule_id, layer, address, etag, last_modified, shifts, skipped, skipped_count, fetched_at, \
    read_at, due_at, failures, error";

/// All of them.
///
/// # Errors
/// When the database is gone, or one cannot be read.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Known>> {
    tx.query(&format!("SELECT {COLUMNS} FROM calendars ORDER BY schedule_id, layer"), &[], read)
}

/// What has to be known of one to see whether something is to be done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brief {
    /// The schedule.
    pub schedule: Id,
    /// The name of its layer.
    pub layer: String,
    /// As [`Known::address`].
    pub address: String,
    /// When its text was read last.
    pub read_at: Time,
    /// When it is fetched next.
    pub due_at: Option<Time>,
}

/// All of them, in brief.
///
/// # Errors
/// When the database is gone.
pub fn brief(tx: &mut Tx<'_>) -> Result<Vec<Brief>> {
    tx.query("SELECT schedule_id, layer, address, read_at, due_at FROM calendars", &[], |row| {
        Ok(Brief {
            schedule: row.id(0)?,
            layer: row.string(1)?,
            address: row.string(2)?,
            read_at: row.time(3)?,
            due_at: row.opt_time(4)?,
        })
    })
}

/// Those of one schedule.
///
/// # Errors
/// As [`all`].
pub fn of(tx: &mut Tx<'_>, schedule: Id) -> Result<Vec<Known>> {
    let sql = format!("SELECT {COLUMNS} FROM calendars WHERE schedule_id = $1 ORDER BY layer");
    tx.query(&sql, &[schedule.into()], read)
}

/// That of one layer.
///
/// # Errors
/// As [`all`].
pub fn get(tx: &mut Tx<'_>, schedule: Id, layer: &str) -> Result<Option<Known>> {
    let sql = format!("SELECT {COLUMNS} FROM calendars WHERE schedule_id = $1 AND layer = $2");
    tx.query_one(&sql, &[schedule.into(), Value::Text(layer)], read)
}

/// The text of one; empty when there is none.
///
/// # Errors
/// When the database is gone.
pub fn body(tx: &mut Tx<'_>, schedule: Id, layer: &str) -> Result<String> {
    let sql = "SELECT body FROM calendars WHERE schedule_id = $1 AND layer = $2";
    let found = tx.query_one(sql, &[schedule.into(), Value::Text(layer)], |row| row.string(0))?;
    Ok(found.unwrap_or_default())
}

/// Keeps what is known of one at this time; a text only when there is a new one. Nodes hear of it when its shifts are
/// others.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, it: &Known, body: Option<&str>, at: Time) -> Result<()> {
    let shifts = serde_json::to_string(&it.shifts);
    let shifts = shifts.map_err(|error| StoreError::Refused(format!("writing shifts: {error}")))?;
    let key = [it.schedule.into(), Value::Text(&it.layer)];
    let sql = "SELECT shifts FROM calendars WHERE schedule_id = $1 AND layer = $2";
    let before = tx.query_one(sql, &key, |row| row.string(0))?;
    let is_news = before.as_deref().unwrap_or("[]") != shifts;
    if is_news {
        past::keep_shifts(tx, it.schedule, at)?;
    }
    if before.is_none() {
        let sql = "INSERT INTO calendars (schedule_id, layer, address, etag, last_modified, body, shifts, skipped, \
                   skipped_count, read_at, failures, error) VALUES ($1, $2, '', '', '', '', '[]', '[]', 0, 0, 0, '')";
        tx.execute(sql, &key)?;
    }
    let sql = "UPDATE calendars SET address = $1, etag = $2, last_modified = $3, shifts = $4, skipped = $5, \
               skipped_count = $6, fetched_at = $7, read_at = $8, due_at = $9, failures = $10, error = $11 \
               WHERE schedule_id = $12 AND layer = $13";
    let values = [
        Value::Text(&it.address),
        Value::Text(&it.etag),
        Value::Text(&it.last_modified),
        Value::Text(&shifts),
        Value::Text(&it.skipped),
        it.skipped_count.into(),
        it.fetched_at.into(),
        it.read_at.into(),
        it.due_at.into(),
        it.failures.into(),
        Value::Text(&it.error),
        key[0],
        key[1],
    ];
    tx.execute(sql, &values)?;
    if let Some(body) = body {
        let sql = "UPDATE calendars SET body = $1 WHERE schedule_id = $2 AND layer = $3";
        tx.execute(sql, &[Value::Text(body), key[0], key[1]])?;
    }
    if is_news { bump(tx, NAME) } else { Ok(()) }
}

/// Lets those of a schedule that are fetched be due at this time.
///
/// # Errors
/// When the database is gone or full.
pub fn hurry(tx: &mut Tx<'_>, schedule: Id, at: Time) -> Result<u64> {
    let sql = "UPDATE calendars SET due_at = $1 WHERE schedule_id = $2 AND due_at IS NOT NULL";
    tx.execute(sql, &[at.into(), schedule.into()])
}

/// Lets all be read again, since other users are there whom they may name.
///
/// # Errors
/// When the database is gone or full.
pub(crate) fn read_again(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute("UPDATE calendars SET read_at = 0", &[])?;
    Ok(())
}

/// Forgets one, whose layer is gone, at this time.
///
/// # Errors
/// When the database is gone.
pub fn delete(tx: &mut Tx<'_>, schedule: Id, layer: &str, at: Time) -> Result<()> {
    past::keep_shifts(tx, schedule, at)?;
    let sql = "DELETE FROM calendars WHERE schedule_id = $1 AND layer = $2";
    tx.execute(sql, &[schedule.into(), Value::Text(layer)])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Known> {
    let shifts = serde_json::from_str(row.text(5)?);
    Ok(Known {
        schedule: row.id(0)?,
        layer: row.string(1)?,
        address: row.string(2)?,
        etag: row.string(3)?,
        last_modified: row.string(4)?,
        shifts: shifts.map_err(|error| StoreError::BadRow(format!("shifts: {error}")))?,
        skipped: row.string(6)?,
        skipped_count: row.int(7)?,
        fetched_at: row.opt_time(8)?,
        read_at: row.time(9)?,
        due_at: row.opt_time(10)?,
        failures: row.int(11)?,
        error: row.string(12)?,
    })
}
