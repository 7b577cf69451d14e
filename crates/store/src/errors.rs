//! Errors that programs report: each event compressed, and what is counted of them by issue and by project.
//!
//! Writing is per event, so every function takes a batch and runs a statement that was prepared once for each row.

use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

mod issues;
mod keep;
mod reading;

pub use issues::{
    Found, Head, IssueRow, Looked, add_words, attach_hashes, by_hashes, count_issues, discard_hashes, family,
    forget_issue, hashes_of, head, heads, insert_issues, insert_words, merged_in, merged_into, put, recount,
    replace_in_lives, set_merged, that_say, touch, words,
};
pub use keep::{
    Plenty, Weight, evict, forget_events, forget_project, gone_projects, plenty, sweep_bases, sweep_project,
    trim_tags, weigh, weigh_bases,
};
pub use reading::{
    Feedback, Step, TagCount, base_for, base_of, count_between, count_since, count_users_since, estimate,
    event_by_key, feedback_of, hours_of, navigate, page, project_hours, seen, seen_at, tags_of, tags_with,
    times_by_hour,
};

/// An hour, in microseconds.
pub const HOUR: i64 = 3_600_000_000;

/// An error as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its id here.
    pub id: Id,
    /// The project.
    pub project: i64,
    /// The issue that its sum leads to, whatever that is merged into.
    pub issue: Id,
    /// A sum of project and client's id.
    pub event_key: i64,
    /// When it happened.
    pub at: Time,
    /// What it was compressed against.
    pub base: Option<Id>,
    /// A sum of whom it happened to.
    pub user: Option<i64>,
    /// All of it, compressed.
    pub body: Vec<u8>,
}

/// What errors are compressed against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseRow {
    /// Its id.
    pub id: Id,
    /// The project.
    pub project: i64,
    /// The sum of those that it is for.
    pub hash: String,
    /// The text, compressed.
    pub body: Vec<u8>,
}

/// Which of these keys are there, by their places.
///
/// # Errors
/// When the database is gone.
pub fn known(tx: &mut Tx<'_>, keys: &[i64]) -> Result<Vec<(usize, Id)>> {
    let sql = "SELECT issue_id FROM error_events WHERE event_key = $1 LIMIT 1";
    tx.query_many(sql, keys, |key| [(*key).into()], |place, row| Ok((place, row.id(0)?)))
}

/// Keeps events.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, events: &[&EventRow]) -> Result<()> {
    let sql = "INSERT INTO error_events (id, project_id, issue_id, event_key, at, base, user_key, body) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    tx.execute_many(sql, events, |it| {
        [
            it.id.into(),
            it.project.into(),
            it.issue.into(),
            it.event_key.into(),
            it.at.into(),
            it.base.into(),
            it.user.into(),
            Value::Blob(&it.body),
        ]
    })?;
    Ok(())
}

/// Keeps what events are compressed against.
///
/// # Errors
/// When the database is gone or full.
pub fn insert_bases(tx: &mut Tx<'_>, bases: &[&BaseRow]) -> Result<()> {
    let sql = "INSERT INTO error_bases (id, project_id, hash, body) VALUES ($1, $2, $3, $4)";
    tx.execute_many(sql, bases, |it| {
        [it.id.into(), it.project.into(), Value::Text(&it.hash), Value::Blob(&it.body)]
    })?;
    Ok(())
}

/// Events of an issue in an hour: how many, and their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hourly {
    /// The issue.
    pub issue: Id,
    /// The hour since the epoch.
    pub hour: i64,
    /// How many came.
    pub times: i64,
    /// How many of these are kept.
    pub kept: i64,
    /// Their bytes.
    pub bytes: i64,
}

/// Counts events by hour.
///
/// # Errors
/// When the database is gone or full.
pub fn count_hours(tx: &mut Tx<'_>, counts: &[Hourly]) -> Result<()> {
    let sql = "INSERT INTO issue_hours (issue_id, hour, times, kept, bytes) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT (issue_id, hour) DO UPDATE SET times = issue_hours.times + excluded.times, \
               kept = issue_hours.kept + excluded.kept, bytes = issue_hours.bytes + excluded.bytes";
    tx.execute_many(sql, counts, |it| {
        [it.issue.into(), it.hour.into(), it.times.into(), it.kept.into(), it.bytes.into()]
    })?;
    Ok(())
}

/// A user that an error hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The issue that the error's sum leads to: there it is noted, so that it can be counted again when issues part.
    pub home: Id,
    /// The issue that counts for it.
    pub head: Id,
    /// A sum of what the user is known by.
    pub user: i64,
}

/// Notes users that errors have hit; returns those that are new to the issue that counts, by their places.
///
/// # Errors
/// When the database is gone or full.
pub fn note_users(tx: &mut Tx<'_>, hits: &[Hit]) -> Result<Vec<usize>> {
    let sql = "SELECT 1 FROM issue_users WHERE issue_id = $1 AND user_key = $2";
    let known = tx.query_many(sql, hits, |it| [it.home.into(), it.user.into()], |place, _| Ok(place))?;
    let is_first = |place: usize, of: fn(&Hit) -> Id| {
        let it = &hits[place];
        !hits[..place].iter().any(|before| of(before) == of(it) && before.user == it.user)
    };
    let is_new = |place: &usize| !known.contains(place) && is_first(*place, |it| it.home);
    let new: Vec<usize> = (0..hits.len()).filter(is_new).collect();
    // others that count as the same issue may know them
    let sql = "SELECT 1 FROM issue_users WHERE issue_id = $1 AND user_key = $2 \
               UNION ALL SELECT 1 FROM issues i JOIN issue_users u \
               ON u.issue_id = i.id AND u.user_key = $2 WHERE i.merged_into = $1 LIMIT 1";
    let elsewhere = tx.query_many(
        sql,
        &new,
        |place| [hits[*place].head.into(), hits[*place].user.into()],
        |place, _| Ok(place),
    )?;
    let sql = "INSERT INTO issue_users (issue_id, user_key) VALUES ($1, $2)";
    tx.execute_many(sql, &new, |place| [hits[*place].home.into(), hits[*place].user.into()])?;
    let counts = |(at, place): (usize, usize)| {
        (!elsewhere.contains(&at) && is_first(place, |it| it.head)).then_some(place)
    };
    Ok(new.into_iter().enumerate().filter_map(counts).collect())
}

/// A value of a tag that came with an issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged<'a> {
    /// The issue.
    pub issue: Id,
    /// The tag.
    pub name: &'a str,
    /// Its value.
    pub value: &'a str,
}

/// Counts values of tags.
///
/// # Errors
/// When the database is gone or full.
pub fn count_tags(tx: &mut Tx<'_>, tags: &[Tagged<'_>], at: Time) -> Result<()> {
    tx.execute_many(COUNT_TAG, tags, |it| tag_values(it, at))?;
    Ok(())
}

/// Counts values of tags; returns those that their issue did not have before, by their places.
///
/// # Errors
/// When the database is gone or full.
pub fn count_and_tell_new(tx: &mut Tx<'_>, tags: &[Tagged<'_>], at: Time) -> Result<Vec<usize>> {
    let sql = format!("{COUNT_TAG} RETURNING times");
    let is_new = |place, row: &Row<'_>| Ok((row.int(0)? == 1).then_some(place));
    let found = tx.query_many(&sql, tags, |it| tag_values(it, at), is_new)?;
    Ok(found.into_iter().flatten().collect())
}

const COUNT_TAG: &str = "INSERT INTO issue_tags (issue_id, name, value, times, last_seen) \
                         VALUES ($1, $2, $3, 1, $4) ON CONFLICT (issue_id, name, value) DO UPDATE SET \
                         times = issue_tags.times + 1, last_seen = excluded.last_seen";

fn tag_values<'a>(it: &Tagged<'a>, at: Time) -> [Value<'a>; 4] {
    [it.issue.into(), Value::Text(it.name), Value::Text(it.value), at.into()]
}

/// What a project was heard of in: kind (`release`, `environment`), value, and how often.
pub type Seen<'a> = (i64, &'static str, &'a str, i64);

/// Notes releases and environments.
///
/// # Errors
/// When the database is gone or full.
pub fn note_seen(tx: &mut Tx<'_>, seen: &[Seen<'_>], at: Time) -> Result<()> {
    let sql = "INSERT INTO project_seen (project_id, kind, value, first_seen, last_seen, times) \
               VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (project_id, kind, value) DO UPDATE SET \
               last_seen = excluded.last_seen, times = project_seen.times + excluded.times";
    tx.execute_many(sql, seen, |(project, kind, value, times)| {
        [(*project).into(), (*kind).into(), Value::Text(value), at.into(), (*times).into()]
    })?;
    Ok(())
}

/// Something that a project sent, and how often.
pub type Counted<'a> = (i64, &'a str, i64);

/// Counts what projects send.
///
/// # Errors
/// When the database is gone or full.
pub fn count_sent(tx: &mut Tx<'_>, counts: &[Counted<'_>], at: Time) -> Result<()> {
    let hour = at.0 / HOUR;
    let sql = "INSERT INTO project_hours (project_id, hour, what, times) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (project_id, hour, what) DO UPDATE SET \
               times = project_hours.times + excluded.times";
    tx.execute_many(sql, counts, |(project, what, times)| {
        [(*project).into(), hour.into(), Value::Text(what), (*times).into()]
    })?;
    Ok(())
}

/// Keeps what a user said; `issue`: where its event is known.
///
/// # Errors
/// When the database is gone or full.
pub fn insert_feedback(tx: &mut Tx<'_>, it: &Feedback, project: i64) -> Result<()> {
    let sql = "INSERT INTO error_feedback (id, project_id, issue_id, event_key, at, said) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = [
        it.id.into(),
        project.into(),
        it.issue.into(),
        it.event_key.into(),
        it.at.into(),
        Value::Text(&it.said),
    ];
    tx.execute(sql, &values)?;
    Ok(())
}

fn read_event(row: &Row<'_>) -> Result<EventRow> {
    Ok(EventRow {
        id: row.id(0)?,
        project: row.int(1)?,
        issue: row.id(2)?,
        event_key: row.int(3)?,
        at: row.time(4)?,
        base: row.opt_int(5)?.map(Id),
        user: row.opt_int(6)?,
        body: row.bytes(7)?,
    })
}

const EVENT_COLUMNS: &str = "id, project_id, issue_id, event_key, at, base, user_key, body";
