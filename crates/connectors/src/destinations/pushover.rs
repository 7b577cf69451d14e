//! Pushover: a push message to the phones of a person or a group.

use std::time::Duration;

use model::Time;
use model::delivery::Outcome;
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Outgoing, Response};
use sdk::{Answer, Context, Destination, Facts, Message, MessageKind, Secret};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::service::{self, Dialect};
use crate::template::{Plain, Template, cut};
use crate::texts::{SecretText, TextOrHtml};
use crate::words::{Words, usable_url};

// Characters that Pushover takes (https://pushover.net/api#limits).
const MAX_TITLE_CHARS: usize = 250;
const MAX_MESSAGE_CHARS: usize = 1024;
const MAX_URL_CHARS: usize = 512;
const MAX_URL_TITLE_CHARS: usize = 100;
/// Characters of everything else.
const MAX_WORD_CHARS: usize = 100;
/// Bounds of how an emergency is repeated (<https://pushover.net/api#priority>).
const SHORTEST_RETRY: Duration = Duration::from_secs(30);
const LONGEST_EXPIRE: Duration = Duration::from_secs(10_800);
/// What is said when there is nothing to say: Pushover refuses a message without a text.
const NOTHING: &str = "(no details)";

const ANSWERS: Dialect = Dialect { reasons: &["/errors"], receipt: "/request" };

/// The kind `pushover`.
pub struct Pushover;

/// As which application, to whom, and how loud.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"token": "the-application's-token", "user_key": "the-user's-key"}))]
#[schemars(example = serde_json::json!({
    "token": "the-application's-token",
    "user_key": "the-group's-key",
    "priority": "{{ 2 if severity == 'critical' else 0 }}",
    "retry": "2m",
    "sound": "siren",
}))]
pub struct Settings {
    /// The application's token. May be a template.
    token: SecretText,
    /// The key of a user or a group. May be a template.
    user_key: SecretText,
    /// Where Pushover is: for proxies.
    #[serde(default = "pushover_api")]
    api_url: String,
    /// A template of the title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of the text, in place of the message's own.
    message: Option<TextOrHtml>,
    /// A template of the link; by default where to read more.
    url: Option<Template<Plain>>,
    /// A template of what the link says.
    url_title: Option<Template<Plain>>,
    /// A template of the name of the one device that it goes to, or of several with commas between.
    device: Option<Template<Plain>>,
    /// A template of the name of the sound.
    sound: Option<Template<Plain>>,
    /// A template of how loud it is, from `-2` (not at all) to `2` (repeated until somebody acknowledges it).
    /// By default 2 for what is critical, 1 for errors, 0 for warnings and what is over, else -1.
    priority: Option<Template<Plain>>,
    /// How often an emergency (2) is repeated; 30 seconds at the least.
    #[serde(default = "minute", deserialize_with = "model::time::span::deserialize")]
    #[schemars(with = "String", extend("format" = "span", "default" = "1m"))]
    retry: Duration,
    /// When an emergency (2) is no longer repeated; 3 hours at the most.
    #[serde(default = "hour", deserialize_with = "model::time::span::deserialize")]
    #[schemars(with = "String", extend("format" = "span", "default" = "1h"))]
    expire: Duration,
    /// When the message goes away by itself; `0s`: never.
    #[serde(default, deserialize_with = "model::time::span::deserialize")]
    #[schemars(with = "String", extend("format" = "span", "default" = "0s"))]
    ttl: Duration,
    /// Whether `message` is HTML, as far as Pushover knows it. Values in it are escaped.
    #[serde(default)]
    html: bool,
    /// Whether the text is shown in letters of one width.
    #[serde(default)]
    monospace: bool,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

fn pushover_api() -> String {
    "https://api.pushover.net/1/messages.json".to_owned()
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

impl Destination for Pushover {
    const FACTS: Facts = Facts {
        kind: "pushover",
        title: "Pushover",
        about: "Sends a push message to the phones of a person or a group. Needs an application's token.",
        docs: "https://pushover.net/api",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.html && settings.monospace {
            return Err("monospace: has no meaning beside `html`".to_owned());
        }
        service::check_url("api_url", &settings.api_url)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let (keys, form) = match form(settings, message) {
            Ok(form) => form,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let mut request = Outgoing::json(&settings.api_url, form, context.timeout);
        request.headers[0].1 = "application/x-www-form-urlencoded".to_owned();
        request.headers.push(("idempotency-key", message.idempotency_key.clone()));
        meaning(context.http.with(&settings.http).send(request).await, context.now).hiding(&keys)
    }
}

/// The keys, and the form with them. In the body: addresses are written into logs.
fn form(settings: &Settings, message: &Message) -> Result<([Secret; 2], String), String> {
    let words = Words::of(message);
    let or = |field: &str, template: &Option<Template<Plain>>, most, own: &str| {
        words.text(field, template.as_ref(), most, || own.to_owned())
    };
    let keys = [settings.token.say("token", &words)?, settings.user_key.say("user_key", &words)?];
    let said = settings.message.as_ref().and_then(|template| template.say("message", settings.html, &words));
    // our own words are no HTML
    let as_html = settings.html && said.is_some();
    let text = said.unwrap_or_else(|| message.body.clone());
    let text = cut(&text, MAX_MESSAGE_CHARS);
    let link = usable_url(&message.link).unwrap_or_default();
    let own_url_title = if settings.url.is_none() && !link.is_empty() { "Open in Nightbell" } else { "" };
    let seconds = |span: Duration| span.as_secs().to_string();
    let fields = [
        ("token", keys[0].expose().to_owned()),
        ("user", keys[1].expose().to_owned()),
        ("title", or("title", &settings.title, MAX_TITLE_CHARS, &message.title)),
        ("message", Some(text.trim()).filter(|text| !text.is_empty()).unwrap_or(NOTHING).to_owned()),
        ("url", or("url", &settings.url, MAX_URL_CHARS, link)),
        ("url_title", or("url_title", &settings.url_title, MAX_URL_TITLE_CHARS, own_url_title)),
        ("device", or("device", &settings.device, MAX_WORD_CHARS, "")),
        ("sound", or("sound", &settings.sound, MAX_WORD_CHARS, "")),
        ("priority", or("priority", &settings.priority, MAX_WORD_CHARS, priority(message)).trim().to_owned()),
        ("retry", seconds(settings.retry.max(SHORTEST_RETRY))),
        ("expire", seconds(settings.expire.min(LONGEST_EXPIRE))),
        ("ttl", if settings.ttl.is_zero() { String::new() } else { seconds(settings.ttl) }),
        ("html", if as_html { "1".to_owned() } else { String::new() }),
        ("monospace", if settings.monospace { "1".to_owned() } else { String::new() }),
    ];
    let mut form = Serializer::new(String::new());
    form.extend_pairs(fields.iter().filter(|(_, value)| !value.is_empty()));
    Ok((keys, form.finish()))
}

fn priority(message: &Message) -> &'static str {
    use model::Severity::{Critical, Error, Info, Notice, Warning};
    match (message.kind, message.severity) {
        (MessageKind::Acknowledged | MessageKind::Test, _) => "-1",
        (MessageKind::Resolved, _) | (_, Warning) => "0",
        (_, Critical) => "2",
        (_, Error) => "1",
        (_, Notice | Info) => "-1",
    }
}

/// A message is taken when the answer's `status` is 1.
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let body = result.as_ref().ok().and_then(|it| serde_json::from_slice::<Value>(&it.body).ok());
    let mut answer = ANSWERS.answer(result, now);
    let refused =
        |body: &&Value| body.get("status").and_then(Value::as_i64).is_some_and(|status| status != 1);
    if let (Outcome::Delivered { .. }, Some(body)) = (&answer.outcome, body.as_ref().filter(refused)) {
        let said = ANSWERS.reason(body).unwrap_or_else(|| "nothing more".to_owned());
        answer.outcome = Outcome::rejected(format!("Pushover says: {said}"));
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
    use std::collections::BTreeMap;

    fn settings(fields: Value) -> Settings {
        let mut all = json!({"token": "t", "user_key": "u"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn sent(fields: Value, message: &Message) -> BTreeMap<String, String> {
        let (_, form) = form(&settings(fields), message).unwrap();
        url::form_urlencoded::parse(form.as_bytes()).into_owned().collect()
    }

    fn said(status: u16, body: &str) -> Outcome {
        let body = Bytes::copy_from_slice(body.as_bytes());
        meaning(Ok(Response { status, headers: Vec::new(), body }), Time::default()).outcome
    }

    #[test]
    fn two_hundred_is_not_always_yes() {
        let yes = r#"{"status":1,"request":"647d2300"}"#;
        assert_eq!(said(200, yes), Outcome::Delivered { receipt: "647d2300".to_owned() });
        let no = r#"{"user":"invalid","errors":["user identifier is invalid"],"status":0,"request":"x"}"#;
        assert_eq!(said(400, no), Outcome::rejected("answered 400: user identifier is invalid"));
        assert_eq!(said(200, no), Outcome::rejected("Pushover says: user identifier is invalid"));
    }

    #[test]
    fn what_is_urgent_is_loud_and_within_the_bounds() {
        let message = messages::firing();
        let form = sent(json!({"retry": "1s", "expire": "9h", "ttl": "5m", "message": " "}), &message);
        let field = |name: &str| form.get(name).map(String::as_str);
        assert_eq!(
            (field("priority"), field("retry"), field("expire")),
            (Some("2"), Some("30"), Some("10800"))
        );
        assert_eq!((field("ttl"), field("message"), field("sound")), (Some("300"), Some(NOTHING), None));
        let form = sent(json!({"html": true, "message": "<b>{{ labels.note }}</b>"}), &message);
        assert!(form["html"] == "1" && form["message"].starts_with("<b>&lt;b&gt;"), "{form:?}");
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let refusal = |fields| Pushover::check(&settings(fields)).unwrap_err();
        assert_eq!(
            refusal(json!({"html": true, "monospace": true})),
            "monospace: has no meaning beside `html`"
        );
        assert!(refusal(json!({"api_url": "x"})).starts_with("api_url: not a URL"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_push_within_the_limits(message in messages::arbitrary()) {
            for fields in [json!({}), json!({"html": true})] {
                let form = sent(fields, &message);
                prop_assert!(form["message"].chars().count() <= MAX_MESSAGE_CHARS);
                prop_assert!(form.get("title").is_none_or(|title| title.chars().count() <= MAX_TITLE_CHARS));
            }
        }
    }
}
