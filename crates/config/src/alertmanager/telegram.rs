//! `telegram_configs`.

use super::global::Global;
use super::reader::{Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "api_url",
        "bot_token",
        "bot_token_file",
        "chat_id",
        "chat_id_file",
        "message_thread_id",
        "message",
        "disable_notifications",
        "parse_mode",
    ],
    refused: &[],
};

impl Reader<'_> {
    /// A destination of the kind `telegram`.
    pub(super) fn telegram(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let at = |key: &str| path.key(key);
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        let token = self.secret(&fields, path, ("bot_token", "bot_token_file"));
        match token.or_else(|| global.service("telegram_bot_token").cloned()) {
            Some(token) => place.set("token", token),
            None => {
                self.error(&yaml.origin, path, "missing bot_token or bot_token_file on telegram_config");
            }
        }
        let zero = |node: &Node| node.as_text() == Some("0");
        match self.secret(&fields, path, ("chat_id", "chat_id_file")).filter(|chat| !zero(chat)) {
            Some(chat) => {
                if chat.as_text().is_some_and(|text| text.parse::<i64>().is_err()) {
                    self.error(&chat.origin, &at("chat_id"), "must be a whole number");
                }
                place.set("chat_id", chat);
            }
            None => self.error(&yaml.origin, path, "missing chat_id or chat_id_file on telegram_config"),
        }
        let url = self.filled(fields.get("api_url"), &at("api_url"));
        let url = url.or_else(|| global.service("telegram_api_url").cloned());
        url.into_iter().for_each(|url| place.set("api_url", url));
        let thread = fields.get("message_thread_id").and_then(|it| self.count(it, &at("message_thread_id")));
        thread.into_iter().for_each(|thread| place.set("message_thread_id", thread));
        let mute = fields.get("disable_notifications");
        let mute = mute.and_then(|it| self.bool(it, &at("disable_notifications")));
        mute.into_iter().for_each(|mute| place.set("disable_notifications", mute));
        let message = r#"{{ template "telegram.default.message" . }}"#;
        self.templates(&mut place, &fields, path, &[("message", "message", message)]);
        if let Some(mode) = fields.get("parse_mode") {
            let word = self.text(mode, &at("parse_mode")).unwrap_or_default();
            if !matches!(word, "" | "Markdown" | "MarkdownV2" | "HTML") {
                let message = "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty \
                               string";
                self.error(&mode.origin, &at("parse_mode"), message);
            }
            place.set("parse_mode", Node::text(&mode.origin, word));
        }
        Some(place)
    }
}
