//! `pushover_configs`.

use super::global::Global;
use super::reader::{Keys, Reader};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "user_key",
        "user_key_file",
        "token",
        "token_file",
        "title",
        "message",
        "url",
        "url_title",
        "device",
        "sound",
        "priority",
        "retry",
        "expire",
        "ttl",
        "html",
        "monospace",
    ],
    refused: &[],
};

impl Reader<'_> {
    /// A destination of the kind `pushover`.
    pub(super) fn pushover(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        for key in ["user_key", "token"] {
            match self.secret_template(&fields, path, (key, &format!("{key}_file"))) {
                Some(secret) => place.set(key, secret),
                None => {
                    let message = format!("one of {key} or {key}_file must be configured");
                    self.error(&yaml.origin, path, message);
                }
            }
        }
        let texts = [
            ("title", "title", r#"{{ template "pushover.default.title" . }}"#),
            ("message", "message", r#"{{ template "pushover.default.message" . }}"#),
            ("url", "url", r#"{{ template "pushover.default.url" . }}"#),
            ("priority", "priority", r#"{{ if eq .Status "firing" }}2{{ else }}0{{ end }}"#),
        ];
        self.templates(&mut place, &fields, path, &texts);
        let own = ["url_title", "device", "sound"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &own);
        for key in ["retry", "expire", "ttl"] {
            let span = fields.get(key).and_then(|it| self.go_duration(it, &path.key(key)));
            span.into_iter().for_each(|span| place.set(key, span));
        }
        let flags = ["html", "monospace"]
            .map(|key| Some((key, fields.get(key).and_then(|it| self.bool(it, &path.key(key)))?)));
        let is_on =
            |flag: &Option<(&str, Node)>| matches!(flag, Some((_, Node { value: Tree::Bool(true), .. })));
        if flags.iter().all(is_on) {
            self.error(&yaml.origin, path, "at most one of monospace & html must be configured");
        }
        flags.into_iter().flatten().for_each(|(key, flag)| place.set(key, flag));
        Some(place)
    }
}
