//! Groups and their members.

use std::time::Duration;

use model::group::{Group, Told};
use model::incident::Incident;
use model::{Id, Labels, Time};

use crate::db::{Row, Tx, Value};
use crate::error::{Readable, Result};
use crate::incidents;

/// A group as remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRow {
    /// Its id.
    pub id: Id,
    /// The route that made it, by its path.
    pub route: String,
    /// The receiver that is told.
    pub receiver: String,
    /// Alertmanager's group key.
    pub group_key: String,
    /// The labels that make it.
    pub labels: Labels,
    /// Its clock.
    pub clock: Group,
    /// When to look at it.
    pub due_at: Option<Time>,
}

/// A member with its incident.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberRow {
    /// What was told of it here.
    pub told: Told,
    /// What kept it back at the last tick, in words; empty: nothing did.
    pub hold: String,
    /// The incident as it is now.
    pub incident: Incident,
}

const COLUMNS: &str = "id, route, receiver, group_key, labels, ticked_at, told_at, due_at";

/// The groups of these receivers and group keys, each with its place in `keys`. Two routes may have the
/// same path and group key, and differ in their receivers.
///
/// # Errors
/// When the database is gone.
pub fn by_keys(tx: &mut Tx<'_>, keys: &[(&str, &str)]) -> Result<Vec<(usize, GroupRow)>> {
    let sql =
        format!("SELECT {COLUMNS} FROM groups WHERE key_hash = $1 AND receiver = $2 AND group_key = $3");
    tx.query_many(
        &sql,
        keys,
        |(receiver, key)| [incidents::key_hash(key).into(), Value::Text(receiver), Value::Text(key)],
        |place, row| Ok((place, read(row)?)),
    )
}

/// The groups that these incidents are in, each with the incident's place in `incidents`.
///
/// # Errors
/// When the database is gone.
pub fn of_incidents(tx: &mut Tx<'_>, incidents: &[Id]) -> Result<Vec<(usize, GroupRow)>> {
    let columns = COLUMNS.split(", ").map(|name| format!("g.{}", name.trim())).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {columns} FROM members m JOIN groups g ON g.id = m.group_id WHERE m.incident_id = $1"
    );
    tx.query_many(&sql, incidents, |id| [Value::from(*id)], |place, row| Ok((place, read(row)?)))
}

/// Keeps new groups.
///
/// # Errors
/// When the database is gone or full.
pub fn insert<'g>(tx: &mut Tx<'_>, groups: impl IntoIterator<Item = &'g GroupRow>) -> Result<()> {
    let sql = "INSERT INTO groups (id, route, receiver, group_key, key_hash, labels, ticked_at, told_at, due_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let rows: Vec<_> = groups.into_iter().map(|it| (it, it.labels.to_json())).collect();
    tx.execute_many(sql, &rows, |(it, labels)| {
        [
            it.id.into(),
            Value::Text(&it.route),
            Value::Text(&it.receiver),
            Value::Text(&it.group_key),
            incidents::key_hash(&it.group_key).into(),
            Value::Text(labels),
            it.clock.ticked_at.into(),
            it.clock.told_at.into(),
            it.due_at.into(),
        ]
    })?;
    Ok(())
}

/// Makes groups due no later than the given times.
///
/// # Errors
/// When the database is gone or full.
pub fn ring(tx: &mut Tx<'_>, groups: &[(Id, Time)]) -> Result<()> {
    let sql = "UPDATE groups SET due_at = $1 WHERE id = $2 AND (due_at IS NULL OR due_at > $1)";
    tx.execute_many(sql, groups, |(id, due)| [(*due).into(), (*id).into()])?;
    Ok(())
}

/// Groups that are due, the longest overdue first.
///
/// # Errors
/// When the database is gone.
pub fn due(tx: &mut Tx<'_>, at: Time, limit: i64) -> Result<Vec<GroupRow>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM groups WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2"
    );
    tx.query(&sql, &[at.into(), limit.into()], read)
}

/// When the next group is due.
///
/// # Errors
/// When the database is gone.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let sql = "SELECT MIN(due_at) FROM groups WHERE due_at IS NOT NULL";
    Ok(tx.query_one(sql, &[], |row| row.opt_time(0))?.flatten())
}

/// How many groups there are, and how many incidents something kept back at their groups' last ticks.
///
/// # Errors
/// When the database is gone.
pub fn counts(tx: &mut Tx<'_>) -> Result<(i64, i64)> {
    let sql = "SELECT (SELECT COUNT(*) FROM groups), \
               (SELECT COUNT(DISTINCT incident_id) FROM members WHERE hold <> '')";
    let counts = tx.query_one(sql, &[], |row| Ok((row.int(0)?, row.int(1)?)))?;
    Ok(counts.unwrap_or_default())
}

/// All groups after an id: for going through all of them in steps.
///
/// # Errors
/// When the database is gone.
pub fn after(tx: &mut Tx<'_>, after: Id, limit: i64) -> Result<Vec<GroupRow>> {
    let sql = format!("SELECT {COLUMNS} FROM groups WHERE id > $1 ORDER BY id LIMIT $2");
    tx.query(&sql, &[after.into(), limit.into()], read)
}

/// Puts incidents into groups; those that are there stay as they are, but that those which had moved away
/// are back.
///
/// # Errors
/// When the database is gone or full.
pub fn join(tx: &mut Tx<'_>, members: &[(Id, Id)]) -> Result<()> {
    let sql = "INSERT INTO members (group_id, incident_id, told, hold) VALUES ($1, $2, 0, '') \
               ON CONFLICT (group_id, incident_id) DO UPDATE SET told = 1 WHERE members.told = 4";
    tx.execute_many(sql, members, |(group, incident)| [(*group).into(), (*incident).into()])?;
    Ok(())
}

/// Puts incidents into groups that have just begun, with what was told of them there and what keeps them back.
///
/// # Errors
/// When the database is gone or full.
pub fn join_told(tx: &mut Tx<'_>, members: &[(Id, Id, Told, &str)]) -> Result<()> {
    let sql = "INSERT INTO members (group_id, incident_id, told, hold) VALUES ($1, $2, $3, $4)";
    tx.execute_many(sql, members, |(group, incident, told, hold)| {
        [(*group).into(), (*incident).into(), (*told as i64).into(), Value::Text(hold)]
    })?;
    Ok(())
}

/// What was told of these incidents counts for nothing any more: something new was said of them.
///
/// # Errors
/// When the database is gone or full.
pub fn forget_told(tx: &mut Tx<'_>, incidents: &[Id]) -> Result<()> {
    let sql = "UPDATE members SET told = 5 WHERE incident_id = $1 AND told IN (1, 2)";
    tx.execute_many(sql, incidents, |id| [(*id).into()])?;
    Ok(())
}

/// Takes incidents out of all groups: nothing is told of them there any more.
///
/// # Errors
/// When the database is gone or full.
pub fn leave(tx: &mut Tx<'_>, incidents: &[Id]) -> Result<()> {
    tx.execute_many("DELETE FROM members WHERE incident_id = $1", incidents, |id| [(*id).into()])?;
    Ok(())
}

/// The members of these groups with their incidents, as far as they can be read, each with its group's place
/// in `groups`, oldest first.
///
/// # Errors
/// When the database is gone.
pub fn members(tx: &mut Tx<'_>, groups: &[Id]) -> Result<Vec<(usize, MemberRow)>> {
    let found = first_members(tx, groups, i64::MAX)?;
    Ok(found.into_iter().filter_map(|(place, it)| Some((place, it.ok()?))).collect())
}

/// How many members a group has, counted up to `most`.
///
/// # Errors
/// When the database is gone.
pub fn count_members(tx: &mut Tx<'_>, group: Id, most: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM members WHERE group_id = $1 LIMIT $2) AS counted";
    Ok(tx.query_one(sql, &[group.into(), most.into()], |row| row.int(0))?.unwrap_or(0))
}

/// The first members of each of these groups, at most `limit` of each, with its group's place in `groups`,
/// oldest first.
///
/// # Errors
/// When the database is gone.
pub fn first_members(
    tx: &mut Tx<'_>,
    groups: &[Id],
    limit: i64,
) -> Result<Vec<(usize, Readable<MemberRow>)>> {
    let sql = format!(
        "SELECT {}, m.told, m.hold FROM members m JOIN incidents i ON i.id = m.incident_id \
         WHERE m.group_id = $1 ORDER BY m.incident_id LIMIT $2",
        incidents::columns_of("i")
    );
    tx.query_many(
        &sql,
        groups,
        |id| [Value::from(*id), limit.into()],
        |place, row| {
            let told = Told::from_column(row.int(incidents::WIDTH)?);
            let hold = row.string(incidents::WIDTH + 1)?;
            Ok((place, incidents::try_read(row)?.map(|incident| MemberRow { told, hold, incident })))
        },
    )
}

/// What a tick changed of a member; `None`: it has left the group.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberChange {
    /// The group.
    pub group: Id,
    /// The member.
    pub incident: Id,
    /// What is told of it now, and what keeps it back.
    pub now: Option<(Told, String)>,
}

/// Writes what ticks changed of members. An incident that is over and has left its last group belongs to the
/// past: an event of the same key opens another.
///
/// # Errors
/// When the database is gone or full.
pub fn change_members(tx: &mut Tx<'_>, changes: &[MemberChange]) -> Result<()> {
    let (stay, leave): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.now.is_some());
    let sql = "UPDATE members SET told = $1, hold = $2 WHERE group_id = $3 AND incident_id = $4";
    tx.execute_many(sql, &stay, |it| {
        let (told, hold) = it.now.as_ref().map_or((0, ""), |(told, hold)| (*told as i64, hold.as_str()));
        [told.into(), Value::Text(hold), it.group.into(), it.incident.into()]
    })?;
    let sql = "DELETE FROM members WHERE group_id = $1 AND incident_id = $2";
    tx.execute_many(sql, &leave, |it| [it.group.into(), it.incident.into()])?;
    let sql = "UPDATE incidents SET live = 0 WHERE id = $1 AND state = 2 AND live = 1 AND reopens_until IS NULL \
               AND NOT EXISTS (SELECT 1 FROM members m WHERE m.incident_id = $1)";
    tx.execute_many(sql, &leave, |it| [it.incident.into()])?;
    Ok(())
}

/// Starts the clocks of all groups that have ticked anew. Those that are due within this time are looked at
/// now, so that nothing that waits for a tick waits longer for it.
///
/// # Errors
/// When the database is gone or full.
pub fn restart_clocks(tx: &mut Tx<'_>, now: Time, within: Duration) -> Result<()> {
    let sql = "UPDATE groups SET due_at = $1 WHERE due_at > $1 AND due_at <= $2 AND ticked_at IS NOT NULL";
    tx.execute(sql, &[now.into(), (now + within).into()])?;
    tx.execute("UPDATE groups SET ticked_at = $1 WHERE ticked_at IS NOT NULL", &[now.into()])?;
    Ok(())
}

/// Writes the clocks of groups after a tick.
///
/// # Errors
/// When the database is gone or full.
pub fn tick(tx: &mut Tx<'_>, groups: &[(Id, Group, Option<Time>)]) -> Result<()> {
    let sql = "UPDATE groups SET ticked_at = $1, told_at = $2, due_at = $3 WHERE id = $4";
    tx.execute_many(sql, groups, |(id, clock, due)| {
        [clock.ticked_at.into(), clock.told_at.into(), (*due).into(), (*id).into()]
    })?;
    Ok(())
}

/// Forgets groups that have no members left.
///
/// # Errors
/// When the database is gone.
pub fn remove(tx: &mut Tx<'_>, groups: &[Id]) -> Result<()> {
    let sql = "DELETE FROM groups WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM members WHERE group_id = $1)";
    tx.execute_many(sql, groups, |id| [(*id).into()])?;
    Ok(())
}

/// Incidents that belong to other groups now: in these they stay for their end, if they were told at all.
///
/// # Errors
/// When the database is gone.
pub fn move_away(tx: &mut Tx<'_>, members: &[(Id, Id)]) -> Result<()> {
    let sql = "UPDATE members SET told = 4 WHERE group_id = $1 AND incident_id = $2 AND told <> 0";
    tx.execute_many(sql, members, |(group, incident)| [(*group).into(), (*incident).into()])?;
    let sql = "DELETE FROM members WHERE group_id = $1 AND incident_id = $2 AND told = 0";
    tx.execute_many(sql, members, |(group, incident)| [(*group).into(), (*incident).into()])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<GroupRow> {
    Ok(GroupRow {
        id: row.id(0)?,
        route: row.string(1)?,
        receiver: row.string(2)?,
        group_key: row.string(3)?,
        // its key says the same in words: a group is told even when this cannot be read
        labels: row.json(4).unwrap_or_default(),
        clock: Group { ticked_at: row.opt_time(5)?, told_at: row.opt_time(6)? },
        due_at: row.opt_time(7)?,
    })
}
