//! "Why was I (not) told?"

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::{Id, Time};

use super::routes::LabelsQuestion;
use crate::app::{App, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::PathId;
use crate::query::Query;
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
    params(
        ("id" = String, Path, description = "The id of an event, an incident or a delivery"),
        ("user" = Option<String>, Query, description = "Why this user was told of it, or was not"),
        ("at" = Option<String>, Query, description = "At this time, such as 2026-06-01T03:12:00Z; with `user` only"),
    ),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        (status = 404, description = "Nothing has this id", body = Problem),
    ),
)]
pub(super) async fn explain_id(
    State(app): State<Shared>,
    PathId(id): PathId,
    uri: Uri,
) -> Answer<Json<ExplanationView>> {
    explain(&app, id, "event, incident or delivery", &uri).await
}

/// Explains an incident.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/explain",
    tag = "explain",
    summary = "Explain an incident",
    description = "The same as `/api/v1/explain/{id}`.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The incident's id"),
        ("user" = Option<String>, Query, description = "Why this user was told of it, or was not"),
        ("at" = Option<String>, Query, description = "At this time, such as 2026-06-01T03:12:00Z; with `user` only"),
    ),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn explain_incident(
    State(app): State<Shared>,
    PathId(id): PathId,
    uri: Uri,
) -> Answer<Json<ExplanationView>> {
    explain(&app, id, "incident", &uri).await
}

async fn explain(app: &App, id: Id, what: &str, uri: &Uri) -> Answer<Json<ExplanationView>> {
    let (core, now) = (app.hub.core.clone(), app.now());
    let query = Query::known(uri, &["user", "at"])?;
    let user = query.one("user")?.map(str::to_owned);
    let at = query.parsed::<Time>("at")?;
    let Some(name) = user else {
        if at.is_some() {
            return Err(Problem::wrong("at", "is of no use without user"));
        }
        let found = app.hub.store.read(move |tx| flow::explain::explain(&core, tx, id, now)).await?;
        return found.map(|it| Json(it.into())).ok_or_else(|| Problem::not_found(what, id));
    };
    let unknown = Problem::wrong("user", format!("there is no user {name:?}"));
    let found = app.hub.store.read(move |tx| {
        let Some(user) = store::users::named(tx, &name)? else { return Ok(None) };
        Ok(Some(flow::explain::explain_to(&core, tx, id, user, at, now)?))
    });
    let found = found.await?.ok_or(unknown)?;
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
