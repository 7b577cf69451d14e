//! Gotify: push messages from a server of one's own.

use model::Severity;
use schemars::JsonSchema;
use sdk::http::HttpSettings;
use sdk::{Answer, Context, Destination, Facts, Message, MessageKind, Secret};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::service::{self, Dialect};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, escape_markdown, markdown_links, one_line, usable_url};

/// Characters of a title, as phones show it.
const MAX_TITLE_CHARS: usize = 250;
/// Characters of a text. Gotify has no limit; more is not read on a phone.
const MAX_MESSAGE_CHARS: usize = 16_000;
/// Characters of our own text before it is escaped, which can make two of one.
const MAX_BODY_CHARS: usize = 6000;
/// Characters of everything else.
const MAX_LINE_CHARS: usize = 1024;
/// The highest priority that there is.
const MAX_PRIORITY: u8 = 10;

const ANSWERS: Dialect = Dialect { reasons: &["/errorDescription", "/error"], receipt: "/id" };

/// The kind `gotify`.
pub struct Gotify;

/// Which server, and as which of its applications.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"server": "https://gotify.example.org", "token": "the-token"}))]
pub struct Settings {
    /// Where the server is.
    server: String,
    /// The token of the application to post as.
    token: Secret,
    /// A template of the title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of the text, in place of the message's own.
    message: Option<Template<Plain>>,
    /// Whether the text is Markdown; by default it is unless `message` is given.
    markdown: Option<bool>,
    /// A template of the priority, 0 to 10; by default from the severity. Phones ring from 8 on.
    priority: Option<Template<Plain>>,
    /// A template of what is opened when the message is tapped, in place of its own link.
    click: Option<Template<Plain>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

#[derive(Serialize)]
struct Post {
    title: String,
    message: String,
    priority: u8,
    #[serde(skip_serializing_if = "Value::is_null")]
    extras: Value,
}

impl Destination for Gotify {
    const FACTS: Facts = Facts {
        kind: "gotify",
        title: "Gotify",
        about: "Pushes to phones and browsers through a Gotify server.",
        docs: "https://gotify.net/docs/pushmsg",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::check_token("token", &settings.token)?;
        service::check_url("server", &settings.server)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let url = format!("{}/message", settings.server.trim_end_matches('/'));
        let headers = vec![("x-gotify-key", settings.token.expose().to_owned())];
        let place = service::Place { url: &url, http: &settings.http, headers };
        let meaning = |result| ANSWERS.answer(result, context.now);
        service::post(context, message, place, Post::of(settings, message), meaning).await
    }
}

impl Post {
    fn of(settings: &Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let line = |field: &str, template: &Option<Template<Plain>>, own: &str| {
            words.text(field, template.as_ref(), MAX_LINE_CHARS, || own.to_owned())
        };
        let title = words.text("title", settings.title.as_ref(), MAX_TITLE_CHARS, || message.title.clone());
        let text = words.text("message", settings.message.as_ref(), MAX_MESSAGE_CHARS, || markdown(message));
        let priority = line("priority", &settings.priority, "");
        let click = line("click", &settings.click, usable_url(&message.link).unwrap_or_default());
        let mut extras = json!({});
        if settings.markdown.unwrap_or(settings.message.is_none()) {
            extras["client::display"] = json!({"contentType": "text/markdown"});
        }
        if !click.is_empty() {
            extras["client::notification"] = json!({"click": {"url": click}});
        }
        Post {
            title: one_line(&title),
            message: text,
            priority: priority_of(&priority).unwrap_or_else(|| own_priority(message)),
            extras: if extras == json!({}) { Value::Null } else { extras },
        }
    }
}

fn markdown(message: &Message) -> String {
    // two blanks at its end make a line a line
    let body = escape_markdown(&cut(&message.body, MAX_BODY_CHARS)).replace('\n', "  \n");
    let links = markdown_links(message);
    if links.is_empty() { body } else { format!("{body}\n\n{links}") }
}

fn priority_of(text: &str) -> Option<u8> {
    text.trim().parse().ok().map(|number: u8| number.min(MAX_PRIORITY))
}

fn own_priority(message: &Message) -> u8 {
    match (message.kind, message.severity) {
        (MessageKind::Resolved | MessageKind::Acknowledged | MessageKind::Test, _) => 4,
        (_, Severity::Critical) => 10,
        (_, Severity::Error) => 8,
        (_, Severity::Warning) => 6,
        (_, Severity::Notice | Severity::Info) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;

    fn posted(fields: Value) -> Value {
        let mut all = json!({"server": "https://x", "token": "y"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let settings = serde_json::from_value(all).unwrap();
        serde_json::to_value(Post::of(&settings, &messages::firing())).unwrap()
    }

    #[test]
    fn priorities_are_numbers_or_follow_the_severity() {
        for (template, expected) in [("0", 0), ("99", 10), ("high", 10), ("{{ alerts | length }}", 2)] {
            assert_eq!(posted(json!({"priority": template}))["priority"], expected, "{template}");
        }
    }

    #[test]
    fn own_words_are_plain_unless_said_otherwise() {
        let display = |fields| posted(fields)["extras"]["client::display"]["contentType"].clone();
        assert_eq!(display(json!({})), "text/markdown");
        assert_eq!(display(json!({"message": "*{{ kind }}*"})), Value::Null);
        assert_eq!(display(json!({"message": "*{{ kind }}*", "markdown": true})), "text/markdown");
        assert_eq!(posted(json!({"markdown": false, "click": ""}))["extras"], Value::Null);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            let settings = serde_json::from_value(json!({"server": "https://x", "token": "y"})).unwrap();
            let post = Post::of(&settings, &message);
            prop_assert!(post.message.chars().count() <= MAX_MESSAGE_CHARS);
            prop_assert!(post.title.chars().count() <= MAX_TITLE_CHARS && post.priority <= MAX_PRIORITY);
        }
    }
}
