//! Reading values of any kind into what belongs somewhere, with a note of all that did not fit.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::event::{Change, Data, Names, Note, Notes};
use crate::json::{Excess, Value};

/// A place in the event, written out only when something is noted of it.
#[derive(Clone, Copy)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// A field of the event.
    pub(crate) const fn of(field: &'p str) -> Self {
        Path { parent: None, step: Step::Key(field) }
    }

    /// A field of what stands here.
    pub(crate) const fn key(&'p self, key: &'p str) -> Path<'p> {
        Path { parent: Some(self), step: Step::Key(key) }
    }

    /// A member of the list that stands here.
    pub(crate) const fn index(&'p self, index: usize) -> Path<'p> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// Written with dots. Keys are clipped, since they may be as long as anybody likes.
    pub(crate) fn written(&self) -> String {
        let mut out = self.parent.map(Path::written).unwrap_or_default();
        if !out.is_empty() {
            out.push('.');
        }
        match self.step {
            Step::Key(key) => out.extend(key.chars().take(60)),
            Step::Index(index) => out.push_str(&index.to_string()),
        }
        out
    }
}

/// How much room there is for data whose shape only the sender knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// Bytes, of keys and values together.
    pub(crate) bytes: usize,
    /// Characters of one text.
    pub(crate) text: usize,
    /// Members of one list or map.
    pub(crate) members: usize,
    /// Levels.
    pub(crate) depth: usize,
}

/// What a number or a short word costs.
const SMALL: usize = 8;

/// What one pass over an event carries along.
pub(crate) struct Reading {
    pub(crate) notes: Notes,
    /// What to add to the client's times.
    pub(crate) drift: SignedDuration,
    pub(crate) received: Timestamp,
}

impl Reading {
    pub(crate) fn note(&mut self, path: &Path<'_>, what: Change, was: Option<usize>) {
        self.notes.push(|| Note { path: path.written(), what, was });
    }

    fn excess(&mut self, path: &Path<'_>, excess: Excess) {
        let what = match excess {
            Excess::Depth => Change::TooDeep,
            Excess::Values => Change::LeftOut,
        };
        self.note(path, what, None);
    }

    /// A text of at most so many characters. Of numbers and the like, what they look like; of nothing, nothing.
    pub(crate) fn text(&mut self, value: Value<'_>, max: usize, path: &Path<'_>) -> Option<String> {
        match value {
            Value::Null => None,
            Value::Text(text) if text.is_empty() => None,
            Value::Text(text) => Some(self.shortened(text, max, path)),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Cut(excess) => {
                self.excess(path, excess);
                None
            }
            Value::List(_) | Value::Map(_) => {
                let mut room = Room { bytes: max, text: max, members: 20, depth: 4 };
                let data = self.data(value, &mut room, path);
                Some(self.shortened(data.to_string().into(), max, path))
            }
        }
    }

    /// The same without blanks around; blank is nothing.
    pub(crate) fn word(&mut self, value: Value<'_>, max: usize, path: &Path<'_>) -> Option<String> {
        let text = self.text(value, max, path)?;
        let trimmed = text.trim();
        match trimmed.len() {
            0 => None,
            length if length == text.len() => Some(text),
            _ => Some(trimmed.to_owned()),
        }
    }

    /// The text, or its first `max` characters with an ellipsis at the end.
    pub(crate) fn shortened(&mut self, text: Cow<'_, str>, max: usize, path: &Path<'_>) -> String {
        if text.len() <= max {
            return text.into_owned();
        }
        match text.char_indices().nth(max) {
            None => text.into_owned(),
            Some(_) => {
                self.note(path, Change::Shortened, Some(text.chars().count()));
                let end = text.char_indices().nth(max.saturating_sub(1)).map_or(0, |(at, _)| at);
                format!("{}…", &text[..end])
            }
        }
    }

    /// Anything, as far as there is room.
    pub(crate) fn data(&mut self, value: Value<'_>, room: &mut Room, path: &Path<'_>) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(truth) => {
                room.bytes = room.bytes.saturating_sub(SMALL);
                Json::Bool(truth)
            }
            Value::Int(number) => {
                room.bytes = room.bytes.saturating_sub(SMALL);
                Json::from(number)
            }
            Value::Float(number) => {
                room.bytes = room.bytes.saturating_sub(SMALL);
                Json::from(number)
            }
            Value::Text(text) => {
                let text = self.shortened(text, room.text.min(room.bytes), path);
                room.bytes = room.bytes.saturating_sub(text.len() + SMALL);
                Json::String(text)
            }
            Value::Cut(excess) => {
                self.excess(path, excess);
                Json::String("…".to_owned())
            }
            Value::List(_) | Value::Map(_) if room.depth == 0 && !value.is_nothing() => {
                self.note(path, Change::TooDeep, None);
                Json::String("…".to_owned())
            }
            Value::List(list) => Json::Array(self.list(list, room, path)),
            Value::Map(members) => Json::Object(self.members(members, room, path)),
        }
    }

    fn list(&mut self, list: Vec<Value<'_>>, room: &mut Room, path: &Path<'_>) -> Vec<Json> {
        let count = list.len();
        let mut out = Vec::with_capacity(count.min(room.members));
        room.depth = room.depth.saturating_sub(1);
        for (index, value) in list.into_iter().enumerate() {
            if index >= room.members || room.bytes == 0 {
                self.note(path, Change::LeftOut, Some(count));
                break;
            }
            out.push(self.data(value, room, &path.index(index)));
        }
        room.depth += 1;
        out
    }

    fn members(&mut self, members: Vec<(Cow<'_, str>, Value<'_>)>, room: &mut Room, path: &Path<'_>) -> Data {
        let count = members.len();
        let mut out = Data::new();
        room.depth = room.depth.saturating_sub(1);
        for (index, (key, value)) in members.into_iter().enumerate() {
            if index >= room.members || room.bytes == 0 {
                self.note(path, Change::LeftOut, Some(count));
                break;
            }
            let value = self.data(value, room, &path.key(&key));
            let key = self.shortened(key, MAX_KEY, path);
            room.bytes = room.bytes.saturating_sub(key.len());
            out.insert(key, value);
        }
        room.depth += 1;
        out
    }

    /// A map, whatever was sent: a list becomes one by its indices, anything else stands under `value`.
    pub(crate) fn map(&mut self, value: Value<'_>, room: &mut Room, path: &Path<'_>) -> Data {
        match self.data(value, room, path) {
            Json::Object(data) => data,
            Json::Null => Data::new(),
            Json::Array(list) => {
                list.into_iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
            }
            other => Data::from_iter([("value".to_owned(), other)]),
        }
    }

    /// Names and texts, from a map or from a list of pairs.
    pub(crate) fn pairs(&mut self, value: Value<'_>, caps: Pairs, path: &Path<'_>) -> Vec<(String, String)> {
        let sent = match value {
            Value::Map(members) => members,
            Value::List(list) => list.into_iter().filter_map(pair).collect(),
            Value::Null => return Vec::new(),
            Value::Cut(excess) => {
                self.excess(path, excess);
                return Vec::new();
            }
            _ => {
                self.note(path, Change::Invalid, None);
                return Vec::new();
            }
        };
        let count = sent.len();
        let mut out = Vec::with_capacity(count.min(caps.count));
        for (name, value) in sent {
            if out.len() >= caps.count {
                self.note(path, Change::LeftOut, Some(count));
                break;
            }
            let value = match value {
                // headers that occur several times
                Value::List(list) if list.iter().all(|value| matches!(value, Value::Text(_))) => {
                    let texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
                    Some(self.shortened(texts.join(", ").into(), caps.value, &path.key(&name)))
                }
                value => self.text(value, caps.value, &path.key(&name)),
            };
            let name = self.shortened(name, caps.name, path);
            if !name.is_empty() {
                out.push((name, value.unwrap_or_default()));
            }
        }
        out
    }

    /// The same, each name once; what is empty is left out.
    pub(crate) fn names(&mut self, value: Value<'_>, caps: Pairs, path: &Path<'_>) -> Names {
        let pairs = self.pairs(value, caps, path);
        pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The members of `{"values": [...]}`, of a list, or the one thing itself. What is none becomes an empty list.
    pub(crate) fn values<'a>(&mut self, value: Value<'a>, path: &Path<'_>) -> Vec<Value<'a>> {
        match value {
            Value::List(list) => list,
            Value::Null => Vec::new(),
            Value::Map(mut members) => match members.iter().position(|(name, _)| name == "values") {
                Some(at) => match members.swap_remove(at).1 {
                    Value::List(list) => list,
                    Value::Null => Vec::new(),
                    one => vec![one],
                },
                None if members.is_empty() => Vec::new(),
                None => vec![Value::Map(members)],
            },
            Value::Cut(excess) => {
                self.excess(path, excess);
                Vec::new()
            }
            _ => {
                self.note(path, Change::Invalid, None);
                Vec::new()
            }
        }
    }

    /// The members of a map; of anything else, none, with a note.
    pub(crate) fn fields<'a>(
        &mut self,
        value: Value<'a>,
        path: &Path<'_>,
    ) -> Option<Vec<(Cow<'a, str>, Value<'a>)>> {
        match value {
            Value::Map(members) => Some(members),
            Value::Null => None,
            Value::Cut(excess) => {
                self.excess(path, excess);
                None
            }
            _ => {
                self.note(path, Change::Invalid, None);
                None
            }
        }
    }
}

/// Characters of a key in data.
const MAX_KEY: usize = 200;

/// How many names and texts, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pairs {
    pub(crate) count: usize,
    pub(crate) name: usize,
    pub(crate) value: usize,
}

fn pair(value: Value<'_>) -> Option<(Cow<'_, str>, Value<'_>)> {
    match value {
        Value::List(mut list) if list.len() == 2 => {
            let value = list.pop()?;
            match list.pop()? {
                Value::Text(name) => Some((name, value)),
                Value::Int(number) => Some((number.to_string().into(), value)),
                _ => None,
            }
        }
        // as some write tags
        Value::Map(members) => {
            let (mut name, mut text) = (None, None);
            for (key, value) in members {
                match &*key {
                    "key" => name = value.as_str().map(|name| Cow::Owned(name.to_owned())),
                    "value" => text = Some(value),
                    _ => {}
                }
            }
            name.zip(text)
        }
        _ => None,
    }
}

/// Leaves out the middle of a long list: how many were left out, and before which of the kept ones they stood.
pub(crate) fn keep_ends<T>(list: &mut Vec<T>, keep: usize) -> Option<(usize, usize)> {
    let surplus = list.len().checked_sub(keep).filter(|surplus| *surplus > 0)?;
    let before = keep / 2;
    list.drain(before..before + surplus);
    Some((before, surplus))
}
