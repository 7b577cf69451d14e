//! `POST incidents/`: a source says that something is wrong, or happened. It goes in with what others send at the same
//! time, so that one sync of the disk serves them all.

use std::sync::Arc;

use flow::incident::KNOWN_ALREADY;
use model::event::{Action, BadEvent, Event, NewEvent};
use model::extra::Extra;
use model::incident::{DESCRIPTION, label, title_line};
use model::{Id, Incident, Labels, Time};
use serde_json::Value;
use store::sources::Source;

use super::call::{Answer, Call, Reply};
use super::fields::{Fields, MAX_LONG, MAX_SHORT, kind_of};
use super::mapping::{self, DEFAULT_LEVEL, INFINITY};
use super::refused::Refused;
use super::shown;
use crate::error::wrong_event;
use crate::input;
use crate::sources::Entry;

/// Characters that a source's own name for an incident may have.
const MAX_NAME: usize = 800;

/// When it is over, as it was sent.
enum Ends {
    /// It has no end.
    Never,
    /// Not yet.
    Open,
    /// Then.
    At(Time),
}

/// Takes one in.
pub(super) async fn post(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    let entry = source(&call, &mut fields).await?;
    let now = call.app.now();
    let (new, over) = read(&call, fields, &entry.source, now)?;
    let book = call.book().await?;
    let mut events = vec![new.clone()];
    events.extend(over.clone());
    let accepted = call.app.hub.accept(events).await?;
    let first = accepted.first().ok_or_else(|| Refused::whole("nothing was taken in"))?;
    let id = first.incident.unwrap_or(first.event);
    if first.verdict == KNOWN_ALREADY {
        let what = format!("Incident {} of this source is called so: no two are called the same.", id.0);
        return Err(Refused::field("source_incident_id", what));
    }
    let incident = match over {
        // what has just been opened is what the event makes of it: it need not be read again
        None => Incident::open(&Event::arrive(new, first.event, now)).0,
        Some(_) => {
            let read = call.app.hub.store.read(move |tx| store::incidents::get(tx, id)).await?;
            read.ok_or_else(Refused::not_found)?
        }
    };
    Reply::created(&shown::incident(&incident, &book, call.version, now))
}

/// The source that it is about: the one that asks, or the one that an admin names.
async fn source(call: &Call, fields: &mut Fields) -> Result<Arc<Entry>, Refused> {
    let asker = call.asker()?;
    let named = if asker.is_admin() { fields.number("source") } else { None };
    match (named, &asker.source) {
        (None, Some(own)) => Ok(own.clone()),
        (Some(pk), _) => {
            let book = call.book().await?;
            let unknown = || Refused::field("source", format!("There is no source {pk}."));
            book.get(Id(pk)).cloned().ok_or_else(unknown)
        }
        (None, None) if asker.is_admin() => {
            Err(Refused::field("source", "This field is required: you are no source, so say which it is."))
        }
        (None, None) => {
            Err(Refused::forbidden("only the machine user of a source, or an admin, posts incidents"))
        }
    }
}

/// The event that opens it, and the one that ends it when it is over already.
fn read(
    call: &Call,
    mut fields: Fields,
    source: &Source,
    now: Time,
) -> Result<(NewEvent, Option<NewEvent>), Refused> {
    let start = fields.needed_time("start_time").map(|at| input::past("start_time", at, now));
    let start = match start {
        Some(Err(wrong)) => {
            fields.wrong("start_time", wrong.reason);
            None
        }
        Some(Ok(at)) => Some(at),
        None => None,
    };
    let ends = ends(&mut fields);
    if !fields.has("tags") {
        fields.wrong("tags", "This field is required.");
    }
    let tags = fields.tags("tags", source.user.0, now).unwrap_or_default();
    let level = mapping::severity(fields.number("level").unwrap_or(DEFAULT_LEVEL));
    let severity = level.inspect_err(|what| fields.wrong("level", what.clone())).ok();
    let name = fields.text("source_incident_id", MAX_NAME).unwrap_or_default();
    let description = fields.text("description", MAX_LONG).unwrap_or_default();
    let details_url = details_url(&mut fields, &source.base_url);
    let ticket_url = fields.url("ticket_url").unwrap_or_default();
    let metadata = metadata(&mut fields).unwrap_or_default();
    if let (Some(start), Ends::At(end)) = (start, &ends)
        && *end < start
    {
        fields.wrong("end_time", "is before start_time");
    }
    fields.done()?;
    let stateless = matches!(ends, Ends::Never);
    let extra = Extra {
        source: Some(source.id),
        source_kind: source.kind.clone(),
        name,
        stateless,
        ticket_url,
        tags,
        metadata,
        ..Extra::default()
    };
    let mut new = event(call, source, extra, &description, now);
    (new.severity, new.link, new.started_at) = (severity, details_url.unwrap_or_default(), start);
    let over = match ends {
        Ends::At(end) if end <= now => Some(NewEvent {
            key: new.key.clone(),
            action: Action::Clear,
            ends_at: Some(end),
            ..NewEvent::raise(&new.source, Labels::new())
        }),
        Ends::At(end) => {
            new.ends_at = Some(end);
            None
        }
        Ends::Never => {
            new.resolve_after = Some(call.app.hub.core.live().rules.resolve_timeout);
            None
        }
        Ends::Open => None,
    };
    new.check().map_err(|bad| refused(&bad))?;
    Ok((new, over))
}

fn event(call: &Call, source: &Source, extra: Extra, description: &str, now: Time) -> NewEvent {
    let mut labels = Labels::new();
    labels.set("source", source.name.as_str());
    labels.set("source_type", source.kind.as_str());
    label(&mut labels, &extra.tags);
    let mut annotations = Labels::new();
    let mut title = title_line(description);
    if title != description {
        annotations.set(DESCRIPTION, description);
    } else if title.is_empty() {
        // people must read something
        annotations.set(DESCRIPTION, "");
        title = if extra.name.is_empty() { source.name.clone() } else { extra.name.clone() };
    }
    let key = match extra.name.as_str() {
        "" => mapping::nameless_key(source.id, call.app.hub.core.id(now)),
        name => mapping::key(source.id, name),
    };
    NewEvent {
        key,
        title,
        annotations,
        extra: Some(Box::new(extra)),
        ..NewEvent::raise(&mapping::origin(source), labels)
    }
}

fn ends(fields: &mut Fields) -> Ends {
    match fields.value("end_time") {
        Value::Null if fields.has("end_time") => Ends::Never,
        Value::Null => Ends::Open,
        Value::String(text) if text == INFINITY => Ends::Open,
        _ => fields.time("end_time").map_or(Ends::Open, Ends::At),
    }
}

/// The address of more about it, whole.
pub(super) fn details_url(fields: &mut Fields, base: &str) -> Option<String> {
    let url = mapping::absolute(base, &fields.text("details_url", MAX_SHORT)?);
    if url.contains(':') && !crate::input::is_web(&url) {
        fields.wrong("details_url", "must be a path, or an address that begins with http:// or https://");
    }
    Some(url)
}

/// What programs keep with it.
pub(super) fn metadata(fields: &mut Fields) -> Option<Value> {
    let value = fields.value("metadata").clone();
    let wrong = match &value {
        Value::Null => return None,
        Value::Object(_) if value.to_string().len() > MAX_LONG => format!("is longer than {MAX_LONG} bytes"),
        Value::Object(_) if value.to_string().contains("\\u0000") => "contains a NUL byte".to_owned(),
        Value::Object(_) => return Some(value),
        other => format!("must be an object, and is {}", kind_of(other)),
    };
    fields.wrong("metadata", wrong);
    None
}

/// What the model refuses, by the field's name here.
fn refused(bad: &BadEvent) -> Refused {
    let wrong = wrong_event("", bad);
    let field = match wrong.path.split('.').next().unwrap_or_default() {
        "title" | "annotations" => "description",
        "link" => "details_url",
        "labels" => "tags",
        "key" => "source_incident_id",
        "ends_at" => "end_time",
        _ => return Refused::whole(wrong.reason),
    };
    Refused::field(field, wrong.reason)
}
