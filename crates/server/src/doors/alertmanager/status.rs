//! Alertmanager's status and receivers.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::alert::{Millis, ReceiverRef};
use super::config;
use super::list::document;
use crate::app::{App, Shared};

/// What Alertmanager says of itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerStatus)]
pub(super) struct StatusOut<'a> {
    /// Alertmanager's way of running several: there is this one.
    cluster: Cluster,
    /// The configuration.
    config: Config<'a>,
    /// Since when it runs.
    #[schema(value_type = String, format = DateTime)]
    uptime: Millis,
    /// Which program this is.
    version_info: VersionInfo<'a>,
}

/// Alertmanager's way of running several. Ours share a database and need not know each other.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerCluster)]
struct Cluster {
    /// This one's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// This one, as soon as it listens.
    peers: Vec<Peer>,
    /// `ready`, as soon as it listens.
    status: &'static str,
}

/// One of several.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerPeer)]
struct Peer {
    /// Where it listens.
    address: String,
    /// Its name.
    name: String,
}

impl Cluster {
    fn of(app: &App) -> Self {
        let Some(address) = app.listening.get() else {
            return Cluster { name: None, peers: Vec::new(), status: "disabled" };
        };
        let name = format!("nightbell-{}", app.hub.store.node());
        let peer = Peer { address: address.to_string(), name: name.clone() };
        Cluster { name: Some(name), peers: vec![peer], status: "ready" }
    }
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
        cluster: Cluster::of(&app),
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
