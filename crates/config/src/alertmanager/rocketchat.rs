//! `rocketchat_configs`.

use super::global::Global;
use super::list;
use super::reader::{Fields, Keys, Reader};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "api_url",
        "token_id",
        "token_id_file",
        "token",
        "token_file",
        "channel",
        "color",
        "title",
        "title_link",
        "text",
        "fields",
        "short_fields",
        "emoji",
        "icon_url",
        "image_url",
        "thumb_url",
        "link_names",
        "actions",
    ],
    refused: &[],
};
const FIELD: Keys = Keys { known: &["title", "value", "short"], refused: &[] };
/// The keys are those of Go's fields in lower case, since Alertmanager names them for JSON only.
const ACTION: Keys = Keys {
    known: &[
        "type",
        "text",
        "url",
        "imageurl",
        "iswebview",
        "webviewheightratio",
        "msg",
        "msginchatwindow",
        "msgprocessingtype",
    ],
    refused: &[],
};

impl Reader<'_> {
    /// A destination of the kind `rocketchat`.
    pub(super) fn rocketchat(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, false);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        self.api_url(&mut place, &fields, path, ("api_url", "api_url"), global.service("rocketchat_api_url"));
        for (key, ours, word) in [("token_id", "user_id", "TokenID"), ("token", "token", "Token")] {
            let own = self.secret(&fields, path, (key, &format!("{key}_file")));
            match own.or_else(|| global.service(&format!("rocketchat_{key}")).cloned()) {
                Some(secret) => place.set(ours, secret),
                None => {
                    let message = format!("no global Rocketchat {word} set either inline or in a file");
                    self.error(&yaml.origin, path, message);
                }
            }
        }
        let bare = ["channel", "image_url", "thumb_url"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &bare);
        let texts = [
            ("color", "color", r#"{{ if eq .Status "firing" }}red{{ else }}green{{ end }}"#),
            ("emoji", "emoji", r#"{{ template "rocketchat.default.emoji" . }}"#),
            ("icon_url", "avatar", r#"{{ template "rocketchat.default.iconurl" . }}"#),
            ("text", "text", r#"{{ template "rocketchat.default.text" . }}"#),
            ("title", "title", r#"{{ template "rocketchat.default.title" . }}"#),
            ("title_link", "title_link", r#"{{ template "rocketchat.default.titlelink" . }}"#),
        ];
        self.templates(&mut place, &fields, path, &texts);
        self.rocketchat_fields(&mut place, yaml, &fields, path);
        self.rocketchat_actions(&mut place, yaml, &fields, path);
        // Alertmanager reads it and does nothing with it
        let _ = fields.get("link_names").and_then(|it| self.bool(it, &path.key("link_names")));
        Some(place)
    }

    fn rocketchat_fields(&mut self, place: &mut Node, yaml: &Yaml, fields: &Fields<'_>, path: &Path) {
        let usual = fields.get("short_fields").and_then(|it| self.bool(it, &path.key("short_fields")));
        let usual = usual.unwrap_or(Node::new(&Origin::Default, Tree::Bool(false)));
        let given = fields.get("fields");
        let all = given.map(|given| self.attached_fields(given, &path.key("fields"), &FIELD, ""));
        let mut all = all.unwrap_or_default();
        for field in &mut all {
            for key in ["title", "value"] {
                if field.get(key).is_none() {
                    field.set(key, Node::text(&Origin::Default, ""));
                }
            }
            if field.get("short").is_none() {
                field.set("short", usual.clone());
            }
        }
        place.set("fields", list(given.map_or(&yaml.origin, |given| &given.origin), all));
    }

    fn rocketchat_actions(&mut self, place: &mut Node, yaml: &Yaml, fields: &Fields<'_>, path: &Path) {
        let Some(given) = fields.get("actions") else {
            place.set("actions", list(&yaml.origin, Vec::new()));
            return;
        };
        let path = path.key("actions");
        let mut all = Vec::new();
        for (n, item) in self.items(given, &path).iter().enumerate() {
            let path = path.index(n);
            let Some(fields) = self.fields(item, &path, &ACTION) else { continue };
            let mut action = Node::table(&item.origin);
            // of the rest Alertmanager makes nothing
            self.own_templates(&mut action, &fields, &path, &["text", "url", "msg"].map(|key| (key, key)));
            all.push(action);
        }
        place.set("actions", list(&given.origin, all));
    }
}
