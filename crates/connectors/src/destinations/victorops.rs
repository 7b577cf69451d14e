//! Splunk On-Call, which was VictorOps: an incident per group of alerts, by the REST endpoint.

use std::collections::BTreeMap;

use model::Time;
use model::delivery::Outcome;
use model::incident::State;
use model::receiver::Audience;
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Response, parse_url};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::service::{self, Dialect, Place};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, usable_url};

/// Characters of a state message: Splunk On-Call's own limit
/// (<https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/>).
const MAX_STATE_MESSAGE_CHARS: usize = 20_480;
/// Characters of everything else.
const MAX_LINE_CHARS: usize = 1024;
/// What the endpoint says itself, and what fields of one's own may not be named.
const RESERVED: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];
/// The types of a message about something that is wrong.
const TYPES: [&str; 3] = ["CRITICAL", "WARNING", "INFO"];

const ANSWERS: Dialect = Dialect { reasons: &["/message", "/error"], receipt: "/entity_id" };

/// The kind `victorops`.
pub struct VictorOps;

/// With which key and route, and what the incident says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"api_key": "the-key", "routing_key": "database"}))]
#[schemars(example = serde_json::json!({
    "api_key": "the-key",
    "routing_key": "{{ labels.team }}",
    "custom_fields": {"region": "{{ labels.region }}"},
}))]
pub struct Settings {
    /// The key in the URL of the REST endpoint.
    api_key: Secret,
    /// A template of the routing key: which escalation policies it goes to.
    routing_key: Template<Plain>,
    /// Where the endpoint is.
    #[serde(default = "victorops_api")]
    api_url: String,
    /// A template of how bad it is while it lasts: `CRITICAL`, `WARNING` or `INFO`, and everything else is
    /// `CRITICAL`. By default as bad as the alerts.
    message_type: Option<Template<Plain>>,
    /// A template of the incident's one line, in place of the message's title.
    entity_display_name: Option<Template<Plain>>,
    /// A template of the incident's text, in place of the message's body.
    state_message: Option<Template<Plain>>,
    /// A template of the name of who tells.
    monitoring_tool: Option<Template<Plain>>,
    /// Templates of more fields, by name.
    #[serde(default)]
    custom_fields: BTreeMap<String, Template<Plain>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

fn victorops_api() -> String {
    "https://alert.victorops.com/integrations/generic/20131114/alert/".to_owned()
}

impl Destination for VictorOps {
    const FACTS: Facts = Facts {
        kind: "victorops",
        title: "Splunk On-Call",
        about: "Opens an incident in Splunk On-Call (once VictorOps) for a group of alerts, acknowledges it when \
                all of them are taken, and resolves it when they are over. Needs its REST endpoint integration.",
        docs: "https://help.victorops.com/knowledge-base/rest-endpoint-integration-guide/",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.api_key.expose().is_empty() {
            return Err("api_key: is empty".to_owned());
        }
        if let Some(name) = RESERVED.iter().find(|name| settings.custom_fields.contains_key(**name)) {
            return Err(format!("custom_fields.{name}: is one of the fields that are always there"));
        }
        service::check_url("api_url", &settings.api_url)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let words = || Words::of(message);
        let url = match url(settings, &words()) {
            Ok(url) => url,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let body = body(settings, message, &words());
        let meaning = |result| meaning(result, context.now);
        let place = Place { url: url.as_str(), http: &settings.http, headers: Vec::new() };
        service::post(context, message, place, body, meaning).await
    }
}

/// The endpoint's address, with key and route as its last parts.
fn url(settings: &Settings, words: &Words<'_>) -> Result<Url, String> {
    let route = words.text("routing_key", Some(&settings.routing_key), MAX_LINE_CHARS, String::new);
    let route = route.trim();
    if route.is_empty() || matches!(route, "." | "..") {
        return Err("routing_key: is empty".to_owned());
    }
    let mut url = parse_url(&settings.api_url).map_err(|error| format!("api_url: {error}"))?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(settings.api_key.expose()).push(route);
    }
    Ok(url)
}

fn body(settings: &Settings, message: &Message, words: &Words<'_>) -> Map<String, Value> {
    let or = |field: &str, template: &Option<Template<Plain>>, own: &str| {
        words.text(field, template.as_ref(), MAX_LINE_CHARS, || own.to_owned())
    };
    let own_text = || message.body.clone();
    let text = settings.state_message.as_ref();
    let alerts = &message.notification.alerts;
    let taken_by = alerts.iter().find_map(|alert| alert.acknowledged_by.as_deref()).unwrap_or_default();
    let is = |state| alerts.iter().any(|alert| alert.state == state);
    let wanted = or("message_type", &settings.message_type, severity(message));
    let kind = match (is(State::Open), is(State::Acknowledged)) {
        (true, _) => TYPES.into_iter().find(|known| *known == wanted).unwrap_or("CRITICAL"),
        (false, true) => "ACKNOWLEDGEMENT",
        (false, false) => "RECOVERY",
    };
    let mut fields = vec![
        ("message_type", kind.to_owned()),
        ("entity_id", service::group_hash(message)),
        ("entity_display_name", or("entity_display_name", &settings.entity_display_name, &message.title)),
        ("state_message", words.text("state_message", text, MAX_STATE_MESSAGE_CHARS, own_text)),
        ("monitoring_tool", or("monitoring_tool", &settings.monitoring_tool, "Nightbell")),
    ];
    if settings.state_message.is_none() {
        let links = [("alert_url", message.link.as_str())].into_iter().chain(
            ["runbook_url"]
                .map(|name| (name, message.notification.common_annotations.get(name).unwrap_or_default())),
        );
        let usable = links.filter_map(|(name, url)| Some((name, usable_url(url)?.to_owned())));
        fields.extend(usable.filter(|(name, _)| !settings.custom_fields.contains_key(*name)));
    }
    if kind == "ACKNOWLEDGEMENT" && !taken_by.is_empty() {
        fields.push(("ack_author", cut(taken_by, MAX_LINE_CHARS)));
    }
    let mut body: Map<String, Value> =
        fields.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
    for (name, template) in &settings.custom_fields {
        let text = words.say(&format!("custom_fields.{name}"), Some(template)).unwrap_or_default();
        body.insert(name.clone(), text.into());
    }
    body
}

fn severity(message: &Message) -> &'static str {
    use model::Severity::{Critical, Error, Info, Notice, Warning};
    match message.severity {
        Critical | Error => "CRITICAL",
        Warning => "WARNING",
        Notice | Info => "INFO",
    }
}

/// The endpoint says `{"result": "failure"}` to what it does not understand.
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let body = result.as_ref().ok().and_then(|it| serde_json::from_slice::<Value>(&it.body).ok());
    let mut answer = ANSWERS.answer(result, now);
    let failed = |body: &&Value| body.get("result").and_then(Value::as_str) == Some("failure");
    if let (Outcome::Delivered { .. }, Some(body)) = (&answer.outcome, body.as_ref().filter(failed)) {
        let said = ANSWERS.reason(body).unwrap_or_else(|| "failure".to_owned());
        answer.outcome = Outcome::rejected(format!("Splunk On-Call says: {said}"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    fn settings(fields: Value) -> Settings {
        let mut all = json!({"api_key": "the-key", "routing_key": "{{ labels.team }}"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn said(status: u16, body: &str) -> Outcome {
        let body = Bytes::copy_from_slice(body.as_bytes());
        meaning(Ok(Response { status, headers: Vec::new(), body }), Time::default()).outcome
    }

    fn sent(fields: Value, message: &Message) -> Map<String, Value> {
        body(&settings(fields), message, &Words::of(message))
    }

    #[test]
    fn answers_are_understood() {
        let yes = r#"{"result":"success","entity_id":"abc"}"#;
        assert_eq!(said(200, yes), Outcome::Delivered { receipt: "abc".to_owned() });
        let no = r#"{"result":"failure","message":"Api key not found"}"#;
        assert_eq!(said(200, no), Outcome::rejected("Splunk On-Call says: Api key not found"));
        assert_eq!(said(404, no), Outcome::rejected("answered 404: Api key not found"));
    }

    #[test]
    fn a_route_cannot_leave_its_place() {
        let message = messages::firing();
        let at = |fields| url(&settings(fields), &Words::of(&message)).map(|url| url.to_string());
        let start = "https://alert.victorops.com/integrations/generic/20131114/alert/the-key/";
        assert_eq!(at(json!({})).unwrap(), format!("{start}db"));
        assert_eq!(at(json!({"routing_key": "../a b?c"})).unwrap(), format!("{start}..%2Fa%20b%3Fc"));
        assert_eq!(at(json!({"api_url": "http://x/y", "routing_key": "r"})).unwrap(), "http://x/y/the-key/r");
        assert_eq!(at(json!({"routing_key": "{{ labels.nope }}"})).unwrap_err(), "routing_key: is empty");
    }

    #[test]
    fn an_incident_is_opened_taken_and_resolved() {
        let mut message = messages::firing();
        let kind = |fields, message: &Message| sent(fields, message)["message_type"].clone();
        assert_eq!(kind(json!({}), &message), "CRITICAL");
        assert_eq!(kind(json!({"message_type": "INFO"}), &message), "INFO");
        assert_eq!(kind(json!({"message_type": "page"}), &message), "CRITICAL");
        message.notification.alerts.iter_mut().for_each(|alert| alert.state = State::Acknowledged);
        message.notification.alerts[1].acknowledged_by = Some("ann".to_owned());
        let taken = sent(json!({}), &message);
        assert_eq!(
            (&taken["message_type"], &taken["ack_author"]),
            (&json!("ACKNOWLEDGEMENT"), &json!("ann"))
        );
        message.notification.alerts.iter_mut().for_each(|alert| alert.state = State::Resolved);
        assert_eq!(kind(json!({"message_type": "INFO"}), &message), "RECOVERY");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let refusal = |fields| VictorOps::check(&settings(fields)).unwrap_err();
        assert!(
            refusal(json!({"custom_fields": {"entity_id": "x"}})).starts_with("custom_fields.entity_id: is")
        );
        assert!(refusal(json!({"api_url": "x"})).starts_with("api_url: not a URL"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_an_incident_within_the_limits(message in messages::arbitrary()) {
            let body = sent(json!({}), &message);
            prop_assert!(body["state_message"].as_str().unwrap().chars().count() <= MAX_STATE_MESSAGE_CHARS);
        }
    }
}
