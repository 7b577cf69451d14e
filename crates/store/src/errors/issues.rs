//! Issues: what an incident has besides when it stands for errors, and the sums that lead to it.

use model::incident::State;
use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::Result;

/// What an issue has besides its incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueRow {
    /// Its id, which is its incident's.
    pub id: Id,
    /// The project.
    pub project: i64,
    /// The issue that it counts as.
    pub merged_into: Option<Id>,
    /// What it waits for and who looks after it, as JSON.
    pub life: String,
    /// Users that it has hit.
    pub users_seen: i64,
    /// The release that it was first seen in; empty: unknown.
    pub first_release: String,
    /// The release that it was last seen in; empty: unknown.
    pub last_release: String,
}

/// An issue as an event finds it, with what its incident says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The issue.
    pub issue: IssueRow,
    /// Where its incident stands.
    pub state: State,
    /// How often it was seen before.
    pub times_seen: i64,
    /// When it was first seen.
    pub first_seen: Time,
    /// When it was last seen.
    pub last_seen: Time,
}

/// Where a sum leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// To an issue.
    Issue(Box<Head>),
    /// Nowhere: such errors are not wanted.
    Discarded,
}

const HEAD: &str = "i.id, i.project_id, i.merged_into, i.life, i.users_seen, i.first_release, i.last_release, \
                    n.state, n.times_seen, n.first_seen, n.last_seen";

/// Where these sums of projects lead, each with its place.
///
/// # Errors
/// When the database is gone.
pub fn by_hashes(tx: &mut Tx<'_>, hashes: &[(i64, &str)]) -> Result<Vec<(usize, Found)>> {
    let sql = format!(
        "SELECT {HEAD}, h.issue_id FROM issue_hashes h LEFT JOIN issues i ON i.id = h.issue_id \
         LEFT JOIN incidents n ON n.id = h.issue_id WHERE h.project_id = $1 AND h.hash = $2"
    );
    let found = tx.query_many(
        &sql,
        hashes,
        |(project, hash)| [(*project).into(), Value::Text(hash)],
        |place, row| {
            let is_there = row.opt_int(0)?.is_some() && row.opt_int(7)?.is_some();
            Ok(match row.int(11)? {
                0 => Some((place, Found::Discarded)),
                _ if is_there => Some((place, Found::Issue(Box::new(read_head(row)?)))),
                // it is gone: the next one begins anew
                _ => None,
            })
        },
    )?;
    Ok(found.into_iter().flatten().collect())
}

/// One issue.
///
/// # Errors
/// When the database is gone.
pub fn head(tx: &mut Tx<'_>, id: Id) -> Result<Option<Head>> {
    let sql = format!("SELECT {HEAD} FROM issues i JOIN incidents n ON n.id = i.id WHERE i.id = $1");
    tx.query_one(&sql, &[id.into()], read_head)
}

/// Which issues are looked at: those that count as themselves, the newest first.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    /// Of one project, or of all.
    pub project: Option<i64>,
    /// Only those that are older than this one.
    pub before: Id,
    /// So many at the most.
    pub limit: i64,
}

impl Looked {
    /// The newest.
    pub fn newest(project: Option<i64>, limit: i64) -> Self {
        Looked { project, before: Id(i64::MAX), limit }
    }
}

/// The issues that are looked at; with whether there are older ones.
///
/// # Errors
/// When the database is gone.
pub fn heads(tx: &mut Tx<'_>, looked: Looked) -> Result<(Vec<Head>, bool)> {
    let (of_project, limit) = if looked.project.is_some() { ("AND i.project_id = $2", 3) } else { ("", 2) };
    let sql = format!(
        "SELECT {HEAD} FROM issues i JOIN incidents n ON n.id = i.id \
         WHERE i.id < $1 {of_project} AND i.merged_into IS NULL ORDER BY i.id DESC LIMIT ${limit}"
    );
    let mut values = vec![looked.before.into()];
    values.extend(looked.project.map(Value::from));
    values.push(looked.limit.saturating_add(1).into());
    let mut found = tx.query(&sql, &values, read_head)?;
    let limit = usize::try_from(looked.limit).unwrap_or(usize::MAX);
    let older = found.len() > limit;
    found.truncate(limit);
    Ok((found, older))
}

/// Keeps new issues.
///
/// # Errors
/// When the database is gone or full.
pub fn insert_issues(tx: &mut Tx<'_>, issues: &[&IssueRow]) -> Result<()> {
    let sql = "INSERT INTO issues (id, project_id, merged_into, life, users_seen, first_release, last_release) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    tx.execute_many(sql, issues, |it| {
        [
            it.id.into(),
            it.project.into(),
            it.merged_into.into(),
            Value::Text(&it.life),
            it.users_seen.into(),
            Value::Text(&it.first_release),
            Value::Text(&it.last_release),
        ]
    })?;
    Ok(())
}

/// Writes what has changed of issues.
///
/// # Errors
/// When the database is gone or full.
pub fn put(tx: &mut Tx<'_>, issues: &[&IssueRow]) -> Result<()> {
    let sql =
        "UPDATE issues SET life = $1, users_seen = $2, first_release = $3, last_release = $4 WHERE id = $5";
    tx.execute_many(sql, issues, |it| {
        [
            Value::Text(&it.life),
            it.users_seen.into(),
            Value::Text(&it.first_release),
            Value::Text(&it.last_release),
            it.id.into(),
        ]
    })?;
    Ok(())
}

/// Puts a text in the place of another in what is remembered of all issues.
///
/// # Errors
/// When the database is gone or full.
pub fn replace_in_lives(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<()> {
    let sql = "UPDATE issues SET life = REPLACE(life, $1, $2) WHERE REPLACE(life, $1, '') <> life";
    tx.execute(sql, &[Value::Text(from), Value::Text(to)])?;
    Ok(())
}

/// Lets new issues be found by these words, which are in lower case.
///
/// # Errors
/// When the database is gone or full.
pub fn insert_words(tx: &mut Tx<'_>, words: &[(Id, &str)]) -> Result<()> {
    let sql = "INSERT INTO issue_words (issue_id, said) VALUES ($1, $2)";
    tx.execute_many(sql, words, |(issue, said)| [(*issue).into(), Value::Text(said)])?;
    Ok(())
}

/// The words that an issue is found by.
///
/// # Errors
/// When the database is gone.
pub fn words(tx: &mut Tx<'_>, issue: Id) -> Result<Option<String>> {
    tx.query_one("SELECT said FROM issue_words WHERE issue_id = $1", &[issue.into()], |row| row.string(0))
}

/// Lets an issue be found by more words.
///
/// # Errors
/// When the database is gone or full.
pub fn add_words(tx: &mut Tx<'_>, issue: Id, more: &str) -> Result<()> {
    let sql = "UPDATE issue_words SET said = said || $1 WHERE issue_id = $2";
    tx.execute(sql, &[Value::Text(more), issue.into()])?;
    Ok(())
}

/// Which of these issues have words that fit, by their places.
///
/// # Errors
/// When the database is gone.
pub fn that_say(tx: &mut Tx<'_>, issues: &[Id], fits: impl Fn(&str) -> bool) -> Result<Vec<usize>> {
    let sql = "SELECT said FROM issue_words WHERE issue_id = $1";
    let looked = |place, row: &Row<'_>| Ok(fits(row.text(0)?).then_some(place));
    let found = tx.query_many(sql, issues, |issue| [(*issue).into()], looked)?;
    Ok(found.into_iter().flatten().collect())
}

/// Counts further events of incidents that change nothing else about them: how many, and when the last came.
///
/// # Errors
/// When the database is gone or full.
pub fn touch(tx: &mut Tx<'_>, seen: &[(Id, i64)], at: Time) -> Result<()> {
    let sql = "UPDATE incidents SET times_seen = times_seen + $1, last_seen = $2 WHERE id = $3";
    tx.execute_many(sql, seen, |(id, times)| [(*times).into(), at.into(), (*id).into()])?;
    Ok(())
}

/// Lets sums lead to an issue: project, sum, by which algorithm, issue. One that leads somewhere already goes on doing
/// so.
///
/// # Errors
/// When the database is gone or full.
pub fn attach_hashes(tx: &mut Tx<'_>, hashes: &[(i64, &str, &str, Id)]) -> Result<()> {
    // one that is there may lead to an issue that is gone
    let sql = "INSERT INTO issue_hashes (project_id, hash, algorithm, issue_id) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (project_id, hash) DO UPDATE SET issue_id = excluded.issue_id \
               WHERE issue_hashes.issue_id <> 0 \
               AND NOT EXISTS (SELECT 1 FROM issues WHERE issues.id = issue_hashes.issue_id)";
    tx.execute_many(sql, hashes, |(project, hash, algorithm, issue)| {
        [(*project).into(), Value::Text(hash), Value::Text(algorithm), (*issue).into()]
    })?;
    Ok(())
}

/// The sums that lead to an issue, each with its algorithm.
///
/// # Errors
/// When the database is gone.
pub fn hashes_of(tx: &mut Tx<'_>, issue: Id) -> Result<Vec<(String, String)>> {
    let sql = "SELECT hash, algorithm FROM issue_hashes WHERE issue_id = $1 ORDER BY hash";
    tx.query(sql, &[issue.into()], |row| Ok((row.string(0)?, row.string(1)?)))
}

/// Errors of the sums of an issue are not wanted any more.
///
/// # Errors
/// When the database is gone or full.
pub fn discard_hashes(tx: &mut Tx<'_>, issue: Id) -> Result<u64> {
    tx.execute("UPDATE issue_hashes SET issue_id = 0 WHERE issue_id = $1", &[issue.into()])
}

/// Issues that count as this one.
///
/// # Errors
/// When the database is gone.
pub fn merged_into(tx: &mut Tx<'_>, issue: Id) -> Result<Vec<Id>> {
    let sql = "SELECT id FROM issues WHERE merged_into = $1 ORDER BY id";
    tx.query(sql, &[issue.into()], |row| row.id(0))
}

/// An issue with those that count as it, itself first.
///
/// # Errors
/// When the database is gone.
pub fn family(tx: &mut Tx<'_>, issue: Id) -> Result<Vec<Id>> {
    Ok([issue].into_iter().chain(merged_into(tx, issue)?).collect())
}

/// Issues of a project that count as others.
///
/// # Errors
/// When the database is gone.
pub fn merged_in(tx: &mut Tx<'_>, project: i64) -> Result<Vec<Id>> {
    let sql = "SELECT id FROM issues WHERE merged_into IS NOT NULL AND project_id = $1 ORDER BY id";
    tx.query(sql, &[project.into()], |row| row.id(0))
}

/// How many issues a project has, those that count as others included.
///
/// # Errors
/// When the database is gone.
pub fn count_issues(tx: &mut Tx<'_>, project: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM issues WHERE project_id = $1";
    Ok(tx.query_one(sql, &[project.into()], |row| row.int(0))?.unwrap_or(0))
}

/// Lets an issue count as another, or as itself again.
///
/// # Errors
/// When the database is gone or full.
pub fn set_merged(tx: &mut Tx<'_>, issue: Id, into: Option<Id>) -> Result<()> {
    tx.execute("UPDATE issues SET merged_into = $1 WHERE id = $2", &[into.into(), issue.into()])?;
    Ok(())
}

/// Counts an issue anew, by what is written of it and of those that count as it: how often it was seen, when last, and
/// by how many users.
///
/// # Errors
/// When the database is gone or full.
pub fn recount(tx: &mut Tx<'_>, issue: Id) -> Result<()> {
    let of = "issue_id = $1 OR issue_id IN (SELECT id FROM issues WHERE merged_into = $1)";
    let mut one =
        |sql: String| Result::Ok(tx.query_one(&sql, &[issue.into()], |row| row.int(0))?.unwrap_or(0));
    let times = one(format!("SELECT CAST(COALESCE(SUM(times), 0) AS BIGINT) FROM issue_hours WHERE {of}"))?;
    let users = one(format!("SELECT COUNT(DISTINCT user_key) FROM issue_users WHERE {of}"))?;
    let mut last = None;
    for it in family(tx, issue)? {
        let sql = "SELECT MAX(id) FROM error_events WHERE issue_id = $1";
        last = last.max(tx.query_one(sql, &[it.into()], |row| row.opt_int(0))?.flatten());
    }
    let sql = "UPDATE issues SET users_seen = $1 WHERE id = $2";
    tx.execute(sql, &[users.into(), issue.into()])?;
    let sql = "UPDATE incidents SET times_seen = $1 WHERE id = $2";
    tx.execute(sql, &[times.into(), issue.into()])?;
    // an issue keeps its newest error as long as it is there
    if let Some(last) = last {
        let sql = "UPDATE incidents SET last_seen = $1 WHERE id = $2";
        tx.execute(sql, &[Id(last).made_at().into(), issue.into()])?;
    }
    Ok(())
}

/// Forgets what an issue has besides its incident and its events. Sums of discarded errors stay.
///
/// # Errors
/// When the database is gone or full.
pub fn forget_issue(tx: &mut Tx<'_>, issue: Id) -> Result<()> {
    for sql in [
        "DELETE FROM issue_hashes WHERE issue_id = $1",
        "DELETE FROM issue_hours WHERE issue_id = $1",
        "DELETE FROM issue_users WHERE issue_id = $1",
        "DELETE FROM issue_tags WHERE issue_id = $1",
        "DELETE FROM issue_words WHERE issue_id = $1",
        "DELETE FROM error_feedback WHERE issue_id = $1",
        "DELETE FROM issues WHERE id = $1",
    ] {
        tx.execute(sql, &[issue.into()])?;
    }
    Ok(())
}

fn read_head(row: &Row<'_>) -> Result<Head> {
    let state = match row.int(7)? {
        0 => State::Open,
        1 => State::Acknowledged,
        _ => State::Resolved,
    };
    let (times_seen, first_seen, last_seen) = (row.int(8)?, row.time(9)?, row.time(10)?);
    Ok(Head { issue: read(row)?, state, times_seen, first_seen, last_seen })
}

fn read(row: &Row<'_>) -> Result<IssueRow> {
    Ok(IssueRow {
        id: row.id(0)?,
        project: row.int(1)?,
        merged_into: row.opt_int(2)?.map(Id),
        life: row.string(3)?,
        users_seen: row.int(4)?,
        first_release: row.string(5)?,
        last_release: row.string(6)?,
    })
}
