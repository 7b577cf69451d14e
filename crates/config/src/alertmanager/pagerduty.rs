//! `pagerduty_configs`.

use super::global::Global;
use super::list;
use super::reader::{Fields, Keys, Reader, go_text};
use crate::node::Node;
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "send_resolved",
        "http_config",
        "service_key",
        "service_key_file",
        "routing_key",
        "routing_key_file",
        "url",
        "client",
        "client_url",
        "description",
        "details",
        "images",
        "links",
        "source",
        "severity",
        "class",
        "component",
        "group",
        "timeout",
    ],
    refused: &[],
};
const LINK: Keys = Keys { known: &["href", "text"], refused: &[] };
const IMAGE: Keys = Keys { known: &["src", "alt", "href"], refused: &[] };
const CLIENT: &str = r#"{{ template "pagerduty.default.client" . }}"#;
/// What details there are unless others of the same name are written.
const DETAILS: [(&str, &str); 4] = [
    ("firing", "{{ .Alerts.Firing | toJson }}"),
    ("resolved", "{{ .Alerts.Resolved | toJson }}"),
    ("num_firing", "{{ .Alerts.Firing | len }}"),
    ("num_resolved", "{{ .Alerts.Resolved | len }}"),
];

impl Reader<'_> {
    /// A destination of the kind `pagerduty`.
    pub(super) fn pagerduty(&mut self, yaml: &Yaml, path: &Path, global: &Global) -> Option<Node> {
        let fields = self.fields(yaml, path, &KEYS)?;
        let mut place = Node::table(&yaml.origin);
        self.send_resolved(&mut place, yaml, path, true);
        self.http(fields.get("http_config"), path, &global.http).put(&mut place);
        let service_key = self.secret_template(&fields, path, ("service_key", "service_key_file"));
        let routing_key = self.secret_template(&fields, path, ("routing_key", "routing_key_file"));
        let url = self.filled(fields.get("url"), &path.key("url"));
        // with both, Alertmanager goes by the old one, which knows no other URL
        match (service_key, routing_key) {
            (Some(key), _) => place.set("service_key", key),
            (None, Some(key)) => {
                place.set("routing_key", key);
                let url = url.or_else(|| global.service("pagerduty_url").cloned());
                url.into_iter().for_each(|url| place.set("url", url));
            }
            (None, None) => {
                self.error(&yaml.origin, path, "missing service or routing key in PagerDuty config");
            }
        }
        let texts = [
            ("description", "description", r#"{{ template "pagerduty.default.description" .}}"#),
            ("client", "client", CLIENT),
            ("client_url", "client_url", r#"{{ template "pagerduty.default.clientURL" . }}"#),
            ("severity", "severity", "error"),
            ("class", "class", ""),
        ];
        self.templates(&mut place, &fields, path, &texts);
        let own = ["component", "group"].map(|key| (key, key));
        self.own_templates(&mut place, &fields, path, &own);
        // it comes from who tells, unless something else is written
        let has_source = self.filled(fields.get("source"), &path.key("source")).is_some();
        let from = if has_source { "source" } else { "client" };
        self.templates(&mut place, &fields, path, &[(from, "source", CLIENT)]);
        self.details(&mut place, &fields, path);
        let links = match fields.get("links") {
            Some(links) => self.tables(links, &path.key("links"), &LINK),
            None => list(&Origin::Default, Vec::new()),
        };
        place.set("links", links);
        if let Some(images) = fields.get("images") {
            let images = self.tables(images, &path.key("images"), &IMAGE);
            place.set("images", images);
        }
        let timeout = fields.get("timeout").and_then(|it| self.go_duration(it, &path.key("timeout")));
        timeout.into_iter().for_each(|timeout| place.set("timeout", timeout));
        Some(place)
    }

    fn details(&mut self, place: &mut Node, fields: &Fields<'_>, path: &Path) {
        let path = path.key("details");
        let mut details = match fields.get("details") {
            Some(yaml) => self.tree(yaml, &path),
            None => Node::table(&Origin::Default),
        };
        if details.entries().is_none() {
            self.error(&details.origin, &path, "must be a map");
            return;
        }
        for (name, default) in DETAILS {
            if details.get(name).is_none() {
                details.set(name, go_text(default, &Origin::Default));
            }
        }
        place.set("details", details);
    }
}
