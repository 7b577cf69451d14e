//! What requests to our own API are made of. Everything is strict: a name that is there twice, a word that
//! nobody knows and a time that makes no sense are refused, with the place where they stand.

use std::fmt;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use model::matcher::{self, Matchers};
use model::time::span;
use model::{Id, Labels, Severity, Time};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::app::Shared;
use crate::error::{Answer, Problem, Wrong, wrong_matcher};
use crate::limits::{MAX_AHEAD, MAX_TEXT_BYTES};
use crate::times;

/// An id as a part of a path.
pub struct PathId(pub Id);

impl FromRequestParts<Shared> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        let Name(text) = Name::from_request_parts(parts, app).await?;
        text.parse().map(PathId).map_err(|bad: model::id::BadId| Problem::wrong("id", bad.to_string()))
    }
}

/// A name as a part of a path.
pub struct Name(pub String);

impl FromRequestParts<Shared> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Answer<Self> {
        let read = Path::<String>::from_request_parts(parts, app).await;
        read.map(|Path(name)| Name(name)).map_err(|error| Problem::bad(error.body_text()))
    }
}

/// Labels that have a value each, and no name twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelsIn(pub Labels);

/// Annotations: no name twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnnotationsIn(pub Labels);

impl<'de> Deserialize<'de> for LabelsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries { empty: false }).map(LabelsIn)
    }
}

impl<'de> Deserialize<'de> for AnnotationsIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries { empty: true }).map(AnnotationsIn)
    }
}

struct Entries {
    /// Whether values may be empty.
    empty: bool,
}

impl<'de> Visitor<'de> for Entries {
    type Value = Labels;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of names and text values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Labels, A::Error> {
        let mut all: Vec<(String, String)> = Vec::with_capacity(8);
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            if value.is_empty() && !self.empty {
                return Err(A::Error::custom(format_args!(
                    "the value of {name:?} is empty: leave the label out"
                )));
            }
            all.push((name, value));
        }
        let count = all.len();
        let mut names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(A::Error::custom(format_args!("the name {:?} is given more than once", twice[0])));
        }
        let labels: Labels = all.into_iter().collect();
        debug_assert_eq!(labels.len(), count);
        Ok(labels)
    }
}

/// A severity in any of the words that the field has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeverityIn(pub Severity);

impl<'de> Deserialize<'de> for SeverityIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<str>::deserialize(deserializer)?;
        severity(&word).map(SeverityIn).map_err(D::Error::custom)
    }
}

/// A severity by its word.
///
/// # Errors
/// When nobody uses this word.
pub fn severity(word: &str) -> Result<Severity, String> {
    let known = || Severity::ALL.map(Severity::name).join(", ");
    Severity::from_word(word).ok_or_else(|| format!("{word:?} is not a severity; known are {}", known()))
}

/// A span of time such as `30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanIn(pub Duration);

impl<'de> Deserialize<'de> for SpanIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        span::deserialize(deserializer).map(SpanIn)
    }
}

/// Matchers out of texts, of which each may hold several.
///
/// # Errors
/// The first that cannot be read.
pub fn matchers<'a>(path: &str, texts: impl Iterator<Item = &'a str>) -> Answer<Matchers> {
    let mut all = Vec::new();
    for (n, text) in texts.enumerate() {
        all.extend(matcher::parse_list(text).map_err(|bad| wrong_matcher(format!("{path}[{n}]"), &bad))?);
        if all.len() > model::limits::MAX_MATCHERS {
            return Err(wrong_matcher(path, &matcher::BadMatcher::TooMany));
        }
    }
    if let Some(it) = all.iter().find(|it| it.name.contains('\0') || it.value.contains('\0')) {
        return Err(Problem::wrong(path, format!("{it} contains a NUL byte")));
    }
    Ok(Matchers(all))
}

/// A text that may be as long as this, and has no NUL in it.
///
/// # Errors
/// When it is not so.
pub fn text(path: &str, text: String, limit: usize) -> Answer<String> {
    if text.len() > limit {
        return Err(Problem::wrong(path, format!("has {} bytes, the limit is {limit}", text.len())));
    }
    if text.contains('\0') {
        return Err(Problem::wrong(path, "contains a NUL byte"));
    }
    Ok(text)
}

/// A short text: a name, an address.
///
/// # Errors
/// When it is too long or has a NUL in it.
pub fn short(path: &str, it: String) -> Answer<String> {
    text(path, it, MAX_TEXT_BYTES)
}

/// A time that can be kept.
///
/// # Errors
/// When it is before 1970 or after all calendars end.
pub fn time(path: &str, at: Time) -> Result<Time, Wrong> {
    match at {
        at if at < Time::MIN => Err(Wrong::new(path, format!("{at} is before 1970"))),
        at if at > Time::MAX => {
            Err(Wrong::new(path, format!("{at} is later than any time that can be kept")))
        }
        at => Ok(at),
    }
}

/// A time that something may have begun at.
///
/// # Errors
/// When it is before 1970 or more than a day ahead.
pub fn past(path: &str, at: Time, now: Time) -> Result<Time, Wrong> {
    if at > now + MAX_AHEAD {
        return Err(Wrong::new(path, format!("{at} is more than a day ahead: is the sender's clock right?")));
    }
    time(path, at)
}

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeIn(pub Time);

impl<'de> Deserialize<'de> for TimeIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format_args!("{text:?} is not a time like 2026-01-31T12:00:00Z"));
        times::parse(&text).map(TimeIn).ok_or_else(wrong)
    }
}

/// A time to come, given as such or as a span from now on.
///
/// # Errors
/// When it is given both ways, or has passed.
pub fn deadline(path: &str, until: Option<TimeIn>, span: Option<SpanIn>, now: Time) -> Answer<Option<Time>> {
    match (until, span) {
        (Some(_), Some(_)) => {
            Err(Problem::wrong("for", format!("is given beside `{path}`: give one of them")))
        }
        (Some(TimeIn(at)), None) if at <= now => Err(Problem::wrong(path, format!("{at} has passed"))),
        (Some(TimeIn(at)), None) => time(path, at).map(Some).map_err(|wrong| Problem::all_wrong(vec![wrong])),
        (None, Some(SpanIn(span))) if span.is_zero() => {
            Err(Problem::wrong("for", "must be longer than zero"))
        }
        (None, Some(SpanIn(span))) => Ok(Some(now + span)),
        (None, None) => Ok(None),
    }
}

/// Whether an address leads to the web, and not into the page that shows it.
pub(crate) fn is_web(url: &str) -> bool {
    let lower = url.get(..8).unwrap_or(url).to_ascii_lowercase();
    let rest = ["http://", "https://"].iter().find(|scheme| lower.starts_with(**scheme));
    rest.is_some_and(|scheme| url.len() > scheme.len())
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_strict() {
        let read = |text: &str| serde_json::from_str::<LabelsIn>(text).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"b":"1","a":"2"}"#).unwrap().0.len(), 2);
        assert!(
            read(r#"{"b":"1","b":"2"}"#).unwrap_err().starts_with("the name \"b\" is given more than once")
        );
        assert!(read(r#"{"b":""}"#).unwrap_err().starts_with("the value of \"b\" is empty"));
        assert!(read(r#"{"b":1}"#).unwrap_err().starts_with("invalid type: integer `1`, expected a string"));
        assert!(serde_json::from_str::<AnnotationsIn>(r#"{"b":""}"#).is_ok());
    }

    #[test]
    fn times_have_sensible_bounds() {
        let now = Time::from_seconds(1_800_000_000);
        assert!(past("at", now, now).is_ok() && past("at", now + MAX_AHEAD, now).is_ok());
        assert!(past("at", now + MAX_AHEAD * 2, now).is_err() && past("at", Time(-1), now).is_err());
        assert!(time("at", Time(Time::MAX.0 + 1)).is_err());
        let (passed, day) = (Some(TimeIn(now)), Some(SpanIn(MAX_AHEAD)));
        assert!(
            deadline("until", passed, None, now).is_err() && deadline("until", passed, day, now).is_err()
        );
        assert_eq!(deadline("until", None, day, now).unwrap(), Some(now + MAX_AHEAD));
    }
}
