//! `opsgenie_configs`.

use std::rc::Rc;

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
        "api_key",
        "api_key_file",
        "api_url",
        "message",
        "description",
        "source",
        "details",
        "entity",
        "responders",
        "actions",
        "tags",
        "note",
        "priority",
        "update_alerts",
    ],
    refused: &[],
};
const RESPONDER: Keys = Keys { known: &["id", "name", "username", "type"], refused: &[] };
/// What responders may be.
const TYPES: [&str; 5] = ["team", "teams", "user", "escalation", "schedule"];

impl Reader<'_> {
    /// A destination of the kind `opsgenie`.
    pub(super) fn opsgenie(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        let key = self.secret_template(&fields, path, ("api_key", "api_key_file"));
        match key.or_else(|| global.service("opsgenie_api_key").cloned()) {
            Some(key) => place.set("api_key", key),
            None => {
                let message = "no global OpsGenie API Key set either inline or in a file";
                self.error(&yaml.origin, path, message);
            }
        }
        let url = self.filled(fields.get("api_url"), &path.key("api_url"));
        let url = url.or_else(|| global.service("opsgenie_api_url").cloned());
        url.into_iter().for_each(|url| place.set("api_url", url));
        let texts = [
            ("message", "message", r#"{{ template "opsgenie.default.message" . }}"#),
            ("description", "description", r#"{{ template "opsgenie.default.description" . }}"#),
            ("source", "source", r#"{{ template "opsgenie.default.source" . }}"#),
            ("priority", "priority", ""),
        ];
        self.templates(&mut place, &fields, path, &texts);
        let own = ["entity", "actions", "tags", "note"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &own);
        if let Some(details) = fields.get("details") {
            let details = self.templates_by_name(details, &path.key("details"));
            place.set("details", details);
        }
        if let Some(responders) = fields.get("responders") {
            let responders = self.responders(responders, &path.key("responders"));
            place.set("responders", responders);
        }
        let update = fields.get("update_alerts").and_then(|it| self.bool(it, &path.key("update_alerts")));
        update.into_iter().for_each(|update| place.set("update_alerts", update));
        Some(place)
    }

    fn responders(&mut self, yaml: &Rc<Yaml>, path: &Path) -> Node {
        let mut all = Vec::new();
        for (n, item) in self.items(yaml, path).iter().enumerate() {
            let path = path.index(n);
            let Some(fields) = self.fields(item, &path, &RESPONDER) else { continue };
            self.check_responder(item, &fields, &path);
            let mut responder = Node::table(&item.origin);
            let texts = ["id", "name", "username", "type"].map(|key| (key, key));
            self.own_templates(&mut responder, &fields, &path, &texts);
            all.push(responder);
        }
        list(&yaml.origin, all)
    }

    fn check_responder(&mut self, yaml: &Yaml, fields: &Fields<'_>, path: &Path) {
        let mut word = |key: &str| {
            let text = fields.get(key).and_then(|yaml| self.text(yaml, &path.key(key)));
            text.unwrap_or_default().to_owned()
        };
        let (id, name, username, kind) = (word("id"), word("name"), word("username"), word("type"));
        if id.is_empty() && name.is_empty() && username.is_empty() {
            let message = format!(
                "opsGenieConfig responder {{{id} {name} {username} {kind}}} has to have at least one of id, \
                 username or name specified"
            );
            self.error(&yaml.origin, path, message);
        }
        let kind = if kind.contains("{{") { kind } else { kind.to_lowercase() };
        if !kind.contains("{{") && !TYPES.contains(&kind.as_str()) {
            let message = format!(
                "opsGenieConfig responder {{{id} {name} {username} {kind}}} type does not match valid options ^({})$",
                TYPES.join("|")
            );
            self.error(&yaml.origin, path, message);
        }
    }
}
