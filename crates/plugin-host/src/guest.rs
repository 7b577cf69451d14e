//! What plugins ask of the host, as far as their manifests permit it.

use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::future::BoxFuture;
use plugin_protocol::calls::{LogParams, guest};
use plugin_protocol::limits::{MAX_GUEST_CALLS, MAX_KEY_BYTES, MAX_VALUE_BYTES};
use plugin_protocol::manifest::{Network, Permissions};
use plugin_protocol::wire::{self, INTERNAL_ERROR, INVALID_PARAMS, NO_SUCH_METHOD, NOT_PERMITTED, TOO_MUCH};
use plugin_protocol::{Fault, Frame, RpcId};
use sdk::http::{Http, HttpSettings, Outgoing};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::body::Ear;
use crate::chain::Chain;
use crate::journal::Level;
use crate::peer::Peer;
use crate::plugin::Plugin;

/// How long `fetch` may take.
const MAX_FETCH_TIME: Duration = Duration::from_secs(30);

/// Requests that are not led anywhere else.
static NOWHERE_ELSE: LazyLock<HttpSettings> = LazyLock::new(|| {
    let settings = serde_json::from_value(json!({ "follow_redirects": false }));
    settings.unwrap_or_default()
});

/// What the hub does for plugins. Permissions are looked at before it is asked.
pub trait Services: Send + Sync + 'static {
    /// Answers `emit`, `incident.get`, `incident.act`, `mail`, `settings.get` and `kv.…`, for the plugin of this id.
    /// What it does is the last link of a chain that is so long.
    fn ask(
        &self,
        plugin: &str,
        method: &str,
        params: Value,
        chain: u32,
    ) -> BoxFuture<'static, Result<Value, Fault>>;
}

/// What a host can do only for itself.
pub struct NoServices;

impl Services for NoServices {
    fn ask(&self, _: &str, method: &str, _: Value, _: u32) -> BoxFuture<'static, Result<Value, Fault>> {
        let fault = Fault::new(wire::NOT_NOW, format!("{method}: there is no hub behind this host"));
        Box::pin(async move { Err(fault) })
    }
}

/// The ear of a plugin, for one life.
pub struct GuestEar {
    /// Whose.
    pub plugin: Weak<Plugin>,
    /// What the hub does for it.
    pub services: Arc<dyn Services>,
    /// The way out.
    pub http: Option<Http>,
    /// Where answers are worked out.
    pub tasks: TaskTracker,
    /// How many at once.
    pub places: Arc<Semaphore>,
}

impl GuestEar {
    /// An ear with room for as many requests as the contract says.
    pub fn new(
        plugin: &Arc<Plugin>,
        services: Arc<dyn Services>,
        http: Option<Http>,
        tasks: TaskTracker,
    ) -> Self {
        let places = Arc::new(Semaphore::new(MAX_GUEST_CALLS));
        GuestEar { plugin: Arc::downgrade(plugin), services, http, tasks, places }
    }
}

impl Ear for GuestEar {
    fn hear(self: Arc<Self>, peer: &Arc<Peer>, frame: Frame) {
        let Some(plugin) = self.plugin.upgrade() else { return };
        let (id, method, params) = match frame {
            Frame::Notification { method, params } => return told(&plugin, &method, params.as_deref()),
            Frame::Request { id, method, params } => (id, method, params),
            Frame::Answer { .. } | Frame::Unread(_) => return,
        };
        let place = match self.place() {
            Ok(place) => place,
            // one that does not read its answers gets none: they must not pile up here
            Err(fault) => return peer.try_say(wire::answer::<()>(&id, Err(&fault))),
        };
        let peer = peer.clone();
        let tasks = self.tasks.clone();
        tasks.spawn(async move {
            let behind = |params: &Value| because(params).map(|id| peer.chain(&id)).unwrap_or_default();
            let answer = self.answer(&plugin, &method, params, behind).await;
            peer.say(line_of(&id, answer)).await;
            drop(place);
        });
    }

    fn ask(
        self: Arc<Self>,
        method: String,
        params: Option<Box<RawValue>>,
        chain: Chain,
    ) -> BoxFuture<'static, Result<Value, Fault>> {
        Box::pin(async move {
            let gone = || Fault::new(wire::NOT_NOW, "the plugin does not run any more");
            let plugin = self.plugin.upgrade().ok_or_else(gone)?;
            let _place = self.place()?;
            self.answer(&plugin, &method, params, |_| chain).await
        })
    }
}

fn line_of(id: &RpcId, answer: Result<Value, Fault>) -> String {
    match answer {
        Ok(value) => wire::answer(id, Ok(&value)),
        Err(fault) => wire::answer::<()>(id, Err(&fault)),
    }
}

/// What needs no answer.
fn told(plugin: &Plugin, method: &str, params: Option<&RawValue>) {
    let params = params.map_or("{}", RawValue::get);
    match method {
        guest::LOG => {
            let said: LogParams = serde_json::from_str(params).unwrap_or_default();
            let about = said.delivery.map(|id| format!("[{id}] ")).unwrap_or_default();
            let fields = match said.fields.is_empty() {
                true => String::new(),
                false => format!(" {}", Value::Object(said.fields)),
            };
            plugin.journal.write(Level::of(&said.level), &format!("{about}{}{fields}", said.message));
        }
        guest::STATUS => {
            let said: Value = serde_json::from_str(params).unwrap_or_default();
            let (status, detail) = (said["status"].as_str(), said["detail"].as_str());
            plugin.feels(status.unwrap_or("?"), detail.unwrap_or_default());
        }
        // a host need not know every word
        _ => {}
    }
}

impl GuestEar {
    fn place(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let too_much = |_| Fault::new(TOO_MUCH, format!("more than {MAX_GUEST_CALLS} requests at once"));
        self.places.clone().try_acquire_owned().map_err(too_much)
    }

    async fn answer(
        &self,
        plugin: &Plugin,
        method: &str,
        params: Option<Box<RawValue>>,
        behind: impl FnOnce(&Value) -> Chain,
    ) -> Result<Value, Fault> {
        let spec = plugin.spec();
        let may = &spec.found.manifest.permissions;
        permitted(may, method)?;
        let params = params.map_or(Ok(json!({})), |raw| serde_json::from_str(raw.get()));
        let params: Value = params.map_err(|error| Fault::new(INVALID_PARAMS, error.to_string()))?;
        match method {
            guest::FETCH => self.fetch(may, params).await,
            guest::KV_GET | guest::KV_SET | guest::KV_DELETE | guest::KV_LIST => {
                bounded(&params)?;
                self.services.ask(&plugin.id, method, params, 0).await
            }
            guest::EMIT | guest::INCIDENT_ACT => {
                let next = behind(&params).next(method);
                let chain = next.inspect_err(|fault| plugin.journal.note(&fault.message))?;
                self.services.ask(&plugin.id, method, params, chain).await
            }
            guest::INCIDENT_GET | guest::SETTINGS_GET | guest::MAIL => {
                self.services.ask(&plugin.id, method, params, 0).await
            }
            other => Err(Fault::new(NO_SUCH_METHOD, format!("there is no method {other:?}"))),
        }
    }

    async fn fetch(&self, may: &Permissions, params: Value) -> Result<Value, Fault> {
        let params: FetchParams =
            serde_json::from_value(params).map_err(|error| Fault::new(INVALID_PARAMS, error.to_string()))?;
        let wrong = |why: String| Fault::new(INVALID_PARAMS, why);
        let url = url::Url::parse(&params.url).map_err(|error| wrong(format!("url: {error}")))?;
        if !may_ask(&may.hosts, &url) {
            let host = url.host_str().unwrap_or_default();
            let why = format!("url: {host:?} is not among permissions.hosts of the manifest");
            return Err(Fault::new(NOT_PERMITTED, why));
        }
        let http = self.http.as_ref();
        let http = http.ok_or_else(|| Fault::new(wire::NOT_NOW, "there is no way out of this host"))?;
        let body = match (&params.body, &params.body_base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(text)) => {
                BASE64.decode(text).map_err(|error| wrong(format!("body_base64: {error}")))?
            }
            (None, None) => Vec::new(),
        };
        let limit = params.timeout_ms.map_or(MAX_FETCH_TIME, Duration::from_millis).min(MAX_FETCH_TIME);
        let headers = params.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let method = params.method.parse().map_err(|_| wrong(format!("method: {:?}", params.method)))?;
        let request = Outgoing { url: &params.url, method, headers, body: body.into(), timeout: limit };
        // to be led somewhere else would be a way around the manifest
        let response = http.with(&NOWHERE_ELSE).send(request).await;
        let response = response.map_err(|error| Fault::new(INTERNAL_ERROR, error.to_string()))?;
        let mut answer = json!({ "status": response.status, "headers": response.headers });
        match std::str::from_utf8(&response.body) {
            Ok(text) => answer["body"] = text.into(),
            Err(_) => answer["body_base64"] = BASE64.encode(&response.body).into(),
        }
        Ok(answer)
    }
}

#[derive(Deserialize)]
struct FetchParams {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    body_base64: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// The request of the host's because of which a plugin does something, if it says so.
fn because(params: &Value) -> Option<RpcId> {
    RpcId::deserialize(&params["because"]).ok()
}

fn get() -> String {
    "GET".to_owned()
}

fn permitted(may: &Permissions, method: &str) -> Result<(), Fault> {
    let needs = match method {
        guest::EMIT => (may.emit, "emit"),
        guest::INCIDENT_ACT => (may.act, "act"),
        guest::MAIL => (may.mail, "mail"),
        guest::FETCH if may.network == Network::None => (false, "network"),
        guest::FETCH => (!may.hosts.is_empty(), "hosts"),
        _ => return Ok(()),
    };
    match needs {
        (true, _) => Ok(()),
        (false, name) => {
            Err(Fault::new(NOT_PERMITTED, format!("{method}: permissions.{name} is not in the manifest")))
        }
    }
}

fn bounded(params: &Value) -> Result<(), Fault> {
    let key = params["key"].as_str().unwrap_or_default();
    if key.len() > MAX_KEY_BYTES {
        return Err(Fault::new(INVALID_PARAMS, format!("key: is longer than {MAX_KEY_BYTES} bytes")));
    }
    if params["value"].to_string().len() > MAX_VALUE_BYTES {
        return Err(Fault::new(INVALID_PARAMS, format!("value: is longer than {MAX_VALUE_BYTES} bytes")));
    }
    Ok(())
}

/// Whether a URL is at one of these hosts: `api.example.com`, `*.example.com`, `example.com:8080`.
fn may_ask(hosts: &[String], url: &url::Url) -> bool {
    if !matches!(url.scheme(), "http" | "https") {
        return false;
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    hosts.iter().any(|pattern| {
        let (name, wanted): (&str, Option<u16>) = match pattern.rsplit_once(':') {
            Some((name, wanted)) if wanted.parse::<u16>().is_ok() => (name, wanted.parse().ok()),
            _ => (pattern.as_str(), None),
        };
        let port_fits = wanted.map_or(matches!(port, 80 | 443), |wanted| wanted == port);
        let below = |end: &str| host.strip_suffix(end).is_some_and(|start| start.ends_with('.'));
        port_fits
            && match name.strip_prefix("*.") {
                Some(end) => below(end),
                None => host.eq_ignore_ascii_case(name),
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hosts_of_the_manifest_may_be_asked() {
        let hosts = ["api.example.com", "*.example.org", "127.0.0.1:8080"].map(str::to_owned);
        let may = |url: &str| may_ask(&hosts, &url::Url::parse(url).unwrap());
        for url in [
            "https://api.example.com/x",
            "http://API.example.com",
            "https://a.b.example.org/",
            "http://127.0.0.1:8080/",
        ] {
            assert!(may(url), "{url}");
        }
        for url in [
            "https://example.com",
            "https://api.example.com:8443",
            "https://example.org",
            "https://evilexample.org",
            "https://api.example.com@evil.example/",
            "http://127.0.0.1/",
            "ftp://api.example.com/",
        ] {
            assert!(!may(url), "{url}");
        }
    }

    #[test]
    fn what_the_manifest_does_not_permit_is_refused_by_its_name() {
        let fault = permitted(&Permissions::default(), guest::EMIT).unwrap_err();
        assert_eq!(fault.code, NOT_PERMITTED);
        assert!(fault.message.contains("permissions.emit"));
        assert!(
            permitted(&Permissions::default(), guest::MAIL).unwrap_err().message.contains("permissions.mail")
        );
        assert_eq!(permitted(&Permissions::default(), guest::KV_GET), Ok(()));
    }
}
