//! `POST /api/v2/alerts`: where Prometheus sends to. Everything here is on the way of every alert, so it
//! reads bytes straight into what the hub takes.

use std::borrow::Cow;
use std::fmt;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::event::BadEvent;
use model::{Labels, NewEvent, Time};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::error::{Framework, Wrong};
use super::object::Object;
use crate::app::{App, Shared};
use crate::{body, times};

/// The source that these events are counted under.
const SOURCE: &str = "alertmanager";

/// An alert as senders write it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PostableAlert)]
pub(super) struct AlertIn<'a> {
    /// What it is about; labels with an empty value are dropped.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>, required = true)]
    labels: Option<Pairs>,
    /// More about it, for people.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>, required = false)]
    annotations: Option<Pairs>,
    /// When it began; now, if it does not say.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Stamp,
    /// When it is over if nothing is heard until then; in the past: it is over.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Stamp,
    /// A link to where it came from.
    #[serde(rename = "generatorURL", default, borrow)]
    #[schema(value_type = Option<String>)]
    generator_url: Option<Cow<'a, str>>,
}

/// Takes alerts in.
#[utoipa::path(
    post,
    path = "/api/v2/alerts",
    operation_id = "postAlerts",
    tag = "alertmanager",
    summary = "Take alerts in",
    description = "The answer is 200 once they are on disk. Of a batch, valid alerts are taken in even \
        when others are not.",
    security(("token" = ["ingest"])),
    request_body = Vec<AlertIn>,
    responses(
        (status = 200, description = "All alerts are on disk"),
        (status = 400, description = "Some alerts are not valid, which the text tells of, and all others \
            are on disk; or the body is no JSON (an object of code and message), and nothing is",
            body = String),
        (status = 413, description = "More bytes or alerts than the limits allow", body = String),
        (status = 415, description = "The body is not declared to be JSON", body = Framework),
        (status = 422, description = "An alert breaks the schema, and nothing was taken in",
            body = Framework),
        (status = 503, description = "The database is not available: nothing was taken in, try again",
            body = String),
    ),
)]
pub(super) async fn post_alerts(State(app): State<Shared>, headers: HeaderMap, body: Body) -> Response {
    match take(&app, &headers, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(wrong) => wrong.into_response(),
    }
}

async fn take(app: &App, headers: &HeaderMap, body: Body) -> Result<(), Wrong> {
    must_be_json(headers)?;
    let options = &app.options;
    let bytes = body::read(body, options.max_body_bytes, options.body_timeout).await?;
    let resolve_timeout = app.hub.core.live().rules.resolve_timeout;
    let (events, wrong) = parse(&bytes, options.max_events, resolve_timeout)?;
    if !events.is_empty() {
        app.hub.accept(events).await.map_err(|error| Wrong::from(crate::error::Problem::from(error)))?;
    }
    if wrong.is_empty() {
        return Ok(());
    }
    app.hub.core.counters.refused.add(SOURCE, wrong.len() as u64);
    Err(Wrong::bad(wrong.join("; ")))
}

/// Reads a body: the events of its valid alerts, and what is wrong with the others. An alert that names no
/// end is over when nothing is heard of it for `resolve_timeout`.
///
/// # Errors
/// When nothing of it can be taken in: it cannot be read, has more than `max_alerts`, or breaks the schema.
pub fn parse(
    bytes: &[u8],
    max_alerts: usize,
    resolve_timeout: std::time::Duration,
) -> Result<(Vec<NewEvent>, Vec<String>), Wrong> {
    let alerts = read(bytes)?;
    if alerts.len() > max_alerts {
        let text = format!("{} alerts in one request, the limit is {max_alerts}", alerts.len());
        return Err(Wrong::Text(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    check_schema(&alerts)?;
    Ok(events(alerts, resolve_timeout))
}

/// Alertmanager takes nothing else, and says so in these words.
pub(super) fn must_be_json(headers: &HeaderMap) -> Result<(), Wrong> {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let declared = declared.unwrap_or("application/octet-stream");
    let bare = declared.split(';').next().unwrap_or_default().trim();
    if bare.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("unsupported media type {bare:?}, only [application/json] are allowed");
    Err(Wrong::Framework(StatusCode::UNSUPPORTED_MEDIA_TYPE, Framework::new(415, message)))
}

fn read(bytes: &[u8]) -> Result<Vec<AlertIn<'_>>, Wrong> {
    if bytes.is_empty() {
        return Err(Wrong::schema(602, "alerts in body is required"));
    }
    match serde_json::from_slice::<Option<Vec<Object<AlertIn<'_>>>>>(bytes) {
        Ok(Some(alerts)) => Ok(alerts.into_iter().map(|it| it.0).collect()),
        // Alertmanager takes it for no alerts; but whoever sends it has lost them on the way
        Ok(None) => Err(Wrong::schema(602, "alerts in body is required")),
        Err(error) => {
            // once more, slowly, to say where
            let mut again = serde_json::Deserializer::from_slice(bytes);
            let place = serde_path_to_error::deserialize::<_, Vec<Object<AlertIn<'_>>>>(&mut again).err();
            let place = place.map(|it| body::place(it.path())).unwrap_or_default();
            let place = if place.is_empty() { place } else { format!("{place}: ") };
            Err(Wrong::unreadable(format!("parsing alerts body from \"\" failed, because {place}{error}")))
        }
    }
}

fn check_schema(alerts: &[AlertIn<'_>]) -> Result<(), Wrong> {
    let mut wrong = Vec::new();
    for (n, alert) in alerts.iter().enumerate() {
        if alert.labels.is_none() {
            wrong.push((602, format!("{n}.labels in body is required")));
        }
        if let Some(url) = alert.generator_url.as_deref().filter(|url| !is_uri(url)) {
            wrong.push((601, format!("{n}.generatorURL in body must be of type uri: {url:?}")));
        }
    }
    match wrong.len() {
        0 => Ok(()),
        1 => {
            Err(wrong.pop().map_or_else(|| Wrong::schema(422, ""), |(code, text)| Wrong::schema(code, text)))
        }
        _ => {
            let texts: Vec<String> = wrong.into_iter().map(|(_, text)| text).collect();
            Err(Wrong::schema(422, format!("validation failure list:\n{}", texts.join("\n"))))
        }
    }
}

/// What Go's `url.ParseRequestURI` takes, as far as it matters: a path, or something with a scheme.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let known = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    text.is_empty()
        || ((text.starts_with('/') || known) && !text.bytes().any(|byte| byte <= b' ' || byte == 0x7f))
}

/// The events of valid alerts, and what is wrong with the others.
fn events(alerts: Vec<AlertIn<'_>>, resolve_timeout: std::time::Duration) -> (Vec<NewEvent>, Vec<String>) {
    let (mut events, mut wrong, single) = (Vec::with_capacity(alerts.len()), Vec::new(), alerts.len() == 1);
    for (n, alert) in alerts.into_iter().enumerate() {
        match event(alert, resolve_timeout) {
            Ok(event) => events.push(event),
            Err(text) if single => wrong.push(text),
            Err(text) => wrong.push(format!("alert {n}: {text}")),
        }
    }
    (events, wrong)
}

fn event(alert: AlertIn<'_>, resolve_timeout: std::time::Duration) -> Result<NewEvent, String> {
    let mut labels = alert.labels.unwrap_or_default().once("labels")?;
    labels.retain(|_, value| !value.is_empty());
    let annotations = alert.annotations.unwrap_or_default().once("annotations")?;
    let (starts_at, ends_at) = (alert.starts_at.given(), alert.ends_at.given());
    let event = NewEvent {
        source: SOURCE.to_owned(),
        annotations,
        link: alert.generator_url.map(Cow::into_owned).unwrap_or_default(),
        started_at: starts_at,
        ends_at,
        resolve_after: if ends_at.is_none() { Some(resolve_timeout) } else { None },
        ..NewEvent::raise("", labels)
    };
    event.check().map_err(|bad| text(&bad))?;
    Ok(event)
}

/// In Alertmanager's words, where it has any.
fn text(bad: &BadEvent) -> String {
    match bad {
        BadEvent::Nameless => "at least one label pair required".to_owned(),
        BadEvent::EndsBeforeStart { .. } => "start time must be before end time".to_owned(),
        BadEvent::EmptyName { what } if what == "labels" => "invalid label set: invalid name \"\"".to_owned(),
        BadEvent::EmptyName { .. } => "invalid annotations: invalid name \"\"".to_owned(),
        bad => bad.to_string(),
    }
}

/// Names and values in the order in which they came; like Go's, `null` values are empty texts.
#[derive(Default)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// As a set, when no name is there twice.
    fn once(self, what: &str) -> Result<Labels, String> {
        let count = self.0.len();
        let sorted = self.0.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if sorted {
            return Ok(self.0.into_iter().collect());
        }
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{what}: the name {:?} is given more than once", twice[0]));
        }
        let labels: Labels = self.0.into_iter().collect();
        debug_assert_eq!(labels.len(), count);
        Ok(labels)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names and text values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut all = Vec::with_capacity(12);
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    all.push((name, value.unwrap_or_default()));
                }
                Ok(Pairs(all))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// A time, or none.
#[derive(Clone, Copy, Default)]
pub(super) struct Stamp(Option<Time>);

/// Go's zero time, which its programs write where they mean none.
const GO_ZERO: Time = Time(-62_135_596_800_000_000);

impl Stamp {
    /// The time; the first or last that can be kept where it is beyond: nothing is lost for a clock's sake.
    pub(super) fn given(self) -> Option<Time> {
        self.0.filter(|at| *at != GO_ZERO).map(|at| at.clamp(Time::MIN, Time::MAX))
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Stamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time like 2026-01-31T12:00:00Z")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Stamp, E> {
                if text.is_empty() {
                    return Ok(Stamp(None));
                }
                // Alertmanager's parser takes a time without a zone, and means UTC
                let time = times::parse(text).or_else(|| times::parse(&format!("{text}Z")));
                match time {
                    Some(time) => Ok(Stamp(Some(time))),
                    None => Err(E::custom(format_args!("{text:?} is not a time like 2026-01-31T12:00:00Z"))),
                }
            }

            fn visit_unit<E: de::Error>(self) -> Result<Stamp, E> {
                Ok(Stamp(None))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<NewEvent, String> {
        let alert = serde_json::from_str(text).map_err(|error| error.to_string())?;
        event(alert, std::time::Duration::from_secs(300))
    }

    #[test]
    fn an_alert_becomes_an_event() {
        let event = one(
            r#"{"labels":{"severity":"page","alertname":"DiskFull","empty":""},"annotations":{"summary":"90 %\n"},
            "startsAt":"2026-01-01T00:00:00.5Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p/g","x":[1]}"#,
        )
        .unwrap();
        assert_eq!(event.labels, [("alertname", "DiskFull"), ("severity", "page")].into_iter().collect());
        assert_eq!(event.annotations.get("summary"), Some("90 %\n"));
        assert_eq!(event.started_at.unwrap().to_string(), "2026-01-01T00:00:00.5Z");
        assert_eq!((event.ends_at, event.resolve_after.unwrap().as_secs()), (None, 300));
        assert_eq!((event.source.as_str(), event.link.as_str()), ("alertmanager", "http://p/g"));
    }

    #[test]
    fn what_is_wrong_is_said_in_alertmanagers_words() {
        for (text, wrong) in [
            (r#"{"labels":{"a":""}}"#, "at least one label pair required"),
            (r#"{"labels":{"":"x"}}"#, "invalid label set: invalid name \"\""),
            (r#"{"labels":{"a":"x"},"annotations":{"":"x"}}"#, "invalid annotations: invalid name \"\""),
            (r#"{"labels":{"b":"1","a":"1","b":"2"}}"#, "labels: the name \"b\" is given more than once"),
            (
                r#"{"labels":{"a":"x"},"startsAt":"2024-01-02T00:00:00Z","endsAt":"2024-01-01T00:00:00Z"}"#,
                "start time must be before end time",
            ),
            (r#"{"labels":{"a":"\u0000"}}"#, "labels.a contains a NUL byte"),
        ] {
            assert_eq!(one(text).unwrap_err(), wrong, "{text}");
        }
    }

    #[test]
    fn addresses_are_checked_as_far_as_alertmanager_checks_them() {
        let good = ["", "/rel", "http://prometheus:9090/graph?g0.expr=up", "urn:x"];
        assert!(good.into_iter().all(is_uri));
        assert!(["not a url", "rel/path", "http://a b", "1http://x"].into_iter().all(|text| !is_uri(text)));
    }
}
