//! `slack_configs`.

use super::global::Global;
use super::http::Http;
use super::list;
use super::reader::{Fields, Keys, Reader};
use super::servers::{POST_MESSAGE, Post};
use crate::node::Node;
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
        "message_text",
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
    refused: &[("update_message", "messages are not changed after they are sent")],
};
const FIELD: Keys = Keys { known: &["title", "value", "short"], refused: &[] };
const ACTION: Keys =
    Keys { known: &["type", "text", "url", "style", "name", "value", "confirm"], refused: &[] };
const CONFIRM: Keys = Keys { known: &["text", "title", "ok_text", "dismiss_text"], refused: &[] };
/// All texts, with Alertmanager's own templates.
const TEXTS: [(&str, &str, &str); 11] = [
    ("username", "username", r#"{{ template "slack.default.username" . }}"#),
    ("icon_emoji", "icon_emoji", r#"{{ template "slack.default.iconemoji" . }}"#),
    ("icon_url", "icon_url", r#"{{ template "slack.default.iconurl" . }}"#),
    ("color", "color", r#"{{ template "slack.default.color" . }}"#),
    ("title", "title", r#"{{ template "slack.default.title" . }}"#),
    ("title_link", "title_link", r#"{{ template "slack.default.titlelink" . }}"#),
    ("pretext", "pretext", r#"{{ template "slack.default.pretext" . }}"#),
    ("text", "text", r#"{{ template "slack.default.text" . }}"#),
    ("fallback", "fallback", r#"{{ template "slack.default.fallback" . }}"#),
    ("callback_id", "callback_id", r#"{{ template "slack.default.callbackid" . }}"#),
    ("footer", "footer", r#"{{ template "slack.default.footer" . }}"#),
];
/// Which texts are markup unless others are named.
const MARKUP: [&str; 3] = ["fallback", "pretext", "text"];

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
        self.templates(&mut place, &fields, path, &TEXTS);
        let own = ["channel", "message_text", "image_url", "thumb_url"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &own);
        self.slack_layout(&mut place, &fields, path);
        let link = fields.get("link_names").and_then(|it| self.bool(it, &path.key("link_names")));
        link.into_iter().for_each(|link| place.set("link_names", link));
        let timeout = fields.get("timeout").and_then(|it| self.go_duration(it, &path.key("timeout")));
        timeout.into_iter().for_each(|timeout| place.set("timeout", timeout));
        Some(place)
    }

    /// Fields, buttons, and what is markup.
    fn slack_layout(&mut self, place: &mut Node, fields: &Fields<'_>, path: &Path) {
        let at = |key: &str| path.key(key);
        let none = || list(&Origin::Default, Vec::new());
        let listed = fields.get("fields").map(|list| self.slack_fields(list, &at("fields")));
        place.set("fields", listed.unwrap_or_else(none));
        let short = fields.get("short_fields").and_then(|it| self.bool(it, &at("short_fields")));
        short.into_iter().for_each(|short| place.set("short_fields", short));
        let buttons = fields.get("actions").map(|list| self.slack_actions(list, &at("actions")));
        place.set("actions", buttons.unwrap_or_else(none));
        let markup =
            fields.get("mrkdwn_in").map(|yaml| list(&yaml.origin, self.texts(yaml, &at("mrkdwn_in"))));
        let own = || list(&Origin::Default, MARKUP.map(|word| Node::text(&Origin::Default, word)).to_vec());
        place.set("mrkdwn_in", markup.filter(|markup| !markup.items().is_empty()).unwrap_or_else(own));
    }

    fn slack_fields(&mut self, yaml: &Yaml, path: &Path) -> Node {
        let mut all = Vec::new();
        for (n, item) in self.items(yaml, path).iter().enumerate() {
            let path = path.index(n);
            let Some(fields) = self.fields(item, &path, &FIELD) else { continue };
            let mut field = Node::table(&item.origin);
            self.own_templates(&mut field, &fields, &path, &["title", "value"].map(|key| (key, key)));
            for key in ["title", "value"] {
                let message = format!("missing {key} in Slack field configuration");
                self.must_be_filled(&fields, &path, (key, item), message);
            }
            let short = fields.get("short").and_then(|it| self.bool(it, &path.key("short")));
            short.into_iter().for_each(|short| field.set("short", short));
            all.push(field);
        }
        list(&yaml.origin, all)
    }

    fn slack_actions(&mut self, yaml: &Yaml, path: &Path) -> Node {
        let mut all = Vec::new();
        for (n, item) in self.items(yaml, path).iter().enumerate() {
            let path = path.index(n);
            let Some(fields) = self.fields(item, &path, &ACTION) else { continue };
            for key in ["type", "text"] {
                let message = format!("missing {key} in Slack action configuration");
                self.must_be_filled(&fields, &path, (key, item), message);
            }
            let mut action = Node::table(&item.origin);
            self.own_templates(&mut action, &fields, &path, &["type", "text", "style"].map(|key| (key, key)));
            // what leads somewhere is nothing that an app hears of
            if self.filled(fields.get("url"), &path.key("url")).is_some() {
                self.own_templates(&mut action, &fields, &path, &[("url", "url")]);
                all.push(action);
                continue;
            }
            let message = "missing name or url in Slack action configuration".to_owned();
            self.must_be_filled(&fields, &path, ("name", item), message);
            self.own_templates(&mut action, &fields, &path, &["name", "value"].map(|key| (key, key)));
            if let Some(confirm) = fields.get("confirm") {
                let question = self.slack_confirm(confirm, &path.key("confirm"));
                question.into_iter().for_each(|question| action.set("confirm", question));
            }
            all.push(action);
        }
        list(&yaml.origin, all)
    }

    fn slack_confirm(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let fields = self.fields(yaml, path, &CONFIRM)?;
        let message = "missing text in Slack confirmation configuration".to_owned();
        self.must_be_filled(&fields, path, ("text", yaml), message);
        let mut question = Node::table(&yaml.origin);
        let texts = ["text", "title", "ok_text", "dismiss_text"].map(|key| (key, key));
        self.own_templates(&mut question, &fields, path, &texts);
        Some(question)
    }

    fn must_be_filled(
        &mut self,
        fields: &Fields<'_>,
        path: &Path,
        (key, yaml): (&str, &Yaml),
        message: String,
    ) {
        if self.filled(fields.get(key), &path.key(key)).is_none() {
            self.error(&yaml.origin, path, message);
        }
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
