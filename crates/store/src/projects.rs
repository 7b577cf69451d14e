//! Projects and their keys: a few rows, all of which nodes keep in memory.

use model::project::{Project, ProjectKey, Rate};
use model::{Id, Time};

use crate::db::{Row, Tx, Value};
use crate::error::{Result, StoreError};
use crate::rules::{bump, version};

const COLUMNS: &str = "id, slug, platform, team_id, settings, created_at";
const KEY_COLUMNS: &str =
    "id, project_id, public_key, label, rate_events, rate_seconds, created_at, revoked_at";
/// The number by which nodes notice that a project or a key has changed.
const NAME: &str = "projects";
/// The greatest number that a project was ever given.
const NUMBER: &str = "project_numbers";

/// A number for a new project: no other has or had it.
///
/// # Errors
/// When the database is gone or full.
pub fn next_number(tx: &mut Tx<'_>) -> Result<i64> {
    bump(tx, NUMBER)?;
    version(tx, NUMBER)
}

/// Keeps a new project; `false`: there is one of this name, and nothing was kept.
///
/// # Errors
/// When the database is gone or full.
pub fn insert(tx: &mut Tx<'_>, it: &Project) -> Result<bool> {
    let sql = "INSERT INTO projects (id, slug, platform, team_id, settings, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (slug) DO NOTHING";
    let settings = settings(it)?;
    let values = [
        it.id.into(),
        Value::Text(&it.slug),
        Value::Text(&it.platform),
        it.team.into(),
        Value::Text(&settings),
        it.created_at.into(),
    ];
    let is_new = tx.execute(sql, &values)? > 0;
    bump(tx, NAME)?;
    Ok(is_new)
}

/// Writes what is known about a project. Whoever asks has looked whether the name is free.
///
/// # Errors
/// When the database is gone or full.
pub fn update(tx: &mut Tx<'_>, it: &Project) -> Result<()> {
    let sql = "UPDATE projects SET slug = $1, platform = $2, team_id = $3, settings = $4 WHERE id = $5";
    let settings = settings(it)?;
    let values = [
        Value::Text(&it.slug),
        Value::Text(&it.platform),
        it.team.into(),
        Value::Text(&settings),
        it.id.into(),
    ];
    tx.execute(sql, &values)?;
    bump(tx, NAME)
}

fn settings(it: &Project) -> Result<String> {
    let text = serde_json::to_string(&it.settings);
    text.map_err(|error| StoreError::Refused(format!("writing a project's settings: {error}")))
}

/// Takes a project away. Its name is free at once; what belongs to it is forgotten bit by bit.
///
/// # Errors
/// When the database is gone or full.
pub fn delete(tx: &mut Tx<'_>, id: i64, at: Time) -> Result<()> {
    tx.execute("DELETE FROM project_keys WHERE project_id = $1", &[id.into()])?;
    // no slug begins so
    let name = format!("~{id}");
    let sql = "UPDATE projects SET gone_at = $1, slug = $2 WHERE id = $3";
    tx.execute(sql, &[at.into(), Value::Text(&name), id.into()])?;
    bump(tx, NAME)
}

/// All projects, by their numbers. One that cannot be read is left out, which is said in the log.
///
/// # Errors
/// When the database is gone.
pub fn all(tx: &mut Tx<'_>) -> Result<Vec<Project>> {
    let sql = format!("SELECT {COLUMNS} FROM projects WHERE gone_at IS NULL ORDER BY id");
    let found = tx.query(&sql, &[], |row| match read(row) {
        Err(StoreError::BadRow(why)) => {
            tracing::warn!(id = row.int(0).unwrap_or_default(), why, "a project cannot be read");
            Ok(None)
        }
        other => other.map(Some),
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Projects in the order in which they were made, after a number, at most so many.
///
/// # Errors
/// When the database is gone.
pub fn page(tx: &mut Tx<'_>, after: i64, limit: i64) -> Result<Vec<Project>> {
    let sql =
        format!("SELECT {COLUMNS} FROM projects WHERE gone_at IS NULL AND id > $1 ORDER BY id LIMIT $2");
    tx.query(&sql, &[after.into(), limit.into()], read)
}

/// The project that an address means by its number or slug.
///
/// # Errors
/// When the database is gone.
pub fn named(tx: &mut Tx<'_>, text: &str) -> Result<Option<Project>> {
    if let Ok(id) = text.parse::<i64>() {
        let sql = format!("SELECT {COLUMNS} FROM projects WHERE id = $1 AND gone_at IS NULL");
        return tx.query_one(&sql, &[id.into()], read);
    }
    // no text of PostgreSQL has one, and no slug either
    if text.contains('\0') {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM projects WHERE slug = $1 AND gone_at IS NULL");
    tx.query_one(&sql, &[Value::Text(text)], read)
}

/// How many projects there are.
///
/// # Errors
/// When the database is gone.
pub fn count(tx: &mut Tx<'_>) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM projects WHERE gone_at IS NULL";
    Ok(tx.query_one(sql, &[], |row| row.int(0))?.unwrap_or(0))
}

/// Keeps a new key.
///
/// # Errors
/// When the database is gone or full.
pub fn insert_key(tx: &mut Tx<'_>, it: &ProjectKey) -> Result<()> {
    let sql = format!("INSERT INTO project_keys ({KEY_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let (events, seconds) = rate_columns(it.rate);
    let values = [
        it.id.into(),
        it.project.into(),
        Value::Text(&it.public),
        Value::Text(&it.label),
        events.into(),
        seconds.into(),
        it.created_at.into(),
        it.revoked_at.into(),
    ];
    tx.execute(&sql, &values)?;
    bump(tx, NAME)
}

/// Writes what is known about a key.
///
/// # Errors
/// When the database is gone or full.
pub fn update_key(tx: &mut Tx<'_>, it: &ProjectKey) -> Result<()> {
    let sql = "UPDATE project_keys SET label = $1, rate_events = $2, rate_seconds = $3, revoked_at = $4 \
               WHERE id = $5";
    let (events, seconds) = rate_columns(it.rate);
    let values = [Value::Text(&it.label), events.into(), seconds.into(), it.revoked_at.into(), it.id.into()];
    tx.execute(sql, &values)?;
    bump(tx, NAME)
}

fn rate_columns(rate: Option<Rate>) -> (Option<i64>, Option<i64>) {
    (rate.map(|it| i64::from(it.events)), rate.map(|it| i64::from(it.seconds)))
}

/// The keys of a project, in the order in which they were made.
///
/// # Errors
/// When the database is gone.
pub fn keys_of(tx: &mut Tx<'_>, project: i64) -> Result<Vec<ProjectKey>> {
    let sql = format!("SELECT {KEY_COLUMNS} FROM project_keys WHERE project_id = $1 ORDER BY id");
    tx.query(&sql, &[project.into()], read_key)
}

/// All keys that were not revoked.
///
/// # Errors
/// When the database is gone.
pub fn keys(tx: &mut Tx<'_>) -> Result<Vec<ProjectKey>> {
    let sql = format!("SELECT {KEY_COLUMNS} FROM project_keys WHERE revoked_at IS NULL ORDER BY id");
    tx.query(&sql, &[], read_key)
}

/// A number that changes whenever a project or a key does.
///
/// # Errors
/// When the database is gone.
pub fn current_version(tx: &mut Tx<'_>) -> Result<i64> {
    version(tx, NAME)
}

fn read(row: &Row<'_>) -> Result<Project> {
    Ok(Project {
        id: row.int(0)?,
        slug: row.string(1)?,
        platform: row.string(2)?,
        team: row.opt_int(3)?.map(Id),
        settings: row.json(4)?,
        created_at: row.time(5)?,
    })
}

fn read_key(row: &Row<'_>) -> Result<ProjectKey> {
    let number =
        |column| -> Result<Option<u32>> { Ok(row.opt_int(column)?.and_then(|it| u32::try_from(it).ok())) };
    let rate = (number(4)?, number(5)?);
    Ok(ProjectKey {
        id: row.id(0)?,
        project: row.int(1)?,
        public: row.string(2)?,
        label: row.string(3)?,
        rate: rate.0.zip(rate.1).map(|(events, seconds)| Rate { events, seconds }),
        created_at: row.time(6)?,
        revoked_at: row.opt_time(7)?,
    })
}
