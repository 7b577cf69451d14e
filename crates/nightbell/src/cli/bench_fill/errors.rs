//! Errors of a long past: those that came in through the door, again and again at other times.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use model::id::IdMaker;
use model::{Id, Time};
use store::errors::{self, EventRow, HOUR, Hourly, Looked};
use store::{Store, Tx};

/// Errors in one transaction.
const BATCH: usize = 20_000;
/// Issues whose errors are copied.
const MAX_ISSUES: i64 = 100_000;
/// Errors of each issue that are copied.
const MAX_OF_ISSUE: i64 = 100;
/// How far back the past reaches; well within what is kept by default.
const PAST: Duration = Duration::from_secs(30 * 86_400);

/// Copies what is there until there are so many errors in all; says how many were written.
pub(super) fn fill(store: &Store, wanted: usize, now: Time) -> Result<usize> {
    let there = store.read_blocking(there).context("reading errors")?;
    if there.is_empty() {
        bail!("there are no errors to copy: send some first");
    }
    let count = wanted.saturating_sub(there.len());
    let mut copies = Copies {
        ids: IdMaker::new(store.node()),
        step: PAST / u32::try_from(count.max(1)).context("--errors")?,
        at: now - PAST,
        number: 0,
    };
    while copies.number < count {
        let batch = copies.batch(&there, BATCH.min(count - copies.number));
        store.write_blocking(move |tx| write(tx, &batch)).context("writing errors")?;
    }
    Ok(count)
}

fn there(tx: &mut Tx<'_>) -> store::Result<Vec<EventRow>> {
    let mut all = Vec::new();
    for head in errors::heads(tx, Looked::newest(None, MAX_ISSUES))?.0 {
        all.extend(errors::page(tx, &[head.issue.id], Id(i64::MAX), MAX_OF_ISSUE)?);
    }
    // as programs report them: issue after issue, not one whole after the other
    all.sort_by_key(|it| it.id);
    Ok(all)
}

/// Where the copying stands.
struct Copies {
    ids: IdMaker,
    step: Duration,
    at: Time,
    number: usize,
}

impl Copies {
    /// The next ones, in the order of time.
    fn batch(&mut self, there: &[EventRow], count: usize) -> Vec<EventRow> {
        let next = (0..count).map(|_| {
            let row = &there[self.number % there.len()];
            self.number += 1;
            self.at = self.at + self.step;
            let event_key = store::incidents::key_hash(&format!("copy {}", self.number));
            EventRow { id: self.ids.next(self.at), at: self.at, event_key, ..row.clone() }
        });
        next.collect()
    }
}

fn write(tx: &mut Tx<'_>, rows: &[EventRow]) -> store::Result<()> {
    errors::insert(tx, &rows.iter().collect::<Vec<_>>())?;
    let (mut hours, mut times) = (BTreeMap::<(Id, i64), (i64, i64)>::new(), BTreeMap::<Id, i64>::new());
    for row in rows {
        let hour = hours.entry((row.issue, row.at.0 / HOUR)).or_default();
        *hour = (hour.0 + 1, hour.1 + row.body.len() as i64);
        *times.entry(row.issue).or_default() += 1;
    }
    let hours = hours.into_iter().map(|((issue, hour), (times, bytes))| Hourly {
        issue,
        hour,
        times,
        kept: times,
        bytes,
    });
    errors::count_hours(tx, &hours.collect::<Vec<_>>())?;
    let at = rows.iter().map(|it| it.at).max().unwrap_or(Time::MIN);
    errors::touch(tx, &times.into_iter().collect::<Vec<_>>(), at)
}
