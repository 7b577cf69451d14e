//! Discord: a channel's webhook, with an embed.

use model::Time;
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Response};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};

use super::slack::colour;
use crate::service::{self, Dialect, Place};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, escape_markdown, markdown_links, one_line, usable_url};

// Characters and numbers that Discord takes (https://discord.com/developers/docs/resources/message).
const MAX_CONTENT_CHARS: usize = 2000;
const MAX_TITLE_CHARS: usize = 256;
const MAX_DESCRIPTION_CHARS: usize = 4096;
const MAX_FIELDS: usize = 25;
const MAX_NAME_CHARS: usize = 256;
const MAX_VALUE_CHARS: usize = 1024;
const MAX_EMBED_CHARS: usize = 6000;
const MAX_USERNAME_CHARS: usize = 80;
/// Characters of our own text, so that the links below it have room.
const MAX_BODY_CHARS: usize = 3000;
/// Values up to this long stand side by side.
const INLINE_FIELD_CHARS: usize = 40;
/// The line below an embed.
const FOOTER: &str = "Nightbell";

const ANSWERS: Dialect = Dialect { reasons: &["/message"], receipt: "/id" };

/// The kind `discord`.
pub struct Discord;

/// Where to, and with which words.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"url": "https://discord.com/api/webhooks/1/the-token"}))]
#[schemars(example = serde_json::json!({
    "url": "https://discord.com/api/webhooks/1/the-token",
    "content": "{{ '<@&1234>' if severity == 'critical' }}",
}))]
pub struct Settings {
    /// The URL of the channel's webhook.
    url: Secret,
    /// A template of a text above the embed: the place for mentions.
    content: Option<Template<Plain>>,
    /// A template of the embed's title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of the embed's text, in place of the message's own, the table of labels, the link, and the line
    /// below with our name and the time.
    message: Option<Template<Plain>>,
    /// The name to post under, in place of the webhook's.
    username: Option<String>,
    /// The picture to post under, in place of the webhook's.
    avatar_url: Option<String>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

impl Destination for Discord {
    const FACTS: Facts = Facts {
        kind: "discord",
        title: "Discord",
        about: "Posts to a Discord channel through its webhook.",
        docs: "https://discord.com/developers/docs/resources/webhook#execute-webhook",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::check_url("url", settings.url.expose())
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let post = Post::of(settings, message);
        let meaning = |result| meaning(result, context.now);
        let place = Place { url: settings.url.expose(), http: &settings.http, headers: Vec::new() };
        service::post(context, message, place, post, meaning).await
    }
}

/// What is posted.
#[derive(Serialize)]
struct Post<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<&'a str>,
    embeds: [Embed<'a>; 1],
}

#[derive(Serialize)]
struct Embed<'a> {
    title: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    color: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<Footer>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    value: String,
    inline: bool,
}

#[derive(Serialize)]
struct Footer {
    text: &'static str,
}

impl<'a> Post<'a> {
    fn of(settings: &'a Settings, message: &'a Message) -> Self {
        let words = Words::of(message);
        let own_title = || escape_markdown(&one_line(&message.title));
        let title = words.text("title", settings.title.as_ref(), MAX_TITLE_CHARS, own_title);
        let own_text = || {
            let body = cut(&escape_markdown(&message.body), MAX_BODY_CHARS);
            [body, markdown_links(message)].join("\n\n").trim().to_owned()
        };
        let text = words.text("message", settings.message.as_ref(), MAX_DESCRIPTION_CHARS, own_text);
        let used = [title.as_str(), &text, FOOTER].iter().map(|text| text.chars().count()).sum();
        // beside a text of somebody's own there is nothing of ours, as in Alertmanager
        let is_own = settings.message.is_none();
        let embed = Embed {
            fields: if is_own { fields(message, used) } else { Vec::new() },
            title,
            description: text,
            url: usable_url(&message.link).filter(|_| is_own),
            color: u32::from_str_radix(colour(message).trim_start_matches('#'), 16).unwrap_or_default(),
            timestamp: is_own.then(|| message.notification.at.to_string()),
            footer: is_own.then_some(Footer { text: FOOTER }),
        };
        let named = |name: &&String| !name.is_empty();
        Post {
            content: words.text("content", settings.content.as_ref(), MAX_CONTENT_CHARS, String::new),
            username: settings.username.as_ref().filter(named).map(|name| cut(name, MAX_USERNAME_CHARS)),
            avatar_url: settings.avatar_url.as_deref().and_then(usable_url),
            embeds: [embed],
        }
    }
}

/// As many as there is room for in the embed. Discord refuses a whole message for one that is empty.
fn fields(message: &Message, mut used: usize) -> Vec<Field> {
    let field = |(name, value): &(String, String)| Field {
        name: cut(&escape_markdown(&one_line(name)), MAX_NAME_CHARS),
        value: cut(&escape_markdown(value.trim()), MAX_VALUE_CHARS),
        inline: value.chars().count() <= INLINE_FIELD_CHARS,
    };
    let whole = message.facts.iter().map(field).filter(|it| !it.name.is_empty() && !it.value.is_empty());
    let fits = |field: &Field| {
        used += field.name.chars().count() + field.value.chars().count();
        used <= MAX_EMBED_CHARS
    };
    whole.take_while(fits).take(MAX_FIELDS).collect()
}

/// Discord says how long to wait to the millisecond in the body
/// (<https://discord.com/developers/docs/topics/rate-limits>).
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let wait = service::wait_of(&result, "/retry_after");
    service::waiting(ANSWERS.answer(result, now), wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use model::delivery::{Fault, Outcome};
    use proptest::prelude::*;
    use serde_json::json;
    use std::time::Duration;

    fn settings(fields: serde_json::Value) -> Settings {
        serde_json::from_value(fields).unwrap()
    }

    fn said(status: u16, body: &str) -> Outcome {
        let headers = vec![("retry-after".to_owned(), "2".to_owned())];
        let body = Bytes::copy_from_slice(body.as_bytes());
        meaning(Ok(Response { status, headers, body }), Time::default()).outcome
    }

    #[test]
    fn answers_are_understood() {
        assert_eq!(said(204, ""), Outcome::delivered());
        let slow = r#"{"message": "You are being rate limited.", "retry_after": 1.337, "global": false}"#;
        let wait = Some(Duration::from_millis(1337));
        assert!(matches!(said(429, slow), Outcome::Retry { fault: Fault::Pace, after, .. } if after == wait));
        let wait = Some(Duration::from_secs(2));
        assert!(matches!(said(429, "<html>"), Outcome::Retry { after, .. } if after == wait));
        assert_eq!(
            said(404, r#"{"message": "Unknown Webhook", "code": 10015}"#),
            Outcome::rejected("answered 404: Unknown Webhook")
        );
    }

    #[test]
    fn a_text_of_one_s_own_stands_alone() {
        let own = settings(json!({"url": "https://x", "message": "{{ labels.team }}"}));
        let message = messages::firing();
        let post = serde_json::to_value(Post::of(&own, &message)).unwrap();
        let names: Vec<&String> = post["embeds"][0].as_object().unwrap().keys().collect();
        assert_eq!(names, ["color", "description", "title"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            let own = json!({"url": "https://x", "title": "{{ title }}", "message": "{{ body }}",
                "content": "{{ body }}"});
            for settings in [settings(json!({"url": "https://x"})), settings(own)] {
                let post = Post::of(&settings, &message);
                let [embed] = &post.embeds;
                let fields = embed.fields.iter().map(|it| format!("{}{}", it.name, it.value)).collect::<String>();
                let all = format!("{}{}{fields}{FOOTER}", embed.title, embed.description);
                prop_assert!(all.chars().count() <= MAX_EMBED_CHARS && embed.fields.len() <= MAX_FIELDS);
                prop_assert!(embed.description.chars().count() <= MAX_DESCRIPTION_CHARS);
                prop_assert!(embed.title.chars().count() <= MAX_TITLE_CHARS);
                prop_assert!(post.content.chars().count() <= MAX_CONTENT_CHARS);
            }
        }
    }
}
