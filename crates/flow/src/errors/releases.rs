//! Releases of a project in their order: by their names where those have one, else by when they were first heard of.

use std::cmp::Ordering;

use model::Id;
use store::errors::{self, IssueRow};
use store::{Result, Tx};
use tracker::release::compare;

/// Releases that are looked at for the newest: those that were heard of last.
const RECENT: i64 = 50;
/// The same of an issue.
const RECENT_OF_ISSUE: usize = 50;

/// Which of two releases is older, if that is known.
///
/// # Errors
/// When the database is gone.
pub(super) fn order(tx: &mut Tx<'_>, project: i64, one: &str, other: &str) -> Result<Option<Ordering>> {
    if let Some(order) = compare(one, other) {
        return Ok(Some(order));
    }
    let mut first = |release: &str| {
        let seen = errors::seen_at(tx, project, "release", release)?;
        Result::Ok(seen.map(|(first, _)| first))
    };
    Ok(first(one)?.zip(first(other)?).map(|(one, other)| one.cmp(&other)))
}

/// Notes that an issue was seen in a release: its last one is the newest, not that of the last error.
///
/// # Errors
/// When the database is gone.
pub(super) fn note(tx: &mut Tx<'_>, project: i64, issue: &mut IssueRow, release: &str) -> Result<()> {
    if release.is_empty() || release == issue.last_release {
        return Ok(());
    }
    if issue.first_release.is_empty() {
        release.clone_into(&mut issue.first_release);
    }
    if issue.last_release.is_empty()
        || order(tx, project, release, &issue.last_release)? != Some(Ordering::Less)
    {
        release.clone_into(&mut issue.last_release);
    }
    Ok(())
}

/// The newest release that issues which count as one were seen in, as far as that is known; empty: it is not.
///
/// # Errors
/// When the database is gone.
pub(super) fn newest_of(tx: &mut Tx<'_>, project: i64, family: &[Id]) -> Result<String> {
    let mut seen = errors::tags_of(tx, family, Some("release"))?;
    seen.sort_by_key(|it| std::cmp::Reverse(it.last_seen));
    let mut newest = String::new();
    for it in seen.into_iter().take(RECENT_OF_ISSUE) {
        if newest.is_empty() || order(tx, project, &newest, &it.value)? == Some(Ordering::Less) {
            newest = it.value;
        }
    }
    Ok(newest)
}

/// The newest release of a project, if it has any.
///
/// # Errors
/// When the database is gone.
pub(super) fn newest(tx: &mut Tx<'_>, project: i64) -> Result<Option<String>> {
    let recent = errors::seen(tx, project, "release", RECENT)?.into_iter().map(|(release, ..)| release);
    // the first is the one that was heard of last: a repair of an old one may be that
    let newer = |newest: String, it: String| match compare(&it, &newest) {
        Some(Ordering::Greater) => it,
        _ => newest,
    };
    Ok(recent.reduce(newer))
}
