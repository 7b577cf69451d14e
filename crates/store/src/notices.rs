//! What subscribers are still to be told: written in the transaction of what it is about, and gone when it was heard.
//!
//! A subscriber is told by one node at a time, which has a lease on it; so what it hears stays in order.

use model::{Id, Notice, Time, Topic};

use crate::db::{Tx, Value};
use crate::error::{Result, StoreError};

/// What each notice takes of a batch beside its data: its id, topic and time, and what is around them.
const AROUND_BYTES: usize = 256;

/// A notice for one subscriber.
#[derive(Clone, Debug)]
pub struct Addressed<'a> {
    /// Who is to be told.
    pub subscriber: &'a str,
    /// What.
    pub notice: &'a Notice,
}

/// Keeps notices until they were heard.
///
/// # Errors
/// When the database is gone or full.
pub fn write(tx: &mut Tx<'_>, notices: &[Addressed<'_>]) -> Result<()> {
    let sql = "INSERT INTO notices (subscriber, id, topic, at, bytes, data) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.execute_many(sql, notices, |Addressed { subscriber, notice }| {
        let bytes = i64::try_from(notice.data.len() + AROUND_BYTES).unwrap_or(i64::MAX);
        [
            Value::Text(subscriber),
            notice.id.into(),
            Value::Text(notice.topic.name()),
            notice.at.into(),
            bytes.into(),
            Value::Text(&notice.data),
        ]
    })?;
    Ok(())
}

/// These subscribers are wanted at this time; those that were not known are from here on.
///
/// # Errors
/// When the database is gone or full.
pub fn see(tx: &mut Tx<'_>, names: &[&str], at: Time) -> Result<()> {
    let sql = "INSERT INTO subscribers (name, node, lease_until, seen_at, dropped) VALUES ($1, 0, 0, $2, 0) \
               ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at";
    tx.execute_many(sql, names, |name| [Value::Text(name), at.into()])?;
    Ok(())
}

/// Ends the leases of a process that is gone; for a database that only one process uses, at its start.
///
/// # Errors
/// When the database is gone or full.
pub fn end_leases(tx: &mut Tx<'_>) -> Result<()> {
    tx.execute("UPDATE subscribers SET lease_until = 0 WHERE lease_until > 0", &[])?;
    Ok(())
}

/// Whether a subscriber is to be told anything.
///
/// # Errors
/// When the database is gone.
pub fn is_waiting(tx: &mut Tx<'_>, subscriber: &str) -> Result<bool> {
    let sql = "SELECT id FROM notices WHERE subscriber = $1 ORDER BY id LIMIT 1";
    Ok(tx.query_one(sql, &[subscriber.into()], |row| row.id(0))?.is_some())
}

/// The greatest id of a subscriber's notices; none when there are none.
///
/// # Errors
/// When the database is gone.
pub fn last_id(tx: &mut Tx<'_>, subscriber: &str) -> Result<Option<Id>> {
    let sql = "SELECT id FROM notices WHERE subscriber = $1 ORDER BY id DESC LIMIT 1";
    tx.query_one(sql, &[subscriber.into()], |row| row.id(0))
}

/// Who takes notices, and how many.
#[derive(Clone, Debug)]
pub struct Taking<'a> {
    /// Whose.
    pub subscriber: &'a str,
    /// The node that takes them.
    pub node: i64,
    /// The time.
    pub at: Time,
    /// Until when no other node takes any.
    pub lease_until: Time,
    /// Notices, at the most.
    pub batch: usize,
    /// Bytes, at the most; one that has more by itself goes alone.
    pub bytes: usize,
}

/// Takes the oldest notices of a subscriber, in order; none when another node is at it. They stay until
/// [`heard`].
///
/// # Errors
/// When the database is gone or full, or a row cannot be read.
pub fn take(tx: &mut Tx<'_>, taking: &Taking<'_>) -> Result<Vec<Notice>> {
    let Taking { subscriber, node, at, lease_until, .. } = *taking;
    let sql = "UPDATE subscribers SET node = $1, lease_until = $2 \
               WHERE name = $3 AND (node = $1 OR lease_until <= $4)";
    if tx.execute(sql, &[node.into(), lease_until.into(), subscriber.into(), at.into()])? == 0 {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, bytes FROM notices WHERE subscriber = $1 ORDER BY id LIMIT $2";
    let limit = i64::try_from(taking.batch).unwrap_or(i64::MAX);
    let sizes = tx.query(sql, &[subscriber.into(), limit.into()], |row| Ok((row.id(0)?, row.int(1)?)))?;
    let mut left = i64::try_from(taking.bytes).unwrap_or(i64::MAX);
    let mut ids = Vec::with_capacity(sizes.len());
    for (id, bytes) in sizes {
        left = left.saturating_sub(bytes);
        if left < 0 && !ids.is_empty() {
            break;
        }
        ids.push((subscriber, id));
    }
    if ids.is_empty() {
        give_back(tx, subscriber, node)?;
        return Ok(Vec::new());
    }
    let sql = "SELECT id, topic, at, data FROM notices WHERE subscriber = $1 AND id = $2";
    tx.query_many(
        sql,
        &ids,
        |(of, id)| [Value::Text(of), (*id).into()],
        |_, row| {
            let topic = row.text(1)?;
            let topic =
                Topic::from_name(topic).ok_or_else(|| StoreError::BadRow(format!("topic {topic:?}")))?;
            Ok(Notice { id: row.id(0)?, topic, at: row.time(2)?, data: row.string(3)? })
        },
    )
}

/// Notices were heard, and never come again; the next may be taken by any node.
///
/// # Errors
/// When the database is gone or full.
pub fn heard(tx: &mut Tx<'_>, subscriber: &str, node: i64, ids: &[Id]) -> Result<()> {
    // by each id: one that is smaller may have been written by another node meanwhile
    let sql = "DELETE FROM notices WHERE subscriber = $1 AND id = $2";
    let rows: Vec<(&str, Id)> = ids.iter().map(|id| (subscriber, *id)).collect();
    tx.execute_many(sql, &rows, |(of, id)| [Value::Text(of), (*id).into()])?;
    give_back(tx, subscriber, node)
}

/// Notices that were taken were not heard: any node may take them again.
///
/// # Errors
/// When the database is gone or full.
pub fn give_back(tx: &mut Tx<'_>, subscriber: &str, node: i64) -> Result<()> {
    let sql = "UPDATE subscribers SET lease_until = 0 WHERE name = $1 AND node = $2";
    tx.execute(sql, &[subscriber.into(), node.into()])?;
    Ok(())
}

/// The last notice of a subscriber that is too much, when the newest of it may be so many and have so many bytes; none
/// when nothing is.
///
/// # Errors
/// When the database is gone.
pub fn excess(tx: &mut Tx<'_>, subscriber: &str, most: i64, most_bytes: i64) -> Result<Option<Id>> {
    let sql = "SELECT id, bytes FROM notices WHERE subscriber = $1 ORDER BY id DESC LIMIT $2";
    let limit = most.saturating_add(1);
    let newest = tx.query(sql, &[subscriber.into(), limit.into()], |row| Ok((row.id(0)?, row.int(1)?)))?;
    let (mut count, mut bytes) = (0, 0);
    let last = newest.into_iter().find(|(_, more)| {
        count += 1;
        bytes += more;
        count > most || bytes > most_bytes
    });
    Ok(last.map(|(id, _)| id))
}

/// Drops the notices of a subscriber up to one of them, and counts them; says how many that were.
///
/// # Errors
/// When the database is gone or full.
pub fn drop_until(tx: &mut Tx<'_>, subscriber: &str, last: Id) -> Result<u64> {
    let sql = "DELETE FROM notices WHERE subscriber = $1 AND id <= $2";
    let dropped = tx.execute(sql, &[subscriber.into(), last.into()])?;
    let sql = "UPDATE subscribers SET dropped = dropped + $1 WHERE name = $2";
    tx.execute(sql, &[i64::try_from(dropped).unwrap_or(i64::MAX).into(), subscriber.into()])?;
    Ok(dropped)
}

/// How many notices of a subscriber wait, and how many were dropped so far.
///
/// # Errors
/// When the database is gone.
pub fn backlog(tx: &mut Tx<'_>, subscriber: &str) -> Result<(i64, i64)> {
    let sql = "SELECT COUNT(*) FROM notices WHERE subscriber = $1";
    let waiting = tx.query_one(sql, &[subscriber.into()], |row| row.int(0))?.unwrap_or(0);
    let sql = "SELECT dropped FROM subscribers WHERE name = $1";
    Ok((waiting, tx.query_one(sql, &[subscriber.into()], |row| row.int(0))?.unwrap_or(0)))
}

/// Forgets subscribers that nobody has wanted since a time, and at most `limit` notices of each; returns how many rows
/// went.
///
/// # Errors
/// When the database is gone.
pub fn sweep(tx: &mut Tx<'_>, seen_since: Time, limit: i64) -> Result<u64> {
    let old = tx.query("SELECT name FROM subscribers WHERE seen_at < $1", &[seen_since.into()], |row| {
        row.string(0)
    })?;
    let mut gone = 0;
    for name in old {
        let sql = "DELETE FROM notices WHERE subscriber = $1 AND id IN ( \
                   SELECT id FROM notices WHERE subscriber = $1 ORDER BY id LIMIT $2)";
        gone += tx.execute(sql, &[Value::Text(&name), limit.into()])?;
        if !is_waiting(tx, &name)? {
            gone += tx.execute("DELETE FROM subscribers WHERE name = $1", &[Value::Text(&name)])?;
        }
    }
    Ok(gone)
}
