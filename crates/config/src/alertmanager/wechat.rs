//! `wechat_configs`.

use super::global::Global;
use super::reader::{Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "api_secret",
        "api_secret_file",
        "corp_id",
        "message",
        "api_url",
        "to_user",
        "to_party",
        "to_tag",
        "agent_id",
        "message_type",
    ],
    refused: &[],
};

impl Reader<'_> {
    /// A destination of the kind `wechat`.
    pub(super) fn wechat(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, false);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        self.api_url(&mut place, &fields, path, ("api_url", "api_url"), global.service("wechat_api_url"));
        let secret = self.secret(&fields, path, ("api_secret", "api_secret_file"));
        match secret.or_else(|| global.service("wechat_api_secret").cloned()) {
            Some(secret) => place.set("secret", secret),
            None => {
                let message = "no global Wechat Api Secret set either inline or in a file";
                self.error(&yaml.origin, path, message);
            }
        }
        let id = self.static_text(fields.get("corp_id"), &path.key("corp_id"));
        match id.or_else(|| global.service("wechat_api_corp_id").cloned()) {
            Some(id) => place.set("corp_id", id),
            None => self.error(&yaml.origin, path, "no global Wechat CorpID set"),
        }
        let texts = [
            ("message", "message", r#"{{ template "wechat.default.message" . }}"#),
            ("to_user", "to_user", r#"{{ template "wechat.default.to_user" . }}"#),
            ("to_party", "to_party", r#"{{ template "wechat.default.to_party" . }}"#),
            ("to_tag", "to_tag", r#"{{ template "wechat.default.to_tag" . }}"#),
            ("agent_id", "agent_id", r#"{{ template "wechat.default.agent_id" . }}"#),
        ];
        self.templates(&mut place, &fields, path, &texts);
        if let Some(kind) = self.filled(fields.get("message_type"), &path.key("message_type")) {
            let text = kind.as_text().unwrap_or_default();
            if !matches!(text, "text" | "markdown") {
                let message =
                    format!("weChat message type {text:?} does not match valid options ^(text|markdown)$");
                self.error(&kind.origin, path, message);
            }
            place.set("message_type", kind);
        }
        Some(place)
    }
}
