//! `jira_configs`.

use std::rc::Rc;

use super::global::Global;
use super::list;
use super::reader::{Keys, Reader};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::{Value, Yaml};

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "api_url",
        "api_type",
        "project",
        "summary",
        "description",
        "labels",
        "priority",
        "issue_type",
        "reopen_transition",
        "resolve_transition",
        "wont_fix_resolution",
        "reopen_duration",
        "fields",
    ],
    refused: &[],
};
const FIELD: Keys = Keys { known: &["template", "enable_update"], refused: &[] };

impl Reader<'_> {
    /// A destination of the kind `jira`.
    pub(super) fn jira(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        self.api_url(&mut place, &fields, path, ("api_url", "url"), global.service("jira_api_url"));
        if place.get("url").is_none() {
            self.error(&yaml.origin, path, "no global Jira Cloud URL set");
        }
        for key in ["project", "issue_type"] {
            if self.filled(fields.get(key), &path.key(key)).is_none() {
                self.error(&yaml.origin, path, format!("missing {key} in jira_config"));
            }
        }
        self.own_templates(&mut place, &fields, path, &["project", "issue_type"].map(|key| (key, key)));
        for key in ["summary", "description"] {
            self.jira_field(&mut place, fields.get(key), &path.key(key), key);
        }
        let priority = r#"{{ template "jira.default.priority" . }}"#;
        self.templates(&mut place, &fields, path, &[("priority", "priority", priority)]);
        if let Some(labels) = fields.get("labels") {
            let path = path.key("labels");
            let all = self.items(labels, &path).iter().enumerate();
            let all = all.filter_map(|(n, label)| self.template(Some(label), &path.index(n), ""));
            let all = all.collect();
            place.set("labels", list(&labels.origin, all));
        }
        if let Some(own) = fields.get("fields") {
            let tree = self.tree(own, &path.key("fields"));
            place.set("fields", tree);
        }
        if let Some(kind) = self.filled(fields.get("api_type"), &path.key("api_type")) {
            if !matches!(kind.as_text(), Some("auto" | "cloud" | "datacenter")) {
                let message = "unknown api_type on jira_config, must be auto, cloud or datacenter";
                self.error(&kind.origin, path, message);
            }
            place.set("api_type", kind);
        }
        for key in ["reopen_transition", "resolve_transition", "wont_fix_resolution"] {
            let text = self.filled(fields.get(key), &path.key(key));
            text.into_iter().for_each(|text| place.set(key, text));
        }
        // without a transition it means nothing
        let span = self.filled(fields.get("reopen_duration"), &path.key("reopen_duration"));
        if let Some(span) = span.filter(|_| place.get("reopen_transition").is_some()) {
            place.set("reopen_for", span);
        }
        Some(place)
    }

    /// A text, or a text and whether it changes with the news.
    fn jira_field(&mut self, place: &mut Node, yaml: Option<&Rc<Yaml>>, path: &Path, key: &str) {
        let default = format!("{{{{ template \"jira.default.{key}\" . }}}}");
        let Some(map) = yaml.filter(|yaml| matches!(yaml.value, Value::Map(_))) else {
            let text = self.template(yaml, path, &default);
            text.into_iter().for_each(|text| place.set(key, text));
            return;
        };
        let Some(fields) = self.fields(map, path, &FIELD) else { return };
        self.templates(place, &fields, path, &[("template", key, &default)]);
        let update = fields.get("enable_update").and_then(|it| self.bool(it, &path.key("enable_update")));
        update.into_iter().for_each(|update| place.set(&format!("update_{key}"), update));
    }
}
