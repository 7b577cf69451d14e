//! What was looked at to group an event, and what of it counted.

use std::borrow::Cow;

use md5::{Digest, Md5};
use serde::Serialize;

/// A part of an event that grouping has looked at. It borrows from the event; written as JSON, it is the
/// answer to "why is this in this group".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component<'a> {
    /// What it is: `exception`, `stacktrace`, `frame`, `module`, `function`, …
    pub id: &'static str,
    /// It counts.
    pub contributes: bool,
    /// Its value as it counts, with what varies taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Cow<'a, str>>,
    /// Why it does not count, or what was done with it before it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Component<'a>>,
}

impl<'a> Component<'a> {
    /// A value that counts.
    pub(crate) fn value(id: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        Component { id, contributes: true, value: Some(value.into()), hint: None, parts: Vec::new() }
    }

    /// A value that does not count, and why.
    pub(crate) fn ignored(id: &'static str, value: impl Into<Cow<'a, str>>, hint: &'static str) -> Self {
        Component { id, contributes: false, value: Some(value.into()), hint: Some(hint), parts: Vec::new() }
    }

    /// What counts when one of its parts does.
    pub(crate) fn of(id: &'static str, parts: Vec<Component<'a>>) -> Self {
        let contributes = parts.iter().any(|part| part.contributes);
        Component { id, contributes, value: None, hint: None, parts }
    }

    /// The same, saying what was done with it.
    pub(crate) fn with_hint(mut self, hint: Option<&'static str>) -> Self {
        self.hint = hint;
        self
    }

    /// The same, not counting.
    pub(crate) fn without(mut self, hint: &'static str) -> Self {
        self.contributes = false;
        self.hint = Some(hint);
        self
    }

    /// All values that count, in their order.
    pub(crate) fn each_value(&self, take: &mut impl FnMut(&'static str, &str)) {
        if !self.contributes {
            return;
        }
        if let Some(value) = &self.value {
            take(self.id, value);
        }
        for part in &self.parts {
            part.each_value(take);
        }
    }

    /// The hash of what counts; before it, other parts may be put.
    pub(crate) fn hash(&self, salt: &[String]) -> String {
        let mut digest = Md5::new();
        for part in salt {
            digest.update(part.as_bytes());
            digest.update([0x1e]);
        }
        self.each_value(&mut |id, value| {
            // with its name and an end, so that a module and a function of one name are two things
            digest.update(id.as_bytes());
            digest.update([0x1f]);
            digest.update(value.as_bytes());
            digest.update([0x1e]);
        });
        hex(&digest.finalize())
    }
}

/// The hash of words that somebody else has chosen.
pub(crate) fn hash_of<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let mut digest = Md5::new();
    for word in words {
        digest.update(word.as_bytes());
        digest.update([0x1e]);
    }
    hex(&digest.finalize())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
