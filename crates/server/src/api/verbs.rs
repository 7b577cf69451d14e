//! What people do with an incident.

use axum::Json;
use axum::extract::State;
use flow::driver::Act;
use model::Id;
use model::limits::MAX_NOTE_BYTES;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::body::{Json as JsonBody, OptionalJson};
use crate::error::{Answer, Problem};
use crate::input::{PathId, SpanIn, TimeIn, deadline, short, text};
use crate::signed::Signed;
use crate::views::incident::IncidentView;

/// Taking an incident.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Acknowledge)]
pub(super) struct AcknowledgeIn {
    /// Who takes it; the token's name, if not given.
    #[serde(default)]
    by: String,
    /// Why, or what now.
    #[serde(default)]
    note: String,
    /// Until when; until it is over, if neither this nor `for` is given.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<TimeIn>,
    /// For how long, such as `2h`.
    #[schema(value_type = Option<String>)]
    r#for: Option<SpanIn>,
}

/// Giving an incident back, or saying that it is over.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ByWhom)]
pub(super) struct ByIn {
    /// Who does it; the token's name, if not given.
    #[serde(default)]
    by: String,
    /// Why.
    #[serde(default)]
    note: String,
}

/// Putting an incident off.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Snooze)]
pub(super) struct SnoozeIn {
    /// Who does it; the token's name, if not given.
    #[serde(default)]
    by: String,
    /// Why.
    #[serde(default)]
    note: String,
    /// Until when. Either this or `for` is needed.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<TimeIn>,
    /// For how long, such as `2h`.
    #[schema(value_type = Option<String>)]
    r#for: Option<SpanIn>,
}

/// Saying something about an incident.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewNote)]
pub(super) struct NoteIn {
    /// Who says it; the token's name, if not given.
    #[serde(default)]
    by: String,
    /// What.
    text: String,
}

/// Takes an incident.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/ack",
    tag = "incidents",
    summary = "Take an incident: you look after it",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<AcknowledgeIn>,
    responses(
        (status = 200, description = "The incident as it is now", body = IncidentView),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It is over", body = Problem),
    ),
)]
pub(super) async fn acknowledge(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
    OptionalJson(it): OptionalJson<AcknowledgeIn>,
) -> Answer<Json<IncidentView>> {
    let until = deadline("until", it.until, it.r#for, app.now())?;
    let act = Act::Acknowledge { by: who(&by, it.by)?, until, note: note("note", it.note)? };
    done(&by, id, act).await
}

/// Gives an incident back.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/unack",
    tag = "incidents",
    summary = "Give an incident back",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<ByIn>,
    responses(
        (status = 200, description = "The incident as it is now", body = IncidentView),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It is over", body = Problem),
    ),
)]
pub(super) async fn unacknowledge(
    by: Signed,
    PathId(id): PathId,
    OptionalJson(it): OptionalJson<ByIn>,
) -> Answer<Json<IncidentView>> {
    if !it.note.is_empty() {
        return Err(Problem::wrong("note", "giving back takes no note: POST one to …/note"));
    }
    let act = Act::Unacknowledge { by: who(&by, it.by)? };
    done(&by, id, act).await
}

/// Says that an incident is over.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/resolve",
    tag = "incidents",
    summary = "Say that an incident is over",
    description = "One that is over already stays as it is.",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<ByIn>,
    responses(
        (status = 200, description = "The incident as it is now", body = IncidentView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn resolve(
    by: Signed,
    PathId(id): PathId,
    OptionalJson(it): OptionalJson<ByIn>,
) -> Answer<Json<IncidentView>> {
    let act = Act::Resolve { by: who(&by, it.by)?, note: note("note", it.note)?, end: None };
    done(&by, id, act).await
}

/// Puts an incident off.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/snooze",
    tag = "incidents",
    summary = "Put an incident off: nobody is told before then",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = SnoozeIn,
    responses(
        (status = 200, description = "The incident as it is now", body = IncidentView),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It is over", body = Problem),
    ),
)]
pub(super) async fn snooze(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
    JsonBody(it): JsonBody<SnoozeIn>,
) -> Answer<Json<IncidentView>> {
    let until = deadline("until", it.until, it.r#for, app.now())?;
    let until =
        until.ok_or_else(|| Problem::wrong("until", "is missing: give this, or `for` such as \"2h\""))?;
    let act = Act::Snooze { by: who(&by, it.by)?, until, note: note("note", it.note)? };
    done(&by, id, act).await
}

/// Says something about an incident.
#[utoipa::path(
    post,
    path = "/api/v1/incidents/{id}/note",
    tag = "incidents",
    summary = "Say something about an incident",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = NoteIn,
    responses(
        (status = 200, description = "The incident as it is now", body = IncidentView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn note_incident(
    by: Signed,
    PathId(id): PathId,
    JsonBody(it): JsonBody<NoteIn>,
) -> Answer<Json<IncidentView>> {
    let text = note("text", it.text)?;
    if text.trim().is_empty() {
        return Err(Problem::wrong("text", "is empty"));
    }
    done(&by, id, Act::Note { by: who(&by, it.by)?, text }).await
}

fn who(signed: &Signed, by: String) -> Answer<String> {
    Ok(signed.caller.signed(&short("by", by)?))
}

fn note(path: &str, it: String) -> Answer<String> {
    text(path, it, MAX_NOTE_BYTES)
}

async fn done(by: &Signed, id: Id, act: Act) -> Answer<Json<IncidentView>> {
    Ok(Json(by.accomplish(id, act).await?.into()))
}
