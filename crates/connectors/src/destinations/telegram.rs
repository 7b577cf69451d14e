//! Telegram: a bot's message to a chat.

use std::fmt;

use model::Time;
use model::delivery::Outcome;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sdk::http::{HttpError, HttpSettings, Response};
use sdk::message::ACKNOWLEDGE;
use sdk::secret::{REDACTED, SCHEMA_MARK};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::service::{self, Dialect, Place};
use crate::template::cut;
use crate::texts::TextOrHtml;
use crate::words::{Words, links};

/// Characters of a message (<https://core.telegram.org/bots/api#sendmessage>).
const MAX_TEXT_CHARS: usize = 4096;
/// Characters of our own title and body before they are escaped; what is escaped counts as one.
const MAX_TITLE_CHARS: usize = 300;
const MAX_BODY_CHARS: usize = 3000;
/// Characters of the words of a link.
const MAX_LINK_CHARS: usize = 100;

const ANSWERS: Dialect = Dialect { reasons: &["/description"], receipt: "/result/message_id" };

/// The kind `telegram`.
pub struct Telegram;

/// As which bot, to which chat.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"token": "123456:the-token", "chat_id": "-1001234567890"}))]
#[schemars(example = serde_json::json!({
    "token": "123456:the-token",
    "chat_id": "@alerts",
    "message": "<b>{{ title }}</b>\n{{ body }}",
    "disable_notifications": true,
}))]
pub struct Settings {
    /// The bot's token, as `@BotFather` gives it.
    token: Secret,
    /// The chat: its number, which is below zero for groups, or a public channel's `@name`. Counts as secret,
    /// so that it may be in a file.
    chat_id: ChatId,
    /// The topic in a group that has topics.
    #[serde(default)]
    message_thread_id: i64,
    /// Where the Bot API is: for proxies and servers of one's own.
    #[serde(default = "telegram_api")]
    api_url: String,
    /// A template of the text, in place of our own.
    message: Option<TextOrHtml>,
    /// How `message` is written; values in it are escaped for HTML only.
    #[serde(default)]
    parse_mode: ParseMode,
    /// Whether the message comes without a sound.
    #[serde(default)]
    disable_notifications: bool,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

/// A chat: a number or a name.
struct ChatId(Secret);

/// How a text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum ParseMode {
    /// With tags such as `<b>`.
    #[default]
    #[serde(rename = "HTML")]
    Html,
    /// With signs such as `*`, the old way.
    Markdown,
    /// With signs such as `*`, the new way.
    MarkdownV2,
    /// As it is.
    #[serde(rename = "")]
    Plain,
}

fn telegram_api() -> String {
    "https://api.telegram.org".to_owned()
}

impl ChatId {
    fn is_one(text: &str) -> bool {
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        text.parse::<i64>().is_ok_and(|number| number != 0)
            || text.strip_prefix('@').is_some_and(|name| !name.is_empty() && is_name(name))
    }
}

impl fmt::Debug for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for ChatId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return Err(serde::de::Error::custom("must be a number or a channel's @name")),
        };
        Ok(ChatId(Secret::new(text)))
    }
}

impl JsonSchema for ChatId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ChatId".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], (SCHEMA_MARK): true })
    }
}

impl Destination for Telegram {
    const FACTS: Facts = Facts {
        kind: "telegram",
        title: "Telegram",
        about: "Sends a message to a Telegram chat as a bot, which must be a member of the chat.",
        docs: "https://core.telegram.org/bots/api#sendmessage",
        deduplicates: false,
    };
    type Settings = Settings;
    const ADDRESS: &'static [&'static str] = &["chat_id", "message_thread_id", "disable_notifications"];

    fn address(settings: &mut Value) -> Result<Option<String>, String> {
        let chat = serde_json::from_value::<ChatId>(settings["chat_id"].clone());
        let chat = chat.map_err(|error| format!("chat_id: {error}"))?;
        Ok(Some(chat.0.expose().to_owned()))
    }

    fn is_account(address: &str) -> bool {
        // groups have numbers below zero, channels names
        address.starts_with(|c: char| c.is_ascii_digit())
    }

    fn check(settings: &Settings) -> Result<(), String> {
        let token = settings.token.expose();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-');
        if token.is_empty() || !token.bytes().all(fits) {
            return Err("token: is no token of a bot, such as 123456:AbC-dEf_G".to_owned());
        }
        if !ChatId::is_one(settings.chat_id.0.expose()) {
            return Err("chat_id: must be a number or a channel's @name".to_owned());
        }
        service::check_url("api_url", &settings.api_url)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let api = settings.api_url.trim_end_matches('/');
        let url = format!("{api}/bot{}/sendMessage", settings.token.expose());
        let post = Post::of(settings, message);
        let meaning = |result| meaning(result, context.now);
        let place = Place { url: &url, http: &settings.http, headers: Vec::new() };
        service::post(context, message, place, post, meaning).await
    }
}

/// What is posted.
#[derive(Serialize)]
struct Post<'a> {
    chat_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<i64>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parse_mode: Option<ParseMode>,
    disable_web_page_preview: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_notification: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<Keyboard>,
}

/// Buttons below a message: rows of them.
#[derive(Serialize)]
struct Keyboard {
    inline_keyboard: [[Button; 2]; 1],
}

/// A button that Telegram tells whoever listens of.
#[derive(Serialize)]
struct Button {
    text: &'static str,
    /// 64 bytes at the most (<https://core.telegram.org/bots/api#inlinekeyboardbutton>).
    callback_data: String,
}

/// What the words of the buttons begin with; the token follows.
pub(crate) const ACK: &str = "ack:";
pub(crate) const RESOLVE: &str = "end:";

/// The buttons of a message that can be answered by some of this bot's.
fn keyboard(settings: &Settings, message: &Message) -> Option<Keyboard> {
    let answers = message.answers.as_ref().filter(|it| it.telegram.as_ref() == Some(&settings.token))?;
    let button = |text, word| Button { text, callback_data: format!("{word}{}", answers.token.expose()) };
    Some(Keyboard { inline_keyboard: [[button(ACKNOWLEDGE, ACK), button("Resolve", RESOLVE)]] })
}

impl<'a> Post<'a> {
    fn of(settings: &'a Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let mode = settings.parse_mode;
        let as_html = mode == ParseMode::Html;
        let given = settings.message.as_ref().and_then(|template| template.say("message", as_html, &words));
        let (text, mode) = match given {
            // what is too long cannot be cut between tags, so that our own words must do
            Some(text) if as_html && text.chars().count() > MAX_TEXT_CHARS => (own(message), ParseMode::Html),
            Some(text) => (cut(&text, MAX_TEXT_CHARS), mode),
            None => (own(message), ParseMode::Html),
        };
        Post {
            chat_id: settings.chat_id.0.expose(),
            message_thread_id: (settings.message_thread_id != 0).then_some(settings.message_thread_id),
            text,
            parse_mode: (mode != ParseMode::Plain).then_some(mode),
            disable_web_page_preview: true,
            disable_notification: settings.disable_notifications,
            reply_markup: keyboard(settings, message),
        }
    }
}

/// Our own words, in HTML.
fn own(message: &Message) -> String {
    let link = |(title, url): (&str, &str)| {
        format!("<a href=\"{}\">{}</a>", escape(url), escape(&cut(title, MAX_LINK_CHARS)))
    };
    let links: Vec<String> = links(message).map(link).collect();
    let title = format!("<b>{}</b>", escape(&cut(&message.title, MAX_TITLE_CHARS)));
    let parts = [title, escape(&cut(&message.body, MAX_BODY_CHARS)), links.join(" · ")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("\n\n")
}

/// Telegram wants these four escaped.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Telegram says in the body how long to wait, and where a group has gone
/// (<https://core.telegram.org/bots/api#responseparameters>).
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let wait = service::wait_of(&result, "/parameters/retry_after");
    let body = result.as_ref().ok().and_then(|it| serde_json::from_slice::<Value>(&it.body).ok());
    let mut answer = service::waiting(ANSWERS.answer(result, now), wait);
    let field = |pointer: &str| body.as_ref()?.pointer(pointer).cloned();
    if let Outcome::Rejected { reason } = &mut answer.outcome
        && let Some(chat) = field("/parameters/migrate_to_chat_id").and_then(|chat| chat.as_i64())
    {
        reason.push_str(&format!("; the group's chat_id is {chat} now"));
    }
    if matches!(answer.outcome, Outcome::Delivered { .. }) && field("/ok") == Some(Value::Bool(false)) {
        let said = field("/description").and_then(|text| Some(text.as_str()?.to_owned())).unwrap_or_default();
        answer.outcome = Outcome::rejected(format!("Telegram says: {}", cut(&said, MAX_LINK_CHARS)));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use model::delivery::Fault;
    use proptest::prelude::*;
    use serde_json::json;
    use std::time::Duration;

    fn settings(fields: Value) -> Settings {
        let mut all = json!({"token": "1:x", "chat_id": -5});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn said(status: u16, body: &str) -> Outcome {
        let body = Bytes::copy_from_slice(body.as_bytes());
        meaning(Ok(Response { status, headers: Vec::new(), body }), Time::default()).outcome
    }

    #[test]
    fn answers_are_understood() {
        let yes = r#"{"ok":true,"result":{"message_id":4711}}"#;
        assert_eq!(said(200, yes), Outcome::Delivered { receipt: "4711".to_owned() });
        let slow = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 14",
            "parameters":{"retry_after":14}}"#;
        let wait = Some(Duration::from_secs(14));
        assert!(matches!(said(429, slow), Outcome::Retry { fault: Fault::Pace, after, .. } if after == wait));
        let gone = r#"{"ok":false,"description":"Bad Request: group chat was upgraded to a supergroup chat",
            "parameters":{"migrate_to_chat_id":-100777}}"#;
        let Outcome::Rejected { reason } = said(400, gone) else { panic!() };
        assert!(reason.contains("upgraded") && reason.ends_with("; the group's chat_id is -100777 now"));
        assert_eq!(
            said(200, r#"{"ok":false,"description":"chat not found"}"#),
            Outcome::rejected("Telegram says: chat not found")
        );
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let refusal = |fields| Telegram::check(&settings(fields)).unwrap_err();
        for chat in [json!("ops"), json!(0), json!("@"), json!("@a/b"), json!(1.5)] {
            assert!(refusal(json!({ "chat_id": chat })).starts_with("chat_id: must be"), "{chat}");
        }
        assert!(refusal(json!({"token": "1:x/../getUpdates"})).starts_with("token: is no token"));
        assert!(Telegram::check(&settings(json!({"chat_id": "@alerts_db"}))).is_ok());
    }

    #[test]
    fn buttons_are_those_of_the_bot_that_is_heard() {
        let answered = |bot: &str| {
            let telegram = Some(Secret::new(bot));
            let (page, mail_to) = (String::new(), String::new());
            let token = Secret::new("t".repeat(32));
            let answers = sdk::message::Answers { token, page, mail_to, slack: false, telegram };
            let message = messages::firing().answered_by(answers);
            serde_json::to_value(Post::of(&settings(json!({})), &message)).unwrap()["reply_markup"].clone()
        };
        assert!(answered("2:y").is_null());
        let words = &answered("1:x")["inline_keyboard"][0][0]["callback_data"];
        assert!(words.as_str().unwrap().starts_with(ACK) && words.as_str().unwrap().len() <= 64, "{words}");
    }

    #[test]
    fn a_text_is_escaped_in_html_only_and_one_that_is_too_long_gives_way() {
        let message = messages::firing();
        let post = |fields| Post::of(Box::leak(Box::new(settings(fields))), &message);
        let html = post(json!({"message": "<i>{{ labels.note }}</i>"}));
        assert!(html.text.starts_with("<i>&lt;b&gt;") && html.parse_mode == Some(ParseMode::Html));
        let plain = post(json!({"message": "{{ labels.note }}", "parse_mode": ""}));
        assert!(plain.text.starts_with("<b>") && plain.parse_mode.is_none());
        let long = format!("<i>{}</i>", "x".repeat(MAX_TEXT_CHARS));
        assert_eq!(post(json!({ "message": long })).text, own(&message));
        let long = post(json!({ "message": long, "parse_mode": "Markdown" }));
        assert!(long.text.ends_with('…') && long.text.chars().count() == MAX_TEXT_CHARS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn our_own_words_are_within_the_limit(message in messages::arbitrary()) {
            let text = own(&message);
            let shown = text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            let urls: usize = links(&message).map(|(_, url)| url.chars().count() + "<a href=\"\"></a>".len()).sum();
            prop_assert!(shown.chars().count() - urls.min(shown.chars().count()) <= MAX_TEXT_CHARS);
        }
    }
}
