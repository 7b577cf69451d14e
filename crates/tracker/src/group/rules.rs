//! Rules of a project: which events get which fingerprint.
//!
//! One rule a line, in the words that Sentry's users know; the first that matches holds:
//!
//! ```text
//! # what the database says is one thing, wherever it is raised
//! error.type:OperationalError -> database-down
//! error.type:PaymentError tags.shop:* -> {{ default }}, {{ tags.shop }}
//! stack.module:acme.imports.* !level:fatal -> imports, {{ error.type }} title="Import: {{ error.type }}"
//! ```
//!
//! A value may have `*` and `?` in it and stand in quotation marks. Matchers of frames must all match in one frame.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::look::variable;
use crate::event::{Event, Frame};

/// Rules of one project.
const MAX_RULES: usize = 200;
/// Characters of a rule.
const MAX_RULE: usize = 2_000;
/// Matchers of a rule.
const MAX_MATCHERS: usize = 20;
/// Parts of a fingerprint.
const MAX_PARTS: usize = 20;
/// Frames of an event that are looked at, the innermost first.
const MAX_FRAMES: usize = 500;

/// The rules of a project, in their order. As text they are one rule a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// As it was written.
    pub text: String,
    /// All have to match.
    pub matchers: Vec<Matcher>,
    /// The fingerprint that the event gets.
    pub fingerprint: Vec<String>,
    /// The title that it gets.
    pub title: Option<String>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// The field's name.
    pub field: String,
    /// What it has to look like.
    pub pattern: String,
    /// It must not.
    pub negated: bool,
}

/// A rule cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RuleError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Fields that are of a frame, and of the same one in one rule.
const OF_FRAMES: &[&str] = &[
    "stack.function",
    "stack.module",
    "stack.abs_path",
    "stack.filename",
    "stack.package",
    "function",
    "module",
    "path",
    "package",
    "app",
];
/// Fields of an event.
const OF_EVENTS: &[&str] = &[
    "error.type",
    "type",
    "error.value",
    "value",
    "message",
    "logger",
    "level",
    "release",
    "environment",
    "transaction",
    "platform",
    "server_name",
    "sdk",
];

impl Rules {
    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// The first rule that an event matches.
    pub fn first_for(&self, event: &Event) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.matches(event))
    }
}

impl FromStr for Rules {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what| RuleError { line: index + 1, what };
            if rules.len() >= MAX_RULES {
                return Err(wrong(format!("more than {MAX_RULES} rules")));
            }
            rules.push(rule(line).map_err(wrong)?);
        }
        Ok(Rules(rules))
    }
}

impl std::fmt::Display for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|rule| writeln!(f, "{}", rule.text))
    }
}

fn rule(line: &str) -> Result<Rule, String> {
    if line.chars().count() > MAX_RULE {
        return Err(format!("a rule of more than {MAX_RULE} characters"));
    }
    let arrow = || {
        "a rule has an arrow between what it matches and what it gives: type:KeyError -> missing".to_owned()
    };
    let at = outside_quotes(line, "->").ok_or_else(arrow)?;
    let (left, right) = (&line[..at], &line[at + 2..]);
    let matchers = words(left)?.iter().map(|word| matcher(word)).collect::<Result<Vec<_>, _>>()?;
    if matchers.is_empty() || matchers.len() > MAX_MATCHERS {
        return Err(format!("a rule matches by 1 to {MAX_MATCHERS} fields, this one has {}", matchers.len()));
    }
    let (right, title) = match outside_quotes(right, "title=") {
        Some(at) => (&right[..at], Some(unquoted(right[at + 6..].trim()))),
        None => (right, None),
    };
    let fingerprint = parts(right);
    if fingerprint.is_empty() || fingerprint.len() > MAX_PARTS {
        return Err(format!("a fingerprint has 1 to {MAX_PARTS} parts, this one has {}", fingerprint.len()));
    }
    Ok(Rule { text: line.to_owned(), matchers, fingerprint, title })
}

fn matcher(word: &str) -> Result<Matcher, String> {
    let (negated, word) = match word.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, word),
    };
    let Some((field, pattern)) = word.split_once(':') else {
        return Err(format!("`{word}` is no condition: field:pattern"));
    };
    let known = OF_FRAMES.contains(&field)
        || OF_EVENTS.contains(&field)
        || field.strip_prefix("tags.").is_some_and(|tag| !tag.is_empty());
    if !known {
        return Err(format!(
            "there is no field `{field}`; there are {}, {} and tags.NAME",
            OF_EVENTS.join(", "),
            OF_FRAMES.join(", ")
        ));
    }
    Ok(Matcher { field: field.to_owned(), pattern: unquoted(pattern), negated })
}

/// Where this stands outside of quotation marks.
fn outside_quotes(text: &str, what: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if !quoted && text[at..].starts_with(what) => return Some(at),
            _ => {}
        }
    }
    None
}

/// The words of a line; blanks in quotation marks are of the word.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                word.push(char);
                word.extend(chars.next());
            }
            '"' => {
                quoted = !quoted;
                word.push(char);
            }
            ' ' | '\t' if !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => word.push(other),
        }
    }
    if quoted {
        return Err("a quotation mark has no end".to_owned());
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// The parts of a fingerprint, between commas.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = outside_quotes(rest, ",") {
        parts.push(unquoted(rest[..at].trim()));
        rest = &rest[at + 1..];
    }
    parts.push(unquoted(rest.trim()));
    parts.retain(|part| !part.is_empty());
    parts
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    }
}

impl Rule {
    /// Whether all its matchers match, those of frames in one frame.
    pub fn matches(&self, event: &Event) -> bool {
        let of_frames = |matcher: &&Matcher| OF_FRAMES.contains(&matcher.field.as_str());
        let by_event = self.matchers.iter().filter(|matcher| !of_frames(matcher));
        if !by_event.into_iter().all(|matcher| matcher.matches_event(event)) {
            return false;
        }
        let by_frame: Vec<&Matcher> = self.matchers.iter().filter(of_frames).collect();
        by_frame.is_empty()
            || event
                .stacks()
                .flat_map(|stack| stack.frames.iter().rev())
                .take(MAX_FRAMES)
                .any(|frame| by_frame.iter().all(|matcher| matcher.matches_frame(frame)))
    }
}

impl Matcher {
    fn matches_event(&self, event: &Event) -> bool {
        let looks_so = |text: &str| looks_like(&self.pattern, text);
        let matched = match self.field.as_str() {
            // any exception of the chain, not only the one that is shown
            "error.type" | "type" => {
                event.exceptions.iter().filter_map(|exception| exception.ty.as_deref()).any(looks_so)
            }
            "error.value" | "value" => {
                event.exceptions.iter().filter_map(|exception| exception.value.as_deref()).any(looks_so)
            }
            "sdk" => event.sdk.as_ref().is_some_and(|sdk| looks_so(&sdk.name)),
            field => variable(event, field).and_then(Result::ok).is_some_and(|value| looks_so(&value)),
        };
        matched != self.negated
    }

    fn matches_frame(&self, frame: &Frame) -> bool {
        let path = || frame.abs_path.as_deref().or(frame.filename.as_deref());
        let value = match self.field.trim_start_matches("stack.") {
            "function" => frame.function.as_deref(),
            "module" => frame.module.as_deref(),
            "filename" => frame.filename.as_deref(),
            "package" => frame.package.as_deref(),
            "app" => Some(if frame.in_app { "yes" } else { "no" }),
            _ => path(),
        };
        value.is_some_and(|value| looks_like(&self.pattern, value)) != self.negated
    }
}

/// Matches `*` and `?`, without regard to case. It takes at most the product of both lengths.
pub(crate) fn looks_like(pattern: &str, text: &str) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (pattern, text) = (lower(pattern), lower(text));
    let (mut at, mut in_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(char) if *char == '?' || *char == text[in_text] => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((of_star, from)) => {
                    star = Some((of_star, from + 1));
                    at = of_star + 1;
                    in_text = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|char| *char == '*')
}
