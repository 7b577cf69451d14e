//! Connectors: foreign bodies in, and words for foreign receivers out.

use std::sync::{Arc, LazyLock};

use connectors::destinations::webhook::alertmanager_json;
use connectors::shape;
use connectors::template::{Html, Language, Mapping, Names, Plain, Slack, Template};
use model::incident::State;
use model::limits::MAX_LABEL_VALUE_BYTES;
use model::notification::{Alert, Notification, Reason};
use model::{Id, Labels, NewEvent, Severity, Time};
use sdk::registry::Reader;
use sdk::{Message, Request};
use serde_json::{Value, json};

use crate::{REGISTRY, halves, is_greedy};

/// What one request may make at the most.
const MAX_EVENTS: usize = 1000;
const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;
/// A day in 2026.
const NOW: Time = Time(1_794_657_600_000_000);

fn reader(settings: Value) -> Option<Arc<dyn Reader>> {
    match REGISTRY.reader("webhook", settings) {
        Ok(reader) => Some(reader),
        Err(bad) => {
            assert!(!bad.to_string().is_empty());
            None
        }
    }
}

/// Settings that use all there is.
static READERS: LazyLock<Vec<Arc<dyn Reader>>> = LazyLock::new(|| {
    let all = [
        json!({"labels": {"name": "{{ body.name }}", "body": "{{ body | json | truncate(80) }}"}}),
        json!({
            "items": "body.alerts | default([body])",
            "key": "{{ item.id | default(index) }}",
            "title": "{{ item.name | default('no name') | upper }}",
            "severity": "{{ item.level | default('') }}",
            "action": "{{ 'clear' if item.ok is true else item.state | default('raise') }}",
            "labels": {
                "all": "{% for name, value in item.tags | default({}) | items %}{{ name }}={{ value }},{% endfor %}",
                "n": "{{ (item.n | default(1)) * 2 }}",
            },
            "annotations": {"text": "{{ item.text | default('') | trim | urlencode }}"},
            "link": "https://ci.example/{{ item.id | default('') | urlencode }}",
            "started_at": "{{ item.at | default('') }}",
        }),
    ];
    all.into_iter().map(|settings| reader(settings).expect("the settings are good")).collect()
});

/// A body for the `webhook` source.
pub fn webhook_body(data: &[u8]) {
    READERS.iter().for_each(|reader| read(reader.as_ref(), data));
}

/// Settings of the `webhook` source as JSON, and a body for it.
pub fn webhook_settings(data: &[u8]) {
    let (settings, body) = halves(data);
    let Ok(settings) = serde_json::from_slice::<Value>(settings) else { return };
    if is_greedy(&settings.to_string()) {
        return;
    }
    if let Some(reader) = reader(settings) {
        read(reader.as_ref(), body);
    }
}

fn read(reader: &dyn Reader, body: &[u8]) {
    let request = Request { integration: "fuzz", body, content_type: "application/json", now: NOW };
    let result = reader.parse(&request);
    assert_eq!(reader.parse(&request), result, "read again, it is something else");
    match result {
        Ok(events) => {
            assert!(events.len() <= MAX_EVENTS);
            assert!(events.iter().map(bytes).sum::<usize>() <= MAX_EVENT_BYTES);
            for event in events {
                assert_eq!(event.check(), Ok(()));
                assert_eq!(event.source, "webhook/fuzz");
                assert!(event.started_at.is_none_or(|at| (Time::MIN..=Time::MAX).contains(&at)));
            }
        }
        // it is sent back
        Err(refusal) => assert!((1..=MAX_LABEL_VALUE_BYTES).contains(&refusal.0.len()), "{refusal}"),
    }
}

/// Bytes of what templates made.
fn bytes(event: &NewEvent) -> usize {
    let values = event.labels.iter().chain(event.annotations.iter()).map(|(_, value)| value.len());
    values.sum::<usize>() + event.key.len() + event.title.len() + event.link.len()
}

/// A message with one alert, which has this text wherever senders may write what they like.
pub(crate) fn message(text: &str) -> Message {
    let labels: Labels = [("alertname", "DiskFull"), ("note", text)].into_iter().collect();
    let annotations: Labels = [("description", text), ("runbook_url", text)].into_iter().collect();
    let alert = Alert {
        incident: Id(1001),
        state: State::Open,
        severity: Severity::Critical,
        title: text.to_owned(),
        labels: labels.clone(),
        annotations: annotations.clone(),
        started_at: NOW,
        ends_at: None,
        link: text.to_owned(),
        acknowledged_by: None,
        flapping: None,
        chain: 0,
    };
    Message::render(Notification {
        idempotency_key: "0000000000abc-first".to_owned(),
        reason: Reason::First,
        receiver: "ops".to_owned(),
        route: "root/db".to_owned(),
        group_key: "{}:{}".to_owned(),
        group_labels: Labels::new(),
        common_labels: labels,
        common_annotations: annotations,
        external_url: "https://bell.example".to_owned(),
        alerts: vec![alert],
        truncated: 0,
        storm: None,
        at: NOW,
    })
}

/// A template as `webhook` and `tcp` take it for their `body`.
pub fn body_template(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    if is_greedy(source) {
        return;
    }
    render::<Html>(source);
    render::<Slack>(source);
    render::<Mapping>(source);
    let template = render::<Plain>(source);
    for (kind, settings) in [
        ("webhook", json!({"url": "https://ci.example/", "body": source})),
        ("tcp", json!({"host": "pager.example", "port": 7777, "body": source})),
    ] {
        let ready = REGISTRY.ready(kind, settings);
        assert_eq!(ready.is_ok(), template, "{kind} has a mind of its own");
        assert!(ready.is_err() || !ready.is_ok_and(|ready| ready.describe().contains("https://ci.example/")));
    }
}

/// Renders a template, if it is one.
fn render<L: Language>(source: &str) -> bool {
    let message = message("<b>&\"quoted\"</b>");
    let names = Names::of(&message);
    let template = match Template::<L>::new(source) {
        Ok(template) => template,
        Err(bad) => {
            assert!(!bad.to_string().is_empty());
            return false;
        }
    };
    let result = template.render(&names);
    assert_eq!(template.render(&names), result, "rendered again, it is something else");
    match result {
        Ok(text) => {
            assert!(text.len() <= L::MAX_OUTPUT_BYTES);
            // Jinja takes one line's end away
            let line = source.strip_suffix('\n').unwrap_or(source);
            let line = line.strip_suffix('\r').unwrap_or(line);
            assert!(source.contains('{') || text == line, "{source:?} became {text:?}");
        }
        Err(bad) => assert!(!bad.to_string().is_empty()),
    }
    true
}

/// Renders a fixed template.
fn fixed<L: Language>(source: &str, message: &Message) -> String {
    let template = Template::<L>::new(source).expect("the template is good");
    template.render(&Names::of(message)).expect("there is room for the message")
}

/// A text that a sender chose, in messages of every shape.
pub fn message_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > MAX_LABEL_VALUE_BYTES {
        return;
    }
    let message = message(text);
    let written = fixed::<Plain>("{{ labels.note | json }}", &message);
    assert_eq!(serde_json::from_str::<String>(&written).expect(&written), text);
    assert_eq!(fixed::<Plain>("{{ labels.note }}", &message), text);
    let cut = fixed::<Plain>("{{ labels.note | truncate(7) }}", &message);
    assert!(cut.chars().count() <= 7 && text.starts_with(cut.trim_end_matches('…')));
    let query = fixed::<Plain>("{{ labels.note | urlencode }}", &message);
    assert!(query.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-._+%".contains(&byte)), "{query}");
    fixed::<Plain>("{{ labels.note | utc }}", &message);
    let html = fixed::<Html>("{{ title }}{{ labels.note }}{{ labels }}", &message);
    assert!(!html.contains(['<', '>', '"', '\'']), "{html}");
    let markup = fixed::<Slack>("{{ title }}{{ labels.note }}{{ labels }}", &message);
    assert!(!markup.contains(['<', '>']), "{markup}");

    let ours: Value =
        serde_json::from_slice(&shape::json(&message).expect("it is JSON")).expect("it is JSON");
    assert_eq!(ours["notification"]["alerts"][0]["title"], text);
    assert_eq!(ours["title"], message.title);
    let theirs = alertmanager_json(&message.notification).expect("it is JSON");
    let theirs: Value = serde_json::from_slice(&theirs).expect("it is JSON");
    assert_eq!(theirs["alerts"][0]["labels"]["note"], text);
    let back: Message = serde_json::from_value(ours).expect("our own shape is read back");
    assert_eq!(back, message);
}

/// A mail in the mailbox for answers: whatever it is, what is taken for an answer is one.
pub fn mail_reply(data: &[u8]) {
    let Ok(reply) = connectors::listen::mail::read(data, "bell+{token}@example.org") else { return };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(!reply.token.is_empty() && reply.token.bytes().all(plain), "{:?}", reply.token);
    assert!(!reply.note.chars().any(char::is_control), "{:?}", reply.note);
    assert!(!reply.mail.from.is_empty());
}
