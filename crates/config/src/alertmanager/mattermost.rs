//! `mattermost_configs`.

use super::global::Global;
use super::list;
use super::reader::{Fields, Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "webhook_url",
        "webhook_url_file",
        "channel",
        "username",
        "text",
        "fallback",
        "color",
        "pretext",
        "author_name",
        "author_link",
        "author_icon",
        "title",
        "title_link",
        "fields",
        "thumb_url",
        "footer",
        "footer_icon",
        "image_url",
        "icon_url",
        "icon_emoji",
        "attachments",
        "type",
        "props",
        "priority",
    ],
    refused: &[],
};
const ATTACHMENT: Keys = Keys {
    known: &[
        "fallback",
        "color",
        "pretext",
        "text",
        "author_name",
        "author_link",
        "author_icon",
        "title",
        "title_link",
        "fields",
        "thumb_url",
        "footer",
        "footer_icon",
        "image_url",
    ],
    refused: &[],
};
const FIELD: Keys = Keys { known: &["title", "value", "short"], refused: &[] };
const PROPS: Keys = Keys { known: &["card"], refused: &[] };
const PRIORITY: Keys =
    Keys { known: &["priority", "requested_ack", "persistent_notifications"], refused: &[] };

/// The texts of an attachment that have no default of Alertmanager's.
const BARE: [(&str, &str); 8] = [
    ("pretext", "pretext"),
    ("author_name", "author_name"),
    ("author_link", "author_link"),
    ("author_icon", "author_icon"),
    ("thumb_url", "thumb_url"),
    ("footer", "footer"),
    ("footer_icon", "footer_icon"),
    ("image_url", "image_url"),
];
/// Those that have one, but not in a list of attachments.
const WITH_DEFAULT: [(&str, &str, &str); 5] = [
    ("text", "text", r#"{{ template "mattermost.default.text" . }}"#),
    ("fallback", "fallback", r#"{{ template "mattermost.default.fallback" . }}"#),
    ("color", "color", r#"{{ template "mattermost.default.color" . }}"#),
    ("title", "title", r#"{{ template "mattermost.default.title" . }}"#),
    ("title_link", "title_link", r#"{{ template "mattermost.default.titlelink" . }}"#),
];

impl Reader<'_> {
    /// A destination of the kind `mattermost`.
    pub(super) fn mattermost(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        let url = self.secret(&fields, path, ("webhook_url", "webhook_url_file"));
        match url.or_else(|| global.service("mattermost_webhook_url").cloned()) {
            Some(url) => place.set("url", url),
            None => {
                let message = "missing webhook_url or webhook_url_file on mattermost_config";
                self.error(&yaml.origin, path, message);
            }
        }
        let bare = ["channel", "icon_url", "icon_emoji", "type"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &bare);
        let username = r#"{{ template "mattermost.default.username" . }}"#;
        self.templates(&mut place, &fields, path, &[("username", "username", username)]);
        self.mattermost_attachments(&mut place, yaml, &fields, path);
        if let Some(props) = fields.get("props") {
            let path = path.key("props");
            let fields = self.fields(props, &path, &PROPS)?;
            self.own_templates(&mut place, &fields, &path, &[("card", "card")]);
        }
        if let Some(yaml) = fields.get("priority") {
            let path = path.key("priority");
            let fields = self.fields(yaml, &path, &PRIORITY)?;
            let mut priority = Node::table(&yaml.origin);
            self.own_templates(&mut priority, &fields, &path, &[("priority", "priority")]);
            for key in ["requested_ack", "persistent_notifications"] {
                let flag = fields.get(key).and_then(|it| self.bool(it, &path.key(key)));
                flag.into_iter().for_each(|flag| priority.set(key, flag));
            }
            // without a word the rest of it means nothing
            if priority.get("priority").is_some() {
                place.set("priority", priority);
            }
        }
        Some(place)
    }

    /// With a list of attachments the text stands above them; without one, the receiver's texts are the one
    /// attachment that there is.
    fn mattermost_attachments(&mut self, place: &mut Node, yaml: &Yaml, fields: &Fields<'_>, path: &Path) {
        let all = fields.get("attachments").map(|all| (self.items(all, &path.key("attachments")), all));
        if let Some((items, all)) = all.filter(|(items, _)| !items.is_empty()) {
            let mut attachments = Vec::new();
            for (n, item) in items.iter().enumerate() {
                let path = path.key("attachments").index(n);
                let Some(fields) = self.fields(item, &path, &ATTACHMENT) else { continue };
                let mut attachment = Node::table(&item.origin);
                self.templates(
                    &mut attachment,
                    &fields,
                    &path,
                    &WITH_DEFAULT.map(|(key, ours, _)| (key, ours, "")),
                );
                self.own_templates(&mut attachment, &fields, &path, &BARE);
                self.mattermost_fields(&mut attachment, &fields, &path);
                attachments.push(attachment);
            }
            place.set("attachments", list(&all.origin, attachments));
            self.templates(place, fields, path, &WITH_DEFAULT[..1]);
            return;
        }
        let mut attachment = Node::table(&yaml.origin);
        self.templates(&mut attachment, fields, path, &WITH_DEFAULT);
        self.own_templates(&mut attachment, fields, path, &BARE);
        self.mattermost_fields(&mut attachment, fields, path);
        place.set("attachments", list(&yaml.origin, vec![attachment]));
    }

    fn mattermost_fields(&mut self, attachment: &mut Node, fields: &Fields<'_>, path: &Path) {
        let Some(yaml) = fields.get("fields") else { return };
        let all = self.attached_fields(yaml, &path.key("fields"), &FIELD, "Mattermost");
        attachment.set("fields", list(&yaml.origin, all));
    }

    /// Fields of an attachment, each with a title and a value.
    pub(super) fn attached_fields(
        &mut self,
        yaml: &Yaml,
        path: &Path,
        keys: &Keys,
        whose: &str,
    ) -> Vec<Node> {
        let mut all = Vec::new();
        for (n, item) in self.items(yaml, path).iter().enumerate() {
            let path = path.index(n);
            let Some(fields) = self.fields(item, &path, keys) else { continue };
            let mut field = Node::table(&item.origin);
            self.own_templates(&mut field, &fields, &path, &[("title", "title"), ("value", "value")]);
            for key in ["title", "value"].into_iter().filter(|_| !whose.is_empty()) {
                if field.get(key).is_none() {
                    self.error(&item.origin, &path, format!("missing {key} in {whose} field configuration"));
                }
            }
            let short = fields.get("short").and_then(|it| self.bool(it, &path.key("short")));
            short.into_iter().for_each(|short| field.set("short", short));
            all.push(field);
        }
        all
    }
}
