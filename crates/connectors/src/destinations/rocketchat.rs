//! Rocket.Chat: its REST API with a user's token, or an incoming webhook.

use model::Time;
use model::delivery::{Fault, Outcome};
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Response};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::slack::colour;
use crate::service::{self, Dialect};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, links, usable_url};

/// Characters of a title, as Alertmanager has it.
const MAX_TITLE_CHARS: usize = 1024;
/// Characters of a text: what Rocket.Chat takes unless its administrator says otherwise.
const MAX_TEXT_CHARS: usize = 5000;
/// Characters of everything else.
const MAX_LINE_CHARS: usize = 1024;
/// Values up to this long stand side by side.
const SHORT_FIELD_CHARS: usize = 40;
/// Fields of an attachment in our own words.
const MAX_FIELDS: usize = 20;
/// Buttons of an attachment: Rocket.Chat's own limit.
const MAX_ACTIONS: usize = 5;

const ANSWERS: Dialect = Dialect { reasons: &["/error", "/message"], receipt: "/message/_id" };

/// The kind `rocketchat`.
pub struct Rocketchat;

/// Either `url`, or `token` and `user_id`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "api_url": "https://chat.example.org",
    "user_id": "the-id",
    "token": "the-token",
    "channel": "#alerts",
}))]
#[schemars(example = serde_json::json!({"url": "https://chat.example.org/hooks/the-id/the-token"}))]
pub struct Settings {
    /// The URL of an incoming webhook.
    url: Option<Secret>,
    /// Where the server is, for `token` and `user_id`.
    #[serde(default = "open_rocket_chat")]
    api_url: String,
    /// A user's personal access token.
    token: Option<Secret>,
    /// The id of the user whose token it is.
    user_id: Option<Secret>,
    /// A template of the channel: `#alerts`, `@ann`, or an id.
    channel: Option<Template<Plain>>,
    /// A template of the name to post under, where the user may choose one.
    alias: Option<Template<Plain>>,
    /// A template of the emoji to post under, e.g. `:bell:`.
    emoji: Option<Template<Plain>>,
    /// A template of the picture to post under.
    avatar: Option<Template<Plain>>,
    /// A template of the colour of the bar beside the message; by default that of the severity.
    color: Option<Template<Plain>>,
    /// A template of the title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of where the title leads.
    title_link: Option<Template<Plain>>,
    /// A template of the text, in place of the message's own.
    text: Option<Template<Plain>>,
    /// A template of the address of a picture below the text.
    image_url: Option<Template<Plain>>,
    /// A template of the address of a small picture.
    thumb_url: Option<Template<Plain>>,
    /// Names and values, in place of what the alerts share.
    fields: Option<Vec<FieldSettings>>,
    /// Buttons, in place of the message's own links.
    #[schemars(length(max = 5))]
    actions: Option<Vec<ActionSettings>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

/// A name and a value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FieldSettings {
    /// A template of the name.
    title: Template<Plain>,
    /// A template of the value.
    value: Template<Plain>,
    /// Whether it may stand beside others.
    #[serde(default)]
    short: bool,
}

/// A button.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActionSettings {
    /// A template of what it says.
    text: Option<Template<Plain>>,
    /// A template of where it leads.
    url: Option<Template<Plain>>,
    /// A template of what is said in the channel by whoever presses it.
    msg: Option<Template<Plain>>,
}

fn open_rocket_chat() -> String {
    "https://open.rocket.chat".to_owned()
}

impl Destination for Rocketchat {
    const FACTS: Facts = Facts {
        kind: "rocketchat",
        title: "Rocket.Chat",
        about: "Posts to a Rocket.Chat channel, with a user's personal access token or through an \
                incoming webhook.",
        docs: "https://developer.rocket.chat/apidocs/post-message",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.actions.as_ref().is_some_and(|all| all.len() > MAX_ACTIONS) {
            return Err(format!("actions: Rocket.Chat shows {MAX_ACTIONS} at the most"));
        }
        match (&settings.url, &settings.token, &settings.user_id) {
            (Some(url), None, None) => service::check_url("url", url.expose()),
            (Some(_), _, _) => Err("url: has no meaning beside `token` and `user_id`".to_owned()),
            (None, Some(token), Some(user_id)) => {
                service::check_token("token", token)?;
                service::check_token("user_id", user_id)?;
                service::check_url("api_url", &settings.api_url)
            }
            (None, Some(_), None) => Err("user_id: is needed for `token`".to_owned()),
            (None, None, Some(_)) => Err("token: is needed for `user_id`".to_owned()),
            (None, None, None) => Err("url: or `token` and `user_id` must be given".to_owned()),
        }
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let api = format!("{}/api/v1/chat.postMessage", settings.api_url.trim_end_matches('/'));
        let url = settings.url.as_ref().map_or(api.as_str(), Secret::expose);
        let header = |name, value: &Option<Secret>| Some((name, value.as_ref()?.expose().to_owned()));
        let headers = [header("x-auth-token", &settings.token), header("x-user-id", &settings.user_id)];
        let headers = headers.into_iter().flatten().collect();
        let place = service::Place { url, http: &settings.http, headers };
        let post = Post::of(settings, message);
        service::post(context, message, place, post, |result| meaning(result, context.now)).await
    }
}

/// What is posted. Texts that are empty are left out.
#[derive(Serialize)]
struct Post {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    alias: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    avatar: String,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
}

#[derive(Serialize)]
struct Field {
    short: bool,
    title: String,
    value: String,
}

#[derive(Serialize)]
struct Action {
    r#type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    msg: String,
    /// Without it the button does nothing with `msg`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    msg_in_chat_window: bool,
}

impl Post {
    fn of(settings: &Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let line = |field: &str, template: &Option<Template<Plain>>| {
            words.text(field, template.as_ref(), MAX_LINE_CHARS, String::new)
        };
        let or = |field: &str, template: &Option<Template<Plain>>, most: usize, own: &str| {
            words.text(field, template.as_ref(), most, || own.to_owned())
        };
        let own_link = usable_url(&message.link).unwrap_or_default();
        let attachment = Attachment {
            title: or("title", &settings.title, MAX_TITLE_CHARS, &message.title),
            title_link: or("title_link", &settings.title_link, MAX_LINE_CHARS, own_link),
            text: or("text", &settings.text, MAX_TEXT_CHARS, &message.body),
            image_url: line("image_url", &settings.image_url),
            thumb_url: line("thumb_url", &settings.thumb_url),
            color: or("color", &settings.color, MAX_LINE_CHARS, colour(message)),
            fields: fields(settings, message, &words),
            actions: actions(settings, message, &words),
        };
        Post {
            channel: line("channel", &settings.channel),
            alias: line("alias", &settings.alias),
            emoji: line("emoji", &settings.emoji),
            avatar: line("avatar", &settings.avatar),
            attachments: [attachment],
        }
    }
}

fn fields(settings: &Settings, message: &Message, words: &Words<'_>) -> Vec<Field> {
    let Some(given) = &settings.fields else {
        let own = |(name, value): &(String, String)| Field {
            short: value.chars().count() <= SHORT_FIELD_CHARS,
            title: cut(name, MAX_LINE_CHARS),
            value: cut(value, MAX_LINE_CHARS),
        };
        return message.facts.iter().take(MAX_FIELDS).map(own).collect();
    };
    let field = |(n, field): (usize, &FieldSettings)| {
        let text = |name: &str, template| {
            words.text(&format!("fields[{n}].{name}"), Some(template), MAX_TEXT_CHARS, String::new)
        };
        let (title, value) = (text("title", &field.title), text("value", &field.value));
        Field { short: field.short, title, value }
    };
    given.iter().enumerate().map(field).collect()
}

fn actions(settings: &Settings, message: &Message, words: &Words<'_>) -> Vec<Action> {
    let action = |text: String, url: String, msg: String| {
        let msg_in_chat_window = !msg.is_empty();
        Action { r#type: "button", text, url, msg, msg_in_chat_window }
    };
    let Some(given) = &settings.actions else {
        let own = links(message).take(MAX_ACTIONS);
        return own.map(|(title, url)| action(title.to_owned(), url.to_owned(), String::new())).collect();
    };
    let written = |(n, one): (usize, &ActionSettings)| {
        let text = |name: &str, template: &Option<Template<Plain>>| {
            words.text(&format!("actions[{n}].{name}"), template.as_ref(), MAX_LINE_CHARS, String::new)
        };
        action(text("text", &one.text), text("url", &one.url), text("msg", &one.msg))
    };
    given.iter().enumerate().map(written).collect()
}

/// Rocket.Chat says `200` to some of what it refuses; what it means is in the body.
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let body = result.as_ref().ok().and_then(|it| serde_json::from_slice::<Value>(&it.body).ok());
    let mut answer = ANSWERS.answer(result, now);
    let kind = body.as_ref().and_then(|body| body.get("errorType")?.as_str());
    let success = body.as_ref().and_then(|body| body.get("success")?.as_bool());
    let reason = body.as_ref().and_then(|body| ANSWERS.reason(body)).unwrap_or("nothing more".to_owned());
    match (&answer.outcome, success) {
        (Outcome::Delivered { .. }, Some(true)) => {}
        (Outcome::Delivered { .. }, Some(false)) => {
            answer.outcome = Outcome::rejected(format!("Rocket.Chat says: {reason}"));
        }
        // a proxy's page, most likely
        (Outcome::Delivered { .. }, None) => {
            answer.outcome = Outcome::down("answered 200, but not as Rocket.Chat does");
        }
        _ => {}
    }
    // versions differ in the status that goes with it
    if kind == Some("error-too-many-requests") && matches!(answer.outcome, Outcome::Rejected { .. }) {
        answer.outcome = Outcome::Retry { after: None, reason, fault: Fault::Pace };
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
        serde_json::from_value(fields).unwrap()
    }

    fn said(status: u16, body: &str) -> Outcome {
        let body = Bytes::copy_from_slice(body.as_bytes());
        meaning(Ok(Response { status, headers: Vec::new(), body }), Time::default()).outcome
    }

    #[test]
    fn two_hundred_is_not_always_yes() {
        assert_eq!(
            said(200, r#"{"success":true,"message":{"_id":"7aD"}}"#),
            Outcome::Delivered { receipt: "7aD".into() }
        );
        assert_eq!(
            said(200, r#"{"success":false,"error":"[invalid-channel]"}"#),
            Outcome::rejected("Rocket.Chat says: [invalid-channel]")
        );
        assert!(matches!(said(200, "<html>"), Outcome::Retry { fault: Fault::Destination, .. }));
        let slow = r#"{"success":false,"error":"Slow down","errorType":"error-too-many-requests"}"#;
        assert!(matches!(said(400, slow), Outcome::Retry { fault: Fault::Pace, .. }));
        assert_eq!(
            said(401, r#"{"status":"error","message":"You must be logged in to do this."}"#),
            Outcome::rejected("answered 401: You must be logged in to do this.")
        );
    }

    #[test]
    fn either_a_webhook_or_a_token_with_its_user() {
        let refusal = |fields| Rocketchat::check(&settings(fields)).unwrap_err();
        assert_eq!(refusal(json!({})), "url: or `token` and `user_id` must be given");
        assert_eq!(refusal(json!({"token": "x"})), "user_id: is needed for `token`");
        assert_eq!(refusal(json!({"user_id": "x"})), "token: is needed for `user_id`");
        assert!(refusal(json!({"url": "https://x", "token": "x"})).starts_with("url: has no meaning"));
        assert!(refusal(json!({"token": "a b", "user_id": "x"})).starts_with("token: cannot stand"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            let own = json!({"url": "https://x", "title": "{{ title }}", "text": "{{ body }}", "fields": [],
                "actions": [{"text": "{{ title }}", "msg": "{{ body }}"}]});
            for settings in [settings(json!({"url": "https://x"})), settings(own)] {
                let [attachment] = Post::of(&settings, &message).attachments;
                prop_assert!(attachment.fields.len() <= MAX_FIELDS && attachment.actions.len() <= MAX_ACTIONS);
                prop_assert!(attachment.text.chars().count() <= MAX_TEXT_CHARS);
                prop_assert!(attachment.title.chars().count() <= MAX_TITLE_CHARS);
            }
        }
    }
}
