//! A clock that was set back takes deadlines with it: what was to be done in a moment is not put off by hours.

use std::time::Duration;

use model::{Id, Time};
use store::{Result, Tx};

use crate::core::Core;

/// Incidents whose deadlines are moved in one go; more do not flap at once.
const MOST: i64 = 10_000;
/// Under which names the rows are that say when deadlines were moved: the last id by then, and the time.
const ROWS: [&str; 2] = ["set back after", "set back to"];

/// Moves what waits back by as much as the clock was. What people and senders have said a time for stays.
///
/// # Errors
/// When the database is gone or full.
pub(crate) fn follow(tx: &mut Tx<'_>, by: Duration, now: Time) -> Result<()> {
    store::rules::set_clocks_back(tx, by)?;
    let mut storms = store::storms::all(tx)?;
    storms.iter_mut().for_each(|(_, storm)| storm.set_back(by));
    let rows: Vec<_> = storms.iter().map(|(receiver, storm)| (receiver.as_str(), storm)).collect();
    store::storms::put(tx, &rows)?;
    let mut flapping = store::incidents::flapping(tx, MOST)?;
    flapping.iter_mut().for_each(|incident| incident.flap.set_back(by));
    store::incidents::update(tx, &flapping.iter().collect::<Vec<_>>())?;
    escalations(tx, by)?;
    // hours that people have set go by the clock as it is now
    store::maintained::ring_all(tx, now)?;
    let last = written_last(tx)?.map_or(Id(0), |(id, _)| id);
    store::rules::set_version(tx, ROWS[0], last.0)?;
    store::rules::set_version(tx, ROWS[1], now.0)
}

/// Whoever is paged next is paged after as long as the policy says.
fn escalations(tx: &mut Tx<'_>, by: Duration) -> Result<()> {
    let mut after = Id(0);
    loop {
        let rows = store::escalations::running_after(tx, after, MOST)?;
        for mut row in rows.iter().cloned() {
            row.due_at = row.due_at.map(|due| due - by);
            row.state.due = row.state.due.map(|due| due - by);
            store::escalations::put(tx, &row)?;
        }
        match rows.last() {
            Some(last) if rows.len() as i64 == MOST => after = last.incident,
            _ => return Ok(()),
        }
    }
}

/// At the start: a clock may have been set back while nobody ran. What was written last says what it was then.
///
/// # Errors
/// As [`follow`].
pub(crate) fn catch_up(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<()> {
    let known_after = Id(store::rules::version(tx, ROWS[0])?);
    let was = match written_last(tx)? {
        Some((id, at)) if id > known_after => at,
        // nothing was written since the clock was set back, which has been followed
        Some(_) => Time(store::rules::version(tx, ROWS[1])?),
        None => now,
    };
    core.plans_at(was);
    if let Some(by) = core.set_back(now) {
        follow(tx, by, now)?;
        tracing::warn!("the clock was set back by {}: deadlines go with it", model::time::span::format(by));
    }
    core.runs_at(now);
    Ok(())
}

/// What was taken in or planned last, and when by the clock of that time: ids go on growing when it is set back.
fn written_last(tx: &mut Tx<'_>) -> Result<Option<(Id, Time)>> {
    let event = store::events::last(tx)?;
    let delivery = store::deliveries::last(tx)?;
    Ok([event, delivery].into_iter().flatten().max_by_key(|(id, _)| *id))
}
