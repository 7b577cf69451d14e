//! "Why was I (not) told?"

use axum::Json;
use axum::extract::State;
use model::Id;

use super::routes::LabelsQuestion;
use crate::app::{App, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::PathId;
use crate::views::explanation::ExplanationView;

/// Explains whatever has an id.
#[utoipa::path(
    get,
    path = "/api/v1/explain/{id}",
    tag = "explain",
    summary = "Explain an event, an incident or a delivery",
    description = "What it became, which routes matched or why none did, what kept it back, and each \
        message that told of it with each try.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "The id of an event, an incident or a delivery")),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        (status = 404, description = "Nothing has this id", body = Problem),
    ),
)]
pub(super) async fn explain_id(
    State(app): State<Shared>,
    PathId(id): PathId,
) -> Answer<Json<ExplanationView>> {
    explain(&app, id, "event, incident or delivery").await
}

/// Explains an incident.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/explain",
    tag = "explain",
    summary = "Explain an incident",
    description = "The same as `/api/v1/explain/{id}`.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "The incident's id")),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn explain_incident(
    State(app): State<Shared>,
    PathId(id): PathId,
) -> Answer<Json<ExplanationView>> {
    explain(&app, id, "incident").await
}

async fn explain(app: &App, id: Id, what: &str) -> Answer<Json<ExplanationView>> {
    let (core, now) = (app.hub.core.clone(), app.now());
    let found = app.hub.store.read(move |tx| flow::explain::explain(&core, tx, id, now)).await?;
    found.map(|it| Json(it.into())).ok_or_else(|| Problem::not_found(what, id))
}

/// Explains a label set.
#[utoipa::path(
    post,
    path = "/api/v1/explain",
    tag = "explain",
    summary = "Explain what would become of a label set",
    security(("token" = ["read"])),
    request_body = LabelsQuestion,
    responses((status = 200, description = "The explanation", body = ExplanationView)),
)]
pub(super) async fn explain_labels(
    State(app): State<Shared>,
    JsonBody(question): JsonBody<LabelsQuestion>,
) -> Answer<Json<ExplanationView>> {
    Ok(Json(question.answer(&app).await?.into()))
}
