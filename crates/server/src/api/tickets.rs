//! Tickets: somebody wants one for an incident, and a plugin makes it.

use axum::Json;
use axum::extract::State;
use flow::driver::Act;
use model::limits::MAX_NOTE_BYTES;
use plugin_protocol::calls::{TicketAnswer, TicketParams};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::OptionalJson;
use crate::error::{Answer, Problem};
use crate::input::{PathId, short, text};
use crate::signed::Signed;
use crate::views::incident::IncidentView;

/// A ticket that is wanted.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NewTicket)]
pub(super) struct TicketIn {
    /// Which plugin makes it; needed when several can.
    plugin: String,
    /// Who wants it; the token's name, if not given.
    by: String,
    /// What to say in it.
    note: String,
}

/// A ticket that there is.
#[derive(Serialize, ToSchema)]
#[schema(as = Ticket)]
pub(super) struct TicketView {
    /// Which plugin made it.
    plugin: String,
    /// What it is called, such as `OPS-17`.
    id: String,
    /// Where it is; may be empty.
    url: String,
    /// What it says; may be empty.
    title: String,
    /// The incident as it is now: its timeline names the ticket.
    incident: IncidentView,
}

/// Makes a ticket.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/ticket",
    tag = "incidents",
    summary = "Have a plugin make a ticket for an incident",
    description = "The ticket becomes a note in the incident's timeline. The plugin is given a key that is the same \
        for the same incident, so that asking twice need not make two.",
    security(("token" = ["respond"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<TicketIn>,
    responses(
        (status = 200, description = "The ticket", body = TicketView),
        (status = 404, description = "There is no incident with this id", body = Problem),
        (status = 409, description = "No plugin makes tickets, or it did not make this one: the detail says why",
            body = Problem),
    ),
)]
pub(super) async fn make_ticket(
    State(app): State<Shared>,
    signed: Signed,
    PathId(id): PathId,
    OptionalJson(it): OptionalJson<TicketIn>,
) -> Answer<Json<TicketView>> {
    let by = signed.caller.signed(&short("by", it.by)?);
    let note = text("note", it.note, MAX_NOTE_BYTES)?;
    let incident = app.hub.store.read(move |tx| store::incidents::get(tx, id)).await?;
    let incident = incident.ok_or_else(|| Problem::not_found("incident", id))?;
    let plugin = match (it.plugin.as_str(), app.plugins.makers_of_tickets().as_slice()) {
        ("", []) => return Err(Problem::not_in_state("no plugin that runs makes tickets")),
        ("", [one]) => one.clone(),
        ("", several) => {
            let why = format!("several plugins make tickets, name one of {}", several.join(", "));
            return Err(Problem::wrong("plugin", why));
        }
        (named, _) => named.to_owned(),
    };
    let incident = serde_json::to_value(IncidentView::from(incident));
    let incident = incident.map_err(|error| Problem::internal(error.to_string()))?;
    let params = TicketParams { key: format!("ticket-{id}"), incident, by: by.clone(), note };
    let made = app.plugins.ticket(&plugin, &params).await.map_err(Problem::not_in_state)?;
    let TicketAnswer { id: ticket, url, title } = made;
    let words: Vec<&str> =
        [&ticket, &title, &url].into_iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    let said = format!("ticket by {plugin}: {}", words.join(", "));
    // no letter takes more than four bytes
    let said: String = said.chars().take(MAX_NOTE_BYTES / 4).collect();
    let incident = signed.hub.act(id, Act::Note { by, text: said }).await?;
    let incident = incident.ok_or_else(|| Problem::not_found("incident", id))?;
    Ok(Json(TicketView { plugin, id: ticket, url, title, incident: incident.into() }))
}
