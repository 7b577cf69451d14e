//! Alertmanager's status and receivers.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::alert::{Millis, ReceiverRef};
use super::config;
use super::list::document;
use crate::app::Shared;

/// What Alertmanager says of itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerStatus)]
pub(super) struct StatusOut<'a> {
    /// Alertmanager's own way of running several, which we do not have.
    cluster: Cluster,
    /// The configuration.
    config: Config<'a>,
    /// Since when it runs.
    #[schema(value_type = String, format = DateTime)]
    uptime: Millis,
    /// Which program this is.
    version_info: VersionInfo<'a>,
}

/// Alertmanager's own way of running several.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerCluster)]
struct Cluster {
    /// Empty.
    #[schema(value_type = Vec<String>)]
    peers: [(); 0],
    /// `disabled`.
    status: &'static str,
}

/// The configuration.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerConfig)]
struct Config<'a> {
    /// As Alertmanager writes it, without secrets.
    original: &'a str,
}

/// Which program this is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerVersion)]
struct VersionInfo<'a> {
    branch: &'static str,
    build_date: &'a str,
    build_user: &'static str,
    go_version: &'static str,
    revision: &'a str,
    version: &'a str,
}

/// What this server is.
#[utoipa::path(
    get,
    path = "/api/v2/status",
    operation_id = "getStatus",
    tag = "alertmanager",
    summary = "What this server is",
    security(("token" = ["read"])),
    responses((status = 200, description = "Version and configuration", body = StatusOut)),
)]
pub(super) async fn get_status(State(app): State<Shared>) -> Response {
    let exposed = app.exposed();
    let made = match &exposed.alertmanager_config {
        Some(_) => String::new(),
        None => config::of(&app.hub.core.live().rules),
    };
    document(&StatusOut {
        cluster: Cluster { peers: [], status: "disabled" },
        config: Config { original: exposed.alertmanager_config.as_deref().unwrap_or(&made) },
        uptime: Millis(app.started_at),
        version_info: VersionInfo {
            branch: "nightbell",
            build_date: &app.version.build_date,
            build_user: "",
            go_version: "",
            revision: &app.version.revision,
            version: &app.version.version,
        },
    })
}

/// Lists receivers.
#[utoipa::path(
    get,
    path = "/api/v2/receivers",
    operation_id = "getReceivers",
    tag = "alertmanager",
    summary = "List receivers",
    security(("token" = ["read"])),
    responses((status = 200, description = "Their names", body = Vec<ReceiverRef>)),
)]
pub(super) async fn get_receivers(State(app): State<Shared>) -> Response {
    let live = app.hub.core.live();
    document(&live.rules.receivers.keys().map(|name| ReceiverRef { name }).collect::<Vec<_>>())
}
