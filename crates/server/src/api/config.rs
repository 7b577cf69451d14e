//! The configuration: as it is, as it was, and back to how it was.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::{NotRolledBack, Shared};
use crate::auth::Caller;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::{Name, short};
use crate::limits::MAX_HISTORY;
use crate::views::Page;
use crate::views::config::ConfigVersionView;

/// Shows the configuration.
#[utoipa::path(
    get,
    path = "/api/v1/config",
    tag = "server",
    summary = "Show the configuration in force, without secrets",
    security(("token" = ["read"])),
    responses((status = 200, description = "The configuration as TOML",
        body = String, content_type = "application/toml")),
)]
pub(super) async fn get_config(State(app): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/toml")], app.exposed().config.clone())
}

/// Lists the configurations that were put in force.
#[utoipa::path(
    get,
    path = "/api/v1/config/history",
    tag = "server",
    summary = "List the configurations that were put in force, newest first",
    security(("token" = ["read"])),
    responses((status = 200, description = "The last of them", body = Page<ConfigVersionView>)),
)]
pub(super) async fn list_config_history(State(app): State<Shared>) -> Answer<Json<Page<ConfigVersionView>>> {
    let kept = app.hub.store.read(|tx| store::rules::history(tx, MAX_HISTORY)).await?;
    Ok(Json(Page::whole(kept.into_iter().map(ConfigVersionView::from).collect())))
}

/// Shows a configuration as it was.
#[utoipa::path(
    get,
    path = "/api/v1/config/history/{version}",
    tag = "server",
    summary = "Show a configuration of the history, without secrets",
    security(("token" = ["read"])),
    params(("version" = i64, Path, description = "Its version, as the history lists it")),
    responses(
        (status = 200, description = "The configuration", body = ConfigVersionView),
        (status = 404, description = "There is none of this version", body = Problem),
    ),
)]
pub(super) async fn get_config_version(
    State(app): State<Shared>,
    Name(version): Name,
) -> Answer<Json<ConfigVersionView>> {
    let number = version.parse().map_err(|_| Problem::wrong("version", "is not a number"))?;
    let kept = app.hub.store.read(move |tx| store::rules::kept(tx, number)).await?;
    kept.map(|it| Json(it.into())).ok_or_else(|| Problem::not_found("configuration", version))
}

/// Which configuration to go back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rollback)]
pub(super) struct RollbackIn {
    /// Its version, as the history lists it.
    pub(super) version: i64,
    /// Who asks, if it is not clear from the token.
    #[serde(default)]
    pub(super) by: String,
}

/// What is in force now.
#[derive(Serialize, ToSchema)]
#[schema(as = RolledBack)]
pub(super) struct RolledBackView {
    /// The version of what is in force now.
    version: i64,
}

/// Goes back to a configuration.
#[utoipa::path(
    post,
    path = "/api/v1/config/rollback",
    tag = "server",
    summary = "Go back to a configuration of the history, until the files are loaded again",
    security(("token" = ["admin"])),
    request_body = RollbackIn,
    responses(
        (status = 200, description = "It is in force, as a version of its own", body = RolledBackView),
        (status = 404, description = "There is none of this version", body = Problem),
        (status = 409, description = "It cannot be used, and what was in force stays: the detail says why",
            body = Problem),
    ),
)]
pub(super) async fn roll_back_config(
    State(app): State<Shared>,
    caller: Extension<Arc<Caller>>,
    JsonBody(wanted): JsonBody<RollbackIn>,
) -> Answer<Json<RolledBackView>> {
    let by = caller.signed(&short("by", wanted.by)?);
    match app.configuring.roll_back(wanted.version, &by).await {
        Ok(version) => Ok(Json(RolledBackView { version })),
        Err(NotRolledBack::Unknown) => Err(Problem::not_found("configuration", wanted.version)),
        Err(NotRolledBack::Unusable(why)) => Err(Problem::not_in_state(why)),
    }
}
