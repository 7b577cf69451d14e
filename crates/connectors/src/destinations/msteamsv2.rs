//! Microsoft Teams: a workflow that takes adaptive cards.

use schemars::JsonSchema;
use sdk::http::HttpSettings;
use sdk::{Answer, Context, Destination, Facts, Message, MessageKind, Secret};
use serde::{Deserialize, Serialize};

use crate::service::{self, Dialect, Place};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, cut_bytes, escape_markdown, links, one_line};

/// Bytes of a message: Teams refuses those over 28 KB
/// (<https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook>).
/// The limits below leave room for what is around them.
#[cfg(test)]
pub(super) const MAX_MESSAGE_BYTES: usize = 28 * 1024;
/// Bytes of a text as JSON.
pub(super) const MAX_TEXT_BYTES: usize = 12 * 1024;
/// Bytes of a title as JSON.
pub(super) const MAX_TITLE_BYTES: usize = 2 * 1024;
/// Bytes of all facts of a card in our own words, as JSON.
const MAX_FACTS_BYTES: usize = 4 * 1024;
/// Facts of a card in our own words.
const MAX_FACTS: usize = 20;
/// Characters of a fact's name and value, and of a button.
pub(super) const MAX_FACT_CHARS: usize = 200;
/// Bytes of a link that becomes a button.
const MAX_LINK_BYTES: usize = 1024;

const ANSWERS: Dialect = Dialect { reasons: &["/error/message", "/message"], receipt: "" };

/// The kind `msteamsv2`.
pub struct MsTeamsV2;

/// Where to, and with which words.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "https://prod-01.westeurope.logic.azure.com:443/workflows/the-id/triggers/manual/paths/invoke?sig=x",
}))]
pub struct Settings {
    /// The URL of the workflow, as Teams shows it when the workflow is made.
    url: Secret,
    /// A template of the title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of the text, in place of the message's own with its table of labels and its links. May be
    /// Markdown, as far as Teams knows it.
    text: Option<Template<Plain>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

impl Destination for MsTeamsV2 {
    const FACTS: Facts = Facts {
        kind: "msteamsv2",
        title: "Microsoft Teams",
        about: "Posts an adaptive card to a Teams channel or chat through a workflow, made from the template \
                \"Post to a channel when a webhook request is received\".",
        docs: "https://support.microsoft.com/en-us/office/create-incoming-webhooks-with-workflows-for-\
               microsoft-teams-8ae491c7-0394-4861-ba59-055e33f75498",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::check_url("url", settings.url.expose())
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let post = Post::of(settings, message);
        let meaning = |result| ANSWERS.answer(result, context.now);
        let place = Place { url: settings.url.expose(), http: &settings.http, headers: Vec::new() };
        service::post(context, message, place, post, meaning).await
    }
}

/// What is posted.
#[derive(Serialize)]
struct Post {
    r#type: &'static str,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    content_type: &'static str,
    content_url: Option<()>,
    content: Card,
}

#[derive(Serialize)]
struct Card {
    #[serde(rename = "$schema")]
    schema: &'static str,
    r#type: &'static str,
    version: &'static str,
    body: Vec<Block>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    msteams: Width,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Block {
    #[serde(rename = "TextBlock")]
    Title {
        text: String,
        weight: &'static str,
        size: &'static str,
        wrap: bool,
        style: &'static str,
        color: &'static str,
    },
    #[serde(rename = "TextBlock")]
    Text { text: String, wrap: bool },
    #[serde(rename = "FactSet")]
    Facts { facts: Vec<Fact> },
}

#[derive(Serialize)]
struct Fact {
    title: String,
    value: String,
}

#[derive(Serialize)]
struct Action {
    r#type: &'static str,
    title: String,
    url: String,
}

#[derive(Serialize)]
struct Width {
    width: &'static str,
}

impl Post {
    fn of(settings: &Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let own_title = || escape_markdown(&one_line(&message.title));
        let title = words.say("title", settings.title.as_ref()).unwrap_or_else(own_title);
        let (text, is_own) = match words.say("text", settings.text.as_ref()) {
            Some(text) => (text, false),
            None => (lines(&message.body), true),
        };
        let mut body = vec![
            Block::Title {
                text: cut_json(&title, MAX_TITLE_BYTES),
                weight: "Bolder",
                size: "Medium",
                wrap: true,
                style: "heading",
                color: colour(message),
            },
            Block::Text { text: cut_json(&text, MAX_TEXT_BYTES), wrap: true },
        ];
        let mut actions = Vec::new();
        if is_own {
            let facts: Vec<Fact> = facts(message).map(|(title, value)| Fact { title, value }).collect();
            body.extend((!facts.is_empty()).then_some(Block::Facts { facts }));
            actions.extend(buttons(message).map(|(title, url)| Action {
                r#type: "Action.OpenUrl",
                title,
                url,
            }));
        }
        let content = Card {
            schema: "http://adaptivecards.io/schemas/adaptive-card.json",
            r#type: "AdaptiveCard",
            version: "1.2",
            body,
            actions,
            msteams: Width { width: "full" },
        };
        let content_type = "application/vnd.microsoft.card.adaptive";
        let attachment = Attachment { content_type, content_url: None, content };
        Post { r#type: "message", attachments: [attachment] }
    }
}

/// As much of a text as takes no more than so many bytes when it is written as JSON.
pub(super) fn cut_json(text: &str, most: usize) -> String {
    let bytes = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    };
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += bytes(*c);
        used > most
    });
    match end {
        None => text.to_owned(),
        // the character that is one too many and the one before it make room for the ellipsis
        Some((end, _)) => cut_bytes(&text[..end], end.saturating_sub(1)),
    }
}

/// Teams joins the lines of a paragraph.
pub(super) fn lines(body: &str) -> String {
    escape_markdown(body).replace('\n', "\n\n")
}

/// What the alerts share, without what is empty.
pub(super) fn facts(message: &Message) -> impl Iterator<Item = (String, String)> + '_ {
    let shown = message.facts.iter().filter(|(name, value)| !name.is_empty() && !value.trim().is_empty());
    let short = |text: &str| cut(&escape_markdown(&one_line(text)), MAX_FACT_CHARS);
    let mut room = MAX_FACTS_BYTES / 2;
    let fits = move |(name, value): &(String, String)| {
        // one line has nothing that JSON writes in more than two bytes for one
        room = room.saturating_sub(name.len() + value.len());
        room > 0
    };
    shown.map(move |(name, value)| (short(name), short(value))).take_while(fits).take(MAX_FACTS)
}

/// What a reader may do next, in buttons.
pub(super) fn buttons(message: &Message) -> impl Iterator<Item = (String, String)> + '_ {
    let short = links(message).filter(|(_, url)| url.len() <= MAX_LINK_BYTES);
    short.map(|(title, url)| (cut(&one_line(title), MAX_FACT_CHARS), url.to_owned()))
}

/// The colours that a card may name.
fn colour(message: &Message) -> &'static str {
    use model::Severity::{Info, Notice, Warning};
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "Good",
        (MessageKind::Acknowledged | MessageKind::Test, _) | (_, Notice | Info) => "Accent",
        (_, Warning) => "Warning",
        _ => "Attention",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::json;

    fn posted(settings: serde_json::Value, message: &Message) -> serde_json::Value {
        let post = Post::of(&serde_json::from_value(settings).unwrap(), message);
        serde_json::to_value(post).unwrap()
    }

    #[test]
    fn words_of_one_s_own_stand_alone() {
        let own = json!({"url": "https://x", "title": "{{ labels.team }}", "text": "# {{ status }}"});
        let post = posted(own, &messages::firing());
        let card = &post["attachments"][0]["content"];
        assert_eq!(card["body"].as_array().unwrap().len(), 2);
        assert_eq!((&card["body"][0]["text"], &card["body"][1]["text"]), (&json!("db"), &json!("# firing")));
        assert!(card.get("actions").is_none() && post["attachments"][0]["contentUrl"].is_null());
    }

    #[test]
    fn a_text_of_quotes_is_cut_to_what_teams_takes() {
        let mut message = messages::firing();
        message.body = "\"\u{1}".repeat(9000);
        let bytes = posted(json!({"url": "https://x"}), &message).to_string().len();
        assert!(bytes <= MAX_MESSAGE_BYTES, "{bytes}");
        for text in ["\"\u{1}äx", "äöü", ""] {
            let whole = serde_json::to_string(text).unwrap().len() - 2;
            assert_eq!(cut_json(text, whole), text);
            for most in 0..whole {
                assert!(
                    serde_json::to_string(&cut_json(text, most)).unwrap().len() - 2 <= most.max(3),
                    "{most}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_card_within_the_limit(message in messages::arbitrary()) {
            let own = json!({"url": "https://x", "title": "{{ title }}", "text": "{{ body }}"});
            for settings in [json!({"url": "https://x"}), own] {
                prop_assert!(posted(settings, &message).to_string().len() <= MAX_MESSAGE_BYTES);
            }
        }
    }
}
