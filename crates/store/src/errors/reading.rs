//! Reading what errors are kept: events of an issue in their order, and what was counted.

use model::{Id, Time};

use super::{BaseRow, EVENT_COLUMNS, EventRow, HOUR, Hourly, read_event};
use crate::db::{Tx, Value};
use crate::error::Result;

/// What a user said about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// Its id.
    pub id: Id,
    /// The issue, where its event is known.
    pub issue: Option<Id>,
    /// The event.
    pub event_key: Option<i64>,
    /// When.
    pub at: Time,
    /// Name, address and words, as JSON.
    pub said: String,
}

/// A value of a tag, and how often it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCount {
    /// The tag.
    pub name: String,
    /// Its value.
    pub value: String,
    /// How often.
    pub times: i64,
    /// When it came last.
    pub last_seen: Time,
}

/// The event of this key.
///
/// # Errors
/// When the database is gone.
pub fn event_by_key(tx: &mut Tx<'_>, key: i64) -> Result<Option<EventRow>> {
    let sql = format!("SELECT {EVENT_COLUMNS} FROM error_events WHERE event_key = $1 LIMIT 1");
    tx.query_one(&sql, &[key.into()], read_event)
}

/// Events of issues that count as one, newest first, before an id.
///
/// # Errors
/// When the database is gone.
pub fn page(tx: &mut Tx<'_>, family: &[Id], before: Id, limit: i64) -> Result<Vec<EventRow>> {
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM error_events WHERE issue_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    let mut found = Vec::new();
    for issue in family {
        found.extend(tx.query(&sql, &[(*issue).into(), before.into(), limit.into()], read_event)?);
    }
    found.sort_by_key(|it| std::cmp::Reverse(it.id));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

/// Which event of an issue is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The oldest that is kept.
    First,
    /// The newest.
    Last,
    /// The one before an id.
    Before(Id),
    /// The one after an id.
    After(Id),
    /// This one.
    At(Id),
}

/// The event of issues that count as one that a step leads to.
///
/// # Errors
/// When the database is gone.
pub fn navigate(tx: &mut Tx<'_>, family: &[Id], step: Step) -> Result<Option<EventRow>> {
    let (condition, order, at) = match step {
        Step::First => ("id > $2", "ASC", Id(0)),
        Step::Last => ("id < $2", "DESC", Id(i64::MAX)),
        Step::Before(id) => ("id < $2", "DESC", id),
        Step::After(id) => ("id > $2", "ASC", id),
        Step::At(id) => ("id = $2", "ASC", id),
    };
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM error_events WHERE issue_id = $1 AND {condition} ORDER BY id {order} LIMIT 1"
    );
    let mut found = Vec::new();
    for issue in family {
        found.extend(tx.query_one(&sql, &[(*issue).into(), at.into()], read_event)?);
    }
    found.sort_by_key(|it| it.id);
    Ok(if order == "ASC" { found.into_iter().next() } else { found.pop() })
}

/// What an event was compressed against.
///
/// # Errors
/// When the database is gone.
pub fn base_of(tx: &mut Tx<'_>, id: Id) -> Result<Option<Vec<u8>>> {
    tx.query_one("SELECT body FROM error_bases WHERE id = $1", &[id.into()], |row| row.bytes(0))
}

/// What errors of a sum are compressed against at the moment.
///
/// # Errors
/// When the database is gone.
pub fn base_for(tx: &mut Tx<'_>, project: i64, hash: &str) -> Result<Option<BaseRow>> {
    let sql = "SELECT id, body FROM error_bases WHERE project_id = $1 AND hash = $2 ORDER BY id DESC LIMIT 1";
    let read = |row: &crate::db::Row<'_>| {
        Ok(BaseRow { id: row.id(0)?, project, hash: hash.to_owned(), body: row.bytes(1)? })
    };
    tx.query_one(sql, &[project.into(), Value::Text(hash)], read)
}

/// How many events of issues that count as one arrived since a time, counted up to `most`.
///
/// # Errors
/// When the database is gone.
pub fn count_since(tx: &mut Tx<'_>, family: &[Id], since: Time, most: i64) -> Result<i64> {
    count_between(tx, family, (since, Time::MAX), most)
}

/// The same from a time until another.
///
/// # Errors
/// When the database is gone.
pub fn count_between(tx: &mut Tx<'_>, family: &[Id], (since, until): (Time, Time), most: i64) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM error_events WHERE issue_id = $1 AND id >= $2 AND id < $3 \
               LIMIT $4) AS counted";
    let mut count = 0;
    for issue in family {
        let (from, to) = (Id::first_at(since), Id::first_at(until));
        let values = [(*issue).into(), from.into(), to.into(), most.into()];
        count += tx.query_one(sql, &values, |row| row.int(0))?.unwrap_or(0);
    }
    Ok(count.min(most))
}

/// How many events of issues that count as one arrived from a time until another, by what is counted by the hour: at
/// the least, and about how many, where a part of an hour has its share of it.
///
/// # Errors
/// When the database is gone.
pub fn estimate(
    tx: &mut Tx<'_>,
    family: &[Id],
    (since, until): (Time, Time),
    now: Time,
) -> Result<(i64, i64)> {
    let (mut least, mut about) = (0i64, 0i64);
    for (hour, times) in times_by_hour(tx, family, since)? {
        let begins = hour.saturating_mul(HOUR);
        // the last one is not over yet
        let ends = (begins + HOUR).min(now.0.max(begins) + 1);
        let inside = ends.min(until.0) - begins.max(since.0);
        if inside <= 0 {
            continue;
        }
        let share = i128::from(times) * i128::from(inside) / i128::from(ends - begins);
        about += i64::try_from(share).unwrap_or(i64::MAX);
        if inside == ends - begins {
            least += times;
        }
    }
    Ok((least, about))
}

/// How many users events of issues that count as one hit since a time; at most `most` of the newest of each are looked
/// at.
///
/// # Errors
/// When the database is gone.
pub fn count_users_since(tx: &mut Tx<'_>, family: &[Id], since: Time, most: i64) -> Result<i64> {
    let from = "FROM (SELECT user_key FROM error_events WHERE issue_id = $1 AND id >= $2 ORDER BY id DESC LIMIT $3) \
                AS counted WHERE user_key IS NOT NULL";
    if let [issue] = family {
        let values = [(*issue).into(), Id::first_at(since).into(), most.into()];
        let sql = format!("SELECT COUNT(DISTINCT user_key) {from}");
        return Ok(tx.query_one(&sql, &values, |row| row.int(0))?.unwrap_or(0));
    }
    // one user of several is one
    let mut users = std::collections::BTreeSet::new();
    for issue in family {
        let values = [(*issue).into(), Id::first_at(since).into(), most.into()];
        users.extend(tx.query(&format!("SELECT DISTINCT user_key {from}"), &values, |row| row.int(0))?);
    }
    Ok(i64::try_from(users.len()).unwrap_or(i64::MAX))
}

/// Events of an issue by hour, from an hour on.
///
/// # Errors
/// When the database is gone.
pub fn hours_of(tx: &mut Tx<'_>, issue: Id, since: Time) -> Result<Vec<Hourly>> {
    let sql =
        "SELECT hour, times, kept, bytes FROM issue_hours WHERE issue_id = $1 AND hour >= $2 ORDER BY hour";
    tx.query(sql, &[issue.into(), (since.0 / HOUR).into()], |row| {
        Ok(Hourly { issue, hour: row.int(0)?, times: row.int(1)?, kept: row.int(2)?, bytes: row.int(3)? })
    })
}

/// The same of issues that count as one, as pairs of hour and times.
///
/// # Errors
/// When the database is gone.
pub fn times_by_hour(tx: &mut Tx<'_>, family: &[Id], since: Time) -> Result<Vec<(i64, i64)>> {
    let mut sums = std::collections::BTreeMap::<i64, i64>::new();
    for issue in family {
        for it in hours_of(tx, *issue, since)? {
            *sums.entry(it.hour).or_default() += it.times;
        }
    }
    Ok(sums.into_iter().collect())
}

/// The values of tags of issues that count as one, the most frequent first; of one tag only, if one is given.
///
/// # Errors
/// When the database is gone.
pub fn tags_of(tx: &mut Tx<'_>, family: &[Id], name: Option<&str>) -> Result<Vec<TagCount>> {
    /// Values that are looked at, the most frequent; no issue keeps more for long.
    const MOST: i64 = 5_000;
    let read = |row: &crate::db::Row<'_>| {
        Ok(TagCount {
            name: row.string(0)?,
            value: row.string(1)?,
            times: row.int(2)?,
            last_seen: row.time(3)?,
        })
    };
    let mut sums = std::collections::BTreeMap::<(String, String), TagCount>::new();
    for issue in family {
        let found = match name {
            Some(name) => {
                let sql = "SELECT name, value, times, last_seen FROM issue_tags \
                           WHERE issue_id = $1 AND name = $2 ORDER BY times DESC LIMIT $3";
                tx.query(sql, &[(*issue).into(), Value::Text(name), MOST.into()], read)?
            }
            None => {
                let sql = "SELECT name, value, times, last_seen FROM issue_tags WHERE issue_id = $1 \
                           ORDER BY times DESC LIMIT $2";
                tx.query(sql, &[(*issue).into(), MOST.into()], read)?
            }
        };
        for it in found {
            let key = (it.name.clone(), it.value.clone());
            sums.entry(key)
                .and_modify(|sum| {
                    sum.times += it.times;
                    sum.last_seen = sum.last_seen.max(it.last_seen);
                })
                .or_insert(it);
        }
    }
    let mut all: Vec<TagCount> = sums.into_values().collect();
    all.sort_by(|a, b| a.name.cmp(&b.name).then(b.times.cmp(&a.times)).then(a.value.cmp(&b.value)));
    Ok(all)
}

/// How often these issues, with those that count as them, had this value of a tag, by their places; those that never
/// had it are not there.
///
/// # Errors
/// When the database is gone.
pub fn tags_with(
    tx: &mut Tx<'_>,
    issues: &[Id],
    name: &str,
    value: &str,
) -> Result<std::collections::BTreeMap<usize, i64>> {
    let sql = "SELECT times FROM issue_tags WHERE issue_id = $1 AND name = $2 AND value = $3 \
               UNION ALL SELECT t.times FROM issues i JOIN issue_tags t \
               ON t.issue_id = i.id AND t.name = $2 AND t.value = $3 WHERE i.merged_into = $1";
    let keys: Vec<(Id, &str, &str)> = issues.iter().map(|id| (*id, name, value)).collect();
    let found = tx.query_many(
        sql,
        &keys,
        |(id, name, value)| [(*id).into(), Value::Text(name), Value::Text(value)],
        |place, row| Ok((place, row.int(0)?)),
    )?;
    let mut sums = std::collections::BTreeMap::new();
    for (place, times) in found {
        *sums.entry(place).or_default() += times;
    }
    Ok(sums)
}

/// Releases or environments of a project, with when they were first and last heard of and how often, the latest first.
///
/// # Errors
/// When the database is gone.
pub fn seen(tx: &mut Tx<'_>, project: i64, kind: &str, limit: i64) -> Result<Vec<(String, Time, Time, i64)>> {
    let sql = "SELECT value, first_seen, last_seen, times FROM project_seen WHERE project_id = $1 AND kind = $2 \
               ORDER BY first_seen DESC, value LIMIT $3";
    let read = |row: &crate::db::Row<'_>| Ok((row.string(0)?, row.time(1)?, row.time(2)?, row.int(3)?));
    tx.query(sql, &[project.into(), Value::Text(kind), limit.into()], read)
}

/// When a release or environment of a project was first and last heard of, if it was.
///
/// # Errors
/// When the database is gone.
pub fn seen_at(tx: &mut Tx<'_>, project: i64, kind: &str, value: &str) -> Result<Option<(Time, Time)>> {
    let sql =
        "SELECT first_seen, last_seen FROM project_seen WHERE project_id = $1 AND kind = $2 AND value = $3";
    let key = [project.into(), Value::Text(kind), Value::Text(value)];
    tx.query_one(sql, &key, |row| Ok((row.time(0)?, row.time(1)?)))
}

/// What a project sent since a time: what, and how often.
///
/// # Errors
/// When the database is gone.
pub fn project_hours(tx: &mut Tx<'_>, project: i64, since: Time) -> Result<Vec<(i64, String, i64)>> {
    let sql =
        "SELECT hour, what, times FROM project_hours WHERE project_id = $1 AND hour >= $2 ORDER BY hour";
    tx.query(sql, &[project.into(), (since.0 / HOUR).into()], |row| {
        Ok((row.int(0)?, row.string(1)?, row.int(2)?))
    })
}

/// What users said about the errors of issues that count as one, newest first.
///
/// # Errors
/// When the database is gone.
pub fn feedback_of(tx: &mut Tx<'_>, family: &[Id], limit: i64) -> Result<Vec<Feedback>> {
    let sql =
        "SELECT id, event_key, at, said FROM error_feedback WHERE issue_id = $1 ORDER BY id DESC LIMIT $2";
    let mut all = Vec::new();
    for issue in family {
        all.extend(tx.query(sql, &[(*issue).into(), limit.into()], |row| {
            Ok(Feedback {
                id: row.id(0)?,
                issue: Some(*issue),
                event_key: row.opt_int(1)?,
                at: row.time(2)?,
                said: row.string(3)?,
            })
        })?);
    }
    all.sort_by_key(|it| std::cmp::Reverse(it.id));
    all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(all)
}
