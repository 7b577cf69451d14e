//! Nodes: a configuration as a tree in which every value knows where it came from.
//!
//! All formats become such a tree first: `nightbell.toml` as it is, `alertmanager.yml` by translation. The
//! environment is laid over it, secrets are put into it, and from it everything else is read.

use serde_json::{Map, Number};

use crate::path::{Path, Step};
use crate::problem::Origin;

/// A value and where it came from. Holds secrets in the clear; hence no `Debug`.
#[derive(Clone)]
pub(crate) struct Node {
    /// Where it came from.
    pub(crate) origin: Origin,
    /// What it is.
    pub(crate) value: Value,
}

/// A value of a configuration.
#[derive(Clone)]
pub(crate) enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text; also a date, as it is written.
    Text(String),
    /// Values in order.
    List(Vec<Node>),
    /// Values by key, in the order in which they were written. No key is there twice.
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key was written.
    pub(crate) origin: Origin,
    /// The value.
    pub(crate) node: Node,
}

impl Node {
    /// A value with its origin.
    pub(crate) fn new(origin: &Origin, value: Value) -> Self {
        Node { origin: origin.clone(), value }
    }

    /// A text with its origin.
    pub(crate) fn text(origin: &Origin, text: impl Into<String>) -> Self {
        Node::new(origin, Value::Text(text.into()))
    }

    /// A table without anything in it.
    pub(crate) fn table(origin: &Origin) -> Self {
        Node::new(origin, Value::Table(Vec::new()))
    }

    /// The value as a table.
    pub(crate) fn entries(&self) -> Option<&Vec<Entry>> {
        if let Value::Table(entries) = &self.value { Some(entries) } else { None }
    }

    /// The keys of the table under a key, in the order in which they were written.
    pub(crate) fn names<'a>(&'a self, section: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let entries = self.get(section).and_then(Node::entries).into_iter().flatten();
        entries.map(|entry| entry.key.as_str())
    }

    /// The value as a table, to change it.
    pub(crate) fn entries_mut(&mut self) -> Option<&mut Vec<Entry>> {
        if let Value::Table(entries) = &mut self.value { Some(entries) } else { None }
    }

    /// The value as a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// The value as a text.
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// What is in the table under this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The same, to change it.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries_mut()?.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.node)
    }

    /// Sets a key of a table, replacing what it was. Does nothing where there is no table.
    pub(crate) fn set(&mut self, key: &str, node: Node) {
        let Some(entries) = self.entries_mut() else { return };
        match entries.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.node = node,
            None => entries.push(Entry { key: key.to_owned(), origin: node.origin.clone(), node }),
        }
    }

    /// Takes a key out of a table.
    pub(crate) fn take(&mut self, key: &str) -> Option<Node> {
        let entries = self.entries_mut()?;
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at).node)
    }

    /// What stands at a path.
    pub(crate) fn at(&self, path: &Path) -> Option<&Node> {
        path.0.iter().try_fold(self, |node, step| node.step(step))
    }

    fn step(&self, step: &Step) -> Option<&Node> {
        match step {
            Step::Key(key) => self.get(key),
            Step::Index(index) => self.items().get(*index),
        }
    }

    /// Where a path leads as far as it does; for a key, where the key is written.
    pub(crate) fn origin_at(&self, path: &Path) -> Origin {
        let mut node = self;
        let mut origin = &self.origin;
        for step in &path.0 {
            let Some(next) = node.step(step) else { break };
            let entry = match step {
                Step::Key(key) => node.entries().and_then(|all| all.iter().find(|entry| entry.key == *key)),
                Step::Index(_) => None,
            };
            origin = entry.map_or(&next.origin, |entry| &entry.origin);
            node = next;
        }
        origin.clone()
    }

    /// Takes the key at the end of a path out of its table; whether there was one.
    pub(crate) fn remove(&mut self, path: &Path) -> bool {
        let Some((Step::Key(last), before)) = path.0.split_last() else { return false };
        let mut node = self;
        for step in before {
            let next = match (step, &mut node.value) {
                (Step::Key(key), Value::Table(entries)) => {
                    entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.node)
                }
                (Step::Index(index), Value::List(items)) => items.get_mut(*index),
                _ => None,
            };
            let Some(next) = next else { return false };
            node = next;
        }
        node.take(last).is_some()
    }

    /// The same as JSON, without origins. A number that JSON lacks (infinity) becomes a text, so that it
    /// is refused where a number is wanted.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::Number((*value).into()),
            Value::Float(value) => {
                Number::from_f64(*value).map_or_else(|| Json::String(value.to_string()), Json::Number)
            }
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Table(entries) => {
                let fields = entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json()));
                Json::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// JSON as a node of one origin. `null` is nothing, and so are fields that are `null`.
    pub(crate) fn from_json(origin: &Origin, json: &serde_json::Value) -> Option<Node> {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => return None,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Float(number.as_f64()?),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => {
                Value::List(items.iter().filter_map(|item| Node::from_json(origin, item)).collect())
            }
            Json::Object(fields) => {
                let entry = |(key, value): (&String, &Json)| {
                    let node = Node::from_json(origin, value)?;
                    Some(Entry { key: key.clone(), origin: origin.clone(), node })
                };
                Value::Table(fields.iter().filter_map(entry).collect())
            }
        };
        Some(Node::new(origin, value))
    }
}

impl Value {
    /// In words, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tree_is_walked_and_changed_by_path() {
        let json = json!({"a": [{"b": 1, "c": "x"}], "d": null});
        let mut node = Node::from_json(&Origin::Default, &json).unwrap();
        let path = Path::of(&["a"]).index(0).key("b");
        assert!(matches!(node.at(&path).unwrap().value, Value::Int(1)));
        assert!(node.remove(&path) && !node.remove(&path));
        assert_eq!(node.to_json(), json!({"a": [{"c": "x"}]}));
    }

    #[test]
    fn infinity_is_no_number_of_ours() {
        let node = Node::new(&Origin::Default, Value::Float(f64::INFINITY));
        assert_eq!(node.to_json(), json!("inf"));
    }
}
