//! Alertmanager's management endpoints.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::error::Problem;
use crate::metrics;

/// Whether the server runs.
#[utoipa::path(
    get,
    path = "/-/healthy",
    tag = "alertmanager",
    summary = "Whether the server runs",
    security(()),
    responses((status = 200, description = "It runs", body = String, content_type = "text/plain")),
)]
pub(super) async fn healthy() -> &'static str {
    "OK"
}

/// Whether the server can do its work: the database answers.
#[utoipa::path(
    get,
    path = "/-/ready",
    tag = "alertmanager",
    summary = "Whether the server can do its work: the database answers",
    security(()),
    responses(
        (status = 200, description = "It can", body = String, content_type = "text/plain"),
        (status = 503, description = "It cannot, for now", body = Problem),
    ),
)]
pub(super) async fn ready(State(app): State<Shared>) -> Response {
    match app.hub.store.read(store::silences::current_version).await {
        Ok(_) => "OK".into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

/// Loads the configuration again.
#[utoipa::path(
    post,
    path = "/-/reload",
    tag = "alertmanager",
    summary = "Load the configuration again",
    security(("token" = ["admin"])),
    responses(
        (status = 200, description = "The new configuration is in force"),
        (status = 500, description = "It is not, and the old one stays in force: the text says why",
            body = String,
            content_type = "text/plain"),
    ),
)]
pub(super) async fn reload(State(app): State<Shared>, caller: Extension<Arc<Caller>>) -> Response {
    load_again(&app, &caller).await
}

/// Loads the configuration again, for those who say PUT.
#[utoipa::path(
    put,
    path = "/-/reload",
    tag = "alertmanager",
    summary = "Load the configuration again, as with POST",
    security(("token" = ["admin"])),
    responses(
        (status = 200, description = "The new configuration is in force"),
        (status = 500, description = "It is not, and the old one stays in force: the text says why", body = String,
            content_type = "text/plain"),
    ),
)]
pub(super) async fn reload_by_put(State(app): State<Shared>, caller: Extension<Arc<Caller>>) -> Response {
    load_again(&app, &caller).await
}

async fn load_again(app: &App, caller: &Caller) -> Response {
    match app.configuring.reload(&caller.signed("")).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(why) => {
            let text = format!("failed to reload config: {why}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

/// Counts and states, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    summary = "Counts and states, for Prometheus",
    security(("token" = ["read"])),
    responses((status = 200, description = "In the text format of OpenMetrics", body = String,
        content_type = "application/openmetrics-text")),
)]
pub(super) async fn metrics(State(app): State<Shared>) -> Response {
    metrics::page(&app).await
}
