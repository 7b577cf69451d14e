//! Heartbeats: pings that must come.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use model::Time;
use model::time::span;
use serde::Serialize;
use store::heartbeats::Heartbeat;
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::views::Page;

/// A ping that must come.
#[derive(Serialize, ToSchema)]
#[schema(as = Heartbeat)]
pub(super) struct HeartbeatView {
    /// Its name.
    name: String,
    /// How often it must come.
    every: String,
    /// How late it may be.
    grace: String,
    /// The last one; null: it has never come.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_at: Option<Time>,
    /// When the next one is missed.
    #[schema(value_type = Option<String>, format = DateTime)]
    due_at: Option<Time>,
    /// Whether one is missed.
    overdue: bool,
}

/// Lists heartbeats.
#[utoipa::path(
    get,
    path = "/api/v1/heartbeats",
    tag = "sources",
    summary = "List the pings that must come",
    security(("token" = ["read"])),
    responses((status = 200, description = "All heartbeats", body = Page<HeartbeatView>)),
)]
pub(super) async fn list_heartbeats(State(app): State<Shared>) -> Answer<Json<Page<HeartbeatView>>> {
    Ok(Json(Page::whole(all(&app).await?)))
}

async fn all(app: &App) -> Answer<Vec<HeartbeatView>> {
    let known = app.hub.store.read(store::heartbeats::all).await?;
    let known: HashMap<String, Heartbeat> = known.into_iter().map(|it| (it.name.clone(), it)).collect();
    let live = app.hub.core.live();
    let view = |expected: &flow::live::Expected| {
        let known = known.get(&expected.name);
        HeartbeatView {
            name: expected.name.clone(),
            every: span::format(expected.every),
            grace: span::format(expected.grace),
            last_at: known.and_then(|it| it.last_at),
            due_at: known.map(|it| it.due_at),
            overdue: known.is_some_and(|it| it.overdue),
        }
    };
    Ok(live.heartbeats.iter().map(view).collect())
}

/// Takes a ping in.
#[utoipa::path(
    post,
    path = "/api/v1/heartbeats/{name}",
    tag = "sources",
    summary = "Take a ping in",
    security(("token" = ["ingest"])),
    params(("name" = String, Path, description = "The heartbeat")),
    responses(
        (status = 200, description = "It is on disk", body = HeartbeatView),
        (status = 404, description = "There is no heartbeat of this name", body = Problem),
    ),
)]
pub(super) async fn beat(State(app): State<Shared>, Name(name): Name) -> Answer<Json<HeartbeatView>> {
    take(&app, &name).await
}

/// Takes a ping in from what can only ask.
#[utoipa::path(
    get,
    path = "/api/v1/heartbeats/{name}",
    tag = "sources",
    summary = "Take a ping in from what can only ask",
    description = "The same as POST, for `curl` and the like.",
    security(("token" = ["ingest"])),
    params(("name" = String, Path, description = "The heartbeat")),
    responses(
        (status = 200, description = "It is on disk", body = HeartbeatView),
        (status = 404, description = "There is no heartbeat of this name", body = Problem),
    ),
)]
pub(super) async fn beat_by_get(State(app): State<Shared>, Name(name): Name) -> Answer<Json<HeartbeatView>> {
    take(&app, &name).await
}

async fn take(app: &App, name: &str) -> Answer<Json<HeartbeatView>> {
    let unknown = || Problem::not_found("heartbeat", format_args!("{name:?}"));
    if !app.hub.beat(name).await? {
        return Err(unknown());
    }
    all(app).await?.into_iter().find(|it| it.name == name).map(Json).ok_or_else(unknown)
}
