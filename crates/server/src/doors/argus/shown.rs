//! Our rows as Argus' JSON.

use std::collections::HashMap;

use model::incident::{kind_of_source, number_of_source};
use model::profile::EventType;
use model::{Incident, Time};
use serde_json::{Value, json};
use store::Tx;
use store::ledger::Line;

use super::call::Version;
use super::mapping::{self, End, INFINITY};
use crate::sources::{Book, Entry};

/// A time, as text.
pub(super) fn time(at: Time) -> Value {
    json!(at)
}

/// A registered source.
pub(super) fn source(entry: &Entry, version: Version) -> Value {
    let it = &entry.source;
    let mut shown = json!({
        "pk": it.id.0,
        "name": it.name,
        "type": { "name": it.kind },
        "user": it.user.0,
        "base_url": it.base_url,
    });
    // in version 2 a key that is not known breaks clients
    if version == Version::V3 {
        shown["last_seen"] = json!(it.last_seen);
        shown["heartbeat_frequency"] = json!(it.heartbeat_every.map(|every| every.as_secs()));
    }
    shown
}

/// A source that nobody has registered: another door, or an integration.
pub(super) fn other_source(name: &str, version: Version) -> Value {
    let kind = kind_of_source(name);
    let pk = number_of_source(name);
    let mut shown = json!({ "pk": pk, "name": name, "type": { "name": kind }, "user": null, "base_url": "" });
    if version == Version::V3 {
        shown["last_seen"] = Value::Null;
        shown["heartbeat_frequency"] = Value::Null;
    }
    shown
}

fn source_of(incident: &Incident, book: &Book, version: Version) -> Value {
    let registered = incident.more().source.and_then(|id| book.get(id));
    registered.map_or_else(|| other_source(&incident.source, version), |entry| source(entry, version))
}

/// The tags of an incident: what a registered source gave, or labels and what was added to them.
pub(super) fn tags(incident: &Incident, version: Version) -> Vec<Value> {
    let tag = |text: &str, by: i64, at: Time| match version {
        Version::V2 => json!({ "added_by": by, "added_time": at, "tag": text }),
        Version::V3 => json!(text),
    };
    let labels = incident.labels.iter().filter(|_| incident.more().source.is_none());
    let labels = labels.map(|(name, value)| tag(&format!("{name}={value}"), 0, incident.first_seen));
    let added = incident.more().tags.iter().map(|it| tag(&it.tag, it.by.0, it.at));
    labels.chain(added).collect()
}

/// An incident.
pub(super) fn incident(it: &Incident, book: &Book, version: Version, now: Time) -> Value {
    let more = it.more();
    let end = match mapping::end(it) {
        End::Stateless => Value::Null,
        End::Open => json!(INFINITY),
        End::At(at) => time(at),
    };
    json!({
        "pk": it.id.0,
        "start_time": time(it.started_at),
        "end_time": end,
        "source": source_of(it, book, version),
        "source_incident_id": more.name,
        "details_url": it.link,
        "description": it.description(),
        "level": it.severity.level(),
        "ticket_url": more.ticket_url,
        "metadata": if more.metadata.is_null() { json!({}) } else { more.metadata.clone() },
        "tags": tags(it, version),
        "stateful": !more.stateless,
        "open": it.is_open(),
        "acked": it.is_acknowledged(now),
    })
}

/// Who did something, by the name that the ledger has.
#[derive(Default)]
pub(super) struct Actors(HashMap<String, i64>);

impl Actors {
    /// Those of these lines.
    pub fn of(tx: &mut Tx<'_>, lines: &[Line]) -> store::Result<Self> {
        let mut known = HashMap::new();
        for name in lines.iter().map(|line| line.change.by.as_str()).filter(|name| !name.is_empty()) {
            if !known.contains_key(name) {
                let user = store::users::by_name(tx, name)?;
                known.insert(name.to_owned(), user.map_or(0, |user| user.id.0));
            }
        }
        Ok(Actors(known))
    }
}

/// A line of a timeline as an event; `None` for those that are none.
pub(super) fn event(incident: &Incident, line: &Line, actors: &Actors, book: &Book) -> Option<Value> {
    let (kind, description) = mapping::event(incident, line)?;
    Some(told_event(incident, line, (kind, &description), actors, book))
}

fn told_event(
    incident: &Incident,
    line: &Line,
    (kind, description): (EventType, &str),
    actors: &Actors,
    book: &Book,
) -> Value {
    let by = line.change.by.as_str();
    let source = incident.more().source.and_then(|id| book.get(id));
    let (pk, name) = match source {
        Some(entry) if by.is_empty() => (entry.source.user.0, entry.user.as_str()),
        None if by.is_empty() => (0, incident.source.as_str()),
        _ => (actors.0.get(by).copied().unwrap_or(0), by),
    };
    json!({
        "pk": line.id.0,
        "incident": incident.id.0,
        "actor": { "pk": pk, "username": name },
        "timestamp": time(mapping::happened(incident, line)),
        "received": time(line.at),
        "type": { "value": kind.code(), "display": mapping::display(kind) },
        "description": description,
    })
}

/// An acknowledgement: its line as an event, and until when it is good.
pub(super) fn ack(incident: &Incident, line: &Line, actors: &Actors, book: &Book) -> Option<Value> {
    let (kind, _) = mapping::event(incident, line)?;
    if kind != EventType::Acknowledge {
        return None;
    }
    let acks = &incident.more().acknowledgements;
    let known = acks.iter().find(|it| it.at == line.at && it.by == line.change.by);
    let until = known.and_then(|it| it.until);
    Some(json!({
        "pk": line.id.0,
        "event": event(incident, line, actors, book),
        "expiration": until,
    }))
}
