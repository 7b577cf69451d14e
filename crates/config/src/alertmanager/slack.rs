//! `slack_configs`.

use super::global::Global;
use super::http::Http;
use super::reader::{Fields, Keys, Reader};
use super::servers::{POST_MESSAGE, Post};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "api_url",
        "api_url_file",
        "app_token",
        "app_token_file",
        "app_url",
        "channel",
        "username",
        "icon_emoji",
        "icon_url",
        "color",
        "title",
        "title_link",
        "pretext",
        "text",
        "footer",
        "fallback",
        "callback_id",
        "fields",
        "actions",
        "short_fields",
        "link_names",
        "mrkdwn_in",
        "image_url",
        "thumb_url",
        "timeout",
    ],
    refused: &[
        ("update_message", "messages are not changed after they are sent"),
        ("message_text", "messages have a title and a text"),
    ],
};
/// Texts that we write ourselves, so that they may only be Alertmanager's own templates.
const OURS: [&str; 6] = ["color", "title_link", "pretext", "footer", "fallback", "callback_id"];

impl Reader<'_> {
    /// A destination of the kind `slack`.
    pub(super) fn slack(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, false);
        let mut http = self.http(fields.get("http_config"), path, &global.http);
        let post = self.post(&fields, &yaml.origin, path, global, &mut http);
        http.put(&mut place);
        for (key, node) in [("url", post.url), ("token", post.token), ("api_url", post.api_url)] {
            node.into_iter().for_each(|node| place.set(key, node));
        }
        for key in ["channel", "username", "icon_emoji", "icon_url"] {
            if !self.is_default(&fields, key) {
                let text = self.static_text(fields.get(key), &path.key(key));
                text.into_iter().for_each(|text| place.set(key, text));
            }
        }
        for key in ["title", "text"] {
            let Some(yaml) = fields.get(key).filter(|_| !self.is_default(&fields, key)) else { continue };
            self.words(yaml, &path.key(key)).into_iter().for_each(|text| place.set(key, text));
        }
        for key in OURS {
            self.default_text(fields.get(key), &path.key(key), &default_of(key));
        }
        for key in ["fields", "actions", "mrkdwn_in", "image_url", "thumb_url"] {
            self.only_empty(fields.get(key), &path.key(key), "Nightbell lays its messages out itself");
        }
        let short = fields.get("short_fields").and_then(|it| self.bool(it, &path.key("short_fields")));
        if let Some(node) = short.filter(|node| matches!(node.value, Tree::Bool(true))) {
            let message = "not understood yet: Nightbell lays its messages out itself";
            self.error(&node.origin, &path.key("short_fields"), message);
        }
        let link = fields.get("link_names").and_then(|it| self.bool(it, &path.key("link_names")));
        link.into_iter().for_each(|link| place.set("link_names", link));
        let timeout = fields.get("timeout").and_then(|it| self.go_duration(it, &path.key("timeout")));
        timeout.into_iter().for_each(|timeout| place.set("timeout", timeout));
        Some(place)
    }

    fn is_default(&mut self, fields: &Fields<'_>, key: &str) -> bool {
        let text = fields.get(key).and_then(|yaml| self.text(yaml, &Path::of(&[key])));
        text.is_some_and(|text| text.trim() == default_of(key))
    }

    /// What is written here or globally, by Alertmanager's precedence (`config/config.go`).
    fn post(
        &mut self,
        fields: &Fields<'_>,
        origin: &Origin,
        path: &Path,
        global: &Global,
        http: &mut Http,
    ) -> Post {
        let own = self.slack_post(fields, path, ["api_url", "app_token", "app_url"]);
        if let (Some(url), Some(_)) = (&own.url, &own.token) {
            let message = "at most one of api_url/api_url_file & app_token/app_token_file must be configured";
            self.error(&url.origin, path, message);
        }
        let authorizes_itself = fields.get("http_config").is_some() && http.authorization().is_some();
        let token = match own.url.is_none() && !authorizes_itself {
            true => own.token.or_else(|| global.slack.token.clone()),
            false => own.token,
        };
        let api_url = own.api_url.or_else(|| global.slack.api_url.clone());
        if token.is_some() {
            if let Some(origin) = http.authorization() {
                let message = "http authorization can't be set when using Slack App tokens";
                self.error(origin, &path.key("http_config"), message);
            }
            return Post { url: None, token, api_url };
        }
        let Some(url) = own.url.or_else(|| global.slack.url.clone()) else {
            // a template was refused already
            if fields.get("api_url").is_none() {
                self.error(origin, path, "no Slack API URL nor App token set either inline or in a file");
            }
            return Post::default();
        };
        // how bots posted before there was app_token
        let api = url.as_text().and_then(|text| text.strip_suffix(POST_MESSAGE)).map(str::to_owned);
        if let (Some(api), Some(token)) = (api, http.take_bearer_token()) {
            return Post { url: None, token: Some(token), api_url: Some(Node::text(&url.origin, api)) };
        }
        Post { url: Some(url), token: None, api_url: None }
    }
}

/// Alertmanager's own template for a text: `{{ template "slack.default.title" . }}`.
fn default_of(key: &str) -> String {
    format!("{{{{ template \"slack.default.{}\" . }}}}", key.replace('_', ""))
}
