//! Plugins: how each is, and what it said last.

use axum::Json;
use axum::extract::State;
use flow::driver::Subscribed;
use futures::future::join_all;
use model::Topic;
use plugin_host::Status;
use sdk::MessageKind;
use sdk::registry::Whose;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::overrides::{ChangedView, changed};
use super::service_tests::{ServiceTestIn, TestedView, tried};
use crate::app::{Overriding, Shared};
use crate::body::OptionalJson;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::signed::Signed;
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
    /// `starting`, `ready`, `degraded` (ready, and not well by its own words), `waiting` (for its next start),
    /// `misconfigured`, `failed`, `idle` (until something is wanted of it), `draining` or `stopped`.
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
    /// The JSON Schema of what each person may set for it, at `/api/v1/plugin-settings`; only when one plugin is asked
    /// for that has one.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    person_settings: Option<Value>,
    /// The same of what may be set for each project or service, under the name `PLUGIN/PROJECT`.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    project_settings: Option<Value>,
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
            state: if status.degraded.is_some() { "degraded" } else { status.state.name() },
            why: status.state.why().map(str::to_owned).or(status.degraded),
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
            person_settings: None,
            project_settings: None,
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
    let kinds = app.ground().kinds;
    let form = |whose| kinds.form(&id, whose).map(|form| form.schema.clone());
    let (person_settings, project_settings) = (form(Whose::Person), form(Whose::Project));
    let log = app.plugins.log(&id);
    Ok(Json(PluginView { subscriptions, person_settings, project_settings, log, ..PluginView::new(found) }))
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
pub(super) async fn restart_plugin(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<PluginView>> {
    let plugin = app.plugins.plugin(&id).ok_or_else(|| Problem::not_found("plugin", &id))?;
    let object = id.clone();
    let noted = app.desk(&by.caller, by.actor, move |desk| {
        Ok(desk.note("plugin.restart", ("plugin", &object), None, None)?)
    });
    noted.await?;
    plugin.restart();
    get_plugin(State(app), Name(id)).await
}

/// What is to be tried.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = NewPluginTest)]
pub(super) struct TestIn {
    /// Which of its kinds; the first, if not given.
    kind: Option<String>,
    /// Settings of the place to send to, over those of `[defaults.KIND]`.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
}

/// What came of one message.
#[derive(Serialize, ToSchema)]
#[schema(as = PluginTested)]
pub(super) struct PluginTestedView {
    /// `firing`, `repeated`, `acknowledged`, `resolved` or `test`.
    #[schema(value_type = String)]
    sent: MessageKind,
    /// What came of it.
    #[serde(flatten)]
    tested: TestedView,
}

/// Tries a plugin.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{id}/test",
    tag = "plugins",
    summary = "Send one of each sort of message with a plugin, really and at once, and tell what came of each",
    description = "Nothing is kept and nothing is tried again. That the other side does not take one is an answer, \
        too: then its `success` is false. `/api/v1/service-tests/KIND` sends one, with more to say about it.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<TestIn>,
    responses(
        (status = 200, description = "What came of each", body = Page<PluginTestedView>),
        (status = 400, description = "The settings do not fit the kind", body = Problem),
        (status = 404, description = "There is none with this id, or it has no such kind", body = Problem),
    ),
)]
pub(super) async fn test_plugin(
    State(app): State<Shared>,
    Name(id): Name,
    OptionalJson(wanted): OptionalJson<TestIn>,
) -> Answer<Json<Page<PluginTestedView>>> {
    let found = app.plugins.list().into_iter().find(|status| status.id == id);
    let found = found.ok_or_else(|| Problem::not_found("plugin", &id))?;
    let kind = match wanted.kind {
        Some(kind) => found.destinations.into_iter().find(|it| *it == kind),
        None => found.destinations.into_iter().next(),
    };
    let kind = kind.ok_or_else(|| Problem::not_found("kind of destination", format_args!("of {id}")))?;
    let sorts = [
        MessageKind::Firing,
        MessageKind::Repeated,
        MessageKind::Acknowledged,
        MessageKind::Resolved,
        MessageKind::Test,
    ];
    let mut trying = Vec::new();
    for sort in sorts {
        trying.push(tried(&app, kind.clone(), ServiceTestIn::of(sort, wanted.settings.clone())));
    }
    let mut items = Vec::new();
    for (sent, tested) in sorts.into_iter().zip(join_all(trying).await) {
        items.push(PluginTestedView { sent, tested: tested? });
    }
    Ok(Json(Page::whole(items)))
}

/// Lets a plugin run.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{id}/enable",
    tag = "plugins",
    summary = "Let a plugin of the folder of plugins run",
    description = "It is added to `plugins.active`, as an override of the configuration file.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is active from here on", body = ChangedView),
        (status = 400, description = "It cannot be used: each error says where and why", body = Problem),
        (status = 409, description = "It is active already, or this cannot be now", body = Problem),
    ),
)]
pub(super) async fn enable_plugin(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<ChangedView>> {
    changed(&app, Overriding::Plugin { id, active: true }, by, "").await
}

/// Lets a plugin not run.
#[utoipa::path(
    post,
    path = "/api/v1/plugins/{id}/disable",
    tag = "plugins",
    summary = "End a plugin, and do not let it run any more",
    description = "It is taken out of `plugins.active`, as an override of the configuration file.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is not active from here on", body = ChangedView),
        (status = 400, description = "Something in the configuration needs it: each error says what", body = Problem),
        (status = 409, description = "It is not active, or this cannot be now", body = Problem),
    ),
)]
pub(super) async fn disable_plugin(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<ChangedView>> {
    changed(&app, Overriding::Plugin { id, active: false }, by, "").await
}

/// Removes a plugin.
#[utoipa::path(
    delete,
    path = "/api/v1/plugins/{id}",
    tag = "plugins",
    summary = "End a plugin, and delete its files and its environment of Python",
    description = "What it keeps in its state folder and in the database stays.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is gone", body = ChangedView),
        (status = 400, description = "Something in the configuration needs it: each error says what", body = Problem),
        (status = 404, description = "There is none with this id in the folder of plugins", body = Problem),
        (status = 409, description = "Its files cannot be deleted, or this cannot be now", body = Problem),
    ),
)]
pub(super) async fn remove_plugin(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<ChangedView>> {
    changed(&app, Overriding::RemovePlugin(id), by, "").await
}
