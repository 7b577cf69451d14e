//! PagerDuty: an incident per group of alerts, by the Events API v2, or v1 for old integrations.

use std::collections::BTreeMap;

use model::Time;
use model::delivery::{Fault, Outcome};
use model::incident::State;
use model::notification::Alert;
use model::receiver::Audience;
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Response};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::service::{self, Dialect, Place};
use crate::template::{Plain, Template};
use crate::texts::{SecretText, Tree};
use crate::words::{Words, links, usable_url};

/// Where events go by default, by the version of the API.
const V2_URL: &str = "https://events.pagerduty.com/v2/enqueue";
const V1_URL: &str = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
/// Bytes of an event; PagerDuty refuses larger ones
/// (<https://developer.pagerduty.com/docs/send-alert-event>).
const MAX_EVENT_BYTES: usize = 512_000;
/// Characters of a summary: PagerDuty's own limit.
const MAX_SUMMARY_CHARS: usize = 1024;
/// Characters of everything else that is shown on a line.
const MAX_LINE_CHARS: usize = 1024;
/// Alerts that our own details list one by one.
const MAX_LISTED_ALERTS: usize = 50;
/// What v1 answers to those who send too much.
const FORBIDDEN: i64 = 403;

const ANSWERS: Dialect =
    Dialect { reasons: &["/errors", "/message", "/error/message"], receipt: "/dedup_key" };

/// The kind `pagerduty`.
pub struct PagerDuty;

/// Either `routing_key` or `service_key`, and what the incident says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"routing_key": "the-integration-key"}))]
#[schemars(example = serde_json::json!({
    "routing_key": "the-integration-key",
    "severity": "{{ labels.severity | default('error') }}",
    "component": "{{ labels.instance }}",
    "details": {"team": "{{ labels.team }}"},
}))]
pub struct Settings {
    /// The integration key of a service or an event orchestration, for the Events API v2. May be a template.
    routing_key: Option<SecretText>,
    /// The integration key of an old service, for the Events API v1. May be a template.
    service_key: Option<SecretText>,
    /// Where events go, if not to PagerDuty's usual place: for proxies, and for its servers in the EU.
    url: Option<String>,
    /// A template of the summary, in place of the message's title.
    description: Option<Template<Plain>>,
    /// A template of how bad it is: `critical`, `error`, `warning` or `info`. By default as bad as the alerts.
    severity: Option<Template<Plain>>,
    /// A template of where it comes from; by default the alerts' `instance`, or the hub.
    source: Option<Template<Plain>>,
    /// A template of the kind of trouble; by default the alerts' name.
    class: Option<Template<Plain>>,
    /// A template of the part that is in trouble.
    component: Option<Template<Plain>>,
    /// A template of what the part belongs to.
    group: Option<Template<Plain>>,
    /// A template of the name of who tells.
    client: Option<Template<Plain>>,
    /// A template of where to read more.
    client_url: Option<Template<Plain>>,
    /// What else there is to know, in place of labels, annotations and a list of the alerts: names and values
    /// of any shape, in which every text is a template.
    details: Option<BTreeMap<String, Tree>>,
    /// Pictures to show.
    #[serde(default)]
    images: Vec<ImageSettings>,
    /// Links to show, in place of the message's own.
    links: Option<Vec<LinkSettings>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

/// A picture. Without a source it is left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImageSettings {
    /// A template of its address.
    src: Option<Template<Plain>>,
    /// A template of what to say where it cannot be shown.
    alt: Option<Template<Plain>>,
    /// A template of where it leads.
    href: Option<Template<Plain>>,
}

/// A link. Without an address it is left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LinkSettings {
    /// A template of where it leads.
    href: Option<Template<Plain>>,
    /// A template of what it says.
    text: Option<Template<Plain>>,
}

impl Destination for PagerDuty {
    const FACTS: Facts = Facts {
        kind: "pagerduty",
        title: "PagerDuty",
        about: "Opens an incident for a group of alerts, acknowledges it when all of them are taken, and \
                resolves it when they are over. Needs an integration key.",
        docs: "https://developer.pagerduty.com/docs/send-alert-event",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        match (&settings.routing_key, &settings.service_key) {
            (None, None) => return Err("routing_key: or `service_key` must be given".to_owned()),
            (Some(_), Some(_)) => return Err("service_key: has no meaning beside `routing_key`".to_owned()),
            _ => {}
        }
        settings.url.as_ref().map_or(Ok(()), |url| service::check_url("url", url))
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let (key, event) = match event(settings, message) {
            Ok(event) => event,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let (usual, is_v1) = match settings.service_key {
            Some(_) => (V1_URL, true),
            None => (V2_URL, false),
        };
        let url = settings.url.as_deref().unwrap_or(usual);
        let meaning = |result| meaning(result, context.now, is_v1);
        let place = Place { url, http: &settings.http, headers: Vec::new() };
        service::post(context, message, place, event, meaning).await.hiding(&[key])
    }
}

/// What becomes of the incident.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Trigger,
    Acknowledge,
    Resolve,
}

impl Action {
    /// An incident is taken when all of its alerts are: taking one must not keep quiet about the others.
    fn of(alerts: &[Alert]) -> Self {
        let is = |state| alerts.iter().any(|alert| alert.state == state);
        match (is(State::Open), is(State::Acknowledged)) {
            (true, _) => Action::Trigger,
            (false, true) => Action::Acknowledge,
            (false, false) => Action::Resolve,
        }
    }
}

/// An event of either version. The keys come first, so that they are seen and hidden in a cut answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Event {
    V2 {
        routing_key: String,
        event_action: Action,
        dedup_key: String,
        payload: Box<Payload>,
        #[serde(skip_serializing_if = "String::is_empty")]
        client: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        client_url: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        images: Vec<Image>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        links: Vec<Link>,
    },
    V1 {
        service_key: String,
        event_type: Action,
        incident_key: String,
        description: String,
        details: Value,
        #[serde(skip_serializing_if = "String::is_empty")]
        client: String,
        #[serde(skip_serializing_if = "String::is_empty")]
        client_url: String,
    },
}

#[derive(Serialize)]
struct Payload {
    summary: String,
    source: String,
    severity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    class: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    component: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    group: String,
    custom_details: Value,
}

#[derive(Serialize)]
struct Image {
    src: String,
    alt: String,
    href: String,
}

#[derive(Serialize)]
struct Link {
    href: String,
    text: String,
}

/// The key, and what is sent under it.
fn event(settings: &Settings, message: &Message) -> Result<(Secret, Event), String> {
    let words = Words::of(message);
    let action = Action::of(&message.notification.alerts);
    let or = |field: &str, template: &Option<Template<Plain>>, own: &str| {
        words.text(field, template.as_ref(), MAX_LINE_CHARS, || own.to_owned())
    };
    let link = usable_url(&message.link).unwrap_or_default();
    let client = or("client", &settings.client, "Nightbell");
    let client_url = or("client_url", &settings.client_url, link);
    let own = || message.title.clone();
    let summary = words.text("description", settings.description.as_ref(), MAX_SUMMARY_CHARS, own);
    let details = details(settings, message, &words);
    if let Some(key) = &settings.service_key {
        let key = key.say("service_key", &words)?;
        let event = Event::V1 {
            service_key: key.expose().to_owned(),
            event_type: action,
            incident_key: service::group_hash(message),
            description: summary,
            details,
            client,
            client_url,
        };
        return Ok((key, event.fitting()?));
    }
    let key = settings.routing_key.as_ref().ok_or("routing_key: is needed")?.say("routing_key", &words)?;
    let label = |name| message.notification.common_labels.get(name);
    let payload = Payload {
        summary,
        source: or("source", &settings.source, label("instance").unwrap_or("Nightbell")),
        severity: Some(or("severity", &settings.severity, ""))
            .filter(|word| !word.is_empty())
            .unwrap_or_else(|| severity(message).to_owned()),
        class: or("class", &settings.class, label("alertname").unwrap_or_default()),
        component: or("component", &settings.component, ""),
        group: or("group", &settings.group, ""),
        custom_details: details,
    };
    let event = Event::V2 {
        routing_key: key.expose().to_owned(),
        event_action: action,
        dedup_key: service::group_hash(message),
        payload: Box::new(payload),
        client,
        client_url,
        images: images(settings, &words),
        links: shown_links(settings, message, &words),
    };
    Ok((key, event.fitting()?))
}

impl Event {
    /// The same without its details when it would be too large.
    fn fitting(mut self) -> Result<Self, String> {
        let bytes = serde_json::to_vec(&self).map_err(|error| format!("the event is no JSON: {error}"))?;
        if bytes.len() > MAX_EVENT_BYTES {
            let details = match &mut self {
                Event::V2 { payload, .. } => &mut payload.custom_details,
                Event::V1 { details, .. } => details,
            };
            let error = format!(
                "the details were left out: with them the event has {} bytes, and PagerDuty takes {MAX_EVENT_BYTES}",
                bytes.len()
            );
            *details = json!({ "error": error });
        }
        Ok(self)
    }
}

/// PagerDuty knows four.
fn severity(message: &Message) -> &'static str {
    use model::Severity::{Critical, Error, Info, Notice, Warning};
    match message.severity {
        Critical => "critical",
        Error => "error",
        Warning => "warning",
        Notice | Info => "info",
    }
}

fn details(settings: &Settings, message: &Message, words: &Words<'_>) -> Value {
    if let Some(given) = &settings.details {
        let say =
            |(name, tree): (&String, &Tree)| (name.clone(), tree.say(&format!("details.{name}"), words));
        return Value::Object(given.iter().map(say).collect());
    }
    let notification = &message.notification;
    let common = |name: &str, value: &str| notification.common_labels.get(name) == Some(value);
    let alert = |alert: &Alert| {
        let own = alert.labels.iter().filter(|(name, value)| !common(name, value));
        let mut shown = json!({
            "title": alert.title,
            "state": alert.state,
            "severity": alert.severity,
            "since": alert.started_at.to_string(),
            "labels": own.collect::<BTreeMap<_, _>>(),
            "annotations": alert.annotations,
        });
        let ended = alert.ends_at.filter(|_| alert.state == State::Resolved);
        for (name, value) in [
            ("until", ended.map(|at| at.to_string())),
            ("taken by", alert.acknowledged_by.clone()),
            ("link", Some(alert.link.clone()).filter(|link| !link.is_empty())),
        ] {
            value.into_iter().for_each(|value| shown[name] = value.into());
        }
        shown
    };
    let firing = notification.alerts.iter().filter(|alert| alert.state != State::Resolved).count();
    json!({
        "firing": firing,
        "resolved": notification.alerts.len() - firing,
        "labels": notification.common_labels,
        "annotations": notification.common_annotations,
        "alerts": notification.alerts.iter().take(MAX_LISTED_ALERTS).map(alert).collect::<Vec<_>>(),
    })
}

fn images(settings: &Settings, words: &Words<'_>) -> Vec<Image> {
    let image = |(n, image): (usize, &ImageSettings)| {
        let text = |name: &str, template: &Option<Template<Plain>>| {
            words.say(&format!("images[{n}].{name}"), template.as_ref()).unwrap_or_default()
        };
        let (src, alt) = (text("src", &image.src), text("alt", &image.alt));
        Image { src, alt, href: text("href", &image.href) }
    };
    settings.images.iter().enumerate().map(image).filter(|image| !image.src.is_empty()).collect()
}

fn shown_links(settings: &Settings, message: &Message, words: &Words<'_>) -> Vec<Link> {
    let Some(given) = &settings.links else {
        let own = |(text, href): (&str, &str)| Link { href: href.to_owned(), text: text.to_owned() };
        return links(message).map(own).collect();
    };
    let link = |(n, link): (usize, &LinkSettings)| {
        let text = |name: &str, template: &Option<Template<Plain>>| {
            words.say(&format!("links[{n}].{name}"), template.as_ref()).unwrap_or_default()
        };
        Link { href: text("href", &link.href), text: text("text", &link.text) }
    };
    given.iter().enumerate().map(link).filter(|link| !link.href.is_empty()).collect()
}

/// v1 says 403 where others say 429
/// (<https://developer.pagerduty.com/docs/events-api-v1-overview>).
fn meaning(result: Result<Response, HttpError>, now: Time, is_v1: bool) -> Answer {
    let after = result.as_ref().ok().and_then(|response| sdk::answer::retry_after_of(response, now));
    let mut answer = ANSWERS.answer(result, now);
    if is_v1 && answer.status == Some(FORBIDDEN) {
        let reason = "403: too many events".to_owned();
        answer.outcome = Outcome::Retry { after, reason, fault: Fault::Pace };
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn settings(fields: Value) -> Settings {
        serde_json::from_value(fields).unwrap()
    }

    fn said(status: u16, body: &str, is_v1: bool) -> Outcome {
        let headers = vec![("retry-after".to_owned(), "7".to_owned())];
        let body = Bytes::copy_from_slice(body.as_bytes());
        meaning(Ok(Response { status, headers, body }), Time::default(), is_v1).outcome
    }

    fn made(fields: Value, message: &Message) -> Value {
        serde_json::to_value(event(&settings(fields), message).unwrap().1).unwrap()
    }

    #[test]
    fn answers_are_understood() {
        let yes = r#"{"status":"success","message":"Event processed","dedup_key":"abc"}"#;
        assert_eq!(said(202, yes, false), Outcome::Delivered { receipt: "abc".to_owned() });
        let no = r#"{"status":"invalid event","message":"Event object is invalid",
            "errors":["Length of 'routing_key' is incorrect (should be 32 characters)"]}"#;
        assert_eq!(
            said(400, no, false),
            Outcome::rejected("answered 400: Length of 'routing_key' is incorrect (should be 32 characters)")
        );
        assert_eq!(said(403, "", false), Outcome::rejected("answered 403"));
        let seven = Some(std::time::Duration::from_secs(7));
        assert!(matches!(said(403, "", true),
            Outcome::Retry { fault: Fault::Pace, after, .. } if after == seven));
    }

    #[test]
    fn an_incident_is_taken_when_all_of_it_is() {
        let mut message = messages::firing();
        let action = |message: &Message| made(json!({"routing_key": "k"}), message)["event_action"].clone();
        assert_eq!(action(&message), "trigger");
        message.notification.alerts[0].state = State::Acknowledged;
        assert_eq!(action(&message), "trigger");
        message.notification.alerts[1].state = State::Acknowledged;
        assert_eq!(action(&message), "acknowledge");
        message.notification.alerts[1].state = State::Resolved;
        assert_eq!(action(&message), "acknowledge");
        message.notification.alerts[0].state = State::Resolved;
        assert_eq!(action(&message), "resolve");
    }

    #[test]
    fn what_is_empty_is_left_out_and_what_is_too_large_goes_without_details() {
        let event = made(
            json!({"routing_key": "k", "class": "", "links": [{"href": "{{ labels.nope }}", "text": "x"}],
                "images": [{"src": "https://x/{{ labels.team }}.png"}, {"alt": "none"}], "details": {}}),
            &messages::firing(),
        );
        assert!(event.get("links").is_none() && event["payload"].get("class").is_none(), "{event}");
        assert_eq!(event["images"], json!([{"src": "https://x/db.png", "alt": "", "href": ""}]));
        let large = json!({"routing_key": "k", "details": {"a": vec!["x".repeat(60_000); 10]}});
        let event = made(large, &messages::firing());
        let details = event["payload"]["custom_details"].as_object().unwrap();
        assert!(details.len() == 1 && details["error"].as_str().unwrap().contains("600"), "{details:?}");
    }

    #[test]
    fn one_key_is_needed() {
        let refusal = |fields| PagerDuty::check(&settings(fields)).unwrap_err();
        assert_eq!(refusal(json!({})), "routing_key: or `service_key` must be given");
        assert!(refusal(json!({"routing_key": "a", "service_key": "b"})).starts_with("service_key: has no"));
        assert!(refusal(json!({"routing_key": "a", "url": "x"})).starts_with("url: not a URL"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_an_event_within_the_limits(message in messages::arbitrary()) {
            for key in ["routing_key", "service_key"] {
                let (_, event) = event(&settings(json!({key: "k"})), &message).unwrap();
                prop_assert!(serde_json::to_vec(&event).unwrap().len() <= MAX_EVENT_BYTES);
            }
        }
    }
}
