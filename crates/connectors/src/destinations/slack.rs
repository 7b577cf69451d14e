//! Slack: an incoming webhook, or a bot token and a channel.
//!
//! Services that speak Slack's webhooks (Mattermost, Rocket.Chat) work as well.

pub(crate) mod post;

use std::time::Duration;

use model::Time;
use model::delivery::{Fault, Outcome, answer_head};
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Outgoing, Response, parse_url};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::Deserialize;
use serde_json::Value;

use post::Post;
pub(super) use post::colour;

use crate::template::{self, Plain, Template, cut};

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
    /// A template of the channel, e.g. `#alerts` or its id. Newer webhooks ignore it.
    channel: Option<Template<Plain>>,
    /// Where Slack's Web API is: for proxies.
    #[serde(default = "slack_api")]
    api_url: String,
    /// A template of the name to post under. Newer apps ignore it.
    username: Option<Template<Plain>>,
    /// A template of the emoji to post under, e.g. `:bell:`. Newer apps ignore it.
    icon_emoji: Option<Template<Plain>>,
    /// A template of the picture to post under. Newer apps ignore it.
    icon_url: Option<Template<Plain>>,
    /// Turns `@names` in the text into mentions.
    #[serde(default)]
    link_names: bool,
    /// A template of the title, in place of the message's own. Values are escaped.
    title: Option<Template<template::Slack>>,
    /// A template of the text, in place of the message's own. Values are escaped.
    text: Option<Template<template::Slack>>,
    /// A template of a text above the attachment that all the rest stands in. Values are escaped.
    message_text: Option<Template<template::Slack>>,
    /// A template of the colour of the bar beside the message: `good`, `warning`, `danger` or `#123abc`; by
    /// default that of the severity.
    color: Option<Template<Plain>>,
    /// A template of where the title leads.
    title_link: Option<Template<Plain>>,
    /// A template of a line above the title. Values are escaped.
    pretext: Option<Template<template::Slack>>,
    /// A template of the line below, in place of our name and the time. Values are escaped.
    footer: Option<Template<template::Slack>>,
    /// A template of what notifications show; by default the title. Values are escaped.
    fallback: Option<Template<template::Slack>>,
    /// A template of what tells the buttons of this message from others.
    callback_id: Option<Template<Plain>>,
    /// Names and values, in place of what the alerts share.
    fields: Option<Vec<FieldSettings>>,
    /// Whether those of `fields` that do not say it themselves stand side by side.
    #[serde(default)]
    short_fields: bool,
    /// Buttons, in place of the message's own links.
    actions: Option<Vec<ActionSettings>>,
    /// Which texts are Slack's markup: of `pretext`, `text`, `fields` and `fallback`. By default `text` and
    /// `fields`.
    mrkdwn_in: Option<Vec<String>>,
    /// A template of the address of a picture below the text.
    image_url: Option<Template<Plain>>,
    /// A template of the address of a small picture at its right.
    thumb_url: Option<Template<Plain>>,
    /// How requests are made: headers, TLS, proxy, credentials for a proxy of one's own.
    #[serde(default)]
    http: HttpSettings,
}

/// A name and a value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FieldSettings {
    /// A template of the name. Values are escaped.
    title: Template<template::Slack>,
    /// A template of the value. Values are escaped.
    value: Template<template::Slack>,
    /// Whether it may stand beside others.
    short: Option<bool>,
}

/// A button that leads somewhere (`url`), or one that an app of one's own hears of (`name`).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActionSettings {
    /// A template of its type, which is `button`.
    r#type: Template<Plain>,
    /// A template of what it says.
    text: Template<Plain>,
    /// A template of where it leads.
    url: Option<Template<Plain>>,
    /// A template of its looks: `default`, `primary` or `danger`.
    style: Option<Template<Plain>>,
    /// A template of its name.
    name: Option<Template<Plain>>,
    /// A template of its value.
    value: Option<Template<Plain>>,
    /// What is asked when it is pressed.
    confirm: Option<ConfirmSettings>,
}

/// A question whether somebody meant it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmSettings {
    /// A template of the question.
    text: Template<Plain>,
    /// A template of the title.
    title: Option<Template<Plain>>,
    /// A template of the word for yes.
    ok_text: Option<Template<Plain>>,
    /// A template of the word for no.
    dismiss_text: Option<Template<Plain>>,
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
    const ADDRESS: &'static [&'static str] = &["channel"];

    fn address(settings: &mut Value) -> Result<Option<String>, String> {
        // a webhook leads where Slack says
        let Some(channel) = settings.get("channel") else { return Ok(None) };
        let channel = channel.as_str().map(str::trim).filter(|it| !it.is_empty() && !it.contains(['{', '}']));
        let channel = channel.ok_or("channel: must be the id of a channel or a person, such as U012AB3CD")?;
        Ok(Some(channel.to_owned()))
    }

    fn is_account(address: &str) -> bool {
        // people of one workspace, and of several
        address.starts_with(['U', 'W'])
    }

    fn check(settings: &Settings) -> Result<(), String> {
        let has_no_name = |action: &ActionSettings| action.url.is_none() && action.name.is_none();
        if let Some(n) = settings.actions.as_ref().and_then(|all| all.iter().position(has_no_name)) {
            return Err(format!("actions[{n}]: needs a `url` or a `name`"));
        }
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
                if settings.channel.is_none() {
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
        let body = match serde_json::to_vec(&Post::of(settings, message)) {
            Ok(body) => body,
            Err(error) => {
                let reason = format!("the message is no JSON: {error}");
                return Answer::bare(Outcome::rejected(reason));
            }
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
    use bytes::Bytes;
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
}
