//! YAML texts as trees with places, by the rules of Alertmanager's reader (yaml.v2, strict).
//!
//! The events come from `saphyr-parser`: maintained, pure Rust without unsafe code, two small packages, a
//! place with every event, and aliases handed out as such, so that a "billion laughs" is ours to refuse
//! before it is anything. `serde-saphyr` 2 has budgets as well, but reads into serde types, where the place
//! of a key is gone and YAML 1.1's `yes` is a text; it also brings a dozen packages. `saphyr` loads whole
//! trees and follows aliases by copying. We need a tree of our own in any case.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::limits::{MAX_NESTING, MAX_YAML_VALUES};
use crate::path::Path;
use crate::problem::{Origin, Problems};

/// A value of a YAML text. Aliases share what they stand for.
pub(crate) struct Yaml {
    /// Where it is.
    pub(crate) origin: Origin,
    /// What it is.
    pub(crate) value: Value,
    /// How many values it consists of, after aliases.
    weight: usize,
    /// How deep it is nested, after aliases.
    depth: usize,
}

/// What a value of a YAML text is. Plain texts are not yet anything: it depends on what is wanted.
pub(crate) enum Value {
    /// A text with or without quotes.
    Scalar {
        /// The text.
        text: String,
        /// Whether it has no quotes, so that it may be a number or nothing.
        plain: bool,
    },
    /// Values in order.
    List(Vec<Rc<Yaml>>),
    /// Values by key, in order, with merges (`<<`) done. No key is there twice.
    Map(Vec<(Key, Rc<Yaml>)>),
}

/// A key and where it is.
#[derive(Clone)]
pub(crate) struct Key {
    /// The key.
    pub(crate) text: String,
    /// Where it is.
    pub(crate) origin: Origin,
}

impl Yaml {
    /// Whether it is nothing, as YAML writes it.
    pub(crate) fn is_null(&self) -> bool {
        let null = |text: &str| matches!(text, "" | "~" | "null" | "Null" | "NULL");
        matches!(&self.value, Value::Scalar { text, plain: true } if null(text))
    }
}

/// Reads the one document of a text. `None`: it cannot be read, and the problems say why.
pub(crate) fn parse(name: &str, text: &str, problems: &mut Problems) -> Option<Rc<Yaml>> {
    let mut builder =
        Builder { name: name.into(), open: Vec::new(), anchors: BTreeMap::new(), document: None };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err((builder.origin_of(error.marker()), error.info().to_owned())),
        };
        if let Err((origin, message)) = step {
            problems.error(&origin, &Path::default(), message);
            return None;
        }
    }
    let start = Origin::File { name: builder.name.clone(), line: 1, column: 1 };
    let nothing = || Rc::new(Yaml::scalar(start, String::new(), true));
    Some(builder.document.unwrap_or_else(nothing))
}

impl Yaml {
    /// A map without anything in it.
    pub(crate) fn empty_map(origin: &Origin) -> Self {
        Yaml { origin: origin.clone(), value: Value::Map(Vec::new()), weight: 1, depth: 1 }
    }

    fn scalar(origin: Origin, text: String, plain: bool) -> Self {
        Yaml { origin, value: Value::Scalar { text, plain }, weight: 1, depth: 1 }
    }
}

/// A list or map whose end has not come yet.
struct Open {
    origin: Origin,
    anchor: usize,
    items: Vec<Rc<Yaml>>,
    /// There for maps only.
    map: Option<OpenMap>,
    weight: usize,
    depth: usize,
}

#[derive(Default)]
struct OpenMap {
    key: Option<Key>,
    entries: Vec<(Key, Rc<Yaml>)>,
    /// Keys that were written here, and where.
    written: BTreeMap<String, Origin>,
    /// Where the keys that came by merges are among the entries.
    merged: BTreeMap<String, usize>,
}

struct Builder {
    name: Arc<str>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Rc<Yaml>>,
    document: Option<Rc<Yaml>>,
}

type Wrong = (Origin, String);

impl Builder {
    fn origin_of(&self, marker: &saphyr_parser::Marker) -> Origin {
        Origin::File { name: self.name.clone(), line: marker.line(), column: marker.col() + 1 }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Wrong> {
        let origin = self.origin_of(&span.start);
        match event {
            Event::DocumentStart(_) if self.document.is_some() => {
                Err((origin, "there is a second document in the file; only one can be used".to_owned()))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = is_plain(style, tag.as_ref()).map_err(|message| (origin.clone(), message))?;
                self.put(Rc::new(Yaml::scalar(origin, text.into_owned(), plain)), anchor)
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) if tag.is_some() => {
                let _ = anchor;
                Err((origin, "tags such as !!map are not understood".to_owned()))
            }
            Event::SequenceStart(anchor, _) => self.start(origin, anchor, None),
            Event::MappingStart(anchor, _) => self.start(origin, anchor, Some(OpenMap::default())),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.put(node.clone(), 0),
                None => Err((origin, "the alias refers to something that it is a part of".to_owned())),
            },
            _ => Ok(()),
        }
    }

    fn start(&mut self, origin: Origin, anchor: usize, map: Option<OpenMap>) -> Result<(), Wrong> {
        if self.open.len() >= MAX_NESTING {
            return Err((origin, format!("nested more than {MAX_NESTING} deep")));
        }
        self.open.push(Open { origin, anchor, items: Vec::new(), map, weight: 1, depth: 1 });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Wrong> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let Open { origin, anchor, items, map, weight, depth } = open;
        let value = map.map_or(Value::List(items), |map| Value::Map(map.entries));
        self.put(Rc::new(Yaml { origin, value, weight, depth }), anchor)
    }

    /// Puts a finished value where it belongs.
    fn put(&mut self, node: Rc<Yaml>, anchor: usize) -> Result<(), Wrong> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        open.weight = open.weight.saturating_add(node.weight);
        open.depth = open.depth.max(node.depth + 1);
        if open.weight > MAX_YAML_VALUES {
            let message = format!("more than {MAX_YAML_VALUES} values, counting what aliases stand for");
            return Err((open.origin.clone(), message));
        }
        if open.depth > MAX_NESTING {
            return Err((open.origin.clone(), format!("nested more than {MAX_NESTING} deep")));
        }
        match &mut open.map {
            None => open.items.push(node),
            Some(map) => map.put(node)?,
        }
        Ok(())
    }
}

impl OpenMap {
    fn put(&mut self, node: Rc<Yaml>) -> Result<(), Wrong> {
        let Some(key) = self.key.take() else {
            let Value::Scalar { text, .. } = &node.value else {
                return Err((node.origin.clone(), "a key must be a text".to_owned()));
            };
            self.key = Some(Key { text: text.clone(), origin: node.origin.clone() });
            return Ok(());
        };
        if let Some(Origin::File { line, .. }) = self.written.get(&key.text) {
            return Err((
                key.origin,
                format!("duplicate key `{}`, which is already on line {line}", key.text),
            ));
        }
        self.written.insert(key.text.clone(), key.origin.clone());
        if key.text == "<<" {
            return self.merge(&key, &node);
        }
        // a key of its own has precedence over one that was merged in
        match self.merged.get(&key.text).copied() {
            Some(at) => self.entries[at] = (key, node),
            None => self.entries.push((key, node)),
        }
        Ok(())
    }

    /// `<<: *base` and `<<: [*first, *second]`, of which the first has precedence. In yaml.v2 a merge
    /// overrides what stands before it, in YAML 1.1 it does not; so that is refused.
    fn merge(&mut self, key: &Key, node: &Rc<Yaml>) -> Result<(), Wrong> {
        let sources = match &node.value {
            Value::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        for source in sources {
            let Value::Map(entries) = &source.value else {
                return Err((
                    key.origin.clone(),
                    "map merge requires map or sequence of maps as the value".to_owned(),
                ));
            };
            for (name, value) in entries {
                if self.written.contains_key(&name.text) {
                    let message =
                        format!("`<<` also sets `{}`, which stands before it; put `<<` first", name.text);
                    return Err((key.origin.clone(), message));
                }
                if !self.merged.contains_key(&name.text) {
                    self.merged.insert(name.text.clone(), self.entries.len());
                    self.entries.push((name.clone(), value.clone()));
                }
            }
        }
        Ok(())
    }
}

/// Whether a text may be something else than a text.
fn is_plain(style: ScalarStyle, tag: Option<&Cow<'_, Tag>>) -> Result<bool, String> {
    match tag {
        None => Ok(style == ScalarStyle::Plain),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(false),
        Some(tag) => Err(format!("the tag {tag} is not understood")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(yaml: &Yaml) -> String {
        match &yaml.value {
            Value::Scalar { text, plain: true } => text.clone(),
            Value::Scalar { text, .. } => format!("{text:?}"),
            Value::List(items) => {
                format!("[{}]", items.iter().map(|it| show(it)).collect::<Vec<_>>().join(","))
            }
            Value::Map(entries) => {
                let entry = |(key, value): &(Key, Rc<Yaml>)| format!("{}:{}", key.text, show(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
            }
        }
    }

    fn read(text: &str) -> Result<String, String> {
        let mut problems = Problems::default();
        let tree = parse("x.yml", text, &mut problems);
        let told = problems.finish().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        tree.map(|tree| show(&tree)).ok_or(told)
    }

    #[test]
    fn anchors_and_merges() {
        let text = "base: &b {a: 1, c: 'x'}\nown:\n  <<: *b\n  c: y\nlist: [*b]\n";
        assert_eq!(read(text).unwrap(), "{base:{a:1,c:\"x\"},own:{a:1,c:y},list:[{a:1,c:\"x\"}]}");
        assert!(read("b: &b {a: 1}\no: {a: 2, <<: *b}").unwrap_err().contains("put `<<` first"));
        assert!(read("a: {<<: 5}").unwrap_err().contains("map merge requires"));
        assert!(read("a: &a [*a]").unwrap_err().contains("a part of"));
    }

    #[test]
    fn what_is_not_one_plain_document_is_refused() {
        assert_eq!(
            read("a: 1\na: 2").unwrap_err(),
            "x.yml:2:1: duplicate key `a`, which is already on line 1"
        );
        assert!(read("a: 1\n---\nb: 2").unwrap_err().contains("second document"));
        assert!(read("[a]: 1").unwrap_err().contains("a key must be a text"));
        assert!(read("a: !!int 1").unwrap_err().contains("tag"));
        assert_eq!(read("a: !!str 1").unwrap(), "{a:\"1\"}");
        assert_eq!(read("").unwrap(), "");
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..10 {
            let ten = vec![format!("*a{}", n - 1); 10].join(", ");
            laughs.push_str(&format!("a{n}: &a{n} [{ten}]\n"));
        }
        assert!(read(&laughs).unwrap_err().contains("more than 500000 values"));
        let mut chain = "a0: &a0 [x]\n".to_owned();
        for n in 1..1000 {
            chain.push_str(&format!("a{n}: &a{n} [*a{}]\n", n - 1));
        }
        assert!(read(&chain).unwrap_err().contains("deep"));
        for deep in ["- ".repeat(10_000), "[".repeat(10_000), "{a: ".repeat(10_000)] {
            assert!(read(&deep).is_err());
        }
    }
}
