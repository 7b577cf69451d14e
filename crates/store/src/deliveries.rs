//! Deliveries: the queue, its leases, and what was answered.
//!
//! A lease is a due time in the future: what a node took is not due for others before the lease ends, and
//! is due again by itself when that node is gone. Correctness does not need it (a message carries a key
//! that stays the same), manners do.

use std::cmp::Reverse;

use model::delivery::{Attempt, Delivery, DeliveryState, Health, Outcome};
use model::notification::Reason;
use model::{Id, Notification, Time};

use crate::db::{Engine, Row, Tx, Value};
use crate::error::{Result, StoreError};
use crate::incidents::key_hash;

const COLUMNS: &str = "id, group_id, receiver, destination, lane, reason, state, attempts, created_at, due_at, \
                       settled_at, note";

/// Keeps new deliveries with what they say.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, deliveries: &[(Delivery, Notification)]) -> Result<()> {
    let sql = "INSERT INTO deliveries (id, group_id, receiver, destination, lane, reason, state, attempts, \
               created_at, due_at, lease_until, settled_at, note) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    tx.execute_many(sql, deliveries, |(it, _)| {
        [
            it.id.into(),
            it.group.into(),
            Value::Text(&it.receiver),
            Value::Text(&it.destination),
            it.lane.into(),
            Value::Text(it.reason.name()),
            (it.state as i64).into(),
            it.attempts.into(),
            it.created_at.into(),
            it.due_at.into(),
            lease_of(it).into(),
            it.settled_at.into(),
            Value::Text(&it.note),
        ]
    })?;
    let unwritten =
        |error: serde_json::Error| StoreError::Refused(format!("writing a notification: {error}"));
    let bodies: Vec<_> = deliveries
        .iter()
        .map(|(it, says)| Ok((it.id, serde_json::to_string(says).map_err(unwritten)?)))
        .collect::<Result<_>>()?;
    let sql = "INSERT INTO messages (delivery_id, body) VALUES ($1, $2)";
    tx.execute_many(sql, &bodies, |(id, body)| [(*id).into(), Value::Text(body)])?;
    Ok(())
}

/// A delivery that is due later than it was planned is leased from the start: it was handed over.
fn lease_of(delivery: &Delivery) -> Time {
    if delivery.due_at > delivery.created_at { delivery.due_at } else { Time(0) }
}

/// Destinations that have something pending, whenever it is due.
///
/// # Errors
/// When the database is gone.
pub fn destinations_waiting(tx: &mut Tx<'_>) -> Result<Vec<String>> {
    // jumps from one destination to the next in the index, however many deliveries each has
    let sql = "WITH RECURSIVE step(name) AS ( \
                   SELECT MIN(destination) FROM deliveries WHERE state = 0 \
                   UNION ALL \
                   SELECT (SELECT MIN(destination) FROM deliveries WHERE state = 0 AND destination > step.name) \
                   FROM step WHERE step.name IS NOT NULL) \
               SELECT name FROM step WHERE name IS NOT NULL";
    tx.query(sql, &[], |row| row.string(0))
}

/// When the next delivery to a destination is due; leased ones count as due when their lease ends.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>, destination: &str) -> Result<Option<Time>> {
    let sql = "SELECT MIN(due_at) FROM deliveries WHERE destination = $1 AND state = 0";
    Ok(tx.query_one(sql, &[destination.into()], |row| row.opt_time(0))?.flatten())
}

/// The lane of what a destination hears of a thread: what is told in the order in which it happened.
///
/// An alert that goes to many destinations is one write, and what is pending is found by lane: so lanes of one thread
/// lie beside each other. A few bits are enough to tell its destinations apart, since whoever asks for a lane compares
/// the destination, too.
pub fn lane(thread: &str, destination: &str) -> i64 {
    /// Bits for the destination.
    const BITS: u32 = 24;
    const MASK: i64 = (1 << BITS) - 1;
    let destination = key_hash(destination);
    (key_hash(thread) & !MASK) | ((destination ^ (destination >> BITS)) & MASK)
}

/// Gives what was pending before lanes were numbered as they are now the lanes of what comes after it, so that nothing
/// overtakes it.
///
/// # Errors
/// When the database is gone or full.
pub fn number_lanes(tx: &mut Tx<'_>) -> Result<()> {
    /// So many are held in memory at a time.
    const STEP: i64 = 1_000;
    let sql = "SELECT d.id, d.destination, m.body FROM deliveries d JOIN messages m ON m.delivery_id = d.id \
               WHERE d.state = 0 AND d.id > $1 ORDER BY d.id LIMIT $2";
    let mut last = Id(i64::MIN);
    loop {
        let mut lanes = Vec::new();
        let read = tx.query(sql, &[last.into(), STEP.into()], |row| {
            last = row.id(0)?;
            // what cannot be read cannot be sent either, and must not keep the hub from starting
            if let Ok(says) = row.json::<Notification>(2) {
                lanes.push((last, lane(&says.group_key, row.text(1)?)));
            }
            Ok(())
        })?;
        if read.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE deliveries SET lane = $1 WHERE id = $2";
        tx.execute_many(sql, &lanes, |(id, lane)| [(*lane).into(), (*id).into()])?;
    }
}

/// Takes what is due for a destination, the oldest first, leased until `lease_until`. Of each lane, only
/// the first: the rest waits until that one is settled.
///
/// # Errors
/// When the database is gone or full.
pub fn claim(
    tx: &mut Tx<'_>,
    destination: &str,
    at: Time,
    lease_until: Time,
    limit: i64,
) -> Result<Vec<(Delivery, Notification)>> {
    let lock = match tx.engine() {
        Engine::Sqlite => "",
        Engine::Postgres => "FOR UPDATE OF d SKIP LOCKED",
    };
    let columns = COLUMNS.split(", ").map(|name| format!("d.{}", name.trim())).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {columns}, m.body FROM deliveries d JOIN messages m ON m.delivery_id = d.id \
         WHERE d.destination = $1 AND d.state = 0 AND d.due_at <= $2 AND NOT EXISTS ( \
             SELECT 1 FROM deliveries e WHERE e.lane = d.lane AND e.destination = d.destination \
             AND e.state = 0 AND e.id < d.id) \
         ORDER BY d.due_at, d.id LIMIT $3 {lock}"
    );
    let found = tx.query(&sql, &[destination.into(), at.into(), limit.into()], |row| {
        Ok((read(row)?, row.json::<Notification>(12)?))
    })?;
    let sql = "UPDATE deliveries SET due_at = $1, lease_until = $1 WHERE id = $2";
    tx.execute_many(sql, &found, |(it, _)| [lease_until.into(), it.id.into()])?;
    let leased = |(it, says): (Delivery, Notification)| (Delivery { due_at: lease_until, ..it }, says);
    Ok(found.into_iter().map(leased).collect())
}

/// Ends the leases of a process that is gone; for a database that only one process uses, at its start.
///
/// # Errors
/// When the database is gone or full.
pub fn end_leases(tx: &mut Tx<'_>, at: Time) -> Result<u64> {
    let sql = "UPDATE deliveries SET due_at = $1, lease_until = 0 WHERE state = 0 AND lease_until > 0";
    tx.execute(sql, &[at.into()])
}

/// Gives back what was taken and not tried: deliveries by id, each with the lease under which it was taken.
/// What another node has taken hold of meanwhile stays with it.
///
/// # Errors
/// When the database is gone or full.
pub fn give_back(tx: &mut Tx<'_>, taken: &[(Id, Time)], due_at: Time) -> Result<()> {
    let sql =
        "UPDATE deliveries SET due_at = $1, lease_until = 0 WHERE id = $2 AND state = 0 AND lease_until = $3";
    tx.execute_many(sql, taken, |(id, lease)| [due_at.into(), (*id).into(), (*lease).into()])?;
    Ok(())
}

/// A try, and what becomes of its delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// The delivery as it is after the try.
    pub delivery: Delivery,
    /// The try.
    pub attempt: Attempt,
    /// The lease under which it was made.
    pub lease_until: Time,
}

/// Records tries and what became of their deliveries. A delivery that was settled meanwhile (buried by a
/// person, delivered by another node after our lease had ended) keeps its state; one that another node has
/// taken hold of is settled by our try, but not given a new time.
///
/// # Errors
/// When the database is gone or full.
pub fn record(tx: &mut Tx<'_>, tries: &[Tried]) -> Result<()> {
    let sql = "INSERT INTO attempts (delivery_id, number, at, latency_micros, outcome, status, answer) \
               VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (delivery_id, number) DO NOTHING";
    let unwritten = |error: serde_json::Error| StoreError::Refused(format!("writing an outcome: {error}"));
    let rows: Vec<_> = tries
        .iter()
        .map(|it| {
            Ok((
                &it.attempt,
                serde_json::to_string(&it.attempt.outcome).map_err(unwritten)?,
                plain(&it.attempt.answer),
            ))
        })
        .collect::<Result<_>>()?;
    tx.execute_many(sql, &rows, |(it, outcome, answer)| {
        [
            it.delivery.into(),
            it.number.into(),
            it.at.into(),
            it.latency_micros.into(),
            Value::Text(outcome),
            it.status.into(),
            Value::Text(answer),
        ]
    })?;
    update(tx, &tries.iter().map(|it| (&it.delivery, it.lease_until)).collect::<Vec<_>>())
}

/// Writes the state of deliveries that were settled without a try.
///
/// # Errors
/// When the database is gone or full.
pub fn settle(tx: &mut Tx<'_>, deliveries: &[Delivery]) -> Result<()> {
    update(tx, &deliveries.iter().map(|it| (it, Time(0))).collect::<Vec<_>>())
}

/// PostgreSQL keeps no NUL in a text, and what a receiver answers may hold one.
fn plain(text: &str) -> String {
    text.replace('\0', " ")
}

fn update(tx: &mut Tx<'_>, deliveries: &[(&Delivery, Time)]) -> Result<()> {
    let sql = "UPDATE deliveries SET state = $1, attempts = $2, due_at = $3, lease_until = 0, settled_at = $4, \
               note = $5 WHERE id = $6 AND state = 0 AND ($1 > CAST(0 AS BIGINT) OR lease_until = $7)";
    let rows: Vec<_> = deliveries.iter().map(|(it, lease)| (*it, *lease, plain(&it.note))).collect();
    tx.execute_many(sql, &rows, |(it, lease, note)| {
        [
            (it.state as i64).into(),
            it.attempts.into(),
            it.due_at.into(),
            it.settled_at.into(),
            Value::Text(note),
            it.id.into(),
            (*lease).into(),
        ]
    })?;
    Ok(())
}

/// Makes a dead or buried delivery pending again; says whether there was one.
///
/// # Errors
/// When the database is gone or full.
pub fn revive(tx: &mut Tx<'_>, id: Id, at: Time) -> Result<bool> {
    let sql = "UPDATE deliveries SET state = 0, due_at = $1, lease_until = 0, settled_at = NULL, \
               note = 'sent again by a person', created_at = $1 WHERE id = $2 AND state IN (2, 3)";
    Ok(tx.execute(sql, &[at.into(), id.into()])? > 0)
}

/// Takes a delivery off the dead-letter list or the queue; says whether there was one.
///
/// # Errors
/// When the database is gone or full.
pub fn bury(tx: &mut Tx<'_>, id: Id, note: &str, at: Time) -> Result<bool> {
    let sql = "UPDATE deliveries SET state = 3, settled_at = $1, note = $2 WHERE id = $3 AND state IN (0, 2)";
    Ok(tx.execute(sql, &[at.into(), note.into(), id.into()])? > 0)
}

/// One delivery.
///
/// # Errors
/// When the database is gone.
pub fn get(tx: &mut Tx<'_>, id: Id) -> Result<Option<Delivery>> {
    tx.query_one(&format!("SELECT {COLUMNS} FROM deliveries WHERE id = $1"), &[id.into()], read)
}

/// What a delivery says.
///
/// # Errors
/// When the database is gone.
pub fn notification(tx: &mut Tx<'_>, id: Id) -> Result<Option<Notification>> {
    tx.query_one("SELECT body FROM messages WHERE delivery_id = $1", &[id.into()], |row| row.json(0))
}

/// The tries of a delivery, in order.
///
/// # Errors
/// When the database is gone.
pub fn attempts(tx: &mut Tx<'_>, id: Id) -> Result<Vec<Attempt>> {
    let sql = "SELECT number, at, latency_micros, outcome, status, answer FROM attempts \
               WHERE delivery_id = $1 ORDER BY number";
    tx.query(sql, &[id.into()], |row| {
        Ok(Attempt {
            delivery: id,
            number: row.int(0)?,
            at: row.time(1)?,
            latency_micros: row.int(2)?,
            outcome: row.json::<Outcome>(3)?,
            status: row.opt_int(4)?,
            answer: row.string(5)?,
        })
    })
}

/// A page of deliveries, newest first, before an id or from the newest on.
///
/// # Errors
/// When the database is gone.
pub fn page(
    tx: &mut Tx<'_>,
    state: Option<DeliveryState>,
    destination: Option<&str>,
    before: Option<Id>,
    limit: i64,
) -> Result<Vec<Delivery>> {
    let before = before.unwrap_or(Id(i64::MAX));
    let Some(destination) = destination else {
        // a state that most rows do not have is asked by its own index
        let of_state = state.map(|state| format!(" AND state = {}", state as i64)).unwrap_or_default();
        let sql =
            format!("SELECT {COLUMNS} FROM deliveries WHERE id < $1{of_state} ORDER BY id DESC LIMIT $2");
        return tx.query(&sql, &[before.into(), limit.into()], read);
    };
    let mut those = |which: &str| {
        let sql = format!("SELECT {COLUMNS} FROM deliveries WHERE {which} ORDER BY id DESC LIMIT $3");
        tx.query(&sql, &[destination.into(), before.into(), limit.into()], read)
    };
    // what is pending is in the index of what is due, from which the newest are picked without a look at the rows
    let pending = "id IN (SELECT id FROM deliveries WHERE destination = $1 AND state = 0 AND id < $2 \
                   ORDER BY id DESC LIMIT $3)";
    match state {
        Some(DeliveryState::Pending) => those(pending),
        Some(DeliveryState::Delivered) => those("destination = $1 AND id < $2 AND state > 0 AND state = 1"),
        // few are in such a state: their index is the one to use, and this keeps others from being used
        Some(state) => those(&format!("destination || '' = $1 AND id < $2 AND state = {}", state as i64)),
        None => {
            let mut both = those(pending)?;
            both.extend(those("destination = $1 AND id < $2 AND state > 0")?);
            both.sort_unstable_by_key(|it| Reverse(it.id));
            both.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(both)
        }
    }
}

/// The greatest id of all deliveries; none when there are none.
///
/// # Errors
/// When the database is gone.
pub fn last_id(tx: &mut Tx<'_>) -> Result<Option<Id>> {
    Ok(tx.query_one("SELECT MAX(id) FROM deliveries", &[], |row| row.opt_int(0))?.flatten().map(Id))
}

/// The last delivery, with when it was planned.
///
/// # Errors
/// When the database is gone.
pub fn last(tx: &mut Tx<'_>) -> Result<Option<(Id, Time)>> {
    let sql = "SELECT id, created_at FROM deliveries ORDER BY id DESC LIMIT 1";
    tx.query_one(sql, &[], |row| Ok((row.id(0)?, row.time(1)?)))
}

/// How many are pending and dead, and when the oldest pending one was planned.
///
/// # Errors
/// When the database is gone.
pub fn backlog(tx: &mut Tx<'_>) -> Result<(i64, i64, Option<Time>)> {
    let mut count = |state: DeliveryState| -> Result<i64> {
        let sql = format!("SELECT COUNT(*) FROM deliveries WHERE state = {}", state as i64);
        Ok(tx.query_one(&sql, &[], |row| row.int(0))?.unwrap_or(0))
    };
    let (pending, dead) = (count(DeliveryState::Pending)?, count(DeliveryState::Dead)?);
    // ids ascend in the order of planning
    let sql = "SELECT created_at FROM deliveries WHERE state = 0 ORDER BY id LIMIT 1";
    Ok((pending, dead, tx.query_one(sql, &[], |row| row.time(0))?))
}

/// Which of these lines ([`Delivery::line`]) have something pending.
///
/// # Errors
/// When the database is gone.
pub fn lines_busy(tx: &mut Tx<'_>, lines: &[(i64, &str)]) -> Result<Vec<usize>> {
    let sql = "SELECT lane FROM deliveries WHERE lane = $1 AND destination = $2 AND state = 0 LIMIT 1";
    tx.query_many(sql, lines, |(lane, name)| [(*lane).into(), Value::Text(name)], |place, _| Ok(place))
}

/// How destinations are doing, as far as it is worth remembering.
///
/// # Errors
/// When the database is gone.
pub fn healths(tx: &mut Tx<'_>) -> Result<Vec<(String, Health)>> {
    tx.query("SELECT destination, health FROM health", &[], |row| Ok((row.string(0)?, row.json(1)?)))
}

/// How a destination is doing, if that was worth remembering.
///
/// # Errors
/// When the database is gone.
pub fn health(tx: &mut Tx<'_>, destination: &str) -> Result<Option<Health>> {
    let sql = "SELECT health FROM health WHERE destination = $1";
    tx.query_one(sql, &[destination.into()], |row| row.json(0))
}

/// Remembers how a destination is doing.
///
/// # Errors
/// When the database is gone or full.
pub fn set_health(tx: &mut Tx<'_>, destination: &str, health: &Health) -> Result<()> {
    let text = serde_json::to_string(health).map_err(|error| StoreError::Refused(error.to_string()))?;
    let sql = "INSERT INTO health (destination, health) VALUES ($1, $2) \
               ON CONFLICT (destination) DO UPDATE SET health = excluded.health";
    tx.execute(sql, &[destination.into(), Value::Text(&text)])?;
    Ok(())
}

/// Forgets how destinations are doing that need not be kept; returns how many there were.
///
/// # Errors
/// When the database is gone or full.
pub fn forget_healths(tx: &mut Tx<'_>, keep: impl Fn(&str) -> bool) -> Result<u64> {
    let mut gone = tx.query("SELECT destination FROM health", &[], |row| row.string(0))?;
    gone.retain(|name| !keep(name));
    tx.execute_many("DELETE FROM health WHERE destination = $1", &gone, |name| [Value::Text(name)])
}

fn read(row: &Row<'_>) -> Result<Delivery> {
    let reason = row.text(5)?;
    let reason: Reason = serde_json::from_value(serde_json::Value::String(reason.to_owned()))
        .map_err(|_| StoreError::BadRow(format!("reason {reason:?}")))?;
    Ok(Delivery {
        id: row.id(0)?,
        group: row.opt_int(1)?.map(Id),
        receiver: row.string(2)?,
        destination: row.string(3)?,
        lane: row.int(4)?,
        reason,
        state: DeliveryState::from_column(row.int(6)?),
        attempts: row.int(7)?,
        created_at: row.time(8)?,
        due_at: row.time(9)?,
        settled_at: row.opt_time(10)?,
        note: row.string(11)?,
    })
}

/// Test messages to a receiver that were planned at a time or after it, the latest first.
///
/// # Errors
/// When the database is gone.
pub fn tests_since(tx: &mut Tx<'_>, receiver: &str, since: Time, limit: i64) -> Result<Vec<Id>> {
    let sql = "SELECT id FROM deliveries WHERE id >= $1 AND reason = 'test' AND receiver = $2 \
               ORDER BY id DESC LIMIT $3";
    tx.query(sql, &[Id::first_at(since).into(), receiver.into(), limit.into()], |row| row.id(0))
}
