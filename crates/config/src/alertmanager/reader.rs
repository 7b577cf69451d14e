//! Reading YAML as yaml.v2 reads it into Go's types, with a place for every complaint.

use std::rc::Rc;

use crate::nearest::hint;
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::{Origin, Problems};
use crate::yaml::{Value, Yaml};

/// The keys of a map.
pub(super) struct Keys {
    /// Those that mean something here.
    pub(super) known: &'static [&'static str],
    /// Those that Alertmanager knows and we do not, and why that matters.
    pub(super) refused: &'static [(&'static str, &'static str)],
}

/// The entries of a map that are not nothing.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a Rc<Yaml>)>);

impl<'a> Fields<'a> {
    /// What stands under a key.
    pub(super) fn get(&self, key: &str) -> Option<&'a Rc<Yaml>> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

/// Reads values and complains.
pub(super) struct Reader<'a> {
    pub(super) problems: &'a mut Problems,
}

impl Reader<'_> {
    /// Something for which the file cannot be used.
    pub(super) fn error(&mut self, origin: &Origin, path: &Path, message: impl Into<String>) {
        self.problems.error(origin, path, message);
    }

    fn wrong(&mut self, yaml: &Yaml, path: &Path, wanted: &str) {
        let have = match &yaml.value {
            _ if yaml.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        };
        self.error(&yaml.origin, path, format!("must be {wanted}, not {have}"));
    }

    /// The fields of a map. Unknown and refused ones are told of.
    pub(super) fn fields<'a>(&mut self, yaml: &'a Yaml, path: &Path, keys: &Keys) -> Option<Fields<'a>> {
        let Value::Map(entries) = &yaml.value else {
            self.wrong(yaml, path, "a map");
            return None;
        };
        let mut fields = Vec::new();
        for (key, value) in entries {
            let name = key.text.as_str();
            if keys.known.contains(&name) {
                // nothing at all is as if it were not there
                if !value.is_null() {
                    fields.push((name, value));
                }
                continue;
            }
            let message = match keys.refused.iter().find(|(refused, _)| *refused == name) {
                Some((_, why)) => format!("not understood yet: {why}"),
                None => format!("unknown key{}", hint(name, keys.known)),
            };
            self.error(&key.origin, &path.key(name), message);
        }
        Some(Fields(fields))
    }

    /// A list; nothing is an empty one.
    pub(super) fn items<'a>(&mut self, yaml: &'a Yaml, path: &Path) -> &'a [Rc<Yaml>] {
        match &yaml.value {
            Value::List(items) => items,
            _ => {
                self.wrong(yaml, path, "a list");
                &[]
            }
        }
    }

    /// A map of any keys.
    pub(super) fn entries<'a>(
        &mut self,
        yaml: &'a Yaml,
        path: &Path,
    ) -> Vec<(&'a crate::yaml::Key, &'a Rc<Yaml>)> {
        match &yaml.value {
            Value::Map(entries) => entries.iter().map(|(key, value)| (key, value)).collect(),
            _ => {
                self.wrong(yaml, path, "a map");
                Vec::new()
            }
        }
    }

    /// A text. A number without quotes is one, too, as it is written.
    pub(super) fn text<'a>(&mut self, yaml: &'a Yaml, path: &Path) -> Option<&'a str> {
        match &yaml.value {
            _ if yaml.is_null() => Some(""),
            Value::Scalar { text, .. } => Some(text),
            _ => {
                self.wrong(yaml, path, "a text");
                None
            }
        }
    }

    /// A text as a node; empty is nothing, as in Go.
    pub(super) fn filled(&mut self, yaml: Option<&Rc<Yaml>>, path: &Path) -> Option<Node> {
        let yaml = yaml?;
        let text = self.text(yaml, path)?;
        (!text.is_empty()).then(|| Node::text(&yaml.origin, text))
    }

    /// The same for texts that Alertmanager makes by a template of Go; these are refused.
    pub(super) fn static_text(&mut self, yaml: Option<&Rc<Yaml>>, path: &Path) -> Option<Node> {
        let node = self.filled(yaml, path)?;
        if node.as_text().is_some_and(|text| text.contains("{{")) {
            self.error(&node.origin, path, "Go templates are not understood yet; write a text without {{");
            return None;
        }
        Some(node)
    }

    /// A text that Alertmanager makes by a template of Go, with Alertmanager's own where none is written: as it
    /// is, or `{ go = "…" }` where there is something to work out, in Go's language or in ours.
    pub(super) fn template(&mut self, yaml: Option<&Rc<Yaml>>, path: &Path, default: &str) -> Option<Node> {
        let (text, origin) = match yaml {
            Some(yaml) => (self.text(yaml, path)?, &yaml.origin),
            None => (default, &Origin::Default),
        };
        Some(go_text(text, origin))
    }

    /// The same for several texts: Alertmanager's key, our own, and the default.
    pub(super) fn templates(
        &mut self,
        place: &mut Node,
        fields: &Fields<'_>,
        path: &Path,
        texts: &[(&str, &str, &str)],
    ) {
        for (key, ours, default) in texts {
            let node = self.template(fields.get(key), &path.key(key), default);
            node.into_iter().for_each(|node| place.set(ours, node));
        }
    }

    /// Texts by template that have no default: what is not written or empty is not set.
    pub(super) fn own_templates(
        &mut self,
        place: &mut Node,
        fields: &Fields<'_>,
        path: &Path,
        texts: &[(&str, &str)],
    ) {
        for (key, ours) in texts {
            let Some(node) = self.filled(fields.get(key), &path.key(key)) else { continue };
            place.set(ours, go_text(node.as_text().unwrap_or_default(), &node.origin));
        }
    }

    /// A value of any shape in which every text is a template.
    pub(super) fn tree(&mut self, yaml: &Yaml, path: &Path) -> Node {
        match &yaml.value {
            Value::Scalar { text, plain } => match plain.then(|| bare(text)).flatten() {
                Some(value) => Node::new(&yaml.origin, value),
                None => {
                    if yaml.is_null() {
                        self.error(&yaml.origin, path, "not understood yet: nothing can stand here");
                    }
                    go_text(text, &yaml.origin)
                }
            },
            Value::List(items) => {
                let items = items.iter().enumerate().map(|(n, item)| self.tree(item, &path.index(n)));
                let items = items.collect();
                Node::new(&yaml.origin, Tree::List(items))
            }
            Value::Map(entries) => {
                let mut table = Node::table(&yaml.origin);
                for (key, value) in entries {
                    if key.text.contains("{{") {
                        let message = "not understood yet: a key cannot be a template";
                        self.error(&key.origin, &path.key(&key.text), message);
                    }
                    table.set(&key.text, self.tree(value, &path.key(&key.text)));
                }
                table
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, yaml: &Yaml, path: &Path) -> Vec<Node> {
        let items = self.items(yaml, path).iter().enumerate();
        let text = |(n, item): (usize, &Rc<Yaml>)| {
            let text = self.text(item, &path.index(n))?;
            Some(Node::text(&item.origin, text))
        };
        items.filter_map(text).collect()
    }

    /// True or false, in YAML 1.1's words. What is nothing is false, as in yaml.v2.
    pub(super) fn bool(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let value = match &yaml.value {
            _ if yaml.is_null() => Some(false),
            Value::Scalar { text, plain: true } => match text.as_str() {
                "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                    Some(true)
                }
                "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
                    Some(false)
                }
                _ => None,
            },
            _ => None,
        };
        if value.is_none() {
            self.error(&yaml.origin, path, "must be true or false");
        }
        value.map(|value| Node::new(&yaml.origin, Tree::Bool(value)))
    }

    /// A number from zero.
    pub(super) fn count(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let number = match &yaml.value {
            Value::Scalar { text, plain: true } => text.parse().ok().filter(|number: &i64| *number >= 0),
            _ => None,
        };
        if number.is_none() {
            self.error(&yaml.origin, path, "must be a whole number, zero or more");
        }
        number.map(|number| Node::new(&yaml.origin, Tree::Int(number)))
    }

    /// A secret that is written here or in a file, of which at most one can be set.
    pub(super) fn secret(
        &mut self,
        fields: &Fields<'_>,
        path: &Path,
        (here, file): (&str, &str),
    ) -> Option<Node> {
        let written = self.filled(fields.get(here), &path.key(here));
        let named = self.filled(fields.get(file), &path.key(file));
        if let (Some(written), Some(_)) = (&written, &named) {
            let message = format!("at most one of {here} & {file} must be configured");
            self.error(&written.origin, path, message);
        }
        written.or_else(|| named.map(in_file))
    }
}

/// A text for a setting that is a template. What means something to our own templates only is a text in Go's.
pub(super) fn go_text(text: &str, origin: &Origin) -> Node {
    let plain = Node::text(origin, text);
    if !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        return plain;
    }
    let mut table = Node::table(origin);
    table.set("go", plain);
    table
}

/// What YAML takes for something else than a text when there are no quotes around it.
fn bare(text: &str) -> Option<Tree> {
    match text {
        "true" | "True" | "TRUE" => return Some(Tree::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Tree::Bool(false)),
        _ => {}
    }
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    let float = || text.parse().ok().filter(|number: &f64| number.is_finite()).map(Tree::Float);
    is_number.then(|| text.parse().map(Tree::Int).ok().or_else(float)).flatten()
}

/// A reference to a file with a secret.
pub(super) fn in_file(file: Node) -> Node {
    let mut reference = Node::table(&file.origin.clone());
    reference.set("file", file);
    reference
}
