//! Bodies, field by field: what is missing or wrong is collected, and said all at once.

use std::collections::BTreeMap;

use model::Time;
use model::extra::AddedTag;
use serde_json::{Map, Value};

use super::refused::Refused;
use crate::input::is_web;
use crate::times;

/// Characters of a description, a metadata object as text, and other long texts.
pub(super) const MAX_LONG: usize = 60_000;
/// Characters of a name, an address, a tag.
pub(super) const MAX_SHORT: usize = 2000;
/// Tags of one incident.
pub(super) const MAX_TAGS: usize = 200;

/// What is said where something must be there.
const MISSING: &str = "This field is required.";
/// What is said where nothing is something else than not to say it.
const NULL: &str = "This field may not be null.";

/// A body that is being read.
pub(super) struct Fields {
    object: Map<String, Value>,
    wrong: BTreeMap<String, Vec<String>>,
}

/// A value in words.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl Fields {
    /// Of this object.
    pub fn new(object: Map<String, Value>) -> Self {
        Fields { object, wrong: BTreeMap::new() }
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, name: &str, what: impl Into<String>) {
        self.wrong.entry(name.to_owned()).or_default().push(what.into());
    }

    /// Nothing more is read.
    ///
    /// # Errors
    /// When something was wrong.
    pub fn done(self) -> Result<(), Refused> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Refused::Fields(self.wrong)) }
    }

    /// Whether a field is given.
    pub fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// The names of the fields that are given.
    pub fn names(&self) -> Vec<String> {
        self.object.keys().cloned().collect()
    }

    /// A field as it is; `null` if it is not given.
    pub fn value(&self, name: &str) -> &Value {
        self.object.get(name).unwrap_or(&Value::Null)
    }

    /// Sets a field as if it had been given so.
    pub fn set(&mut self, name: &str, value: Value) {
        self.object.insert(name.to_owned(), value);
    }

    /// Makes sure that these fields are not null and, if all is to be said, that they are there.
    pub fn must(&mut self, names: &[&str], all: bool) {
        for name in names {
            match self.object.get(*name) {
                None if all => self.wrong(name, MISSING),
                Some(Value::Null) => self.wrong(name, NULL),
                _ => {}
            }
        }
    }

    /// A text, if it is given.
    pub fn text(&mut self, name: &str, limit: usize) -> Option<String> {
        let value = self.object.get(name)?;
        let wrong = match value {
            Value::String(text) if text.contains('\0') => "contains a NUL byte".to_owned(),
            Value::String(text) if text.len() > limit => {
                format!("has {} bytes, the limit is {limit}", text.len())
            }
            Value::String(text) => return Some(text.clone()),
            Value::Number(number) => return Some(number.to_string()),
            other => format!("must be a text, and is {}", kind_of(other)),
        };
        self.wrong(name, wrong);
        None
    }

    /// A text that must be there and not be empty.
    pub fn needed_text(&mut self, name: &str, limit: usize) -> String {
        if !self.has(name) {
            self.wrong(name, MISSING);
            return String::new();
        }
        let text = self.text(name, limit);
        if text.as_ref().is_some_and(|it| it.trim().is_empty()) {
            self.wrong(name, "must not be empty");
        }
        text.unwrap_or_default()
    }

    /// A whole number, also as text.
    pub fn number(&mut self, name: &str) -> Option<i64> {
        let value = self.object.get(name)?;
        let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
        if number.is_none() {
            let what = format!("must be a whole number, and is {}", kind_of(value));
            self.wrong(name, what);
        }
        number
    }

    /// A time that may not be given.
    pub fn time(&mut self, name: &str) -> Option<Time> {
        let text = self.object.get(name).filter(|it| !it.is_null())?.as_str().unwrap_or_default();
        let time = read_time(text);
        if time.is_none() {
            let what = format!("{text:?} is not a time like 2026-01-31T12:00:00+01:00");
            self.wrong(name, what);
        }
        time
    }

    /// A time that must be given.
    pub fn needed_time(&mut self, name: &str) -> Option<Time> {
        if self.value(name).is_null() {
            self.wrong(name, MISSING);
        }
        self.time(name)
    }

    /// An address on the web, or nothing.
    pub fn url(&mut self, name: &str) -> Option<String> {
        let url = self.text(name, MAX_SHORT)?;
        if !url.is_empty() && !is_web(&url) {
            self.wrong(name, "must be an address that begins with http:// or https://");
        }
        Some(url)
    }

    /// A list of tags, as `[{"tag": "key=value"}]` or `["key=value"]`.
    pub fn tags(&mut self, name: &str, by: i64, at: Time) -> Option<Vec<AddedTag>> {
        let value = self.object.get(name)?;
        let Some(list) = value.as_array() else {
            let what = format!("must be a list, and is {}", kind_of(value));
            self.wrong(name, what);
            return None;
        };
        if list.len() > MAX_TAGS {
            let what = format!("has {} tags, the limit is {MAX_TAGS}", list.len());
            self.wrong(name, what);
            return None;
        }
        let mut tags: Vec<AddedTag> = Vec::with_capacity(list.len());
        let mut wrong = Vec::new();
        for it in list {
            let text = it.as_str().or_else(|| it.get("tag")?.as_str()).unwrap_or_default();
            match check_tag(text) {
                Ok(()) if tags.iter().any(|have| have.tag == text) => {}
                Ok(()) => tags.push(AddedTag { tag: text.to_owned(), by: model::Id(by), at }),
                Err(what) => wrong.push(what),
            }
        }
        wrong.into_iter().for_each(|what| self.wrong(name, what));
        Some(tags)
    }
}

/// Reads a time; one without a zone is UTC.
pub(super) fn read_time(text: &str) -> Option<Time> {
    let text = text.trim().replacen(' ', "T", 1);
    let time = times::parse(&text).or_else(|| times::parse(&format!("{text}Z")))?;
    Some(time).filter(|at| (Time::MIN..=Time::MAX).contains(at))
}

/// Whether this is a tag: `key=value` with a key of small letters, digits and `_`.
///
/// # Errors
/// What is wrong, in words.
pub(super) fn check_tag(text: &str) -> Result<(), String> {
    let shown: String = text.chars().take(40).collect();
    let (key, _) = text.split_once('=').ok_or_else(|| format!("{shown:?} is no tag: write key=value"))?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if key.is_empty() || !key.bytes().all(plain) {
        return Err(format!("{shown:?}: a key has a-z, 0-9 and _ only, and one at least"));
    }
    if text.len() > MAX_SHORT || text.contains('\0') {
        return Err(format!("{shown:?} is longer than {MAX_SHORT} bytes, or has a NUL byte in it"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let Value::Object(object) =
            json!({ "level": "x", "tags": ["a", "B=1"], "ticket_url": "javascript:1" })
        else {
            panic!("no object")
        };
        let mut fields = Fields::new(object);
        assert_eq!((fields.number("level"), fields.needed_time("start_time")), (None, None));
        fields.tags("tags", 1, Time(0));
        fields.url("ticket_url");
        let Err(Refused::Fields(wrong)) = fields.done() else { panic!("nothing was wrong") };
        let names: Vec<_> = wrong.iter().map(|(name, what)| (name.as_str(), what.len())).collect();
        assert_eq!(names, [("level", 1), ("start_time", 1), ("tags", 2), ("ticket_url", 1)]);
    }

    #[test]
    fn tags_and_times_are_as_argus_takes_them() {
        assert!(["a=b", "a_1=", "host=x=y", "k=ünï \u{1F514}"].into_iter().all(|it| check_tag(it).is_ok()));
        assert!(["a", "=b", "A=b", "a b=c", "a-b=c"].into_iter().all(|it| check_tag(it).is_err()));
        let at = read_time("2026-06-01T12:00:00Z");
        assert_eq!(read_time("2026-06-01 14:00:00+02:00"), at);
        assert_eq!(read_time("2026-06-01T12:00:00"), at);
        assert_eq!((read_time("infinity"), read_time("1800-01-01T00:00:00Z")), (None, None));
        assert!(is_web("https://x") && !is_web("https://") && !is_web("//x") && !is_web("http://a b"));
    }
}
