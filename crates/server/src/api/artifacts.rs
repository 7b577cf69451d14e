//! Source maps of a project's builds: what was uploaded, and taking it away again.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use model::Id;

use crate::app::Shared;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::query::Query;
use crate::signed::Signed;
use crate::views::Page;
use crate::views::artifacts::ArtifactsView;

/// Lists source maps.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{id}/artifacts",
    tag = "errors",
    summary = "List the source maps that were uploaded for a project",
    description = "Newest first. sentry-cli and plugins of bundlers upload them.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The project's number or slug"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of uploads", body = Page<ArtifactsView>),
        (status = 404, description = "There is no such project", body = Problem),
    ),
)]
pub(super) async fn list_artifacts(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    uri: Uri,
) -> Answer<Json<Page<ArtifactsView>>> {
    let query = Query::known(&uri, &["limit", "cursor"])?;
    let (before, limit) = (query.parsed::<Id>("cursor")?.unwrap_or(Id(i64::MAX)), query.limit()?);
    let more = limit as i64 + 1;
    let list = move |desk: &mut crate::accounts::Desk<'_, '_>| desk.list_artifacts(&id, before, more);
    let rows = app.desk(&by.caller, by.actor, list).await?;
    Ok(Json(Page::cut(rows, limit, |it| it.id, ArtifactsView::new)))
}

/// Forgets source maps.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{id}/artifacts/{upload}",
    tag = "errors",
    summary = "Forget source maps that were uploaded at once",
    description = "For those who run all teams, and for managers of its team when logged in. Errors that they were \
        applied to stay as they are.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The project's number or slug"),
        ("upload" = String, Path, description = "The id of the upload"),
    ),
    responses(
        (status = 204, description = "They are gone"),
        (status = 404, description = "There is no such project or upload", body = Problem),
    ),
)]
pub(super) async fn delete_artifacts(
    State(app): State<Shared>,
    by: Signed,
    Path((id, upload)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let upload: Id =
        upload.parse().map_err(|bad: model::id::BadId| Problem::wrong("upload", bad.to_string()))?;
    let delete = move |desk: &mut crate::accounts::Desk<'_, '_>| desk.delete_artifacts(&id, upload);
    app.desk(&by.caller, by.actor, delete).await?;
    app.hub.forget_maps();
    Ok(StatusCode::NO_CONTENT)
}
