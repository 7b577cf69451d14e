//! What destinations send for an `alertmanager.yml` is what Alertmanager sends for it. `sent/sent.json` is what
//! the real one sent, with `sent/alertmanager.yml` and fixed alerts; `sent/record.py` records it again.

#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

#[path = "../../connectors/tests/support/http_peer.rs"]
#[allow(dead_code, reason = "the tests of the connectors use all of it")]
mod http_peer;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http_peer::{HttpPeer, Say};
use model::delivery::Outcome;
use model::incident::State;
use model::notification::{Alert, Notification, Reason};
use model::{Id, Labels, Severity, Time};
use nightbell_config::load;
use sdk::http::{Guard, Http};
use sdk::{Context, Message};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Kinds whose address Alertmanager does not let anybody choose: how the record names it, and our setting.
const FIXED: [(&str, &str, &str); 3] = [
    ("pushover", "api_url", "//api.pushover.net/1/messages.json"),
    ("pushover-own", "api_url", "//api.pushover.net/1/messages.json"),
    ("pagerduty-v1", "url", "//events.pagerduty.com/generic/2010-04-15/create_event.json"),
];

/// A request that the real one made.
#[derive(Deserialize)]
struct Recorded {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A request in a form in which two can be compared.
#[derive(Clone, Debug)]
struct Sent {
    line: String,
    authorization: String,
    body: Value,
}

impl Recorded {
    fn sent(&self) -> Sent {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let is_query = path.contains("pushover");
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let form: Map<String, Value> = pairs.map(|(name, value)| (name, value.into())).collect();
        Sent {
            line: match is_query {
                true => format!("{} {path}", self.method),
                false => format!("{} {}", self.method, self.path),
            },
            authorization: self.headers.get("authorization").cloned().unwrap_or_default(),
            body: if is_query { form.into() } else { serde_json::from_str(&self.body).unwrap() },
        }
    }
}

/// Our own request, as [`HttpPeer::wire`] shows it.
fn ours(wire: &str) -> Sent {
    let (head, body) = wire.split_once("\n\n").unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let authorization = lines.find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
    let is_name = |name: &str| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    let form = |text: &str| -> Value {
        // a value may have lines
        let mut form = Map::new();
        let mut last = String::new();
        for line in text.lines() {
            match line.split_once(" = ").filter(|(name, _)| is_name(name)) {
                Some((name, value)) => {
                    last = name.to_owned();
                    form.insert(last.clone(), value.into());
                }
                None => {
                    let so_far = form[&last].as_str().unwrap().to_owned();
                    form.insert(last.clone(), format!("{so_far}\n{line}").into());
                }
            }
        }
        form.into()
    };
    let body = serde_json::from_str(body).unwrap_or_else(|_| form(body));
    Sent { line, authorization: authorization.to_owned(), body }
}

fn readable(text: &str) -> String {
    text.to_owned()
}

struct NoInbox;

impl sdk::Inbox for NoInbox {
    fn keep(&self, _: &str, _: &Message, _: Time) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

fn context() -> Context {
    Context {
        http: Http::new(Guard { allow_private: true, allow: Vec::new() }).unwrap(),
        inbox: Arc::new(NoInbox),
        now: Time::from_seconds(1_769_860_800),
        timeout: Duration::from_secs(20),
        destination: "test".to_owned(),
        people: Default::default(),
    }
}

/// The message that a webhook was sent, as we have it.
fn message(webhook: &Value, receiver: &str) -> Message {
    let labels = |value: &Value| -> Labels {
        let fields = value.as_object().unwrap().iter();
        fields.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned())).collect()
    };
    let time = |value: &Value| value.as_str().unwrap().parse::<Time>().ok();
    let alert = |(n, alert): (usize, &Value)| {
        let is_over = alert["status"] == "resolved";
        Alert {
            incident: Id(i64::try_from(n).unwrap()),
            state: if is_over { State::Resolved } else { State::Open },
            severity: Severity::Critical,
            title: String::new(),
            labels: labels(&alert["labels"]),
            annotations: labels(&alert["annotations"]),
            started_at: time(&alert["startsAt"]).unwrap(),
            ends_at: time(&alert["endsAt"]).filter(|_| is_over),
            link: alert["generatorURL"].as_str().unwrap().to_owned(),
            acknowledged_by: None,
            flapping: None,
            chain: 0,
        }
    };
    let alerts: Vec<Alert> = webhook["alerts"].as_array().unwrap().iter().enumerate().map(alert).collect();
    Message::render(Notification {
        idempotency_key: "key".to_owned(),
        reason: if webhook["status"] == "resolved" { Reason::AllResolved } else { Reason::First },
        receiver: receiver.to_owned(),
        route: "root".to_owned(),
        group_key: webhook["groupKey"].as_str().unwrap().to_owned(),
        group_labels: labels(&webhook["groupLabels"]),
        common_labels: labels(&webhook["commonLabels"]),
        common_annotations: labels(&webhook["commonAnnotations"]),
        external_url: webhook["externalURL"].as_str().unwrap().to_owned(),
        alerts,
        truncated: 0,
        storm: None,
        at: Time::from_seconds(1_769_860_800),
    })
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Where two bodies differ. What is empty is the same as what is not there.
fn compare(at: &str, theirs: &Value, ours: &Value, told: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                let (a, b) = (a.get(name).unwrap_or(&Value::Null), b.get(name).unwrap_or(&Value::Null));
                compare(&format!("{at}.{name}"), a, b, told);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(n, (a, b))| compare(&format!("{at}[{n}]"), a, b, told));
        }
        (a, b) if a == b || (is_nothing(a) && is_nothing(b)) => {}
        // the client that it uses for Telegram writes all values as texts
        (Value::String(a), Value::Bool(b)) if *a == b.to_string() => {}
        (a, b) if is_nothing(a) => told.push(format!("{at} is also {b}")),
        (a, b) => told.push(format!("{at} is {b} and not {a}")),
    }
}

/// The differences to the request that is most like ours, which is taken out.
fn differences(ours: &Sent, pool: &mut Vec<Sent>) -> Vec<String> {
    let like = |theirs: &Sent| {
        let mut told = Vec::new();
        compare("", &theirs.body, &ours.body, &mut told);
        told
    };
    let same = |theirs: &Sent| theirs.line == ours.line && theirs.authorization == ours.authorization;
    let fitting = pool.iter().enumerate().filter(|(_, theirs)| same(theirs));
    let best = fitting.map(|(n, theirs)| (like(theirs), n)).min_by_key(|(told, _)| told.len());
    let Some((told, n)) = best else { return vec![format!("nobody else sends {}", ours.line)] };
    pool.remove(n);
    told
}

#[tokio::test]
async fn destinations_send_what_alertmanager_sends() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sent");
    let recorded: BTreeMap<String, Vec<Recorded>> =
        serde_json::from_str(&std::fs::read_to_string(folder.join("sent.json")).unwrap()).unwrap();
    let peer = HttpPeer::start(Say::status(200));
    let address = format!("http://127.0.0.1:{}", peer.port);
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("alertmanager.yml");
    let text = std::fs::read_to_string(folder.join("alertmanager.yml")).unwrap();
    std::fs::write(&file, text.replace("PORT", &peer.port.to_string())).unwrap();
    let config = load(&file, [], &connectors::registry()).unwrap();
    let mut told = String::new();
    for (case, recorded) in &recorded {
        let webhook = recorded.iter().find(|request| request.path == "/webhook").unwrap();
        let webhook: Value = serde_json::from_str(&webhook.body).unwrap();
        let mut pool: Vec<Sent> = recorded.iter().map(Recorded::sent).collect();
        pool.retain(|sent| sent.line != "POST /webhook");
        for (name, receiver) in config.rules.receivers.iter().filter(|(name, _)| *name != "webhook") {
            let [place] = receiver.destinations.as_slice() else { panic!("{name} is one destination") };
            let mut settings = place.settings.clone();
            if let Some((_, key, path)) = FIXED.iter().find(|(fixed, _, _)| fixed == name) {
                settings[*key] = format!("{address}{path}").into();
                settings["http"] = json!({});
            }
            let ready = connectors::registry().ready(&place.kind, settings).unwrap();
            let answer = ready.send(&context(), &message(&webhook, name)).await;
            assert!(matches!(answer.outcome, Outcome::Delivered { .. }), "{name}: {answer:?}");
            for wire in peer.wire().split("\n-------- and then\n") {
                for difference in differences(&ours(wire), &mut pool) {
                    writeln!(told, "{case} {name}: {difference}").unwrap();
                }
            }
        }
        pool.iter().for_each(|left| writeln!(told, "{case}: nobody sends {left:?}").unwrap());
    }
    insta::assert_snapshot!(told);
}
