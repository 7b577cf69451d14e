//! Alertmanager's status and receivers.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::alert::{Millis, ReceiverRef};
use super::config;
use super::list::document;
use crate::app::{ALERTMANAGER_VERSION, App, Shared};

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

/// Whose API this is, and which program.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerVersion)]
struct VersionInfo<'a> {
    /// `nightbell-` and the version of this program.
    branch: String,
    build_date: &'a str,
    build_user: &'static str,
    go_version: &'static str,
    revision: &'a str,
    /// The version of Alertmanager whose API this is.
    version: &'static str,
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
            branch: format!("nightbell-{}", app.version.version),
            build_date: &app.version.build_date,
            build_user: "",
            go_version: "",
            revision: &app.version.revision,
            version: ALERTMANAGER_VERSION,
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
    responses((status = 200, description = "Their names, in the order of the file", body = Vec<ReceiverRef>)),
)]
pub(super) async fn get_receivers(State(app): State<Shared>) -> Response {
    let live = app.hub.core.live();
    let (exposed, known) = (app.exposed(), &live.rules.receivers);
    // what is exposed is replaced a moment after the rules are
    let listed = exposed.receivers.iter().filter(|name| known.contains_key(*name));
    let named: BTreeSet<&String> = exposed.receivers.iter().collect();
    let others = known.keys().filter(|name| !named.contains(name));
    document(&listed.chain(others).map(|name| ReceiverRef { name }).collect::<Vec<_>>())
}
