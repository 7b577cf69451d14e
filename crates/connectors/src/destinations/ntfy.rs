//! ntfy: push messages to phones and desktops by topic.

use model::Severity;
use model::delivery::Outcome;
use schemars::JsonSchema;
use sdk::http::HttpSettings;
use sdk::{Answer, Context, Destination, Facts, Message, MessageKind, Secret};
use serde::{Deserialize, Serialize};

use crate::service::{self, Dialect};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, cut_bytes, links, one_line, usable_url};

/// Bytes of a text; what is longer becomes a file that phones do not show.
const MAX_MESSAGE_BYTES: usize = 4096;
/// Characters of a title, as phones show it.
const MAX_TITLE_CHARS: usize = 250;
/// Characters of everything else.
const MAX_LINE_CHARS: usize = 1024;
/// Buttons of a message: ntfy's own limit.
const MAX_ACTIONS: usize = 3;

const ANSWERS: Dialect = Dialect { reasons: &["/error"], receipt: "/id" };

/// The kind `ntfy`.
pub struct Ntfy;

/// Which topic, and of which server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"topic": "ops-alerts-8Gx2"}))]
#[schemars(example = serde_json::json!({
    "server": "https://ntfy.example.org",
    "topic": "{{ labels.team }}-alerts",
    "token": "tk_the-token",
}))]
pub struct Settings {
    /// A template of the topic. On a public server it is as good as a password, so it should be hard to guess.
    topic: Template<Plain>,
    /// Where the server is.
    #[serde(default = "ntfy_sh")]
    server: String,
    /// An access token, for servers and topics that are protected.
    token: Option<Secret>,
    /// A template of the title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of the text, in place of the message's own.
    message: Option<Template<Plain>>,
    /// Shows the text as Markdown.
    #[serde(default)]
    markdown: bool,
    /// A template of the priority, 1 to 5, or `min`, `low`, `default`, `high` or `max`; by default from the severity.
    priority: Option<Template<Plain>>,
    /// Templates of tags; those that are names of emoji stand before the title. By default from the kind of message.
    tags: Option<Vec<Template<Plain>>>,
    /// A template of what is opened when the message is tapped, in place of its own link.
    click: Option<Template<Plain>>,
    /// A template of the address of a picture to show.
    icon: Option<Template<Plain>>,
    /// A template of an address to send a mail to as well, where the server does that.
    email: Option<Template<Plain>>,
    /// A template of a number to read the message out to as well, where the server does that.
    call: Option<Template<Plain>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

fn ntfy_sh() -> String {
    "https://ntfy.sh".to_owned()
}

/// What is posted.
#[derive(Serialize)]
struct Post<'a> {
    topic: String,
    title: String,
    message: String,
    priority: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    click: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    call: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    markdown: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action<'a>>,
}

#[derive(Serialize)]
struct Action<'a> {
    action: &'static str,
    label: &'a str,
    url: &'a str,
}

impl Destination for Ntfy {
    const FACTS: Facts = Facts {
        kind: "ntfy",
        title: "ntfy",
        about: "Pushes to phones and desktops that follow a topic of ntfy.sh, or of a server of one's own.",
        docs: "https://docs.ntfy.sh/publish/#publish-as-json",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::check_credentials(settings.token.as_ref(), &settings.http)?;
        service::check_url("server", &settings.server)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let headers = settings.token.iter().map(service::bearer).collect();
        let place = service::Place { url: &settings.server, http: &settings.http, headers };
        let meaning = |result| ANSWERS.answer(result, context.now);
        match Post::of(settings, message) {
            Ok(post) => service::post(context, message, place, post, meaning).await,
            Err(reason) => Answer::bare(Outcome::rejected(reason)),
        }
    }
}

impl<'a> Post<'a> {
    fn of(settings: &Settings, message: &'a Message) -> Result<Self, String> {
        let words = Words::of(message);
        let line = |field: &str, template: &Option<Template<Plain>>, own: &str| {
            words.text(field, template.as_ref(), MAX_LINE_CHARS, || own.to_owned())
        };
        let topic = words.text("topic", Some(&settings.topic), MAX_LINE_CHARS, String::new);
        let is_topic = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if topic.is_empty() || !topic.chars().all(is_topic) {
            return Err(format!("topic: {topic:?} is none: letters, digits, _ and - are allowed"));
        }
        let title = words.text("title", settings.title.as_ref(), MAX_TITLE_CHARS, || message.title.clone());
        let text = words.say("message", settings.message.as_ref());
        let tags = settings.tags.as_ref().map(|all| {
            let tag = |(n, tag)| words.text(&format!("tags[{n}]"), Some(tag), MAX_LINE_CHARS, String::new);
            all.iter().enumerate().map(tag).collect()
        });
        let tags: Vec<String> = tags.unwrap_or_else(|| own_tags(message));
        let priority = line("priority", &settings.priority, "");
        let actions = links(message).take(MAX_ACTIONS);
        Ok(Post {
            topic,
            title: one_line(&title),
            message: cut_bytes(text.as_deref().unwrap_or(&message.body), MAX_MESSAGE_BYTES),
            priority: priority_of(&priority).unwrap_or_else(|| own_priority(message)),
            tags: tags.into_iter().filter(|tag| !tag.is_empty()).collect(),
            click: line("click", &settings.click, usable_url(&message.link).unwrap_or_default()),
            icon: line("icon", &settings.icon, ""),
            email: line("email", &settings.email, ""),
            call: line("call", &settings.call, ""),
            markdown: settings.markdown,
            actions: actions.map(|(label, url)| Action { action: "view", label, url }).collect(),
        })
    }
}

/// ntfy's own words for priorities, and their numbers.
fn priority_of(text: &str) -> Option<u8> {
    let word = text.trim().to_lowercase();
    match word.as_str() {
        "1" | "min" => Some(1),
        "2" | "low" => Some(2),
        "3" | "default" => Some(3),
        "4" | "high" => Some(4),
        "5" | "max" | "urgent" => Some(5),
        _ => None,
    }
}

fn own_priority(message: &Message) -> u8 {
    match (message.kind, message.severity) {
        (MessageKind::Resolved | MessageKind::Acknowledged | MessageKind::Test, _) => 3,
        (_, Severity::Critical) => 5,
        (_, Severity::Error) => 4,
        (_, Severity::Warning) => 3,
        (_, Severity::Notice | Severity::Info) => 2,
    }
}

fn own_tags(message: &Message) -> Vec<String> {
    let emoji = match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "white_check_mark",
        (MessageKind::Acknowledged, _) => "eyes",
        (MessageKind::Test, _) => "test_tube",
        (_, Severity::Critical | Severity::Error) => "rotating_light",
        (_, Severity::Warning) => "warning",
        (_, Severity::Notice | Severity::Info) => "information_source",
    };
    vec![emoji.to_owned(), cut(message.severity.name(), MAX_LINE_CHARS)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn posted(fields: Value) -> Result<Value, String> {
        let mut all = json!({"topic": "t"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let settings = serde_json::from_value(all).unwrap();
        Post::of(&settings, &messages::firing()).map(|post| serde_json::to_value(post).unwrap())
    }

    #[test]
    fn priorities_are_words_numbers_or_follow_the_severity() {
        for (template, expected) in [("MAX", 5), (" 2", 2), ("{{ labels.none }}", 5), ("9", 5), ("high", 4)] {
            assert_eq!(posted(json!({"priority": template})).unwrap()["priority"], expected, "{template}");
        }
        assert_eq!(posted(json!({})).unwrap()["tags"], json!(["rotating_light", "critical"]));
        assert_eq!(posted(json!({"tags": ["", "{{ kind }}"]})).unwrap()["tags"], json!(["firing"]));
    }

    #[test]
    fn a_topic_that_is_none_is_not_asked_for() {
        let error = posted(json!({"topic": "a {{ kind }}"})).unwrap_err();
        assert_eq!(error, "topic: \"a firing\" is none: letters, digits, _ and - are allowed");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            let settings = serde_json::from_value(json!({"topic": "t"})).unwrap();
            let post = Post::of(&settings, &message).unwrap();
            prop_assert!(post.message.len() <= MAX_MESSAGE_BYTES && post.actions.len() <= MAX_ACTIONS);
            prop_assert!(post.title.chars().count() <= MAX_TITLE_CHARS);
        }
    }
}
