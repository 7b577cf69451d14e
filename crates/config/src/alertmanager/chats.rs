//! `discord_configs`, `msteams_configs` and `msteamsv2_configs`: a webhook and some texts.

use super::global::Global;
use super::reader::{Fields, Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const DISCORD: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "webhook_url",
        "webhook_url_file",
        "content",
        "title",
        "message",
        "username",
        "avatar_url",
    ],
    refused: &[],
};
const MSTEAMS: Keys = Keys {
    known: &["send_resolved", "http_config", "webhook_url", "webhook_url_file", "title", "summary", "text"],
    refused: &[],
};
const MSTEAMSV2: Keys = Keys {
    known: &["send_resolved", "http_config", "webhook_url", "webhook_url_file", "title", "text"],
    refused: &[],
};

impl Reader<'_> {
    /// A destination of the kind `discord`.
    pub(super) fn discord(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &DISCORD)?;
        let texts = [
            ("title", "title", r#"{{ template "discord.default.title" . }}"#),
            ("message", "message", r#"{{ template "discord.default.message" . }}"#),
        ];
        let mut place = self.chat(yaml, &fields, path, global, &texts);
        self.own_templates(&mut place, &fields, path, &[("content", "content")]);
        for key in ["username", "avatar_url"] {
            let text = self.filled(fields.get(key), &path.key(key));
            text.into_iter().for_each(|text| place.set(key, text));
        }
        Some(place)
    }

    /// A destination of the kind `msteams`.
    pub(super) fn msteams(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &MSTEAMS)?;
        let texts = [
            ("title", "title", r#"{{ template "msteams.default.title" . }}"#),
            ("summary", "summary", r#"{{ template "msteams.default.summary" . }}"#),
            ("text", "text", r#"{{ template "msteams.default.text" . }}"#),
        ];
        Some(self.chat(yaml, &fields, path, global, &texts))
    }

    /// A destination of the kind `msteamsv2`.
    pub(super) fn msteamsv2(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &MSTEAMSV2)?;
        let texts = [
            ("title", "title", r#"{{ template "msteamsv2.default.title" . }}"#),
            ("text", "text", r#"{{ template "msteamsv2.default.text" . }}"#),
        ];
        Some(self.chat(yaml, &fields, path, global, &texts))
    }

    fn chat(
        &mut self,
        yaml: &Yaml,
        fields: &Fields<'_>,
        path: &Path,
        global: &Global,
        texts: &[(&str, &str, &str)],
    ) -> Node {
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        match self.secret(fields, path, ("webhook_url", "webhook_url_file")) {
            Some(url) => place.set("url", url),
            None => {
                self.error(&yaml.origin, path, "one of webhook_url or webhook_url_file must be configured");
            }
        }
        self.templates(&mut place, fields, path, texts);
        place
    }
}
