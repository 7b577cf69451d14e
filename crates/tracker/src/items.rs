//! What comes beside events: check-ins of jobs, words of users, and reports of what a client did not send.
//!
//! Each is read leniently into a small value. What cannot be one is `None`: the door counts it and answers
//! 200, since some clients keep and send again whatever was refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::{self, Value};
use crate::normalise::event_id;

/// Characters of a slug, a name, an address.
const MAX_WORD: usize = 200;
/// Characters of what a user wrote.
const MAX_COMMENTS: usize = 4_096;
/// Seconds that a run may say it took: ten years.
const MAX_DURATION: f64 = 315_360_000.0;
/// Different reasons and categories in one report.
const MAX_DISCARDS: usize = 100;
/// Why clients leave something out. What they say is counted, and anybody may say anything: other reasons are `other`.
const REASONS: &[&str] = &[
    "backpressure",
    "before_send",
    "buffer_overflow",
    "cache_overflow",
    "discarded",
    "event_processor",
    "filtered",
    "filtered_sampling",
    "ignored",
    "insufficient_data",
    "internal_sdk_error",
    "invalid",
    "network_error",
    "no_parent_span",
    "queue_overflow",
    "rate_limited",
    "ratelimit_backoff",
    "sample_rate",
    "send_error",
    "too_big",
    "transport_error",
];
/// What they leave out.
const CATEGORIES: &[&str] = &[
    "attachment",
    "check_in",
    "default",
    "error",
    "feedback",
    "internal",
    "log_byte",
    "log_item",
    "metric_bucket",
    "monitor",
    "profile",
    "profile_chunk",
    "replay",
    "security",
    "session",
    "span",
    "statsd",
    "trace_metric",
    "transaction",
    "user_report",
];

/// A scheduled job says how it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckIn {
    /// The same for the beginning and the end of one run: 32 hexadecimal digits. A client that only says that
    /// it lives sends zeros, which are `None`.
    pub id: Option<String>,
    /// The job's name, as sent: the heartbeat that this feeds.
    pub monitor: String,
    /// How the run is.
    pub status: CheckInStatus,
    /// How long it took, in seconds.
    pub duration: Option<f64>,
    /// Where.
    pub environment: Option<String>,
}

/// How a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckInStatus {
    /// It ended well.
    Ok,
    /// It failed.
    Error,
    /// It has begun.
    InProgress,
}

/// What a user wrote about an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// The event that it is about, if it says so.
    pub event_id: Option<String>,
    /// Who.
    pub name: Option<String>,
    /// How to answer.
    pub email: Option<String>,
    /// What.
    pub comments: String,
    /// The page that the user was on.
    pub url: Option<String>,
}

/// What a client did not send: reason and category → how often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientReport {
    /// `("queue_overflow", "error")` → 17.
    pub discarded: BTreeMap<(String, String), u64>,
}

/// Reads a check-in.
pub fn check_in(payload: &[u8]) -> Option<CheckIn> {
    let text = json::text(payload);
    let value = json::parse(&text).ok()?;
    let status = match value.get("status")?.as_str()? {
        "ok" => CheckInStatus::Ok,
        "error" => CheckInStatus::Error,
        "in_progress" => CheckInStatus::InProgress,
        _ => return None,
    };
    let id = value.get("check_in_id").and_then(Value::as_str).and_then(event_id);
    let duration = value.get("duration").and_then(Value::as_float);
    Some(CheckIn {
        id: id.filter(|id| id.bytes().any(|digit| digit != b'0')),
        monitor: word(&value, "monitor_slug")?,
        status,
        duration: duration.filter(|seconds| (0.0..=MAX_DURATION).contains(seconds)),
        environment: word(&value, "environment"),
    })
}

/// Reads feedback in its old form (`user_report`) or its present one, where it is an event with a context.
pub fn feedback(payload: &[u8]) -> Option<Feedback> {
    let text = json::text(payload);
    let value = json::parse(&text).ok()?;
    let inner = value.get("contexts").and_then(|contexts| contexts.get("feedback")).unwrap_or(&value);
    let either = |one: &str, other: &str| word(inner, one).or_else(|| word(inner, other));
    let event = either("associated_event_id", "event_id");
    let comments = inner.get("comments").or_else(|| inner.get("message"))?.as_str()?.trim();
    if comments.is_empty() {
        return None;
    }
    Some(Feedback {
        // the id of the envelope's own event, which feedback in its present form is, is not what it is about
        event_id: event.as_deref().and_then(event_id),
        name: word(inner, "name"),
        email: either("contact_email", "email"),
        comments: comments.chars().take(MAX_COMMENTS).collect(),
        url: word(inner, "url"),
    })
}

/// Reads a report of what a client dropped: nothing, perhaps.
pub fn client_report(payload: &[u8]) -> Option<ClientReport> {
    let text = json::text(payload);
    let value = json::parse(&text).ok().filter(|value| matches!(value, Value::Map(_)))?;
    let mut report = ClientReport::default();
    for list in ["discarded_events", "rate_limited_events", "filtered_events", "filtered_sampling_events"] {
        let Some(Value::List(discards)) = value.get(list) else { continue };
        for discard in discards.iter().take(MAX_DISCARDS) {
            let quantity = discard.get("quantity").and_then(Value::as_int);
            let Some(quantity) = quantity.and_then(|quantity| u64::try_from(quantity).ok()) else { continue };
            let reason =
                word(discard, "reason").unwrap_or_else(|| list.trim_end_matches("_events").to_owned());
            let category = word(discard, "category").unwrap_or_else(|| "default".to_owned());
            let (reason, category) = (known(reason, REASONS), known(category, CATEGORIES));
            let count = report.discarded.entry((reason, category)).or_default();
            *count = count.saturating_add(quantity);
        }
    }
    Some(report)
}

fn known(word: String, words: &[&str]) -> String {
    if words.contains(&word.as_str()) { word } else { "other".to_owned() }
}

fn word(value: &Value<'_>, key: &str) -> Option<String> {
    let word: String =
        value.get(key)?.as_str()?.trim().chars().filter(|char| !char.is_control()).take(MAX_WORD).collect();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_in_feeds_a_heartbeat() {
        let read = check_in(
            br#"{"check_in_id":"83a7c03ed0a04e1b97e2e3b18d38f244","monitor_slug":"nightly-backup",
                "status":"ok","duration":12.5,
                "environment":"production","monitor_config":{"schedule":{"type":"interval","value":2,"unit":"hour"},
                "checkin_margin":5,"timezone":"Europe/Berlin"}}"#,
        )
        .unwrap();
        assert_eq!(
            (read.monitor.as_str(), read.status, read.duration),
            ("nightly-backup", CheckInStatus::Ok, Some(12.5))
        );
        let alive = check_in(
            br#"{"check_in_id":"00000000000000000000000000000000","monitor_slug":"a","status":"in_progress"}"#,
        );
        assert_eq!(alive.unwrap().id, None);
        for none in [
            &b"{}"[..],
            b"[]",
            b"x",
            br#"{"monitor_slug":"a","status":"maybe"}"#,
            br#"{"monitor_slug":" ","status":"ok"}"#,
        ] {
            assert_eq!(check_in(none), None);
        }
    }

    #[test]
    fn feedback_has_two_forms() {
        let id = "9ec79c33ec9942ab8353589fcb2e04dc";
        let old = format!(
            "{{\"event_id\":\"{id}\",\"name\":\"Ann\",\"email\":\"ann@example.org\",\"comments\":\" It broke \"}}"
        );
        let new = format!(
            "{{\"event_id\":\"{}\",\"contexts\":{{\"feedback\":{{\"associated_event_id\":\"{id}\",\"name\":\"Ann\",\
             \"contact_email\":\"ann@example.org\",\"message\":\"It broke\"}}}}}}",
            "0".repeat(32)
        );
        let read = feedback(old.as_bytes()).unwrap();
        assert_eq!(read, feedback(new.as_bytes()).unwrap());
        assert_eq!((read.event_id.as_deref(), read.comments.as_str()), (Some(id), "It broke"));
        assert_eq!(feedback(b"{\"comments\":\" \"}"), None);
    }

    #[test]
    fn what_a_client_dropped_is_added_up() {
        let report = client_report(
            br#"{"timestamp":1,"discarded_events":[{"reason":"queue_overflow","category":"error","quantity":17},
                {"reason":"queue_overflow","category":"error","quantity":3},{"reason":"x","quantity":-1},
                {"reason":"my own","category":"error","quantity":1}],
                "rate_limited_events":[{"category":"session","quantity":2}]}"#,
        )
        .unwrap();
        let counts: Vec<_> = report
            .discarded
            .iter()
            .map(|((reason, category), count)| format!("{reason} {category} {count}"))
            .collect();
        assert_eq!(counts, ["other error 1", "queue_overflow error 20", "rate_limited session 2"]);
        assert_eq!((client_report(b"{}"), client_report(b"[]")), (Some(ClientReport::default()), None));
    }
}
