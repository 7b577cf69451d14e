//! Plugins: how each is, and what it said last.

use axum::Json;
use axum::extract::State;
use flow::driver::Subscribed;
use model::Topic;
use plugin_host::Status;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::views::Page;

/// A plugin.
#[derive(Serialize, ToSchema)]
#[schema(as = Plugin)]
pub(super) struct PluginView {
    /// What it is called.
    id: String,
    /// Its own version.
    version: String,
    /// Where it was found.
    place: String,
    /// `process`, `python` or `wasm`.
    #[schema(value_type = String)]
    runtime: plugin_protocol::manifest::Runtime,
    /// `starting`, `ready`, `waiting` (for its next start), `misconfigured`, `failed`, `draining` or `stopped`.
    state: &'static str,
    /// Why it is no better; null: it is well.
    why: Option<String>,
    /// The number of its process; null: it has none.
    pid: Option<u32>,
    /// How often it was started.
    starts: u64,
    /// How many milliseconds its last start took until it was ready; null: it is not.
    ready_after_ms: Option<u64>,
    /// What it is made with; may be empty.
    sdk: String,
    /// Its kinds of destinations.
    destinations: Vec<String>,
    /// Where it answers over HTTP, below `/plugins/ID`.
    routes: Vec<RouteView>,
    /// What it hears of; only when one plugin is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    subscriptions: Option<Vec<SubscriptionView>>,
    /// The last lines of its log, oldest first; only when one plugin is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<String>>,
}

/// A route of a plugin.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginRoute)]
struct RouteView {
    /// Its path, with `<name>` for what varies.
    path: String,
    /// The methods that it takes.
    methods: Vec<String>,
    /// Whether a token is needed.
    token: bool,
}

/// What a plugin hears of.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginSubscription)]
struct SubscriptionView {
    /// What it is called.
    name: String,
    /// The topics.
    topics: Vec<&'static str>,
    /// Events that wait for it.
    waiting: u64,
    /// Events that were dropped, since too many waited.
    dropped: u64,
}

impl SubscriptionView {
    fn new(it: Subscribed) -> Self {
        let topics = it.topics.into_iter().map(Topic::name).collect();
        let name = it.name.split_once('/').map_or(it.name.as_str(), |(_, name)| name).to_owned();
        SubscriptionView { name, topics, waiting: it.waiting, dropped: it.dropped }
    }
}

impl PluginView {
    fn new(status: Status) -> Self {
        let routes = status.routes.into_iter().map(|route| RouteView {
            token: route.auth == plugin_protocol::provides::Access::Token,
            methods: if route.methods.is_empty() { vec!["GET".to_owned()] } else { route.methods },
            path: route.path,
        });
        PluginView {
            state: status.state.name(),
            why: status.state.why().map(str::to_owned),
            routes: routes.collect(),
            id: status.id,
            version: status.version,
            place: status.place,
            runtime: status.runtime,
            pid: status.pid,
            starts: status.starts,
            ready_after_ms: status.ready_after_ms,
            sdk: status.sdk,
            destinations: status.destinations,
            subscriptions: None,
            log: None,
        }
    }
}

/// Lists plugins.
#[utoipa::path(
    get,
    path = "/api/v1/plugins",
    tag = "plugins",
    summary = "List the plugins that are to run, and how they are",
    security(("token" = ["read"])),
    responses((status = 200, description = "All plugins, by id", body = Page<PluginView>)),
)]
pub(super) async fn list_plugins(State(app): State<Shared>) -> Json<Page<PluginView>> {
    Json(Page::whole(app.plugins.list().into_iter().map(PluginView::new).collect()))
}

/// Shows a plugin.
#[utoipa::path(
    get,
    path = "/api/v1/plugins/{id}",
    tag = "plugins",
    summary = "Show a plugin, with the last lines of its log",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The plugin", body = PluginView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn get_plugin(State(app): State<Shared>, Name(id): Name) -> Answer<Json<PluginView>> {
    let found = app.plugins.list().into_iter().find(|status| status.id == id);
    let found = found.ok_or_else(|| Problem::not_found("plugin", &id))?;
    let subscribed = app.hub.subscribed(&format!("{id}/")).await?;
    let subscriptions = Some(subscribed.into_iter().map(SubscriptionView::new).collect());
    Ok(Json(PluginView { subscriptions, log: app.plugins.log(&id), ..PluginView::new(found) }))
}

/// Starts a plugin anew.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{id}/restart",
    tag = "plugins",
    summary = "Start a plugin anew, in an orderly way",
    description = "Also brings one back at once that waits, has failed, or is misconfigured.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is being started anew", body = PluginView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn restart_plugin(State(app): State<Shared>, Name(id): Name) -> Answer<Json<PluginView>> {
    let plugin = app.plugins.plugin(&id).ok_or_else(|| Problem::not_found("plugin", &id))?;
    plugin.restart();
    get_plugin(State(app), Name(id)).await
}
