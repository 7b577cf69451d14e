//! Answers as clients of Sentry understand them.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracker::{Door, Envelope, Refusal};

use super::Limit;
use crate::error::Problem;

const ERROR: HeaderName = HeaderName::from_static("x-sentry-error");
const LIMITS: HeaderName = HeaderName::from_static("x-sentry-rate-limits");
/// For how long a client need not send what is not kept.
const NOT_KEPT_SECONDS: u32 = 3600;
/// Headers that a page of another site may send, as SDKs of browsers do.
const MAY_SEND: &str = "x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, \
                        authentication, authorization, content-encoding, transfer-encoding, sentry-trace, baggage";
/// Headers that such a page may read.
const MAY_READ: &str = "x-sentry-error, x-sentry-rate-limits, retry-after";

/// What items that are not kept are called in limits.
fn categories(item: &str) -> &'static [&'static str] {
    match item {
        "transaction" => &["transaction", "span"],
        "span" => &["span"],
        "session" | "sessions" => &["session"],
        "attachment" | "view_hierarchy" | "minidump" => &["attachment"],
        "profile" => &["profile"],
        "profile_chunk" => &["profile_chunk"],
        "replay_event" | "replay_recording" | "replay_video" => &["replay"],
        "log" | "otel_log" => &["log_item"],
        "trace_metric" => &["trace_metric"],
        "statsd" | "metric_buckets" => &["metric_bucket"],
        _ => &[],
    }
}

/// 200: what was sent is on disk. What is not kept is said, so that nobody sends it in vain.
pub(super) fn answered(door: Door, event: Option<String>, envelope: &Envelope) -> Response {
    let body = match (event, door) {
        (Some(id), _) => json!({ "id": id }),
        (None, _) => json!({}),
    };
    let mut response = of_json(StatusCode::OK, body.to_string());
    let mut unkept: Vec<&str> = envelope.dropped.keys().flat_map(|it| categories(it)).copied().collect();
    unkept.sort_unstable();
    unkept.dedup();
    if !unkept.is_empty() {
        let text = format!("{NOT_KEPT_SECONDS}:{}:project:not_supported", unkept.join(";"));
        insert(&mut response, LIMITS, &text);
    }
    response
}

/// 400, 403, 413 or 415.
pub(super) fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = of_json(status, refusal.body());
    insert(&mut response, ERROR, &refusal.header());
    response
}

/// 429: there is too much, for now. What a key may send are events; who has too much under way at once, or finds no
/// place, is to hold back whatever it is.
pub(super) fn limited(limit: Limit) -> Response {
    let (seconds, why, said) = match limit {
        Limit::Key(seconds) => {
            (seconds, "the key has sent more than it may", "default;error;security:key:quota")
        }
        Limit::Project(seconds) => {
            (seconds, "the project sends too much at once", ":project:too_many_at_once")
        }
        Limit::Server(seconds) => (seconds, "there is too much at once", ":organization:too_many_at_once"),
    };
    let mut response = because(StatusCode::TOO_MANY_REQUESTS, why, Some(seconds));
    insert(&mut response, LIMITS, &format!("{seconds}:{said}"));
    response
}

/// 503: not now.
pub(super) fn unavailable(why: &str) -> Response {
    problem(&Problem::unavailable(why))
}

/// What went wrong elsewhere: 401, 403 and 503 of the front, and what those hear who upload.
pub(super) fn problem(problem: &Problem) -> Response {
    because(problem.code(), &problem.detail, problem.retry_after)
}

/// A no, why, and after how many seconds it may be tried again.
fn because(status: StatusCode, why: &str, retry_after: Option<u32>) -> Response {
    let mut response = of_json(status, json!({ "detail": why, "causes": [] }).to_string());
    insert(&mut response, ERROR, why);
    if let Some(seconds) = retry_after {
        insert(&mut response, header::RETRY_AFTER, &seconds.to_string());
    }
    response
}

/// Any page may see the answer.
pub(super) fn shared(mut response: Response, origin: Option<HeaderValue>) -> Response {
    if let Some(origin) = origin {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        insert(&mut response, header::ACCESS_CONTROL_EXPOSE_HEADERS, MAY_READ);
        insert(&mut response, header::VARY, "Origin");
    }
    response
}

/// What a browser asks before it lets a page of another site send something.
pub(super) fn preflight(headers: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    insert(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, "POST, OPTIONS");
    insert(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, MAY_SEND);
    insert(&mut response, header::ACCESS_CONTROL_MAX_AGE, "3600");
    let origin = headers.get(header::ORIGIN).cloned();
    shared(response, Some(origin.unwrap_or_else(|| HeaderValue::from_static("*"))))
}

/// An answer of JSON.
pub(super) fn of_json(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    insert(&mut response, header::CONTENT_TYPE, "application/json");
    response
}

/// Sets a header to a text; what no header may have is left out of it.
fn insert(response: &mut Response, name: HeaderName, text: &str) {
    let clean: String = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    if let Ok(value) = HeaderValue::from_str(&clean) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_limited_hears_of_what_there_is_too_much() {
        let said = |limit| {
            let response = limited(limit);
            assert!(response.status() == 429 && response.headers()["retry-after"] == "7");
            response.headers()[LIMITS].to_str().unwrap().to_owned()
        };
        assert_eq!(said(Limit::Key(7)), "7:default;error;security:key:quota");
        assert_eq!(said(Limit::Project(7)), "7::project:too_many_at_once");
        assert_eq!(said(Limit::Server(7)), "7::organization:too_many_at_once");
    }

    #[test]
    fn what_is_not_kept_is_said_once_and_in_whole_seconds() {
        let mut envelope = Envelope::default();
        for item in ["transaction", "sessions", "session", "something_new"] {
            envelope.dropped.insert(item.to_owned(), 1);
        }
        let response = answered(Door::Envelope, None, &envelope);
        let limits = response.headers()[LIMITS].to_str().unwrap();
        assert_eq!(limits, "3600:session;span;transaction:project:not_supported");
        let plain = answered(Door::Store, Some("ab".into()), &Envelope::default());
        assert!(plain.status() == StatusCode::OK && !plain.headers().contains_key(LIMITS));
    }
}
