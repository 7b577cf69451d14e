//! `route` and `inhibit_rules`, in the old spelling (`match`, `match_re`) and the new one (`matchers`).

use model::matcher::{Matcher, Op};

use super::list;
use super::reader::{Fields, Keys, Reader};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::yaml::Yaml;

const ROUTE: Keys = Keys {
    known: &[
        "receiver",
        "group_by",
        "group_wait",
        "group_interval",
        "repeat_interval",
        "match",
        "match_re",
        "matchers",
        "mute_time_intervals",
        "active_time_intervals",
        "continue",
        "routes",
    ],
    refused: &[("labels", "routes have no labels")],
};
const INHIBIT: Keys = Keys {
    known: &[
        "name",
        "source_match",
        "source_match_re",
        "source_matchers",
        "target_match",
        "target_match_re",
        "target_matchers",
        "equal",
    ],
    refused: &[],
};

impl Reader<'_> {
    /// A route with all below it. The text's depth is limited, and with it this.
    pub(super) fn route(&mut self, yaml: &Yaml, path: &Path) -> Node {
        let mut route = Node::table(&yaml.origin);
        let Some(fields) = self.fields(yaml, path, &ROUTE) else { return route };
        let receiver = self.filled(fields.get("receiver"), &path.key("receiver"));
        receiver.into_iter().for_each(|receiver| route.set("receiver", receiver));
        for key in ["group_by", "mute_time_intervals", "active_time_intervals"] {
            let Some(yaml) = fields.get(key) else { continue };
            let texts = self.texts(yaml, &path.key(key));
            route.set(key, list(&yaml.origin, texts));
        }
        for key in ["group_wait", "group_interval", "repeat_interval"] {
            let Some(yaml) = fields.get(key) else { continue };
            let Some(text) = self.text(yaml, &path.key(key)) else { continue };
            if model::time::span::parse(text).is_err() {
                self.error(&yaml.origin, &path.key(key), format!("not a valid duration string: {text:?}"));
            }
            route.set(key, Node::text(&yaml.origin, text));
        }
        let goes_on = fields.get("continue").and_then(|it| self.bool(it, &path.key("continue")));
        goes_on.into_iter().for_each(|goes_on| route.set("continue", goes_on));
        if let Some(matchers) = self.matchers(&fields, yaml, path, ["match", "match_re", "matchers"]) {
            route.set("matchers", matchers);
        }
        if let Some(yaml) = fields.get("routes") {
            let path = path.key("routes");
            let items = self.items(yaml, &path).iter().enumerate();
            let routes = items.map(|(n, item)| self.route(item, &path.index(n))).collect();
            route.set("routes", list(&yaml.origin, routes));
        }
        route
    }

    /// All inhibitions.
    pub(super) fn inhibit_rules(&mut self, yaml: &Yaml) -> Node {
        let path = Path::of(&["inhibit_rules"]);
        let mut rules = Vec::new();
        for (n, item) in self.items(yaml, &path).iter().enumerate() {
            let path = path.index(n);
            if item.is_null() {
                // what matches everything on both sides inhibits nothing, in Alertmanager as well
                self.problems.warning(&item.origin, &path, "is empty, and inhibits nothing");
                continue;
            }
            let Some(fields) = self.fields(item, &path, &INHIBIT) else { continue };
            let mut rule = Node::table(&item.origin);
            let name = self.filled(fields.get("name"), &path.key("name"));
            name.into_iter().for_each(|name| rule.set("name", name));
            let source = ["source_match", "source_match_re", "source_matchers"];
            let target = ["target_match", "target_match_re", "target_matchers"];
            for (side, keys) in [("source", source), ("target", target)] {
                let matchers = self.matchers(&fields, item, &path, keys);
                // none at all match everything, in Alertmanager as well
                rule.set(side, matchers.unwrap_or_else(|| list(&item.origin, Vec::new())));
            }
            if let Some(yaml) = fields.get("equal") {
                let texts = self.texts(yaml, &path.key("equal"));
                rule.set("equal", list(&yaml.origin, texts));
            }
            rules.push(rule);
        }
        list(&yaml.origin, rules)
    }

    /// Matchers in all three spellings, as texts.
    fn matchers(&mut self, fields: &Fields<'_>, yaml: &Yaml, path: &Path, keys: [&str; 3]) -> Option<Node> {
        let mut all = Vec::new();
        for (key, is_regex) in [(keys[0], false), (keys[1], true)] {
            let Some(yaml) = fields.get(key) else { continue };
            let path = path.key(key);
            for (name, value) in self.entries(yaml, &path) {
                let path = path.key(&name.text);
                if !is_label_name(&name.text) {
                    self.error(&name.origin, &path, format!("invalid label name {:?}", name.text));
                    continue;
                }
                if is_regex && value.is_null() {
                    self.error(&name.origin, &path, format!("invalid regexp value for {:?}", name.text));
                    continue;
                }
                let Some(text) = self.text(value, &path) else { continue };
                // Alertmanager keeps and shows the expression with its anchors
                let made = match is_regex {
                    true => Matcher::new(&name.text, Op::Regex, format!("^(?:{text})$")),
                    false => Matcher::new(&name.text, Op::Equal, text),
                };
                match made {
                    Ok(matcher) => all.push(Node::text(&value.origin, matcher.to_string())),
                    Err(error) => self.error(&value.origin, &path, error.to_string()),
                }
            }
        }
        if let Some(yaml) = fields.get(keys[2]) {
            all.extend(self.texts(yaml, &path.key(keys[2])));
        }
        let origin = keys.iter().find_map(|key| fields.get(key)).map_or(&yaml.origin, |yaml| &yaml.origin);
        (!all.is_empty()).then(|| Node::new(origin, Tree::List(all)))
    }
}

/// Prometheus' classic label names; the old spelling knows no others.
fn is_label_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}
