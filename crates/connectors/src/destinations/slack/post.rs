//! What is posted: one attachment, in our own words or those of the settings.

use std::borrow::Cow;

use model::Severity;
use sdk::message::ACKNOWLEDGE;
use sdk::{Message, MessageKind};
use serde::Serialize;

use super::{ActionSettings, ConfirmSettings, FieldSettings, Settings};
use crate::template::{self, Language, Plain, Template, cut, escape_slack};
use crate::words::{Words, links, usable_url};

/// Characters of a title, as Alertmanager has it.
const MAX_TITLE_CHARS: usize = 1024;
/// Characters of a text: what is longer Slack cuts itself
/// (<https://api.slack.com/changelog/2018-04-truncating-really-long-messages>).
const MAX_TEXT_CHARS: usize = 40_000;
/// Characters of a field's value in our own words.
const MAX_FIELD_CHARS: usize = 500;
/// Characters of everything else.
const MAX_LINE_CHARS: usize = 3000;
/// Values up to this long stand side by side.
const SHORT_FIELD_CHARS: usize = 40;
/// Fields of an attachment in our own words.
const MAX_FIELDS: usize = 20;

/// What is posted. Texts that are empty are left out.
#[derive(Serialize)]
pub(super) struct Post {
    #[serde(skip_serializing_if = "String::is_empty")]
    channel: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: Vec<Part>,
}

/// What stands below the text: our words, and buttons that are heard.
#[derive(Serialize)]
#[serde(untagged)]
enum Part {
    Words(Box<Attachment>),
    Buttons { fallback: &'static str, blocks: [Blocks; 1] },
}

#[derive(Serialize)]
struct Blocks {
    r#type: &'static str,
    elements: [Button; 2],
}

/// A button that Slack tells whoever listens of.
#[derive(Serialize)]
struct Button {
    r#type: &'static str,
    action_id: &'static str,
    text: PlainText,
    value: String,
}

#[derive(Serialize)]
struct PlainText {
    r#type: &'static str,
    text: &'static str,
}

/// The buttons' names, by which they are known when they are pressed.
pub(crate) const ACK: &str = "nightbell_ack";
pub(crate) const RESOLVE: &str = "nightbell_resolve";

#[derive(Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    color: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    fallback: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    callback_id: String,
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mrkdwn_in: Vec<String>,
}

#[derive(Serialize)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

#[derive(Default, Serialize)]
struct Action {
    r#type: String,
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Confirm>,
}

#[derive(Serialize)]
struct Confirm {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ok_text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dismiss_text: String,
}

/// The words of the settings; nothing where they have none.
struct Texts<'a>(Words<'a>);

impl Texts<'_> {
    fn line<L: Language>(&self, field: &str, template: Option<&Template<L>>) -> String {
        self.0.text(field, template, MAX_LINE_CHARS, String::new)
    }

    /// A text in Slack's markup, or our own words, which are not escaped yet.
    fn markup(
        &self,
        field: &str,
        template: Option<&Template<template::Slack>>,
        most: usize,
        own: &str,
    ) -> String {
        match self.0.say(field, template) {
            Some(text) => cut_markup(&text, most).into_owned(),
            None => escaped(own, most),
        }
    }
}

impl Post {
    pub(super) fn of(settings: &Settings, message: &Message) -> Self {
        let texts = Texts(Words::of(message));
        let markup = |field: &str, template: &Option<Template<template::Slack>>, most, own: &str| {
            texts.markup(field, template.as_ref(), most, own)
        };
        let line = |field: &str, template: &Option<Template<Plain>>| texts.line(field, template.as_ref());
        let or = |field: &str, template: &Option<Template<Plain>>, own: &str| {
            texts.0.text(field, template.as_ref(), MAX_LINE_CHARS, || own.to_owned())
        };
        let title = markup("title", &settings.title, MAX_TITLE_CHARS, &message.title);
        let fallback = match texts.0.say("fallback", settings.fallback.as_ref()) {
            None => title.clone(),
            Some(text) => cut_markup(&text, MAX_TEXT_CHARS).into_owned(),
        };
        let own_markup = || ["text", "fields"].map(str::to_owned).to_vec();
        let attachment = Attachment {
            color: or("color", &settings.color, colour(message)),
            pretext: markup("pretext", &settings.pretext, MAX_TEXT_CHARS, ""),
            fallback,
            callback_id: line("callback_id", &settings.callback_id),
            title,
            title_link: or("title_link", &settings.title_link, usable_url(&message.link).unwrap_or_default()),
            text: markup("text", &settings.text, MAX_TEXT_CHARS, &message.body),
            fields: fields(settings, message, &texts),
            actions: actions(settings, message, &texts),
            image_url: line("image_url", &settings.image_url),
            thumb_url: line("thumb_url", &settings.thumb_url),
            footer: markup("footer", &settings.footer, MAX_LINE_CHARS, "Nightbell"),
            ts: settings.footer.is_none().then(|| message.notification.at.as_seconds()),
            mrkdwn_in: settings.mrkdwn_in.clone().unwrap_or_else(own_markup),
        };
        Post {
            channel: line("channel", &settings.channel),
            username: line("username", &settings.username),
            icon_emoji: line("icon_emoji", &settings.icon_emoji),
            icon_url: line("icon_url", &settings.icon_url),
            link_names: settings.link_names,
            text: markup("message_text", &settings.message_text, MAX_TEXT_CHARS, ""),
            attachments: std::iter::once(Part::Words(Box::new(attachment))).chain(buttons(message)).collect(),
        }
    }
}

fn has_buttons(message: &Message) -> bool {
    message.answers.as_ref().is_some_and(|it| it.slack)
}

/// Whether an address is that of the page that does the same as our buttons.
fn is_page(message: &Message, url: &str) -> bool {
    message.answers.as_ref().is_some_and(|it| it.page == url)
}

/// The buttons of a message that can be answered by some.
fn buttons(message: &Message) -> Option<Part> {
    let answers = message.answers.as_ref().filter(|_| has_buttons(message))?;
    let button = |action_id, text| Button {
        r#type: "button",
        action_id,
        text: PlainText { r#type: "plain_text", text },
        value: answers.token.expose().to_owned(),
    };
    let elements = [button(ACK, ACKNOWLEDGE), button(RESOLVE, "Resolve")];
    Some(Part::Buttons { fallback: ACKNOWLEDGE, blocks: [Blocks { r#type: "actions", elements }] })
}

/// The colour of what a message says, as chats show it.
pub(in crate::destinations) fn colour(message: &Message) -> &'static str {
    match (message.kind, message.severity) {
        (MessageKind::Resolved, _) => "#2e7d32",
        (MessageKind::Acknowledged, _) => "#1565c0",
        (MessageKind::Test, _) => "#546e7a",
        (_, Severity::Critical | Severity::Error) => "#c62828",
        (_, Severity::Warning) => "#e09f1f",
        (_, Severity::Notice | Severity::Info) => "#0288d1",
    }
}

fn fields(settings: &Settings, message: &Message, texts: &Texts<'_>) -> Vec<Field> {
    let Some(given) = &settings.fields else {
        let own = |(name, value): &(String, String)| Field {
            title: escaped(name, MAX_FIELD_CHARS),
            value: escaped(value, MAX_FIELD_CHARS),
            short: value.chars().count() <= SHORT_FIELD_CHARS,
        };
        return message.facts.iter().take(MAX_FIELDS).map(own).collect();
    };
    let field = |(n, field): (usize, &FieldSettings)| {
        let text = |name: &str, template| {
            texts.markup(&format!("fields[{n}].{name}"), Some(template), MAX_TEXT_CHARS, "")
        };
        let short = field.short.unwrap_or(settings.short_fields);
        Field { title: text("title", &field.title), value: text("value", &field.value), short }
    };
    given.iter().enumerate().map(field).collect()
}

fn actions(settings: &Settings, message: &Message, texts: &Texts<'_>) -> Vec<Action> {
    let Some(given) = &settings.actions else {
        let own = |(title, url): (&str, &str)| Action {
            r#type: "button".to_owned(),
            text: escaped(title, MAX_FIELD_CHARS),
            url: url.to_owned(),
            ..Action::default()
        };
        let all = links(message).filter(|(_, url)| !has_buttons(message) || !is_page(message, url));
        return all.map(own).collect();
    };
    let action = |(n, action): (usize, &ActionSettings)| {
        let line = |name: &str, template: Option<&Template<Plain>>| {
            texts.line(&format!("actions[{n}].{name}"), template)
        };
        let confirm = |confirm: &ConfirmSettings| Confirm {
            text: line("confirm.text", Some(&confirm.text)),
            title: line("confirm.title", confirm.title.as_ref()),
            ok_text: line("confirm.ok_text", confirm.ok_text.as_ref()),
            dismiss_text: line("confirm.dismiss_text", confirm.dismiss_text.as_ref()),
        };
        Action {
            r#type: line("type", Some(&action.r#type)),
            text: line("text", Some(&action.text)),
            url: line("url", action.url.as_ref()),
            style: line("style", action.style.as_ref()),
            name: line("name", action.name.as_ref()),
            value: line("value", action.value.as_ref()),
            confirm: action.confirm.as_ref().map(confirm),
        }
    };
    given.iter().enumerate().map(action).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::json;

    fn settings(fields: serde_json::Value) -> Settings {
        let mut all = json!({"url": "https://x"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn words_of_one_s_own_take_the_place_of_ours() {
        let own = json!({
            "channel": "#{{ labels.team }}", "color": "danger", "pretext": "<{{ labels.note }}>", "footer": "",
            "fields": [{"title": "Team", "value": "{{ labels.team }}"}, {"title": "a", "value": "b", "short": false}],
            "short_fields": true, "mrkdwn_in": ["pretext"], "title_link": "", "message_text": "<!here>",
            "actions": [{"type": "button", "text": "Ack", "name": "ack", "value": "{{ group_key }}",
                "confirm": {"text": "Sure?"}}],
        });
        let post = serde_json::to_value(Post::of(&settings(own), &messages::firing())).unwrap();
        assert_eq!((&post["channel"], &post["text"]), (&json!("#db"), &json!("<!here>")));
        let attachment = &post["attachments"][0];
        assert_eq!(attachment["pretext"], "<&lt;b&gt;&amp;\"quoted\"&lt;/b&gt;>");
        for absent in ["footer", "ts", "title_link", "image_url"] {
            assert!(attachment.get(absent).is_none(), "{absent}");
        }
        let fields = json!([
            {"title": "Team", "value": "db", "short": true}, {"title": "a", "value": "b", "short": false},
        ]);
        assert_eq!(attachment["fields"], fields);
        let action = &attachment["actions"][0];
        assert_eq!((&action["name"], &action["confirm"]), (&json!("ack"), &json!({"text": "Sure?"})));
    }

    #[test]
    fn buttons_are_there_where_they_are_heard() {
        let mut message = messages::firing();
        assert!(!serde_json::to_string(&Post::of(&settings(json!({})), &message)).unwrap().contains(ACK));
        let token = sdk::Secret::new("the-token");
        let (page, mail_to) = (String::new(), String::new());
        message =
            message.answered_by(sdk::message::Answers { token, page, mail_to, slack: true, telegram: None });
        let post = serde_json::to_value(Post::of(&settings(json!({})), &message)).unwrap();
        let elements = &post["attachments"][1]["blocks"][0]["elements"];
        assert_eq!((&elements[0]["action_id"], &elements[1]["action_id"]), (&json!(ACK), &json!(RESOLVE)));
        assert_eq!(elements[0]["value"], "the-token");
    }

    #[test]
    fn long_texts_are_whole() {
        let long = "long ".repeat(7000);
        let own = json!({"text": long, "pretext": long, "message_text": long, "fallback": long,
            "fields": [{"title": "a", "value": long}]});
        let post = serde_json::to_value(Post::of(&settings(own), &messages::firing())).unwrap();
        let attachment = &post["attachments"][0];
        let value = &attachment["fields"][0]["value"];
        for text in
            [&post["text"], &attachment["text"], &attachment["pretext"], &attachment["fallback"], value]
        {
            assert_eq!(text, &json!(long));
        }
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
            let own = json!({"title": "{{ title }}", "text": "{{ body }}"});
            for settings in [settings(json!({})), settings(own)] {
                let post = Post::of(&settings, &message);
                let [Part::Words(attachment)] = post.attachments.as_slice() else { panic!("no words") };
                prop_assert!(attachment.fields.len() <= MAX_FIELDS && attachment.actions.len() <= 5);
                // an escaped character takes five at the most
                prop_assert!(attachment.text.chars().count() <= 5 * MAX_TEXT_CHARS);
                prop_assert!(!attachment.text.contains(['<', '>']) && !attachment.title.contains(['<', '>']));
                prop_assert!(serde_json::to_vec(&post).is_ok());
            }
        }
    }
}
