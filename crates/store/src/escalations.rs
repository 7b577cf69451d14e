//! Escalations: where incidents stand in theirs, and what still rings for those who were paged.

use model::escalation::Escalation;
use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::{Result, StoreError};

/// In place of a policy that is not there: `held` says which.
pub const NO_POLICY: Id = Id(0);

/// Where an incident stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Escalating {
    /// The incident.
    pub incident: Id,
    /// The policy that it goes by; [`NO_POLICY`]: there is none of the name that its route says.
    pub policy: Id,
    /// Where it stands.
    pub state: Escalation,
    /// When it is looked at next; at its own time, or later while something keeps pages back.
    pub due_at: Option<Time>,
    /// What keeps pages back at the moment, in words; empty: nothing.
    pub held: String,
}

/// Somebody who was paged is still to be rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ringing {
    /// Its id.
    pub id: Id,
    /// Of what.
    pub incident: Id,
    /// Who.
    pub user: Id,
    /// Where.
    pub destination: Id,
    /// When they were paged.
    pub paged_at: Time,
    /// When it rings.
    pub due_at: Time,
    /// Whether it does not when an earlier one has reached them.
    pub unless_confirmed: bool,
}

const COLUMNS: &str = "incident_id, policy, state, due_at, held";
const RING_COLUMNS: &str = "id, incident_id, user_id, destination, paged_at, due_at, unless_confirmed";

/// Keeps where an incident stands.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, it: &Escalating) -> Result<()> {
    let state = serde_json::to_string(&it.state);
    let state = state.map_err(|error| StoreError::Refused(format!("writing an escalation: {error}")))?;
    let sql = "INSERT INTO escalations (incident_id, policy, state, due_at, held) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (incident_id) DO UPDATE SET policy = excluded.policy, state = excluded.state, \
               due_at = excluded.due_at, held = excluded.held";
    let values =
        [it.incident.into(), it.policy.into(), Value::Text(&state), it.due_at.into(), Value::Text(&it.held)];
    tx.execute(sql, &values)?;
    Ok(())
}

/// Where these incidents stand, as far as they escalate.
///
/// # Errors
/// When the database is gone.
pub fn of(tx: &mut Tx<'_>, incidents: &[Id]) -> Result<Vec<Escalating>> {
    let sql = "SELECT incident_id, policy, state, due_at, held FROM escalations WHERE incident_id = $1";
    tx.query_many(sql, incidents, |id| [(*id).into()], |_, row| read(row))
}

/// Whether any incident escalates.
///
/// # Errors
/// When the database is gone.
pub fn are_there(tx: &mut Tx<'_>) -> Result<bool> {
    Ok(tx.query_one("SELECT incident_id FROM escalations LIMIT 1", &[], |row| row.int(0))?.is_some())
}

/// Those that are due, the oldest first.
///
/// # Errors
/// When the database is gone.
pub fn due(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<Escalating>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM escalations WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2"
    );
    tx.query(&sql, &[at.into(), limit.into()], read)
}

/// Those that have a next step, at most so many, after an incident.
///
/// # Errors
/// When the database is gone.
pub fn running_after(tx: &mut Tx<'_>, after: Id, limit: i64) -> Result<Vec<Escalating>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM escalations WHERE due_at IS NOT NULL AND incident_id > $1 \
         ORDER BY incident_id LIMIT $2"
    );
    tx.query(&sql, &[after.into(), limit.into()], read)
}

/// Keeps what is still to ring.
///
/// # Errors
/// When the database is gone or full.
pub fn ring_later(tx: &mut Tx<'_>, rings: &[Ringing]) -> Result<()> {
    let sql = "INSERT INTO rings (id, incident_id, user_id, destination, paged_at, due_at, unless_confirmed) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    tx.execute_many(sql, rings, |it| {
        [
            it.id.into(),
            it.incident.into(),
            it.user.into(),
            it.destination.into(),
            it.paged_at.into(),
            it.due_at.into(),
            i64::from(it.unless_confirmed).into(),
        ]
    })?;
    Ok(())
}

/// Takes what is to ring now.
///
/// # Errors
/// When the database is gone.
pub fn take_rings(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<Ringing>> {
    let sql = format!("SELECT {RING_COLUMNS} FROM rings WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2");
    let due = tx.query(&sql, &[at.into(), limit.into()], |row| {
        Ok(Ringing {
            id: row.id(0)?,
            incident: row.id(1)?,
            user: row.id(2)?,
            destination: row.id(3)?,
            paged_at: row.time(4)?,
            due_at: row.time(5)?,
            unless_confirmed: row.int(6)? != 0,
        })
    })?;
    tx.execute_many("DELETE FROM rings WHERE id = $1", &due, |it| [it.id.into()])?;
    Ok(due)
}

/// Forgets what is still to ring about incidents: they are taken, or over.
///
/// # Errors
/// When the database is gone.
pub fn hush(tx: &mut Tx<'_>, incidents: &[Id]) -> Result<()> {
    tx.execute_many("DELETE FROM rings WHERE incident_id = $1", incidents, |id| [(*id).into()])?;
    Ok(())
}

/// When the next step or ring is due.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let sql = "SELECT MIN(due_at) FROM escalations WHERE due_at IS NOT NULL";
    let step = tx.query_one(sql, &[], |row| row.opt_time(0))?.flatten();
    let ring = tx.query_one("SELECT MIN(due_at) FROM rings", &[], |row| row.opt_time(0))?.flatten();
    Ok([step, ring].into_iter().flatten().min())
}

fn read(row: &Row<'_>) -> Result<Escalating> {
    Ok(Escalating {
        incident: row.id(0)?,
        policy: row.id(1)?,
        state: row.json(2)?,
        due_at: row.opt_time(3)?,
        held: row.string(4)?,
    })
}
