//! What the hub does for plugins, and what it hands to them.
//!
//! A plugin that brings an event in or takes an incident asks what any other client of the API asks, and is answered
//! by the
//! same handlers: nothing of their checks is written twice.

mod mail;

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, header};
use axum::{Extension, Router};
use futures::future::BoxFuture;
use plugin_host::Services;
use plugin_protocol::Fault;
use plugin_protocol::calls::guest;
use plugin_protocol::limits::MAX_KEYS;
use plugin_protocol::wire::{INTERNAL_ERROR, INVALID_PARAMS, NO_SUCH_METHOD, NOT_FOUND, NOT_NOW, TOO_MUCH};
use sdk::registry::Whose;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::limits::MAX_PLUGIN_ANSWER_BYTES;
use crate::router::described;

/// How long what a plugin asks may wait for the hub, which starts after its plugins.
const HUB_TIME: Duration = Duration::from_secs(10);

/// The hub behind all plugins, once there is one.
#[derive(Default)]
pub struct GuestServices(watch::Sender<Option<Behind>>);

#[derive(Clone)]
struct Behind {
    app: Weak<App>,
    api: Router,
}

impl GuestServices {
    /// Names the server that answers from here on.
    pub fn answer_by(&self, app: &Shared) {
        let api = described().0.with_state(app.clone());
        self.0.send_replace(Some(Behind { app: Arc::downgrade(app), api }));
    }
}

impl Services for GuestServices {
    fn ask(
        &self,
        plugin: &str,
        method: &str,
        params: Value,
        chain: u32,
    ) -> BoxFuture<'static, Result<Value, Fault>> {
        let not_now = || Fault::new(NOT_NOW, "the hub is starting or stopping");
        let mut there = self.0.subscribe();
        let (plugin, method) = (plugin.to_owned(), method.to_owned());
        Box::pin(async move {
            let waited = tokio::time::timeout(HUB_TIME, there.wait_for(Option::is_some)).await;
            let behind = waited.ok().and_then(|it| it.ok()?.clone());
            let behind = behind.and_then(|it| Some((it.app.upgrade()?, it.api)));
            let (app, api) = behind.ok_or_else(not_now)?;
            let asked = Asked { app, api, plugin, chain };
            match method.as_str() {
                guest::EMIT => asked.emit(params).await,
                guest::INCIDENT_GET => asked.incident(&params).await,
                guest::INCIDENT_ACT => asked.act(&params).await,
                guest::SETTINGS_GET => asked.settings(&params).await,
                guest::MAIL => mail::send(&asked.app, &asked.plugin, params).await,
                guest::KV_GET | guest::KV_SET | guest::KV_DELETE | guest::KV_LIST => {
                    asked.kept(&method, &params).await
                }
                other => Err(Fault::new(NO_SUCH_METHOD, format!("there is no method {other:?}"))),
            }
        })
    }
}

struct Asked {
    app: Shared,
    api: Router,
    plugin: String,
    /// how long the chain is with what it does
    chain: u32,
}

impl Asked {
    async fn emit(&self, params: Value) -> Result<Value, Fault> {
        let key = params["idempotency_key"].as_str().map(str::to_owned);
        let answer = self.call(Method::POST, "/api/v1/events", Some(&params["events"]), key).await?;
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let ids: Vec<Value> = items.iter().map(|item| item["event"].clone()).collect();
        Ok(json!({ "ids": ids, "items": items }))
    }

    async fn incident(&self, params: &Value) -> Result<Value, Fault> {
        let id = path_id(params)?;
        self.call(Method::GET, &format!("/api/v1/incidents/{id}"), None, None).await
    }

    async fn act(&self, params: &Value) -> Result<Value, Fault> {
        let id = path_id(params)?;
        let text = |name: &str| params[name].as_str().unwrap_or_default();
        let (by, note) = (text("by"), text("note"));
        let (path, body) = match text("verb") {
            "acknowledge" => ("ack", json!({ "by": by, "note": note })),
            "resolve" => ("resolve", json!({ "by": by, "note": note })),
            "note" => ("note", json!({ "by": by, "text": note })),
            other => {
                let why = format!("verb: {other:?} is none of acknowledge, resolve, note");
                return Err(Fault::new(INVALID_PARAMS, why));
            }
        };
        self.call(Method::POST, &format!("/api/v1/incidents/{id}/{path}"), Some(&body), None).await
    }

    /// What somebody, or a project, has set for this very plugin, with its defaults.
    async fn settings(&self, params: &Value) -> Result<Value, Fault> {
        let text = |name: &str| params[name].as_str().map(str::to_owned);
        let (plugin, core) = (self.plugin.clone(), self.app.hub.core.clone());
        let (whose, name) = match (text("user"), text("project")) {
            (Some(user), None) => (Whose::Person, user),
            (None, Some(project)) => (Whose::Project, project),
            _ => return Err(Fault::new(INVALID_PARAMS, "either user or project must be given")),
        };
        let reading = self.app.hub.store.read(move |tx| {
            let people = core.people(tx)?;
            Ok(match whose {
                Whose::Person => people.set_by(&plugin, &name),
                Whose::Project => Some(people.set_for(&plugin, &name).unwrap_or_default()),
            })
        });
        let set = reading.await.map_err(|error| Fault::new(TOO_MUCH, error.to_string()))?;
        let set = set.ok_or_else(|| Fault::new(NOT_FOUND, "user: there is nobody of that name"))?;
        let set = Some(&set).filter(|set| !set.is_null());
        Ok(json!({ "settings": self.app.plugins.as_set(&self.plugin, whose, set) }))
    }

    /// Asks our own API in the name of the plugin.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<String>,
    ) -> Result<Value, Fault> {
        let caller = Caller::plugin(&self.plugin, self.chain);
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", format!("{}:{key}", self.plugin));
        }
        let body = body.map_or_else(Body::empty, |json| Body::from(json.to_string()));
        let request = request.body(body).map_err(|error| Fault::new(INVALID_PARAMS, error.to_string()))?;
        let api = self.api.clone().layer(Extension(Arc::new(caller)));
        let response = api.oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = response.status();
        let bytes = to_bytes(response.into_body(), MAX_PLUGIN_ANSWER_BYTES).await;
        let bytes = bytes.map_err(|error| Fault::new(INTERNAL_ERROR, error.to_string()))?;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let code = match status.as_u16() {
            404 => NOT_FOUND,
            429 | 503 => TOO_MUCH,
            400..=499 => INVALID_PARAMS,
            _ => INTERNAL_ERROR,
        };
        Err(Fault::new(code, problem(&answer, status.as_u16())))
    }

    async fn kept(&self, method: &str, params: &Value) -> Result<Value, Fault> {
        let text = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
        let (plugin, key, store) = (self.plugin.clone(), text("key"), &self.app.hub.store);
        if key.is_empty() && method != guest::KV_LIST {
            return Err(Fault::new(INVALID_PARAMS, "key: must be given"));
        }
        let failed = |error: store::StoreError| Fault::new(TOO_MUCH, error.to_string());
        match method {
            guest::KV_GET => {
                let found = store.read(move |tx| store::plugins::get(tx, &plugin, &key)).await;
                let text = found.map_err(failed)?;
                let value: Option<Value> = text.and_then(|text| serde_json::from_str(&text).ok());
                Ok(json!({ "value": value }))
            }
            guest::KV_LIST => {
                let prefix = text("prefix");
                let names = store.read(move |tx| store::plugins::names(tx, &plugin, &prefix)).await;
                Ok(json!({ "keys": names.map_err(failed)? }))
            }
            guest::KV_DELETE => {
                let deleting = move |tx: &mut store::Tx<'_>| store::plugins::delete(tx, &plugin, &key);
                let deleted = store.write(store::Durability::Disk, deleting).await;
                Ok(json!({ "deleted": deleted.map_err(failed)? }))
            }
            _ => {
                let value = params["value"].to_string();
                let most = i64::try_from(MAX_KEYS).unwrap_or(i64::MAX) - 1;
                let setting =
                    move |tx: &mut store::Tx<'_>| store::plugins::set(tx, &plugin, &key, &value, most);
                match store.write(store::Durability::Disk, setting).await.map_err(failed)? {
                    true => Ok(json!({})),
                    false => Err(Fault::new(TOO_MUCH, format!("there are {MAX_KEYS} keys already"))),
                }
            }
        }
    }
}

fn path_id(params: &Value) -> Result<&str, Fault> {
    let id = params["id"].as_str().unwrap_or_default();
    let fine = !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric());
    if fine { Ok(id) } else { Err(Fault::new(INVALID_PARAMS, "id: must be the id of an incident")) }
}

/// What a problem says, in one line.
fn problem(answer: &Value, status: u16) -> String {
    let detail = answer["detail"].as_str().or(answer["title"].as_str());
    let mut text = detail.map_or_else(|| format!("the hub answered {status}"), str::to_owned);
    for wrong in answer["errors"].as_array().into_iter().flatten().take(5) {
        let at = |name: &str| wrong[name].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!("; {}: {}", at("path"), at("message")));
    }
    text
}
