//! Label matchers, as Alertmanager has them: `severity="critical"`, `host=~"db.*"`.
//!
//! A [`Matcher`] asks one question about one label, and [`Matchers`] asks several at once. A label that is
//! not there reads as the empty text, so `team=""` asks for events without a team. Regular expressions are
//! matched against the whole value, and they mean what they mean to Go, in which Alertmanager is written.
//!
//! [`parse`] and [`parse_list`] read what people write in configuration, in links and on command lines.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::labels::Labels;
use crate::limits;

mod index;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;

pub use index::{Index, LazyIndex};
pub use parse::{parse, parse_classic, parse_list};
use pattern::Pattern;
pub use pattern::from_go as regex_from_go;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// `=`: the label has this value.
    Equal,
    /// `!=`: the label has another value, or is not there.
    NotEqual,
    /// `=~`: the whole value matches this regular expression.
    Regex,
    /// `!~`: the whole value does not match this regular expression.
    NotRegex,
}

impl Op {
    /// From the two flags by which Alertmanager's API writes it.
    pub const fn from_flags(is_regex: bool, is_equal: bool) -> Op {
        match (is_regex, is_equal) {
            (false, true) => Op::Equal,
            (false, false) => Op::NotEqual,
            (true, true) => Op::Regex,
            (true, false) => Op::NotRegex,
        }
    }

    /// As it is written between name and value.
    pub const fn symbol(self) -> &'static str {
        match self {
            Op::Equal => "=",
            Op::NotEqual => "!=",
            Op::Regex => "=~",
            Op::NotRegex => "!~",
        }
    }

    /// Whether the value is a regular expression.
    pub const fn is_regex(self) -> bool {
        matches!(self, Op::Regex | Op::NotRegex)
    }

    /// Whether it asks for a likeness rather than for a difference.
    pub const fn is_equal(self) -> bool {
        matches!(self, Op::Equal | Op::Regex)
    }
}

/// Why something is no matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadMatcher {
    /// The name is empty.
    #[error("a matcher with value {value:?} has no label name; write one before the operator")]
    NoName {
        /// The value that it was to have.
        value: String,
    },
    /// A part is longer than its limit in [`limits`].
    #[error("the {what} of the matcher of label {name:?} has {bytes} bytes, the most is {limit}")]
    TooLong {
        /// Which part.
        what: &'static str,
        /// The label's name, as far as it helps.
        name: String,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The value is no regular expression, or too costly a one.
    #[error("{value:?}, matched against label {name:?}, is not a usable regular expression: {reason}")]
    Regex {
        /// The label's name.
        name: String,
        /// The expression as written.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The text does not read as matchers.
    #[error("at character {at} of the matchers: found {found}, expected {expected}")]
    Syntax {
        /// Where, in characters from 1.
        at: usize,
        /// What is there.
        found: String,
        /// What would be right there.
        expected: &'static str,
    },
    /// Some other number of matchers where one is wanted.
    #[error("found {count} matchers, expected exactly one, such as severity=\"critical\"")]
    NotOne {
        /// How many there are.
        count: usize,
    },
    /// More than [`limits::MAX_MATCHERS`].
    #[error("more than {} matchers in one list, split it in several", limits::MAX_MATCHERS)]
    TooMany,
}

/// One question about one label. Two are equal when they are written alike.
#[derive(Clone)]
pub struct Matcher {
    /// The label asked about. Never empty unless made by [`Matcher::equal`].
    pub name: String,
    /// How it is compared.
    pub op: Op,
    /// What it is compared with: a value or a regular expression.
    pub value: String,
    /// The value made ready; there for regular expressions only.
    pattern: Option<Pattern>,
}

impl Matcher {
    /// A matcher. Fails when the name is empty, when something is over its limit (see [`limits`]) and when
    /// the value should be a regular expression and is none.
    pub fn new(name: impl Into<String>, op: Op, value: impl Into<String>) -> Result<Matcher, BadMatcher> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() {
            return Err(BadMatcher::NoName { value: value.chars().take(40).collect() });
        }
        let (what, limit) = match op.is_regex() {
            true => ("regular expression", limits::MAX_REGEX_BYTES),
            false => ("value", limits::MAX_LABEL_VALUE_BYTES),
        };
        for (what, text, limit) in [("name", &name, limits::MAX_LABEL_NAME_BYTES), (what, &value, limit)] {
            if text.len() > limit {
                let name = name.chars().take(40).collect();
                return Err(BadMatcher::TooLong { what, name, bytes: text.len(), limit });
            }
        }
        let pattern = match op.is_regex().then(|| Pattern::new(&value)).transpose() {
            Ok(pattern) => pattern,
            Err(reason) => return Err(BadMatcher::Regex { name, value, reason }),
        };
        Ok(Matcher { name, op, value, pattern })
    }

    /// A matcher for exactly this value. Nothing is checked: for names that are known to be good.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Matcher {
        Matcher { name: name.into(), op: Op::Equal, value: value.into(), pattern: None }
    }

    /// Whether these labels are what it asks for.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or_default())
    }

    /// Whether this is the value that it asks for; the empty text when there is no such label.
    pub fn matches_value(&self, value: &str) -> bool {
        let alike = match &self.pattern {
            Some(pattern) => pattern.matches(value),
            None => self.value == value,
        };
        alike == self.is_equal()
    }

    /// `isRegex` of Alertmanager's API.
    pub const fn is_regex(&self) -> bool {
        self.op.is_regex()
    }

    /// `isEqual` of Alertmanager's API.
    pub const fn is_equal(&self) -> bool {
        self.op.is_equal()
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.name, self.op, &self.value).hash(state);
    }
}

/// `name="value"`, which [`parse`] reads back as the same matcher.
///
/// Alertmanager quotes in two ways and takes Go's `%q` for unusual names. We escape only `\`, `"` and line
/// feeds, everywhere: that is the one way that both of its parsers read alike. Its classic parser, which
/// has the last word, takes the `\t` that `%q` writes for a backslash and a t.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if parse::is_classic_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            write_quoted(f, &self.name)?;
        }
        f.write_str(self.op.symbol())?;
        write_quoted(f, &self.value)
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for part in text.split_inclusive(['\\', '"', '\n']) {
        let plain = part.trim_end_matches(['\\', '"', '\n']);
        f.write_str(plain)?;
        f.write_str(match &part[plain.len()..] {
            "\\" => "\\\\",
            "\"" => "\\\"",
            "\n" => "\\n",
            _ => "",
        })?;
    }
    f.write_str("\"")
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Several questions, all of which must be answered with yes. None at all match everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Matchers(pub Vec<Matcher>);

impl Matchers {
    /// Whether these labels are what all of them ask for.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }
}

/// `{a="b",c!="d"}`, which [`parse_list`] reads back.
impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (n, matcher) in self.0.iter().enumerate() {
            write!(f, "{}{matcher}", if n == 0 { "" } else { "," })?;
        }
        f.write_str("}")
    }
}

impl FromIterator<Matcher> for Matchers {
    fn from_iter<I: IntoIterator<Item = Matcher>>(matchers: I) -> Self {
        Matchers(matchers.into_iter().collect())
    }
}

/// A list of texts. As in Alertmanager's configuration, each may hold several matchers.
impl<'de> Deserialize<'de> for Matchers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = Vec::new();
        for text in Vec::<String>::deserialize(deserializer)? {
            all.extend(parse_list(&text).map_err(serde::de::Error::custom)?);
            if all.len() > limits::MAX_MATCHERS {
                return Err(serde::de::Error::custom(BadMatcher::TooMany));
            }
        }
        Ok(Matchers(all))
    }
}
