//! A whole server for tests: a real hub on a database of its own, a clock that stands still, receivers that
//! write down what they are told, and requests without sockets.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "no test uses all of it, and a stage that breaks is a failed test"
)]

pub mod argus;
pub mod connectors;
pub mod described;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use flow::driver::Retention;
use flow::live::{Expected, Live};
use flow::{Clock, Hub};
use futures::future::BoxFuture;
use model::matcher::{self, Matchers};
use model::receiver::{Manners, Place, Receiver};
use model::route::{GroupBy, Route, Timing};
use model::{Rules, Severity, Time};
use nightbell_server::auth::Peer;
use nightbell_server::jobs::{Beginning, Progress, Told, Work};
use nightbell_server::{
    App, By, ConfigFormat, Configuring, Exposed, Integration, NotOverridden, NotRolledBack, Options,
    Overriding, Setup, Version, app::Shared, error::Wrong, router,
};
use sdk::Message;
use sdk::http::{Guard, Http};
use serde_json::{Value, json};
use store::Store;
use tokio::sync::mpsc::UnboundedReceiver;
use tower::ServiceExt;

/// When tests take place, if nobody moves the clock.
pub const NOW: &str = "2026-06-01T12:00:00Z";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// A clock that stands still until somebody moves it.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }
}

/// A server with everything around it.
pub struct Stage {
    pub app: Shared,
    pub hub: Hub,
    pub router: Router,
    pub clock: Arc<TestClock>,
    /// What the receivers were told.
    pub told: UnboundedReceiver<Message>,
    /// How often a reload was asked for.
    pub reloads: Arc<AtomicUsize>,
    pub folder: tempfile::TempDir,
}

/// An answer.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer, when it has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem, when it is one with this status: what is said about it.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{} {}",
            self.status,
            self.text()
        );
        let problem = self.expect(status);
        assert_eq!(problem["status"], status);
        assert!(problem["type"].as_str().unwrap().starts_with("urn:nightbell:problem:"), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

/// Counts how often it was asked to reload: the first time it works.
struct Configurator(Arc<AtomicUsize>);

impl Configuring for Configurator {
    fn reload(&self, _by: &str) -> BoxFuture<'static, Result<(), String>> {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        let result = if count == 0 { Ok(()) } else { Err("line 3: no".to_owned()) };
        Box::pin(std::future::ready(result))
    }

    fn roll_back(&self, version: i64, _by: &str) -> BoxFuture<'static, Result<i64, NotRolledBack>> {
        Box::pin(std::future::ready(match version {
            1 => Err(NotRolledBack::Unusable("it is in force".to_owned())),
            _ => Err(NotRolledBack::Unknown),
        }))
    }

    fn override_settings(
        &self,
        wanted: Overriding,
        _by: By,
    ) -> BoxFuture<'static, Result<i64, NotOverridden>> {
        Box::pin(std::future::ready(match wanted {
            Overriding::Back(0) => Ok(7),
            Overriding::Back(_) => Err(NotOverridden::Unusable("not now".to_owned())),
            Overriding::Change { section, .. } if section != "incidents" => {
                Err(NotOverridden::Unknown(format!("there is no section {section}")))
            }
            _ => Err(NotOverridden::Wrong(vec![Wrong::new("incidents.urgen", "unknown key")])),
        }))
    }

    fn work_on_plugin(&self, id: &str, work: Work, told: Told) -> Result<Beginning, NotOverridden> {
        match (id, work) {
            ("bell", Work::Check) => Ok(Box::new(move || {
                told(Progress::Line("it rings".to_owned()));
                told(Progress::Checked(Box::default()));
                told(Progress::Ended(Ok(())));
            })),
            ("bell", Work::Install { .. }) => Err(NotOverridden::Forbidden("it is off".to_owned())),
            (other, _) => Err(NotOverridden::Unknown(format!("there is no plugin {other}"))),
        }
    }

    fn rules_of(&self, text: &str, _format: ConfigFormat) -> Result<Rules, Vec<String>> {
        match text {
            "as it is" => Ok(rules(&connectors::channel().0)),
            other => Err(vec![format!("{other} is no configuration")]),
        }
    }
}

impl Stage {
    /// A server as most tests want it.
    pub async fn new() -> Self {
        Stage::with(Options { max_body_bytes: 256 * 1024, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().to_owned();
        let store =
            tokio::task::spawn_blocking(move || Store::open_folder(&location, false)).await.unwrap().unwrap();
        Stage::over(store, options, folder).await
    }

    /// Another node on the same database.
    pub async fn another(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Stage::over(self.hub.store.clone(), self.app.options.clone(), folder).await
    }

    async fn over(store: Store, options: Options, folder: tempfile::TempDir) -> Self {
        let (channel, told) = connectors::channel();
        let kinds = Arc::new(connectors::registry());
        let now: Time = NOW.parse().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(now.0)));
        let live = Live::new(rules(&channel), vec![heartbeat()], &kinds).unwrap();
        let account = [("email".to_owned(), json!({ "host": "mail.example" }))].into();
        let live = Live { kinds: kinds.clone(), accounts: Arc::new(account), ..live };
        let http = Http::new(Guard { allow_private: true, ..Guard::default() }).unwrap();
        let hub = Hub::start(store, live, http.clone(), clock.clone(), Retention::default()).await.unwrap();
        let reader = kinds.reader("lines", json!({})).unwrap();
        let integration = Integration { kind: "lines".into(), reader };
        let integrations = [("ci".to_owned(), integration)].into();
        let reloads = Arc::new(AtomicUsize::new(0));
        let counted = reloads.clone();
        let app = App::new(Setup {
            hub: hub.clone(),
            kinds,
            options,
            exposed: Exposed { integrations, config: "# none\n".into(), ..Exposed::default() },
            version: Version { version: "0.0.0".into(), revision: "abc".into(), build_date: "today".into() },
            configuring: Arc::new(Configurator(counted)),
            plugins: plugin_host::Host::new(plugin_host::Places::default()),
            http,
        });
        Stage { router: router(app.clone()), app, hub, clock, told, reloads, folder }
    }

    /// Moves the clock.
    pub fn passes(&self, span: Duration) {
        self.clock.0.fetch_add(i64::try_from(span.as_micros()).unwrap(), Ordering::SeqCst);
        self.hub.ring();
    }

    /// The time, some seconds from now.
    pub fn at(&self, seconds: i64) -> String {
        Time(self.clock.now().0 + seconds * 1_000_000).to_string()
    }

    /// A request that may be changed before it is sent; it comes from this machine.
    pub fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let peer: SocketAddr = "127.0.0.1:1000".parse().unwrap();
        Request::builder().method(method).uri(path).extension(Peer(peer))
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        let (head, sent) = request.into_parts();
        let (method, path) = (head.method.clone(), head.uri.path().to_owned());
        let sent = axum::body::to_bytes(sent, usize::MAX).await.unwrap();
        let request = Request::from_parts(head, Body::from(sent.clone()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let reply = Reply { status: head.status, headers: head.headers, body };
        described::fits(&self.router, (&method, &path), &sent, &reply).await;
        reply
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        let request = self.request(method, path).header("content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask("POST", path, body.to_string()).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    /// Opens an incident with these labels; returns its id.
    pub async fn incident(&self, labels: Value) -> String {
        let answer = self.post("/api/v1/events", &json!({ "labels": labels })).await.expect(200);
        answer["items"][0]["incident"].as_str().unwrap().to_owned()
    }

    /// The next message that a receiver is told.
    pub async fn message(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.told.recv()).await.expect("nobody was told").unwrap()
    }

    /// Asks until the answer is as it should be.
    pub async fn until(&self, path: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let answer = self.get(path).await.expect(200);
                if is_so(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .unwrap_or_else(|_| panic!("{path} never was as it should be"))
    }
}

fn heartbeat() -> Expected {
    Expected {
        alerts: Default::default(),
        project: String::new(),
        name: "backup".into(),
        every: Duration::from_secs(3600),
        grace: Duration::from_secs(60),
        labels: [("team", "db")].into_iter().collect(),
        severity: Severity::Error,
        title: String::new(),
    }
}

/// The rules of `tests/alertmanager/alertmanager.yml`, but that groups are told at once.
fn rules(channel: &str) -> Rules {
    let mut rules = Rules::simple(receiver("all", channel));
    for name in ["db", "web"] {
        rules.receivers.insert(name.to_owned(), receiver(name, channel));
    }
    rules.root.group_by = GroupBy::Labels(vec!["alertname".into()]);
    rules.root.timing = Timing { group_wait: Duration::ZERO, ..Timing::default() };
    let mut db = route(&rules.root, r#"team="db""#, "db");
    db.r#continue = true;
    let mut web = route(&rules.root, r#"team=~"web|db""#, "web");
    web.group_by = GroupBy::All;
    rules.root.children = vec![db, web];
    rules.inhibitions = vec![model::inhibition::Inhibition {
        name: "worse".into(),
        source: matchers(r#"severity="critical""#),
        target: matchers(r#"severity="warning""#),
        equal: vec!["alertname".into()],
    }]
    .into();
    rules
}

fn matchers(text: &str) -> Matchers {
    Matchers(matcher::parse_list(text).unwrap())
}

fn route(parent: &Route, text: &str, receiver: &str) -> Route {
    let matchers = matchers(text);
    let path = Route::child_path(&parent.path, &matchers, None);
    Route { path, matchers, receiver: receiver.to_owned(), children: Vec::new(), ..parent.clone() }
}

fn receiver(name: &str, channel: &str) -> Receiver {
    let place = Place {
        id: format!("{name}/scripted/0"),
        kind: "scripted".into(),
        settings: json!({ "channel": channel, "password": "hush-hush" }),
        manners: Manners::default(),
    };
    Receiver { name: name.to_owned(), destinations: vec![place] }
}
