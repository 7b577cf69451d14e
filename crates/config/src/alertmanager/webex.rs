//! `webex_configs`.

use super::global::Global;
use super::reader::{Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys =
    Keys { known: &["send_resolved", "http_config", "api_url", "message", "room_id"], refused: &[] };

impl Reader<'_> {
    /// A destination of the kind `webex`.
    pub(super) fn webex(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        if self.filled(fields.get("room_id"), &path.key("room_id")).is_none() {
            self.error(&yaml.origin, path, "missing room_id on webex_config");
        }
        // what is global does not count here
        let own = fields.get("http_config").map(|http| self.http_config(http, &path.key("http_config")));
        match own.filter(|http| http.authorization().is_some()) {
            Some(http) => http.put(&mut place),
            None => self.error(&yaml.origin, path, "missing webex_configs.http_config.authorization"),
        }
        self.api_url(&mut place, &fields, path, ("api_url", "api_url"), global.service("webex_api_url"));
        self.own_templates(&mut place, &fields, path, &[("room_id", "room_id")]);
        let message = r#"{{ template "webex.default.message" . }}"#;
        self.templates(&mut place, &fields, path, &[("message", "message", message)]);
        Some(place)
    }
}
