//! Opsgenie: an alert there per group of alerts here.

use std::collections::BTreeMap;

use model::delivery::Outcome;
use model::incident::State;
use model::receiver::Audience;
use reqwest::Method;
use schemars::JsonSchema;
use sdk::http::HttpSettings;
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use crate::service::{self, Dialect};
use crate::template::{Plain, Template, cut};
use crate::texts::SecretText;
use crate::words::Words;

// Characters and numbers that Opsgenie takes (https://docs.opsgenie.com/docs/alert-api).
const MAX_MESSAGE_CHARS: usize = 130;
const MAX_DESCRIPTION_CHARS: usize = 15_000;
const MAX_NOTE_CHARS: usize = 25_000;
const MAX_SOURCE_CHARS: usize = 100;
const MAX_ENTITY_CHARS: usize = 512;
const MAX_USER_CHARS: usize = 100;
const MAX_WORD_CHARS: usize = 50;
const MAX_TAGS: usize = 20;
const MAX_ACTIONS: usize = 10;
const MAX_RESPONDERS: usize = 50;
/// The kinds of responders that Opsgenie knows, and `teams`: several of them, with commas between.
const RESPONDERS: [&str; 5] = ["team", "user", "escalation", "schedule", "teams"];

const ANSWERS: Dialect = Dialect { reasons: &["/errors", "/message"], receipt: "/requestId" };

/// The kind `opsgenie`.
pub struct Opsgenie;

/// With which key, and what the alert says.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"api_key": "the-key"}))]
#[schemars(example = serde_json::json!({
    "api_key": "the-key",
    "api_url": "https://api.eu.opsgenie.com",
    "responders": [{"type": "team", "name": "{{ labels.team }}"}],
    "tags": "{{ labels.env }},{{ severity }}",
    "update_alerts": true,
}))]
pub struct Settings {
    /// The key of an API integration. May be a template.
    api_key: SecretText,
    /// Where Opsgenie is: `https://api.eu.opsgenie.com` for accounts in the EU.
    #[serde(default = "opsgenie_api")]
    api_url: String,
    /// A template of the alert's one line, in place of the message's title. With it, alerts are closed without a
    /// note.
    message: Option<Template<Plain>>,
    /// A template of the alert's text, in place of the message's body.
    description: Option<Template<Plain>>,
    /// A template of where it comes from.
    source: Option<Template<Plain>>,
    /// Templates of what else there is to know, by name; beside the labels that the alerts share.
    #[serde(default)]
    details: BTreeMap<String, Template<Plain>>,
    /// A template of what is in trouble.
    entity: Option<Template<Plain>>,
    /// Who is told, by Opsgenie's routing.
    #[serde(default)]
    responders: Vec<ResponderSettings>,
    /// A template of the actions that may be taken, with commas between.
    actions: Option<Template<Plain>>,
    /// A template of the tags, with commas between.
    tags: Option<Template<Plain>>,
    /// A template of a note.
    note: Option<Template<Plain>>,
    /// A template of the priority, `P1` to `P5`; by default as bad as the alerts. Empty: Opsgenie's own.
    priority: Option<Template<Plain>>,
    /// Whether an alert that is there already gets the new line and text.
    #[serde(default)]
    update_alerts: bool,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

/// Somebody who is told. One in which every template is empty is left out.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ResponderSettings {
    /// A template of the id.
    id: Option<Template<Plain>>,
    /// A template of the name; with the type `teams` several, with commas between.
    name: Option<Template<Plain>>,
    /// A template of the user's name, which is a mail address.
    username: Option<Template<Plain>>,
    /// A template of what it is: `team`, `teams`, `user`, `escalation` or `schedule`.
    r#type: Option<Template<Plain>>,
}

fn opsgenie_api() -> String {
    "https://api.opsgenie.com".to_owned()
}

impl Destination for Opsgenie {
    const FACTS: Facts = Facts {
        kind: "opsgenie",
        title: "Opsgenie",
        about: "Creates an alert for a group of alerts, acknowledges it when all of them are taken, and closes \
                it when they are over. Needs the key of an API integration. Jira Service Management takes \
                the same at an `api_url` of its own.",
        docs: "https://docs.opsgenie.com/docs/alert-api",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        for (n, responder) in settings.responders.iter().enumerate() {
            if responder.id.is_none() && responder.name.is_none() && responder.username.is_none() {
                return Err(format!("responders[{n}]: needs an `id`, a `name` or a `username`"));
            }
        }
        if settings.http.authorizes() {
            return Err("http: carries credentials, which have no meaning beside `api_key`".to_owned());
        }
        service::check_url("api_url", &settings.api_url)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let (key, calls) = match calls(settings, message) {
            Ok(calls) => calls,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let mut answer = Answer::bare(Outcome::delivered());
        // sent again as a whole if one fails: each of them says how things are, not what changed
        for call in calls {
            let request = match service::request(context, message, call.url.as_str(), &call.body) {
                Ok(request) => request,
                Err(reason) => return Answer::bare(Outcome::rejected(reason)),
            };
            let mut request = sdk::http::Outgoing { method: call.method, ..request };
            request.headers.push(("authorization", format!("GenieKey {}", key.expose())));
            answer = ANSWERS.answer(context.http.with(&settings.http).send(request).await, context.now);
            if !matches!(answer.outcome, Outcome::Delivered { .. }) {
                break;
            }
        }
        answer.hiding(&[key])
    }
}

/// A request to the API.
struct Call {
    method: Method,
    url: Url,
    body: Value,
}

#[derive(Serialize)]
struct Create {
    alias: String,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    details: BTreeMap<String, String>,
    source: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    responders: Vec<Responder>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    priority: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    entity: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
}

#[derive(Clone, PartialEq, Serialize)]
struct Responder {
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    r#type: String,
}

/// The key, and what to ask with it, one after the other.
fn calls(settings: &Settings, message: &Message) -> Result<(Secret, Vec<Call>), String> {
    let words = Words::of(message);
    let key = settings.api_key.say("api_key", &words)?;
    service::check_token("api_key", &key)?;
    let alias = service::group_hash(message);
    let own = || "Nightbell".to_owned();
    let source = words.text("source", settings.source.as_ref(), MAX_SOURCE_CHARS, own);
    let call = |method, what: &str, body| Ok::<_, String>(Call { method, url: at(settings, what)?, body });
    let to_it = |what: &str| format!("/{alias}/{what}?identifierType=alias");
    let note = cut(&message.title, MAX_NOTE_CHARS);
    let alerts = &message.notification.alerts;
    let is = |state| alerts.iter().any(|alert| alert.state == state);
    let calls = match (is(State::Open), is(State::Acknowledged)) {
        (true, _) => {
            let create = create(settings, message, &words, (alias.clone(), source));
            let (line, text) = (create.message.clone(), create.description.clone());
            let body =
                serde_json::to_value(create).map_err(|error| format!("the alert is no JSON: {error}"))?;
            let mut calls = vec![call(Method::POST, "", body)?];
            if settings.update_alerts {
                calls.push(call(Method::PUT, &to_it("message"), json!({ "message": line }))?);
                calls.push(call(Method::PUT, &to_it("description"), json!({ "description": text }))?);
            }
            calls
        }
        (false, true) => {
            let by = alerts.iter().find_map(|alert| alert.acknowledged_by.as_deref()).unwrap_or_default();
            let mut body = json!({ "source": source, "note": note });
            if !by.is_empty() {
                body["user"] = cut(by, MAX_USER_CHARS).into();
            }
            vec![call(Method::POST, &to_it("acknowledge"), body)?]
        }
        (false, false) => {
            let mut body = json!({ "source": source });
            // beside words of somebody's own there is nothing of ours, as in Alertmanager
            if settings.message.is_none() {
                body["note"] = note.into();
            }
            vec![call(Method::POST, &to_it("close"), body)?]
        }
    };
    Ok((key, calls))
}

fn at(settings: &Settings, what: &str) -> Result<Url, String> {
    let url = format!("{}/v2/alerts{what}", settings.api_url.trim_end_matches('/'));
    sdk::http::parse_url(&url).map_err(|error| format!("api_url: {error}"))
}

fn create(
    settings: &Settings,
    message: &Message,
    words: &Words<'_>,
    (alias, source): (String, String),
) -> Create {
    let or = |field: &str, template: &Option<Template<Plain>>, most, own: &str| {
        words.text(field, template.as_ref(), most, || own.to_owned())
    };
    let list = |field: &str, template: &Option<Template<Plain>>, most: usize| {
        let text = words.say(field, template.as_ref()).unwrap_or_default();
        split(&text).map(|word| cut(word, MAX_WORD_CHARS)).take(most).collect()
    };
    let labels = message.notification.common_labels.iter();
    let mut details: BTreeMap<String, String> =
        labels.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (name, template) in &settings.details {
        let text = words.say(&format!("details.{name}"), Some(template)).unwrap_or_default();
        details.insert(name.clone(), text);
    }
    Create {
        alias,
        message: or("message", &settings.message, MAX_MESSAGE_CHARS, &message.title),
        description: or("description", &settings.description, MAX_DESCRIPTION_CHARS, &message.body),
        details,
        source,
        responders: responders(settings, words),
        tags: list("tags", &settings.tags, MAX_TAGS),
        note: or("note", &settings.note, MAX_NOTE_CHARS, ""),
        priority: or("priority", &settings.priority, MAX_WORD_CHARS, priority(message)),
        entity: or("entity", &settings.entity, MAX_ENTITY_CHARS, ""),
        actions: list("actions", &settings.actions, MAX_ACTIONS),
    }
}

/// The words of a text with commas between.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn responders(settings: &Settings, words: &Words<'_>) -> Vec<Responder> {
    let mut all = Vec::new();
    for (n, responder) in settings.responders.iter().enumerate() {
        let say = |name: &str, template: &Option<Template<Plain>>| {
            words.say(&format!("responders[{n}].{name}"), template.as_ref()).unwrap_or_default()
        };
        let one = Responder {
            id: say("id", &responder.id),
            name: say("name", &responder.name),
            username: say("username", &responder.username),
            r#type: say("type", &responder.r#type).to_lowercase(),
        };
        if one.id.is_empty() && one.name.is_empty() && one.username.is_empty() {
            continue;
        }
        if !RESPONDERS.contains(&one.r#type.as_str()) {
            // an alert that some hear of is better than none
            let (word, known) = (cut(&one.r#type, MAX_WORD_CHARS), RESPONDERS.join(", "));
            sdk::remark(&format!("responders[{n}].type: {word:?} is none of {known} (sent without)"));
            continue;
        }
        if one.r#type == "teams" {
            let team = |name: &str| Responder {
                id: String::new(),
                name: name.to_owned(),
                username: String::new(),
                r#type: "team".to_owned(),
            };
            all.extend(split(&one.name).map(team));
        } else {
            all.push(one);
        }
    }
    all.truncate(MAX_RESPONDERS);
    all
}

fn priority(message: &Message) -> &'static str {
    use model::Severity::{Critical, Error, Info, Notice, Warning};
    match message.severity {
        Critical => "P1",
        Error => "P2",
        Warning => "P3",
        Notice => "P4",
        Info => "P5",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;

    fn settings(fields: Value) -> Settings {
        serde_json::from_value(fields).unwrap()
    }

    fn asked(fields: Value, message: &Message) -> Vec<(String, Value)> {
        let (_, calls) = calls(&settings(fields), message).unwrap();
        calls.into_iter().map(|call| (format!("{} {}", call.method, call.url.path()), call.body)).collect()
    }

    #[test]
    fn an_alert_is_made_taken_and_closed() {
        let mut message = messages::firing();
        let alias = service::group_hash(&message);
        let what = |message: &Message| asked(json!({"api_key": "k", "update_alerts": true}), message);
        let said: Vec<String> = what(&message).into_iter().map(|(line, _)| line).collect();
        let alert = format!("/v2/alerts/{alias}");
        assert_eq!(
            said,
            [
                "POST /v2/alerts".to_owned(),
                format!("PUT {alert}/message"),
                format!("PUT {alert}/description")
            ]
        );
        message.notification.alerts[0].state = State::Acknowledged;
        assert_eq!(what(&message)[0].0, "POST /v2/alerts", "the other one is nobody's");
        message.notification.alerts[1].state = State::Acknowledged;
        message.notification.alerts[1].acknowledged_by = Some("ann".to_owned());
        let taken = &what(&message)[0];
        assert_eq!((taken.0.clone(), &taken.1["user"]), (format!("POST {alert}/acknowledge"), &json!("ann")));
        message.notification.alerts.iter_mut().for_each(|alert| alert.state = State::Resolved);
        let (line, body) = what(&message).remove(0);
        assert_eq!((line, body["note"].is_string()), (format!("POST {alert}/close"), true));
        let own = asked(json!({"api_key": "k", "message": "m", "source": "s"}), &message).remove(0);
        assert_eq!(own, (format!("POST {alert}/close"), json!({"source": "s"})));
    }

    #[test]
    fn responders_and_tags_may_come_from_labels() {
        let fields = json!({"api_key": "k", "tags": " a,,{{ labels.team }} ,", "priority": "",
        "details": {"team": "of {{ labels.team }}"},
        "responders": [
            {"type": "TEAM", "name": "{{ labels.team }}"}, {"type": "{{ 'teams' }}", "name": "x, y,"},
            {"type": "user", "username": "{{ labels.nobody }}"},
        ]});
        let (_, body) = asked(fields, &messages::firing()).remove(0);
        let team = |name: &str| json!({"name": name, "type": "team"});
        assert_eq!(body["responders"], json!([team("db"), team("x"), team("y")]));
        assert_eq!((&body["tags"], &body["details"]["team"]), (&json!(["a", "db"]), &json!("of db")));
        assert!(body.get("priority").is_none());
        let bad = settings(json!({"api_key": "k", "responders": [{"type": "crowd", "name": "x"}]}));
        let (calls, remarks) = sdk::remarks::heard(|| calls(&bad, &messages::firing()));
        assert!(calls.unwrap().1[0].body.get("responders").is_none());
        assert!(remarks[0].starts_with("responders[0].type: \"crowd\" is none of team"), "{remarks:?}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let refusal = |fields| Opsgenie::check(&settings(fields)).unwrap_err();
        assert!(refusal(json!({"api_key": "k", "api_url": "x"})).starts_with("api_url: not a URL"));
        let nobody = refusal(json!({"api_key": "k", "responders": [{"type": "team"}]}));
        assert_eq!(nobody, "responders[0]: needs an `id`, a `name` or a `username`");
        let error = calls(&settings(json!({"api_key": "a b"})), &messages::firing()).err().unwrap();
        assert_eq!(error, "api_key: cannot stand in a header");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_an_alert_within_the_limits(message in messages::arbitrary()) {
            for (_, body) in asked(json!({"api_key": "k", "tags": "{{ body }}"}), &message) {
                let chars = |name: &str| body[name].as_str().unwrap_or_default().chars().count();
                prop_assert!(chars("message") <= MAX_MESSAGE_CHARS);
                prop_assert!(chars("description") <= MAX_DESCRIPTION_CHARS);
                prop_assert!(body["tags"].as_array().is_none_or(|tags| tags.len() <= MAX_TAGS));
            }
        }
    }
}
