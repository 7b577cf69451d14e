//! One incident: to be seen, and changed.

use axum::http::StatusCode;
use flow::driver::Act;
use model::extra::{AddedTag, Edit};
use model::{Id, Incident};
use serde_json::json;

use super::call::{Answer, Call, Reply};
use super::fields::{Fields, MAX_LONG, MAX_TAGS};
use super::mapping;
use super::post::{details_url, metadata};
use super::refused::Refused;
use super::shown;
use crate::tickets::Wanted;

/// Fields that may be changed.
const CHANGEABLE: [&str; 6] = ["tags", "details_url", "ticket_url", "level", "metadata", "description"];
/// Fields that clients send along as they got them.
const OVERLOOKED: [&str; 6] = ["pk", "id", "source", "stateful", "open", "acked"];

impl Call {
    /// The incident that the path names.
    pub(super) async fn incident(&self) -> Result<Incident, Refused> {
        self.incident_of(self.number(0)?).await
    }

    /// An incident by its number.
    pub(super) async fn incident_of(&self, pk: i64) -> Result<Incident, Refused> {
        let found = self.app.hub.store.read(move |tx| store::incidents::get(tx, Id(pk))).await?;
        found.ok_or_else(Refused::not_found)
    }

    /// Does something to an incident.
    pub(super) async fn act(&self, id: Id, act: Act) -> Result<Incident, Refused> {
        self.signed()?.act(id, act).await?.ok_or_else(Refused::not_found)
    }

    /// Changes what is known of an incident, as far as who asks may.
    pub(super) async fn edit(&self, incident: &Incident, edit: Edit) -> Result<Incident, Refused> {
        let asker = self.asker()?;
        asker.may_change(incident)?;
        self.act(incident.id, Act::Edit { by: asker.signs(incident), edit: Box::new(edit) }).await
    }

    /// Answers with an incident.
    pub(super) async fn shows(&self, incident: &Incident) -> Answer {
        let book = self.book().await?;
        Reply::ok(&shown::incident(incident, &book, self.version, self.app.now()))
    }
}

/// `GET incidents/N/`.
pub(super) async fn get(call: Call) -> Answer {
    let incident = call.incident().await?;
    call.shows(&incident).await
}

/// `PATCH incidents/N/`.
pub(super) async fn change(call: Call) -> Answer {
    let (incident, now) = (call.incident().await?, call.app.now());
    let mut fields = Fields::new(call.object()?);
    for name in fields.names() {
        let name = name.as_str();
        if !CHANGEABLE.contains(&name)
            && !OVERLOOKED.contains(&name)
            && !is_same(&call, &fields, &incident, name)
        {
            fields.wrong(name, "The field is not allowed to be changed.");
        }
    }
    let book = call.book().await?;
    let source = incident.more().source.and_then(|id| book.get(id));
    let base = source.map_or("", |it| it.source.base_url.as_str());
    let level = fields.number("level").map(mapping::severity);
    let severity = level.and_then(|level| level.inspect_err(|what| fields.wrong("level", what.clone())).ok());
    let asker = call.asker()?;
    let tags = fields.tags("tags", asker.pk, now);
    // who added a tag takes it away, or an admin: what is said here is all of one's own
    let tags_of = (!asker.is_admin()).then_some(Id(asker.pk));
    let others = incident.more().tags.iter().filter(|it| tags_of.is_some_and(|own| it.by != own)).count();
    if tags.as_ref().is_some_and(|own| own.len() + others > MAX_TAGS) {
        fields.wrong("tags", format!("with the {others} of others these are more than {MAX_TAGS}"));
    }
    let edit = Edit {
        description: fields.text("description", MAX_LONG),
        severity,
        link: details_url(&mut fields, base),
        ticket_url: fields.url("ticket_url"),
        metadata: metadata(&mut fields),
        tags: tags.map(|new| added_only(&incident, new)),
        tags_of,
        ..Edit::default()
    };
    fields.done()?;
    let after = call.edit(&incident, edit).await?;
    call.shows(&after).await
}

/// Whether a field that cannot be changed is sent as it is: clients send back what they got.
fn is_same(call: &Call, fields: &Fields, incident: &Incident, name: &str) -> bool {
    let now = call.app.now();
    let known = shown::incident(incident, &crate::sources::Book::default(), call.version, now);
    let (have, given) = (&known[name], fields.value(name));
    let time = |value: &serde_json::Value| value.as_str().and_then(super::fields::read_time);
    !have.is_null() && (have == given || (time(have).is_some() && time(have) == time(given)))
        || (have.is_null() && fields.has(name) && given.is_null() && name == "end_time")
}

/// Labels of a sender that is no registered source are shown as tags, and are not added to themselves.
pub(super) fn added_only(incident: &Incident, mut tags: Vec<AddedTag>) -> Vec<AddedTag> {
    if incident.more().source.is_none() {
        let is_label = |tag: &str| {
            tag.split_once('=').is_some_and(|(key, value)| incident.labels.get(key) == Some(value))
        };
        tags.retain(|it| !is_label(&it.tag));
    }
    tags
}

/// `PUT incidents/N/ticket_url/`.
pub(super) async fn put_ticket_url(call: Call) -> Answer {
    let incident = call.incident().await?;
    let mut fields = Fields::new(call.object()?);
    if !fields.has("ticket_url") {
        fields.wrong("ticket_url", "This field is required.");
    }
    let url = fields.url("ticket_url");
    fields.done()?;
    let after = call.edit(&incident, Edit { ticket_url: url, ..Edit::default() }).await?;
    Reply::ok(&json!({ "ticket_url": after.more().ticket_url }))
}

/// `PUT incidents/N/automatic-ticket/`: nothing makes tickets here.
pub(super) async fn automatic_ticket(call: Call) -> Answer {
    let incident = call.incident().await?;
    let url = &incident.more().ticket_url;
    if !url.is_empty() {
        return Reply::ok(&json!({ "ticket_url": url }));
    }
    let asker = call.asker()?;
    asker.may_change(&incident)?;
    if call.app.plugins.makers_of_tickets().is_empty() {
        let text = "No ticket plugin is set up here: PUT the address of a ticket to ticket_url/.";
        return Err(Refused::Bare(StatusCode::BAD_REQUEST, text.to_owned()));
    }
    let by = asker.signs(&incident);
    let wanted = Wanted { incident: incident.id, plugin: String::new(), by, note: String::new() };
    let made = call.app.make_ticket(&call.signed()?, wanted).await;
    // Argus says what its ticket system has said, as a text
    let made = made.map_err(|problem| Refused::Bare(StatusCode::SERVICE_UNAVAILABLE, problem.detail))?;
    Reply::ok(&json!({ "ticket_url": made.ticket.url }))
}
