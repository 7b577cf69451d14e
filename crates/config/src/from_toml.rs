//! TOML texts as nodes. Spans come from the `toml` crate's own tree, before serde forgets them.

use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeArray, DeTable, DeValue};

use crate::limits::MAX_NESTING;
use crate::node::{Entry, Node, Value};
use crate::path::Path;
use crate::problem::{Origin, Problems};

/// Reads a TOML text. `None`: it is none, and the problems say why.
pub(crate) fn parse(name: &str, text: &str, problems: &mut Problems) -> Option<Node> {
    let reader = Reader { name: name.into(), lines: Lines::new(text), fixed: None };
    // All errors of syntax are told at once. Only their words are: the errors' own texts show the line,
    // which may hold a secret.
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let origin = reader.origin(&error.span().unwrap_or(0..0));
        problems.error(&origin, &Path::default(), error.message());
    }
    if !errors.is_empty() {
        return None;
    }
    let origin = reader.origin(&(0..0));
    reader.table(&origin, table.get_ref(), &Path::default(), problems)
}

/// Reads one TOML value, as in `key = value`, for the environment: all of it is of one origin.
pub(crate) fn parse_value(origin: &Origin, text: &str) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    let reader = Reader { name: "".into(), lines: Lines::new(""), fixed: Some(origin.clone()) };
    let mut problems = Problems::default();
    reader.value(origin, value.get_ref(), &Path::default(), &mut problems)
}

struct Reader {
    name: Arc<str>,
    lines: Lines,
    /// What everything is of, when it is of no file.
    fixed: Option<Origin>,
}

impl Reader {
    fn origin(&self, span: &Range<usize>) -> Origin {
        if let Some(origin) = &self.fixed {
            return origin.clone();
        }
        let (line, column) = self.lines.place(span.start);
        Origin::File { name: self.name.clone(), line, column }
    }

    fn table(&self, origin: &Origin, table: &DeTable, path: &Path, problems: &mut Problems) -> Option<Node> {
        let mut entries: Vec<(usize, Entry)> = Vec::with_capacity(table.len());
        for (key, value) in table {
            let (key_origin, name) = (self.origin(&key.span()), key.get_ref().as_ref());
            let origin = self.origin(&value.span());
            let node = self.value(&origin, value.get_ref(), &path.key(name), problems)?;
            entries.push((key.span().start, Entry { key: name.to_owned(), origin: key_origin, node }));
        }
        // as written, not by name
        entries.sort_by_key(|(at, _)| *at);
        Some(Node::new(origin, Value::Table(entries.into_iter().map(|(_, entry)| entry).collect())))
    }

    fn list(&self, origin: &Origin, list: &DeArray, path: &Path, problems: &mut Problems) -> Option<Node> {
        let item = |(n, item): (usize, &toml::Spanned<DeValue>)| {
            self.value(&self.origin(&item.span()), item.get_ref(), &path.index(n), problems)
        };
        let items = list.iter().enumerate().map(item).collect::<Option<Vec<_>>>()?;
        Some(Node::new(origin, Value::List(items)))
    }

    fn value(&self, origin: &Origin, value: &DeValue, path: &Path, problems: &mut Problems) -> Option<Node> {
        if path.0.len() > MAX_NESTING {
            let message = format!("nested more than {MAX_NESTING} deep");
            problems.error(origin, &Path::default(), message);
            return None;
        }
        let value = match value {
            DeValue::Table(table) => return self.table(origin, table, path, problems),
            DeValue::Array(list) => return self.list(origin, list, path, problems),
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Int(number),
                Err(_) => {
                    problems.error(origin, path, "the number is out of range");
                    return None;
                }
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Value::Float(number),
                Err(_) => {
                    problems.error(origin, path, "not a number");
                    return None;
                }
            },
        };
        Some(Node::new(origin, value))
    }
}

/// Where lines begin.
struct Lines {
    text: String,
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { text: text.to_owned(), starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts[line - 1];
        let before = self.text.get(start..at.min(self.text.len())).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Problems::default();
        parse("x.toml", text, &mut problems);
        problems.finish().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn places_are_counted_in_characters() {
        let mut problems = Problems::default();
        let node = parse("x.toml", "a = 1\n'ö' = { b = 'ü', c = 2 }\n", &mut problems).unwrap();
        let origin = |path: &Path| node.origin_at(path).to_string();
        assert_eq!(origin(&Path::of(&["ö"])), "x.toml:2:1");
        assert_eq!(origin(&Path::of(&["ö", "c"])), "x.toml:2:18");
    }

    #[test]
    fn errors_of_syntax_do_not_show_the_line() {
        let all = problems("[database]\nurl = \"postgres://u:hush@h/\nb = 1\n");
        assert!(!all.is_empty() && !all.join("\n").contains("hush"), "{all:?}");
        assert!(all[0].starts_with("x.toml:2:"), "{all:?}");
        assert_eq!(problems("a = 1\na = 2"), ["x.toml:2:1: duplicate key"]);
    }

    #[test]
    fn deep_texts_are_refused_without_deep_stacks() {
        for text in [
            format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000)),
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("[{}a]", "a.".repeat(100_000)),
            format!("a = {}", "{a=".repeat(100_000)),
        ] {
            assert!(!problems(&text).is_empty());
        }
    }
}
