//! Tickets: somebody wants one for an incident, and a plugin makes it.

use axum::Json;
use axum::extract::State;
use model::limits::MAX_NOTE_BYTES;
use plugin_protocol::calls::TicketAnswer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::OptionalJson;
use crate::error::{Answer, Problem};
use crate::input::{PathId, short, text};
use crate::signed::Signed;
use crate::tickets::{Made, Wanted};
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
    description = "The ticket becomes a note in the incident's timeline, and its address the incident's. The plugin \
        is given a key that is the same for the same incident, so that asking twice need not make two.",
    security(("token" = ["respond:team"])),
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
    let wanted = Wanted { incident: id, plugin: it.plugin, by, note };
    let Made { plugin, ticket, incident } = app.make_ticket(&signed, wanted).await?;
    let TicketAnswer { id, url, title } = ticket;
    Ok(Json(TicketView { plugin, id, url, title, incident: incident.into() }))
}
