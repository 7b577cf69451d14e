//! Webex: messages by a bot.

use schemars::JsonSchema;
use sdk::http::HttpSettings;
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};

use crate::service::{self, Dialect};
use crate::template::{Plain, Template};
use crate::words::{Words, cut_bytes, escape_markdown, markdown_link, markdown_links};

/// Bytes of a message: Webex's own limit.
const MAX_MESSAGE_BYTES: usize = 7439;
/// Characters of a room's id; they have about 80.
const MAX_ROOM_CHARS: usize = 500;

const ANSWERS: Dialect = Dialect { reasons: &["/message"], receipt: "/id" };

/// The kind `webex`.
pub struct Webex;

/// As whom, and into which room.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"token": "the-bots-token", "room_id": "Y2lzY29zcGFyazovL3VzL1JPT00v"}))]
pub struct Settings {
    /// The bot's access token, if it is not under `http`. The bot must be a member of the room.
    token: Option<Secret>,
    /// A template of the room's id.
    room_id: Template<Plain>,
    /// Where messages are posted.
    #[serde(default = "webex_api")]
    api_url: String,
    /// A template of the message in Webex's Markdown, in place of the built-in one.
    message: Option<Template<Plain>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

fn webex_api() -> String {
    "https://webexapis.com/v1/messages".to_owned()
}

#[derive(Serialize)]
struct Post {
    markdown: String,
    #[serde(rename = "roomId", skip_serializing_if = "String::is_empty")]
    room_id: String,
}

impl Destination for Webex {
    const FACTS: Facts = Facts {
        kind: "webex",
        title: "Webex",
        about: "Posts to a Webex room as a bot.",
        docs: "https://developer.webex.com/docs/api/v1/messages/create-a-message",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::need_credentials(settings.token.as_ref(), &settings.http)?;
        service::check_url("api_url", &settings.api_url)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let headers = settings.token.iter().map(service::bearer).collect();
        let place = service::Place { url: &settings.api_url, http: &settings.http, headers };
        let meaning = |result| ANSWERS.answer(result, context.now);
        service::post(context, message, place, Post::of(settings, message), meaning).await
    }
}

impl Post {
    fn of(settings: &Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let markdown = match words.say("message", settings.message.as_ref()) {
            Some(text) => cut_bytes(&text, MAX_MESSAGE_BYTES),
            None => markdown(message),
        };
        let room_id = words.text("room_id", Some(&settings.room_id), MAX_ROOM_CHARS, String::new);
        Post { markdown, room_id }
    }
}

/// Title, text and links. Where there is too much of it, the text is cut.
fn markdown(message: &Message) -> String {
    let title = format!("**{}**", markdown_link(&message.title, &message.link));
    // two blanks at its end make a line a line
    let body = escape_markdown(&message.body).replace('\n', "  \n");
    let links = markdown_links(message);
    let room = MAX_MESSAGE_BYTES.saturating_sub(title.len() + links.len() + "\n\n\n\n".len());
    let parts = [title, cut_bytes(&body, room), links];
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    cut_bytes(&parts.join("\n\n"), MAX_MESSAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_token_must_fit_into_a_header_and_a_url_must_be_one() {
        let refusal = |fields| Webex::check(&serde_json::from_value(fields).unwrap()).unwrap_err();
        let bad = json!({"token": "a\nb", "room_id": "x"});
        assert_eq!(refusal(json!({"room_id": "x"})), "token: is needed, or credentials under `http`");
        let twice = json!({"token": "a", "http": {"token": "b"}, "room_id": "x"});
        assert_eq!(refusal(twice), "http: carries credentials, which have no meaning beside `token`");
        assert_eq!(refusal(bad), "token: cannot stand in a header");
        assert!(
            refusal(json!({"token": "a", "room_id": "x", "api_url": "x"})).starts_with("api_url: not a URL")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_post_within_the_limits(message in messages::arbitrary()) {
            for message_template in [None, Some("{{ body }}{{ body }}")] {
                let settings = json!({"token": "x", "room_id": "y", "message": message_template});
                let post = Post::of(&serde_json::from_value(settings).unwrap(), &message);
                prop_assert!(post.markdown.len() <= MAX_MESSAGE_BYTES);
            }
        }
    }
}
