//! What comes over the wire: alerts, and answers of receivers.

use std::time::Duration;

use bytes::Bytes;
use model::delivery::{Fault, Outcome};
use model::limits::MAX_ANSWER_BYTES;
use model::time::span;
use model::{Event, Id, NewEvent, Time};
use sdk::Answer;
use sdk::answer::retry_after as read_retry_after;
use sdk::http::Response;
use serde_json::{Map, Value, json};
use server::api::parse_events;
use server::doors::alertmanager::parse_alerts;

use crate::halves;

const MAX_ALERTS: usize = 50;
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(300);
/// A day in 2026.
const NOW: Time = Time(1_794_657_600_000_000);

/// The body of Alertmanager's `POST /api/v2/alerts`.
pub fn alert_json(data: &[u8]) {
    let Ok((events, wrong)) = parse_alerts(data, MAX_ALERTS, RESOLVE_TIMEOUT) else { return };
    assert!(events.len() + wrong.len() <= MAX_ALERTS);
    assert!(wrong.iter().all(|text| !text.is_empty()));
    // a stricter reader may refuse what ours skips, but what it reads has as many alerts
    if let Ok(alerts) = serde_json::from_slice::<Option<Vec<Value>>>(data) {
        assert_eq!(events.len() + wrong.len(), alerts.unwrap_or_default().len());
    }
    for event in &events {
        assert_eq!(event.check(), Ok(()));
        assert!(event.labels.iter().all(|(_, value)| !value.is_empty()));
        assert_eq!(event.ends_at.is_none(), event.resolve_after.is_some());
        let times = [event.started_at, event.ends_at];
        assert!(times.into_iter().flatten().all(|at| (Time::MIN..=Time::MAX).contains(&at)));
        let arrived = Event::arrive(event.clone(), Id(1), NOW);
        assert!(arrived.ends_at.is_some_and(|end| arrived.started_at <= end));
    }
    let written = serde_json::to_vec(&events.iter().map(written).collect::<Vec<_>>()).expect("it is JSON");
    let again = parse_alerts(&written, MAX_ALERTS, RESOLVE_TIMEOUT).expect("what was read can be read again");
    assert_eq!(again, (events, Vec::new()));
}

/// An event as the alert that it was.
fn written(event: &NewEvent) -> Value {
    let mut alert = Map::new();
    alert.insert("labels".to_owned(), json!(event.labels));
    alert.insert("annotations".to_owned(), json!(event.annotations));
    alert.insert("startsAt".to_owned(), json!(event.started_at));
    alert.insert("endsAt".to_owned(), json!(event.ends_at));
    alert.insert("generatorURL".to_owned(), json!(event.link));
    Value::Object(alert)
}

/// The body of our own `POST /api/v1/events`.
pub fn events_json(data: &[u8]) {
    let Ok((events, wrong)) = parse_events(data, NOW) else { return };
    let count = match serde_json::from_slice(data).expect("what was read is JSON") {
        Value::Array(items) => items.len(),
        _ => 1,
    };
    assert_eq!(events.len() + wrong.len(), count);
    for (place, event) in events {
        assert!(place < count);
        assert_eq!(event.check(), Ok(()));
        let times = [event.started_at, event.ends_at];
        assert!(times.into_iter().flatten().all(|at| (Time::MIN..=Time::MAX).contains(&at)));
        let arrived = Event::arrive(event.clone(), Id(1), NOW);
        assert!(arrived.ends_at.is_none_or(|end| arrived.started_at <= end && end <= Time::MAX));

        let written = json!({
            "key": event.key,
            "action": event.action,
            "severity": event.severity,
            "title": event.title,
            "labels": event.labels,
            "annotations": event.annotations,
            "link": event.link,
            "started_at": event.started_at,
            "ends_at": event.ends_at,
            "resolve_after": event.resolve_after.map(span::format),
        });
        let (again, wrong) = parse_events(written.to_string().as_bytes(), NOW).expect("it can be read again");
        assert!(wrong.is_empty() && again == [(0, event)], "{written} became {again:?}");
    }
}

/// What a receiver answers: a line with the status and `Retry-After`, and the body.
pub fn retry_after(data: &[u8]) {
    let (head, body) = halves(data);
    let Some((status, wait)) = std::str::from_utf8(head).ok().and_then(|head| head.split_once(' ')) else {
        return;
    };
    let Ok(status) = status.parse::<u16>() else { return };
    let span = read_retry_after(wait, NOW);
    if !wait.is_empty() && wait.len() < 20 && wait.bytes().all(|byte| byte.is_ascii_digit()) {
        assert_eq!(span.map(|span| span.as_secs()), wait.parse().ok());
    }
    let until = span.map(|span| NOW + span);
    assert!(until.is_none_or(|until| (NOW..=Time::MAX).contains(&until)));
    if let Some(until) = until.filter(|until| *until < Time::MAX) {
        // the same moment as a date is the same wait, to the second
        let date = until.to_timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let seconds = until.as_seconds() - NOW.as_seconds();
        assert_eq!(read_retry_after(&date, NOW), Some(Duration::from_secs(seconds.unsigned_abs())), "{date}");
    }

    let headers = vec![("retry-after".to_owned(), wait.to_owned())];
    let response = Response { status, headers, body: Bytes::copy_from_slice(body) };
    let answer = Answer::from_http(Ok(response), NOW);
    assert_eq!(answer.status, Some(i64::from(status)));
    assert!(answer.text.len() <= MAX_ANSWER_BYTES * char::REPLACEMENT_CHARACTER.len_utf8());
    match answer.outcome {
        Outcome::Delivered { .. } => assert!((200..300).contains(&status)),
        Outcome::Retry { after, fault: Fault::Pace, .. } => {
            assert!(after == span && (status == 429 || (status == 503 && span.is_some())));
        }
        Outcome::Retry { after, .. } => assert!(after.is_none() && status >= 408),
        Outcome::Rejected { reason } => assert!(!reason.is_empty()),
        Outcome::Accepted { .. } => panic!("no status means that"),
    }
}
