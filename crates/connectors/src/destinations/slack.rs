//! Slack: an incoming webhook, or a bot token and a channel.
//!
//! Services that speak Slack's webhooks (Mattermost, Rocket.Chat) work as well.

use std::borrow::Cow;
use std::time::Duration;

use model::delivery::{Fault, Outcome, answer_head};
use model::{Severity, Time};
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Outgoing, Response, parse_url};
use sdk::{Answer, Context, Destination, Facts, Message, MessageKind, Secret};
use serde::{Deserialize, Serialize};

use crate::template::{self, BadTemplate, Template, cut, escape_slack, names_of};

/// Characters of a title, as Alertmanager has it.
const MAX_TITLE_CHARS: usize = 1024;
/// Characters of an attachment's text; Slack refuses more than 8,000 or so.
const MAX_TEXT_CHARS: usize = 4000;
/// Characters of a field's value.
const MAX_FIELD_CHARS: usize = 500;
/// Values up to this long stand side by side.
const SHORT_FIELD_CHARS: usize = 40;
/// Fields of an attachment.
const MAX_FIELDS: usize = 20;
/// Buttons of an attachment: Slack's own limit.
const MAX_ACTIONS: usize = 5;
/// Characters of a link; Slack drops messages with longer ones.
const MAX_URL_CHARS: usize = 3000;

/// The kind `slack`.
pub struct Slack;

/// Either `url`, or `token` and `channel`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"url": "https://hooks.slack.com/services/T000/B000/XXXX"}))]
#[schemars(example = serde_json::json!({"token": "xoxb-the-token", "channel": "#alerts"}))]
pub struct Settings {
    /// The URL of an incoming webhook.
    url: Option<Secret>,
    /// A bot's token with the scope `chat:write`; needs `channel`.
    token: Option<Secret>,
    /// The channel, e.g. `#alerts` or its id. Newer webhooks ignore it.
    channel: Option<String>,
    /// Where Slack's Web API is: for proxies.
    #[serde(default = "slack_api")]
    api_url: String,
    /// The name to post under. Newer apps ignore it.
    username: Option<String>,
    /// The emoji to post under, e.g. `:bell:`. Newer apps ignore it.
    icon_emoji: Option<String>,
    /// The picture to post under. Newer apps ignore it.
    icon_url: Option<String>,
    /// Turns `@names` in the text into mentions.
    #[serde(default)]
    link_names: bool,
    /// A template of the title, in place of the message's own. Values are escaped.
    title: Option<Template<template::Slack>>,
    /// A template of the text, in place of the message's own. Values are escaped.
    text: Option<Template<template::Slack>>,
    /// How requests are made: headers, TLS, proxy, credentials for a proxy of one's own.
    #[serde(default)]
    http: HttpSettings,
}

fn slack_api() -> String {
    "https://slack.com/api".to_owned()
}

impl Destination for Slack {
    const FACTS: Facts = Facts {
        kind: "slack",
        title: "Slack",
        about: "Posts to a Slack channel, through an incoming webhook or with a bot's token. \
                Services that understand Slack's webhooks, such as Mattermost, work as well.",
        docs: "https://api.slack.com/messaging/webhooks",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        match (&settings.url, &settings.token) {
            (None, None) => return Err("url: or `token` must be given".to_owned()),
            (Some(_), Some(_)) => return Err("token: has no meaning beside `url`".to_owned()),
            (Some(url), None) => {
                parse_url(url.expose()).map_err(|error| format!("url: {error}"))?;
            }
            (None, Some(token)) => {
                let fits = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
                if !fits {
                    return Err("token: cannot stand in a header".to_owned());
                }
                if settings.channel.as_ref().is_none_or(String::is_empty) {
                    return Err("channel: is needed for `token`".to_owned());
                }
                if settings.http.authorizes() {
                    return Err("http: carries credentials, which have no meaning beside `token`".to_owned());
                }
            }
        }
        parse_url(&settings.api_url).map(drop).map_err(|error| format!("api_url: {error}"))
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let rejected = |reason: String| Answer::bare(Outcome::rejected(reason));
        let post = match Post::of(settings, message) {
            Ok(post) => post,
            Err(reason) => return rejected(reason),
        };
        let body = match serde_json::to_vec(&post) {
            Ok(body) => body,
            Err(error) => return rejected(format!("the message is no JSON: {error}")),
        };
        let api = format!("{}/chat.postMessage", settings.api_url.trim_end_matches('/'));
        let url = settings.url.as_ref().map_or(api.as_str(), Secret::expose);
        let mut request = Outgoing::json(url, body, context.timeout);
        request.headers[0].1 = "application/json; charset=utf-8".to_owned();
        request.headers.push(("idempotency-key", message.idempotency_key.clone()));
        if let Some(token) = &settings.token {
            request.headers.push(("authorization", format!("Bearer {}", token.expose())));
        }
        meaning(context.http.with(&settings.http).send(request).await, context.now)
    }
}

/// What is posted.
#[derive(Serialize)]
struct Post<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_emoji: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon_url: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    attachments: [Attachment<'a>; 1],
}

#[derive(Serialize)]
struct Attachment<'a> {
    color: &'static str,
    fallback: String,
    title: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    title_link: &'a str,
    text: String,
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Button<'a>>,
    footer: &'static str,
    ts: i64,
    mrkdwn_in: [&'static str; 2],
}

#[derive(Serialize)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

#[derive(Serialize)]
struct Button<'a> {
    r#type: &'static str,
    text: String,
    url: &'a str,
}

impl<'a> Post<'a> {
    fn of(settings: &'a Settings, message: &'a Message) -> Result<Self, String> {
        let (mut title, mut text) =
            (escaped(&message.title, MAX_TITLE_CHARS), escaped(&message.body, MAX_TEXT_CHARS));
        if settings.title.is_some() || settings.text.is_some() {
            let names = names_of(message);
            let in_field = |field: &'static str| move |error: BadTemplate| format!("{field}: {error}");
            if let Some(template) = &settings.title {
                title = cut_markup(&template.render(&names).map_err(in_field("title"))?, MAX_TITLE_CHARS)
                    .into_owned();
            }
            if let Some(template) = &settings.text {
                text = cut_markup(&template.render(&names).map_err(in_field("text"))?, MAX_TEXT_CHARS)
                    .into_owned();
            }
        }
        let attachment = Attachment {
            color: colour(message),
            fallback: title.clone(),
            title,
            title_link: usable_url(&message.link).unwrap_or_default(),
            text,
            fields: fields(message),
            actions: actions(message),
            footer: "Nightbell",
            ts: message.notification.at.as_seconds(),
            mrkdwn_in: ["text", "fields"],
        };
        Ok(Post {
            channel: settings.channel.as_deref(),
            username: settings.username.as_deref(),
            icon_emoji: settings.icon_emoji.as_deref(),
            icon_url: settings.icon_url.as_deref(),
            link_names: settings.link_names,
            attachments: [attachment],
        })
    }
}

pub(super) fn colour(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "#2e7d32",
        (MessageKind::Acknowledged, _) => "#1565c0",
        (MessageKind::Test, _) => "#546e7a",
        (_, Severity::Critical | Severity::Error) => "#c62828",
        (_, Severity::Warning) => "#e09f1f",
        (_, Severity::Notice | Severity::Info) => "#0288d1",
    }
}

fn fields(message: &Message) -> Vec<Field> {
    let field = |(name, value): &(String, String)| Field {
        title: escaped(name, MAX_FIELD_CHARS),
        value: escaped(value, MAX_FIELD_CHARS),
        short: value.chars().count() <= SHORT_FIELD_CHARS,
    };
    message.facts.iter().take(MAX_FIELDS).map(field).collect()
}

fn actions(message: &Message) -> Vec<Button<'_>> {
    let button = |link: &'_ sdk::message::Link| escaped(&link.title, MAX_FIELD_CHARS);
    let usable = message.actions.iter().filter_map(|link| Some((button(link), usable_url(&link.url)?)));
    usable.take(MAX_ACTIONS).map(|(text, url)| Button { r#type: "button", text, url }).collect()
}

/// Slack refuses a whole message for one link that is none.
fn usable_url(url: &str) -> Option<&str> {
    (url.chars().count() <= MAX_URL_CHARS && parse_url(url).is_ok()).then_some(url)
}

fn escaped(text: &str, most: usize) -> String {
    escape_slack(&cut(text, most))
}

/// Cuts a text that is escaped already, without leaving half of `&amp;` at its end.
fn cut_markup(text: &str, most: usize) -> Cow<'_, str> {
    const LONGEST_ENTITY: usize = "&amp;".len();
    let Some((end, _)) = text.char_indices().nth(most) else { return Cow::Borrowed(text) };
    let end = text[..end].char_indices().next_back().map_or(0, |(last, _)| last);
    let half = text[..end].rfind('&').filter(|at| end - at < LONGEST_ENTITY && !text[*at..end].contains(';'));
    Cow::Owned(format!("{}…", &text[..half.unwrap_or(end)]))
}

/// What the Web API answers, as far as it matters.
#[derive(Deserialize)]
struct Reply {
    #[serde(alias = "success")]
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    ts: String,
}

/// Slack says `200` to most of what it refuses; what it means is in the body.
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let response = match result {
        Ok(response) if response.status == 200 => response,
        Ok(response) => {
            let word = word_of(&response);
            let mut answer = Answer::from_http(Ok(response), now);
            if let (Outcome::Rejected { reason }, Some(word)) = (&mut answer.outcome, word) {
                reason.push_str(": ");
                reason.push_str(&word);
            }
            return answer;
        }
        Err(error) => return Answer::from_http(Err(error), now),
    };
    let text = response.body.trim_ascii();
    let outcome = match serde_json::from_slice::<Reply>(text) {
        Ok(reply) if reply.ok => Outcome::Delivered { receipt: reply.ts },
        Ok(reply) => refusal(&reply.error, sdk::answer::retry_after_of(&response, now)),
        Err(_) if text == b"ok" || text.is_empty() => Outcome::delivered(),
        // a proxy's page, most likely
        Err(_) => Outcome::down("answered 200, but not as Slack does"),
    };
    Answer { outcome, status: Some(200), text: answer_head(&response.body) }
}

/// The word that Slack's webhooks give as reason, such as `no_service`.
fn word_of(response: &Response) -> Option<String> {
    let text = std::str::from_utf8(response.body.trim_ascii()).ok()?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (!text.is_empty() && text.len() <= 60 && text.bytes().all(is_word)).then(|| text.to_owned())
}

fn refusal(error: &str, after: Option<Duration>) -> Outcome {
    let reason = format!("Slack says: {}", cut(error, 100));
    match error {
        "rate_limited" | "ratelimited" | "message_limit_exceeded" => {
            Outcome::Retry { after, reason, fault: Fault::Pace }
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "accesslimited" => Outcome::Retry { after, reason, fault: Fault::Destination },
        _ => Outcome::Rejected { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    fn settings(fields: serde_json::Value) -> Settings {
        serde_json::from_value(fields).unwrap()
    }

    fn said(status: u16, body: &str) -> Outcome {
        let headers = vec![("retry-after".to_owned(), "7".to_owned())];
        let response = Response { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
        meaning(Ok(response), Time::default()).outcome
    }

    #[test]
    fn two_hundred_is_not_always_yes() {
        let seven = Some(Duration::from_secs(7));
        assert_eq!(said(200, "ok"), Outcome::delivered());
        assert_eq!(said(200, r#"{"ok":true,"ts":"1.2"}"#), Outcome::Delivered { receipt: "1.2".into() });
        assert_eq!(
            said(200, r#"{"ok":false,"error":"channel_not_found"}"#),
            Outcome::rejected("Slack says: channel_not_found")
        );
        assert!(matches!(said(200, r#"{"ok":false,"error":"rate_limited"}"#),
            Outcome::Retry { fault: Fault::Pace, after, .. } if after == seven));
        assert!(matches!(
            said(200, r#"{"ok":false,"error":"internal_error"}"#),
            Outcome::Retry { fault: Fault::Destination, .. }
        ));
        assert!(matches!(
            said(200, "<html>Log in first</html>"),
            Outcome::Retry { fault: Fault::Destination, .. }
        ));
        assert_eq!(said(404, "no_service"), Outcome::rejected("answered 404: no_service"));
        assert!(matches!(said(429, ""), Outcome::Retry { fault: Fault::Pace, after, .. } if after == seven));
    }

    #[test]
    fn either_a_url_or_a_token_with_a_channel() {
        let check = |fields| Slack::check(&settings(fields)).unwrap_err();
        assert_eq!(check(json!({})), "url: or `token` must be given");
        assert_eq!(check(json!({"token": "x"})), "channel: is needed for `token`");
        assert_eq!(check(json!({"token": "x", "url": "https://x"})), "token: has no meaning beside `url`");
        assert!(check(json!({"url": "hooks.slack.com"})).starts_with("url: not a URL"));
    }

    #[test]
    fn markup_is_cut_between_entities() {
        assert_eq!(cut_markup("ab&lt;cd", 6), "ab…");
        assert_eq!(cut_markup("ab&lt;cd", 7), "ab&lt;…");
        assert_eq!(cut_markup("ab&lt;cd", 8), "ab&lt;cd");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            let own = json!({"url": "https://x", "title": "{{ title }}", "text": "{{ body }}"});
            for settings in [settings(json!({"url": "https://x"})), settings(own)] {
                let post = Post::of(&settings, &message).unwrap();
                let [attachment] = &post.attachments;
                prop_assert!(attachment.fields.len() <= MAX_FIELDS);
                prop_assert!(attachment.actions.len() <= MAX_ACTIONS);
                // an escaped character takes five at the most
                prop_assert!(attachment.text.chars().count() <= 5 * MAX_TEXT_CHARS);
                prop_assert!(!attachment.text.contains(['<', '>']) && !attachment.title.contains(['<', '>']));
                prop_assert!(serde_json::to_vec(&post).is_ok());
            }
        }
    }
}
