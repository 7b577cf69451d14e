//! Mattermost: an incoming webhook.

use schemars::JsonSchema;
use sdk::http::HttpSettings;
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};

use super::slack::colour;
use crate::service::{self, Dialect};
use crate::template::{Plain, Template, cut};
use crate::words::{Words, escape_markdown, markdown_links, usable_url};

/// Characters of a post's text, and of an attachment's: Mattermost's own limit
/// (<https://developers.mattermost.com/integrate/webhooks/incoming/>).
const MAX_TEXT_CHARS: usize = 16_383;
/// Characters of everything that is shown on a line.
const MAX_LINE_CHARS: usize = 1024;
/// Values up to this long stand side by side.
const SHORT_FIELD_CHARS: usize = 40;
/// Fields of an attachment in our own words.
const MAX_FIELDS: usize = 20;
/// Attachments of a post that the settings may ask for.
const MAX_ATTACHMENTS: usize = 20;

const ANSWERS: Dialect = Dialect { reasons: &["/message"], receipt: "" };

/// The kind `mattermost`.
pub struct Mattermost;

/// Where to, and with which words.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"url": "https://mattermost.example/hooks/the-key"}))]
#[schemars(example = serde_json::json!({
    "url": "https://mattermost.example/hooks/the-key",
    "channel": "{{ labels.team }}-alerts",
    "priority": {"priority": "urgent", "requested_ack": true},
}))]
pub struct Settings {
    /// The URL of the incoming webhook.
    url: Secret,
    /// A template of the channel's name, e.g. `alerts`, or `@ann` for a direct message; by default the webhook's own.
    channel: Option<Template<Plain>>,
    /// A template of the name to post under, where the server allows that.
    username: Option<Template<Plain>>,
    /// A template of the picture to post under.
    icon_url: Option<Template<Plain>>,
    /// A template of the emoji to post under, e.g. `bell`.
    icon_emoji: Option<Template<Plain>>,
    /// A template of the title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of the text, in place of the message's own; beside `attachments`, it stands above them.
    text: Option<Template<Plain>>,
    /// The attachments, in place of the one that shows the message.
    attachments: Option<Vec<AttachmentSettings>>,
    /// A template of what is shown beside the channel when a reader asks for more.
    card: Option<Template<Plain>>,
    /// A template of the post's type, which begins with `custom_`.
    r#type: Option<Template<Plain>>,
    /// How urgent the post is.
    priority: Option<Priority>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

/// An attachment, with a template of each of its texts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AttachmentSettings {
    /// What notifications show.
    fallback: Option<Template<Plain>>,
    /// The colour of the bar beside it; by default that of the severity.
    color: Option<Template<Plain>>,
    /// A line above it.
    pretext: Option<Template<Plain>>,
    /// The text.
    text: Option<Template<Plain>>,
    /// Whose it is.
    author_name: Option<Template<Plain>>,
    /// Where the author's name leads.
    author_link: Option<Template<Plain>>,
    /// The author's picture.
    author_icon: Option<Template<Plain>>,
    /// The title.
    title: Option<Template<Plain>>,
    /// Where the title leads.
    title_link: Option<Template<Plain>>,
    /// Names and values.
    #[serde(default)]
    fields: Vec<FieldSettings>,
    /// A small picture at its right.
    thumb_url: Option<Template<Plain>>,
    /// A line below it.
    footer: Option<Template<Plain>>,
    /// A picture before the footer.
    footer_icon: Option<Template<Plain>>,
    /// A picture below the text.
    image_url: Option<Template<Plain>>,
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
    short: Option<bool>,
}

/// How urgent a post is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Priority {
    /// A template of the word: `urgent`, `important` or `standard`, which all others count as.
    priority: Template<Plain>,
    /// Asks readers of what is important or urgent to acknowledge it.
    #[serde(default)]
    requested_ack: bool,
    /// Reminds those who are mentioned in what is urgent.
    #[serde(default)]
    persistent_notifications: bool,
}

impl Destination for Mattermost {
    const FACTS: Facts = Facts {
        kind: "mattermost",
        title: "Mattermost",
        about: "Posts to a Mattermost channel through an incoming webhook.",
        docs: "https://developers.mattermost.com/integrate/webhooks/incoming/",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::check_url("url", settings.url.expose())?;
        match &settings.attachments {
            Some(_) if settings.title.is_some() => {
                Err("title: has no meaning beside `attachments`, which have titles of their own".to_owned())
            }
            Some(all) if all.len() > MAX_ATTACHMENTS => {
                Err(format!("attachments: more than {MAX_ATTACHMENTS}"))
            }
            _ => Ok(()),
        }
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let meaning = |result| ANSWERS.answer(result, context.now);
        let post = Post::of(settings, message);
        let place = service::Place { url: settings.url.expose(), http: &settings.http, headers: Vec::new() };
        service::post(context, message, place, post, meaning).await
    }
}

/// What is posted. Texts that are empty are left out.
#[derive(Serialize)]
struct Post {
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "String::is_empty")]
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    props: Option<Props>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<PostPriority>,
}

#[derive(Default, Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    fallback: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    author_icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer_icon: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
}

#[derive(Serialize)]
struct Field {
    title: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    short: Option<bool>,
}

#[derive(Serialize)]
struct Props {
    card: String,
}

#[derive(Serialize)]
struct PostPriority {
    priority: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    requested_ack: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    persistent_notifications: bool,
}

impl Post {
    fn of(settings: &Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let line = |field: &str, template: &Option<Template<Plain>>| {
            words.text(field, template.as_ref(), MAX_LINE_CHARS, String::new)
        };
        let (text, attachments) = match &settings.attachments {
            None => (String::new(), vec![Attachment::own(settings, message, &words)]),
            Some(all) => {
                let each = all.iter().enumerate().map(|(n, one)| one.written(n, message, &words));
                let text = words.text("text", settings.text.as_ref(), MAX_TEXT_CHARS, String::new);
                (text, each.collect())
            }
        };
        let card = words.text("card", settings.card.as_ref(), MAX_TEXT_CHARS, String::new);
        Post {
            text,
            channel: line("channel", &settings.channel),
            username: line("username", &settings.username),
            icon_url: line("icon_url", &settings.icon_url),
            icon_emoji: line("icon_emoji", &settings.icon_emoji),
            attachments,
            r#type: line("type", &settings.r#type),
            props: (!card.is_empty()).then_some(Props { card }),
            priority: settings.priority.as_ref().and_then(|it| it.written(&words)),
        }
    }
}

impl Attachment {
    /// The message in our own words.
    fn own(settings: &Settings, message: &Message, words: &Words<'_>) -> Self {
        let field = |(name, value): &(String, String)| Field {
            title: cut(name, MAX_LINE_CHARS),
            value: escape_markdown(&cut(value, MAX_LINE_CHARS)),
            short: Some(value.chars().count() <= SHORT_FIELD_CHARS),
        };
        let text = || {
            let links = markdown_links(message);
            let gap = if links.is_empty() { "" } else { "\n\n" };
            let room = MAX_TEXT_CHARS.saturating_sub(links.chars().count() + gap.len());
            format!("{}{gap}{links}", cut(&escape_markdown(&message.body), room))
        };
        Attachment {
            fallback: cut(&message.title, MAX_LINE_CHARS),
            color: colour(message).to_owned(),
            // with a link it is shown as it is
            title: words.text("title", settings.title.as_ref(), MAX_LINE_CHARS, || message.title.clone()),
            title_link: usable_url(&message.link).unwrap_or_default().to_owned(),
            text: words.text("text", settings.text.as_ref(), MAX_TEXT_CHARS, text),
            fields: message.facts.iter().take(MAX_FIELDS).map(field).collect(),
            footer: "Nightbell".to_owned(),
            ..Attachment::default()
        }
    }
}

impl AttachmentSettings {
    fn written(&self, n: usize, message: &Message, words: &Words<'_>) -> Attachment {
        let text = |field: &str, template: &Option<Template<Plain>>, most: usize| {
            words.text(&format!("attachments[{n}].{field}"), template.as_ref(), most, String::new)
        };
        let line = |field: &str, template: &Option<Template<Plain>>| text(field, template, MAX_LINE_CHARS);
        let color = line("color", &self.color);
        let field = |(m, field): (usize, &FieldSettings)| {
            let at = |name: &str| format!("attachments[{n}].fields[{m}].{name}");
            let text =
                |name: &str, template| words.text(&at(name), Some(template), MAX_TEXT_CHARS, String::new);
            let (title, value) = (text("title", &field.title), text("value", &field.value));
            Field { title, value, short: field.short }
        };
        Attachment {
            fallback: line("fallback", &self.fallback),
            color: if self.color.is_none() { colour(message).to_owned() } else { color },
            pretext: text("pretext", &self.pretext, MAX_TEXT_CHARS),
            text: text("text", &self.text, MAX_TEXT_CHARS),
            author_name: line("author_name", &self.author_name),
            author_link: line("author_link", &self.author_link),
            author_icon: line("author_icon", &self.author_icon),
            title: line("title", &self.title),
            title_link: line("title_link", &self.title_link),
            fields: self.fields.iter().enumerate().map(field).collect(),
            thumb_url: line("thumb_url", &self.thumb_url),
            footer: line("footer", &self.footer),
            footer_icon: line("footer_icon", &self.footer_icon),
            image_url: line("image_url", &self.image_url),
        }
    }
}

impl Priority {
    /// Mattermost refuses a post that asks for more than goes with its priority, so that is left out.
    fn written(&self, words: &Words<'_>) -> Option<PostPriority> {
        let word = words.text("priority.priority", Some(&self.priority), MAX_LINE_CHARS, String::new);
        let priority = match word.trim().to_lowercase().as_str() {
            "" => return None,
            "urgent" => "urgent",
            "important" => "important",
            _ => "standard",
        };
        Some(PostPriority {
            priority,
            requested_ack: self.requested_ack && priority != "standard",
            persistent_notifications: self.persistent_notifications && priority == "urgent",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn settings(fields: Value) -> Settings {
        let mut all = json!({"url": "https://x"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn posted(fields: Value) -> Value {
        serde_json::to_value(Post::of(&settings(fields), &messages::firing())).unwrap()
    }

    #[test]
    fn a_priority_asks_only_for_what_goes_with_it() {
        for (word, expected) in [
            (
                "URGENT",
                json!({"priority": "urgent", "requested_ack": true, "persistent_notifications": true}),
            ),
            ("important", json!({"priority": "important", "requested_ack": true})),
            ("{{ severity }}", json!({"priority": "standard"})),
            ("{{ labels.none }}", Value::Null),
        ] {
            let all = json!({"priority": word, "requested_ack": true, "persistent_notifications": true});
            assert_eq!(posted(json!({"priority": all}))["priority"], expected, "{word}");
        }
    }

    #[test]
    fn own_attachments_show_only_what_they_say() {
        let post = posted(json!({"text": "above {{ kind }}", "card": "more",
            "attachments": [{"text": "{{ labels.team }}", "fields": [{"title": "t", "value": "{{ status }}"}]}]}));
        let expected = json!({"text": "above firing", "props": {"card": "more"}, "attachments": [
            {"text": "db", "color": "#c62828", "fields": [{"title": "t", "value": "firing"}]}]});
        assert_eq!(post, expected);
        let error = Mattermost::check(&settings(json!({"title": "x", "attachments": []}))).unwrap_err();
        assert!(error.starts_with("title: has no meaning"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            let own = json!({"title": "{{ title }}", "text": "{{ body }}{{ body }}"});
            for settings in [settings(json!({})), settings(own)] {
                let post = Post::of(&settings, &message);
                let [attachment] = &post.attachments[..] else { panic!() };
                prop_assert!(attachment.fields.len() <= MAX_FIELDS);
                prop_assert!(attachment.text.chars().count() <= MAX_TEXT_CHARS);
            }
        }
    }
}
