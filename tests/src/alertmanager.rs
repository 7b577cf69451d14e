//! A hub in Alertmanager's place: its file, and alerts as its clients send them.

use std::time::{Duration, SystemTime};

use model::Time;
use serde_json::{Map, Value, json};

use crate::{Heard, Hub};

/// Starts a hub with an `alertmanager.yml` and nothing else, as somebody who switches does.
pub fn start(yml: &str) -> Hub {
    start_with(yml, &[])
}

/// The same, with more words after `serve`.
pub fn start_with(yml: &str, words: &[&str]) -> Hub {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    std::fs::write(&file, yml).unwrap();
    let file = file.to_string_lossy().into_owned();
    let mut hub = Hub::prepare(folder, &[&["--alertmanager-config", &file], words].concat());
    hub.wake();
    hub
}

/// Now, by the clock that the hub goes by, too.
#[expect(clippy::disallowed_methods, reason = "a story outside of the hub has no other clock")]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap())
}

/// So many seconds ago.
pub fn ago(seconds: u64) -> Time {
    now() - Duration::from_secs(seconds)
}

/// So many seconds from now.
pub fn ahead(seconds: u64) -> Time {
    now() + Duration::from_secs(seconds)
}

/// An alert as a client writes it.
#[derive(Clone, Debug)]
pub struct Alert(Map<String, Value>);

impl Alert {
    /// One with these labels and nothing else.
    pub fn new(labels: &[(&str, &str)]) -> Self {
        Alert(json!({ "labels": texts(labels) }).as_object().unwrap().clone())
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// With these annotations.
    pub fn annotated(self, annotations: &[(&str, &str)]) -> Self {
        self.with("annotations", texts(annotations))
    }

    /// That began then.
    pub fn from(self, at: Time) -> Self {
        self.with("startsAt", json!(at.to_string()))
    }

    /// That is over then.
    pub fn until(self, at: Time) -> Self {
        self.with("endsAt", json!(at.to_string()))
    }

    /// As JSON.
    pub fn json(self) -> Value {
        Value::Object(self.0)
    }
}

fn texts(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>().into()
}

/// Sends alerts; they must be taken.
pub fn send(hub: &Hub, alerts: &[Alert]) {
    hub.alerts(&alerts.iter().cloned().map(Alert::json).collect::<Vec<_>>());
}

/// What a message says: `name:firing` or `name:resolved` for each alert, by its label of this name.
pub fn told(heard: &Heard, label: &str) -> Vec<String> {
    let alerts = heard.body["alerts"].as_array().unwrap();
    let word = |it: &Value| {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        format!("{}:{}", word(&it["labels"][label]), word(&it["status"]))
    };
    alerts.iter().map(word).collect()
}

/// A time in a message.
pub fn time_of(heard: &Heard, alert: usize, field: &str) -> Time {
    heard.body["alerts"][alert][field].as_str().unwrap().parse().unwrap()
}

/// Fails when the second message did not come this long after the first, within Alertmanager's own tolerance
/// downwards and a busy machine's upwards.
#[track_caller]
pub fn after(first: &Heard, second: &Heard, span: Duration) {
    let passed = second.at.duration_since(first.at);
    let (early, late) = (Duration::from_millis(150), Duration::from_millis(900));
    assert!(passed + early >= span && passed <= span + late, "it came after {passed:?}, not {span:?}");
}
