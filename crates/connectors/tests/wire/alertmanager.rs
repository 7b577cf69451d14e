//! What Alertmanager sends for the same alerts and settings, as `tests/alertmanager/record.py` recorded it.

use model::Id;
use model::incident::State;
use model::notification::{Alert, Notification, Reason};
use model::{Severity, Time};
use sdk::Message;
use serde_json::{Value, json};

use crate::support::context;
use crate::support::http_peer::{HttpPeer, Say, Seen};

const WORDS: &str = "{{ status }}: {{ labels.alertname }} ({{ alerts | length }})";

fn alert(instance: &str, state: State) -> Alert {
    let time = |text: &str| -> Time { text.parse().unwrap() };
    let annotations = [("summary", "Disk is full"), ("description", "<b>&\"3 %\"</b> are left")];
    Alert {
        incident: Id(1),
        state,
        severity: Severity::default(),
        title: "Disk is full".to_owned(),
        labels: [("alertname", "DiskFull"), ("instance", instance), ("team", "db")].into_iter().collect(),
        annotations: annotations.into_iter().collect(),
        started_at: time("2026-11-14T11:59:00.25Z"),
        ends_at: (state == State::Resolved).then(|| time("2026-11-14T12:00:00Z")),
        link: "https://prometheus.example/graph?g0.expr=disk+%3E+97".to_owned(),
        acknowledged_by: None,
        flapping: None,
        chain: 0,
    }
}

/// One alert, two of them, both resolved.
fn recorded_messages() -> [Message; 3] {
    let (one, two) = ("db1:9100", "db2:9100");
    let message = |reason, alerts: Vec<Alert>| {
        let (common_labels, common_annotations) = Notification::common(&alerts);
        Message::render(Notification {
            idempotency_key: "k".to_owned(),
            reason,
            receiver: "ops".to_owned(),
            route: String::new(),
            group_key: r#"{}:{alertname="DiskFull"}"#.to_owned(),
            group_labels: [("alertname", "DiskFull")].into_iter().collect(),
            common_labels,
            common_annotations,
            external_url: "http://am.example".to_owned(),
            alerts,
            truncated: 0,
            storm: None,
            at: "2026-11-14T12:00:00Z".parse().unwrap(),
        })
    };
    [
        message(Reason::First, vec![alert(one, State::Open)]),
        message(Reason::NewAlerts, vec![alert(one, State::Open), alert(two, State::Open)]),
        message(Reason::AllResolved, vec![alert(one, State::Resolved), alert(two, State::Resolved)]),
    ]
}

fn record(kind: &str) -> Vec<Value> {
    let path = format!("{}/tests/alertmanager/{kind}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// All requests that a destination makes for the messages.
async fn sent(kind: &str, settings: impl Fn(u16) -> Value, say: fn(&Seen) -> &'static str) -> Vec<Seen> {
    let peer = HttpPeer::start(Say::Json(say));
    let ready = connectors::registry().ready(kind, settings(peer.port)).unwrap();
    for message in recorded_messages() {
        let answer = ready.send(&context(), &message).await;
        assert!(matches!(answer.outcome, model::delivery::Outcome::Delivered { .. }), "{answer:?}");
    }
    std::iter::once(peer.next()).chain(peer.rest()).collect()
}

/// A body by its meaning.
fn read(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| body.into())
}

/// Whether requests are those of the record, but for their signatures and for what `same` takes out.
fn compare(kind: &str, sent: &[Seen], headers: &[&str], same: fn(&mut Value)) {
    let record = record(kind);
    assert_eq!(sent.len(), record.len(), "{kind}");
    for (ours, theirs) in sent.iter().zip(&record) {
        let line =
            format!("{} {} HTTP/1.1", theirs["method"].as_str().unwrap(), theirs["path"].as_str().unwrap());
        assert_eq!(ours.head.lines().next().unwrap(), line);
        for header in headers {
            assert_eq!(ours.header(header), theirs["headers"][header].as_str(), "{kind}: {header}");
        }
        let mut bodies = [read(&ours.body), read(theirs["body"].as_str().unwrap())];
        bodies.iter_mut().for_each(same);
        assert_eq!(bodies[0], bodies[1], "{kind}");
    }
}

#[tokio::test]
async fn webex_gets_the_same_from_us() {
    let settings = |port| {
        json!({"api_url": format!("http://127.0.0.1:{port}/webex"), "room_id": "the-room", "message": WORDS,
            "token": "the-token"})
    };
    compare("webex", &sent("webex", settings, |_| "{}").await, &["content-type", "authorization"], |_| {});
}

#[tokio::test]
async fn sns_gets_the_same_from_us() {
    let settings = |port| {
        json!({"api_url": format!("http://127.0.0.1:{port}/sns"), "access_key": "AKIDEXAMPLE",
            "secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "topic_arn": "arn:aws:sns:us-east-2:123456789012:alerts", "subject": "{{ status }}",
            "message": WORDS, "attributes": {"team": "{{ labels.team }}", "from": "alerts"}})
    };
    // the signature is compared where it is made, since it goes over port and time
    compare("sns", &sent("sns", settings, |_| "{}").await, &["content-type"], |_| {});
}

#[tokio::test]
async fn wechat_gets_the_same_from_us() {
    let settings = |port| {
        json!({"api_url": format!("http://127.0.0.1:{port}/wechat"), "corp_id": "ww01", "secret": "the-secret",
            "agent_id": "7", "to_party": "{{ labels.team }}", "message": WORDS})
    };
    let yes = |_: &Seen| r#"{"errcode": 0, "errmsg": "ok", "access_token": "the-token", "expires_in": 7200}"#;
    // Alertmanager sends the other form, too, without anything in it
    let without_empty_form = |body: &mut Value| {
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, value| name != "markdown" || value["content"] != "");
        }
    };
    compare("wechat", &sent("wechat", settings, yes).await, &["content-type"], without_empty_form);
}

#[tokio::test]
async fn webhooks_get_the_same_from_us() {
    let settings = |port| json!({"url": format!("http://127.0.0.1:{port}/webhook")});
    compare("webhook", &sent("webhook", settings, |_| "").await, &["content-type"], |_| {});
}
