//! Heartbeats: something is wrong when nothing is heard.
//!
//! Each request is a beat, whatever its body says: [`Source::parse`] makes a clear of it, under the key
//! `heartbeat:<integration>`. That a beat is overdue cannot be seen by a source, which is asked only when a
//! request comes; the flow raises an event under the same key ([`HeartbeatSettings::overdue`]) when nothing
//! has been heard for `every` and `grace` together. The next beat ends it.

use std::collections::BTreeMap;
use std::time::Duration;

use model::matcher::{self, Matcher, Matchers};
use model::time::span;
use model::{Action, NewEvent, Severity, Time};
use schemars::JsonSchema;
use sdk::{Facts, Refusal, Request, Source};
use serde::{Deserialize, Deserializer, Serialize};

/// The label that names the integration.
const NAME_LABEL: &str = "heartbeat";
/// The shortest time between beats.
const SHORTEST: Duration = Duration::from_secs(1);

/// The kind `heartbeat`.
pub struct Heartbeat;

/// How often a beat is due, and what is said when none comes.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "every": "1h",
    "grace": "10m",
    "severity": "error",
    "title": "The nightly backup has not run",
    "labels": {"team": "db"},
}))]
pub struct HeartbeatSettings {
    /// How often a beat comes when all is well.
    #[serde(with = "span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub every: Duration,
    /// How much later than that it may come.
    #[serde(with = "span", default)]
    #[schemars(with = "String", extend("format" = "span", "default" = "0s"))]
    pub grace: Duration,
    /// The labels of the incident, for routing; `heartbeat`, the integration's name, is added to them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How bad it is that no beat comes.
    #[serde(default)]
    pub severity: Level,
    /// What is said when no beat comes; by default that the heartbeat is overdue.
    pub title: Option<String>,
    /// Matchers of alerts that are beats, too, wherever they come in: `['alertname="Watchdog"']` for the alert
    /// that always fires in Prometheus. All of them must match; none: only requests to the integration are beats.
    #[serde(default, deserialize_with = "matchers")]
    #[schemars(with = "Vec<String>")]
    pub alerts: Matchers,
    /// The project, by slug or number, whose check-ins are beats: keys of projects are no secret where browsers report.
    /// By default those of any project are.
    #[serde(default)]
    pub project: String,
}

fn matchers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Matchers, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let all: Result<Vec<Matcher>, _> = texts.iter().map(|text| matcher::parse(text)).collect();
    all.map(Matchers).map_err(serde::de::Error::custom)
}

/// How bad it is, as settings have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Info,
    /// Look at it some day.
    Notice,
    /// Look at it today.
    #[default]
    Warning,
    /// Broken, look at it now.
    Error,
    /// Wake somebody.
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Severity::Info,
            Level::Notice => Severity::Notice,
            Level::Warning => Severity::Warning,
            Level::Error => Severity::Error,
            Level::Critical => Severity::Critical,
        }
    }
}

impl HeartbeatSettings {
    /// When a beat is overdue, if the last one came then.
    pub fn due_at(&self, last: Time) -> Time {
        last + self.every.saturating_add(self.grace)
    }

    /// A beat, as an event: all is well.
    pub fn beat(&self, integration: &str, at: Time) -> NewEvent {
        self.event(integration, Action::Clear, at)
    }

    /// That no beat came, as an event: something is wrong since `at`.
    pub fn overdue(&self, integration: &str, at: Time) -> NewEvent {
        self.event(integration, Action::Raise, at)
    }

    fn event(&self, integration: &str, action: Action, at: Time) -> NewEvent {
        let labels = self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let title = self.title.clone().unwrap_or_else(|| format!("Heartbeat {integration} is overdue"));
        NewEvent {
            key: heartbeat_key(integration),
            action,
            severity: Some(self.severity.into()),
            title,
            started_at: Some(at),
            ..NewEvent::raise(
                &format!("heartbeat/{integration}"),
                labels.chain([(NAME_LABEL, integration)]).collect(),
            )
        }
    }
}

/// The key of an integration's incident.
pub fn heartbeat_key(integration: &str) -> String {
    format!("heartbeat:{integration}")
}

impl Source for Heartbeat {
    const FACTS: Facts = Facts {
        kind: "heartbeat",
        title: "Heartbeat",
        about: "Watches over what must happen again and again: a backup, a scheduled job. Any \
                request is a beat; when none comes for `every` and `grace` together, an incident \
                begins, and the next beat ends it.",
        docs: "",
        deduplicates: false,
    };
    type Settings = HeartbeatSettings;

    fn check(settings: &HeartbeatSettings) -> Result<(), String> {
        if settings.every < SHORTEST {
            return Err("every: must be a second or more".to_owned());
        }
        settings.overdue("x", Time::default()).check().map_err(|error| format!("labels: {error}"))
    }

    fn parse(settings: &HeartbeatSettings, request: &Request<'_>) -> Result<Vec<NewEvent>, Refusal> {
        Ok(vec![settings.beat(request.integration, request.now)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_beat_ends_what_its_absence_began() {
        let settings: HeartbeatSettings =
            serde_json::from_value(json!({"every": "1h", "grace": "5m", "labels": {"team": "db"}})).unwrap();
        let now = Time::from_seconds(1000);
        assert_eq!(settings.due_at(now), Time::from_seconds(1000 + 3900));
        let request = Request { integration: "backup", body: b"anything", content_type: "", now };
        let beat = Heartbeat::parse(&settings, &request).unwrap().remove(0);
        let overdue = settings.overdue("backup", now);
        assert_eq!((beat.action, overdue.action), (Action::Clear, Action::Raise));
        assert_eq!((beat.key.as_str(), &beat.labels), ("heartbeat:backup", &overdue.labels));
        assert_eq!(overdue.labels.to_json(), r#"{"heartbeat":"backup","team":"db"}"#);
        assert_eq!(overdue.title, "Heartbeat backup is overdue");
    }
}
