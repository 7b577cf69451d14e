//! `victorops_configs`.

use super::global::Global;
use super::reader::{Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "api_key",
        "api_key_file",
        "api_url",
        "routing_key",
        "message_type",
        "state_message",
        "entity_display_name",
        "monitoring_tool",
        "custom_fields",
    ],
    refused: &[],
};
/// Fields that are always there.
const RESERVED: [&str; 7] = [
    "routing_key",
    "message_type",
    "state_message",
    "entity_display_name",
    "monitoring_tool",
    "entity_id",
    "entity_state",
];

impl Reader<'_> {
    /// A destination of the kind `victorops`.
    pub(super) fn victorops(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        if self.filled(fields.get("routing_key"), &path.key("routing_key")).is_none() {
            self.error(&yaml.origin, path, "missing Routing key in VictorOps config");
        }
        let key = self.secret(&fields, path, ("api_key", "api_key_file"));
        match key.or_else(|| global.service("victorops_api_key").cloned()) {
            Some(key) => place.set("api_key", key),
            None => self.error(&yaml.origin, path, "no global VictorOps API Key set"),
        }
        let url = self.filled(fields.get("api_url"), &path.key("api_url"));
        let url = url.or_else(|| global.service("victorops_api_url").cloned());
        url.into_iter().for_each(|url| place.set("api_url", url));
        let texts = [
            ("message_type", "message_type", "CRITICAL"),
            ("state_message", "state_message", r#"{{ template "victorops.default.state_message" . }}"#),
            (
                "entity_display_name",
                "entity_display_name",
                r#"{{ template "victorops.default.entity_display_name" . }}"#,
            ),
            ("monitoring_tool", "monitoring_tool", r#"{{ template "victorops.default.monitoring_tool" . }}"#),
        ];
        self.templates(&mut place, &fields, path, &texts);
        let own = ["routing_key"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &own);
        if let Some(custom) = fields.get("custom_fields") {
            let at = path.key("custom_fields");
            let custom = self.templates_by_name(custom, &at);
            for name in RESERVED.iter().filter(|name| custom.get(name).is_some()) {
                let message = format!(
                    "victorOps config contains custom field {name} which cannot be used as it conflicts with the \
                     fixed/static fields"
                );
                self.error(&custom.origin, &at.key(name), message);
            }
            place.set("custom_fields", custom);
        }
        Some(place)
    }
}
