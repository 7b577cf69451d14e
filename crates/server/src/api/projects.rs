//! Projects: programs that report their errors, and what they are known by.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};

use crate::accounts::{KeyChange, KeyIn, ProjectChange, ProjectIn, fresh_public_key};
use crate::app::Shared;
use crate::body::{Json as JsonBody, OptionalJson};
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::query::Query;
use crate::signed::Signed;
use crate::views::Page;
use crate::views::project::{ProjectKeyView, ProjectView};

/// Lists projects.
#[utoipa::path(
    get,
    path = "/api/v1/projects",
    tag = "errors",
    summary = "List projects",
    description = "In the order in which they were made.",
    security(("token" = ["read"])),
    params(
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of projects", body = Page<ProjectView>)),
)]
pub(super) async fn list_projects(
    State(app): State<Shared>,
    by: Signed,
    uri: Uri,
) -> Answer<Json<Page<ProjectView>>> {
    let query = Query::known(&uri, &["limit", "cursor"])?;
    let (after, limit) = (query.parsed::<i64>("cursor")?.unwrap_or(0), query.limit()?);
    let more = limit as i64 + 1;
    let mut rows = app.desk(&by.caller, by.actor, move |desk| desk.list_projects(after, more)).await?;
    let next = (rows.len() > limit).then(|| rows[limit - 1].0.id.to_string());
    rows.truncate(limit);
    let base = app.base_url();
    let items = rows.into_iter().map(|it| ProjectView::new(it, &base)).collect();
    Ok(Json(Page { items, next }))
}

/// Makes a project.
#[utoipa::path(
    post,
    path = "/api/v1/projects",
    tag = "errors",
    summary = "Make a project with a first key",
    description = "For those who run all teams, and for managers of the team that is given when logged in.",
    security(("token" = ["read"])),
    request_body = ProjectIn,
    responses(
        (status = 201, description = "The project", body = ProjectView),
        (status = 409, description = "There is one of this name", body = Problem),
    ),
)]
pub(super) async fn create_project(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(it): JsonBody<ProjectIn>,
) -> Answer<(StatusCode, Json<ProjectView>)> {
    let make = move |desk: &mut crate::accounts::Desk<'_, '_>| desk.create_project(it, fresh_public_key());
    let made = app.desk(&by.caller, by.actor, make).await?;
    app.hub.know_projects().await?;
    Ok((StatusCode::CREATED, Json(ProjectView::new(made, &app.base_url()))))
}

/// Shows a project.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{id}",
    tag = "errors",
    summary = "Show a project and its keys",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its number or slug")),
    responses(
        (status = 200, description = "The project", body = ProjectView),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(super) async fn get_project(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<ProjectView>> {
    let found = app.desk(&by.caller, by.actor, move |desk| desk.get_project(&id)).await?;
    Ok(Json(ProjectView::new(found, &app.base_url())))
}

/// Changes a project.
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{id}",
    tag = "errors",
    summary = "Change a project",
    description = "For those who run all teams, and for managers of its team when logged in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its number or slug")),
    request_body = ProjectChange,
    responses(
        (status = 200, description = "The project as it is now", body = ProjectView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "There is one of this name", body = Problem),
    ),
)]
pub(super) async fn change_project(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    JsonBody(change): JsonBody<ProjectChange>,
) -> Answer<Json<ProjectView>> {
    let now = app.desk(&by.caller, by.actor, move |desk| desk.change_project(&id, change)).await?;
    app.hub.know_projects().await?;
    Ok(Json(ProjectView::new(now, &app.base_url())))
}

/// Forgets a project.
#[utoipa::path(
    delete,
    path = "/api/v1/projects/{id}",
    tag = "errors",
    summary = "Forget a project with all its errors",
    description = "For those who run all teams, and for managers of its team when logged in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its number or slug")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(super) async fn delete_project(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<StatusCode> {
    app.desk(&by.caller, by.actor, move |desk| desk.delete_project(&id)).await?;
    app.hub.know_projects().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes another key.
#[utoipa::path(
    post,
    path = "/api/v1/projects/{id}/keys",
    tag = "errors",
    summary = "Make another key for a project",
    description = "For those who run all teams, and for managers of its team when logged in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "The project's number or slug")),
    request_body = KeyIn,
    responses(
        (status = 201, description = "The key", body = ProjectKeyView),
        (status = 404, description = "There is no such project", body = Problem),
    ),
)]
pub(super) async fn add_project_key(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    OptionalJson(it): OptionalJson<KeyIn>,
) -> Answer<(StatusCode, Json<ProjectKeyView>)> {
    let add =
        move |desk: &mut crate::accounts::Desk<'_, '_>| desk.add_project_key(&id, it, fresh_public_key());
    let (_, key) = app.desk(&by.caller, by.actor, add).await?;
    app.hub.know_projects().await?;
    Ok((StatusCode::CREATED, Json(ProjectKeyView::new(key, &app.base_url()))))
}

/// Changes or revokes a key.
#[utoipa::path(
    patch,
    path = "/api/v1/projects/{id}/keys/{key}",
    tag = "errors",
    summary = "Change or revoke a key of a project",
    description = "For those who run all teams, and for managers of its team when logged in.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The project's number or slug"),
        ("key" = String, Path, description = "The key's id, or what clients send"),
    ),
    request_body = KeyChange,
    responses(
        (status = 200, description = "The key as it is now", body = ProjectKeyView),
        (status = 404, description = "There is no such project or key", body = Problem),
    ),
)]
pub(super) async fn change_project_key(
    State(app): State<Shared>,
    by: Signed,
    Path((id, key)): Path<(String, String)>,
    JsonBody(change): JsonBody<KeyChange>,
) -> Answer<Json<ProjectKeyView>> {
    let change = move |desk: &mut crate::accounts::Desk<'_, '_>| desk.change_project_key(&id, &key, change);
    let (_, now) = app.desk(&by.caller, by.actor, change).await?;
    app.hub.know_projects().await?;
    Ok(Json(ProjectKeyView::new(now, &app.base_url())))
}
