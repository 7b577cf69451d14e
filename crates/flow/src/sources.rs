//! Registered sources that are to be heard of: their silence opens an incident, and their next word ends it.

use std::time::Duration;

use model::event::{Action, Event, NewEvent};
use model::{Id, Labels, Severity, Time};
use store::sources::Source;
use store::{Result, Tx};

use crate::core::Core;

/// How much later than expected a source may be heard of. Its last word is noted to some seconds, and networks have
/// their moments.
pub const GRACE: Duration = Duration::from_secs(10);

/// Where events about sources come from.
const SOURCE: &str = "heartbeat";

/// The key of the incident that the silence of a source opens.
pub fn key(source: &Source) -> String {
    format!("heartbeat:source/{}", source.id)
}

/// When its silence will be too long.
pub fn due_at(source: &Source, heard: Time) -> Option<Time> {
    source.heartbeat_every.map(|every| heard + every + GRACE)
}

/// A source was heard of: when it must be again, and the event that ends its silence, if that was too long.
pub(crate) fn heard(tx: &mut Tx<'_>, id: Id, now: Time) -> Result<(Option<Time>, Option<NewEvent>)> {
    let Some(source) = store::sources::get(tx, id)? else { return Ok((None, None)) };
    let due_at = due_at(&source, now);
    store::sources::put(tx, &Source { last_seen: Some(now), due_at, overdue: false, ..source.clone() })?;
    let back =
        NewEvent { key: key(&source), action: Action::Clear, ..NewEvent::raise(SOURCE, Labels::new()) };
    Ok((due_at, source.overdue.then_some(back)))
}

/// Silences that are too long, as events; each once, until the source is heard of.
pub(crate) fn missed(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for source in store::sources::due(tx, now)? {
        events.push(Event::arrive(absence(&source), core.id(now), now));
        store::sources::put(tx, &Source { overdue: true, ..source })?;
    }
    Ok(events)
}

fn absence(source: &Source) -> NewEvent {
    let every = source.heartbeat_every.unwrap_or_default();
    let last = source.last_seen.map_or("never heard of".to_owned(), |at| format!("last heard of at {at}"));
    let labels = [
        ("alertname", "HeartbeatMissed"),
        ("source", source.name.as_str()),
        ("source_type", source.kind.as_str()),
    ];
    NewEvent {
        key: key(source),
        severity: Some(Severity::Notice),
        title: format!("Source {} ({}) is silent", source.name, source.kind),
        annotations: [("description", format!("It must be heard of every {every:?}, and was {last}."))]
            .into_iter()
            .collect(),
        ..NewEvent::raise(SOURCE, labels.into_iter().collect())
    }
}
