//! Acknowledgements: several may stand at a time, each until it runs out, and the longest counts.

use flow::driver::Act;
use model::extra::{Acknowledgement, Edit};
use model::incident::ChangeKind;
use model::{Id, Incident, Time};
use serde_json::Value;

use super::call::{Answer, Call, Reply};
use super::events::Timeline;
use super::fields::Fields;
use super::refused::Refused;
use super::shown;

/// Characters of what is said with one.
const MAX_TEXT: usize = 16_000;

/// One as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    at: Time,
    note: String,
    until: Option<Time>,
}

/// `GET incidents/N/acks/`.
pub(super) async fn list(call: Call) -> Answer {
    let (timeline, book) = (call.timeline().await?, call.book().await?);
    let Timeline { incident, lines, actors } = &timeline;
    let acks = lines.iter().rev().filter_map(|line| shown::ack(incident, line, actors, &book));
    Reply::ok(&acks.collect::<Vec<_>>())
}

/// `GET incidents/N/acks/M/`.
pub(super) async fn get(call: Call) -> Answer {
    let timeline = call.timeline().await?;
    one(&call, &timeline).await
}

async fn one(call: &Call, timeline: &Timeline) -> Answer {
    let (id, book) = (Id(call.number(1)?), call.book().await?);
    let line = timeline.lines.iter().find(|line| line.id == id).ok_or_else(Refused::not_found)?;
    let ack = shown::ack(&timeline.incident, line, &timeline.actors, &book);
    Reply::ok(&ack.ok_or_else(Refused::not_found)?)
}

/// `POST incidents/N/acks/`.
pub(super) async fn post(call: Call) -> Answer {
    let incident = call.incident().await?;
    let taken = Taken::read(&call, Fields::new(call.object()?))?;
    Reply::created(&take(&call, &incident, taken).await?)
}

impl Taken {
    /// Reads one.
    pub fn read(call: &Call, mut fields: Fields) -> Result<Taken, Refused> {
        let now = call.app.now();
        let at = fields.needed_time("timestamp");
        // as our own answers have it, what is said may be part of the event
        if let Some(text) = fields.value("event").get("description").cloned() {
            fields.set("description", text);
        }
        let note = fields.text("description", MAX_TEXT);
        let until = fields.time("expiration");
        if let Some(until) = until.filter(|until| *until <= now) {
            fields.wrong("expiration", format!("{until} has passed"));
        }
        fields.done()?;
        Ok(Taken { at: at.unwrap_or(now), note: note.unwrap_or_default(), until })
    }
}

/// Takes an incident, and shows the acknowledgement.
pub(super) async fn take(call: &Call, incident: &Incident, taken: Taken) -> Result<Value, Refused> {
    if !incident.is_active() {
        return Err(Refused::List(vec!["The incident is closed: nobody needs to take it.".to_owned()]));
    }
    let by = call.asker()?.name.clone();
    let act = Act::Acknowledge { by, until: taken.until, note: taken.note };
    let already = |_| Refused::whole("You have taken it already, until the same time, and say nothing new.");
    let told = call.told(incident, act, ChangeKind::Acknowledged).await;
    let (timeline, line) = match told {
        Err(Refused::Fields(fields)) => return Err(already(fields)),
        other => other?,
    };
    let book = call.book().await?;
    let ack = shown::ack(&timeline.incident, &line, &timeline.actors, &book);
    let mut ack = ack.ok_or_else(Refused::not_found)?;
    ack["event"]["timestamp"] = shown::time(taken.at);
    Ok(ack)
}

/// `PUT incidents/N/acks/M/`: only until when it is good may be changed.
pub(super) async fn replace(call: Call) -> Answer {
    keep(call, true).await
}

/// `PATCH incidents/N/acks/M/`: what is not given stays as it is.
pub(super) async fn change(call: Call) -> Answer {
    keep(call, false).await
}

async fn keep(call: Call, all: bool) -> Answer {
    let timeline = call.timeline().await?;
    let mut fields = Fields::new(call.object()?);
    for name in
        fields.names().into_iter().filter(|name| !["expiration", "pk", "event"].contains(&name.as_str()))
    {
        fields.wrong(&name, "The field is not allowed to be changed.");
    }
    let is_given = fields.has("expiration");
    if all && !is_given {
        fields.wrong("expiration", "This field is required.");
    }
    let until = fields.time("expiration");
    fields.done()?;
    if !is_given {
        return one(&call, &timeline).await;
    }
    let id = Id(call.number(1)?);
    let is_it = |line: &&store::ledger::Line| line.id == id && line.change.kind == ChangeKind::Acknowledged;
    let line = timeline.lines.iter().find(is_it).ok_or_else(Refused::not_found)?;
    let asker = call.asker()?;
    if line.change.by != asker.name && !asker.is_admin() {
        let by = &line.change.by;
        return Err(Refused::forbidden(format!("only {by} or an admin says until when {by} has taken it")));
    }
    let acknowledgement = Acknowledgement { by: line.change.by.clone(), at: line.at, until };
    call.edit(&timeline.incident, Edit { acknowledgement: Some(acknowledgement), ..Edit::default() }).await?;
    let after = call.timeline().await?;
    one(&call, &after).await
}
