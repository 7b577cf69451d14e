//! Styles: how their text moves the context on, and how values become safe in them.

use std::fmt::Write;

use super::FAILSAFE;
use super::context::{Context, SPACES, State, Step};

/// Moves on within a style.
pub(super) fn step(context: Context, text: &str) -> Step {
    let all = text.len();
    Ok(match context.state {
        State::CssBlockComment => match text.find("*/") {
            Some(at) => (context.with(State::Css), at + 2),
            None => (context, all),
        },
        State::CssLineComment => match text.find(['\n', '\x0c', '\r']) {
            Some(at) => (context.with(State::Css), at),
            None => (context, all),
        },
        State::CssDouble | State::CssDoubleUrl => string(context, text, &['\\', '"'])?,
        State::CssSingle | State::CssSingleUrl => string(context, text, &['\\', '\''])?,
        State::CssUrl => string(context, text, &['\\', ' ', '\t', '\n', '\x0c', '\r', ')'])?,
        _ => rules(context, text),
    })
}

fn rules(context: Context, text: &str) -> (Context, usize) {
    let mut from = 0;
    while let Some(at) = text[from..].find(['(', '"', '\'', '/']) {
        let at = from + at;
        let after = &text[at + 1..];
        match &text[at..=at] {
            "(" if is_url(&text[..at]) => {
                let spaces = after.len() - after.trim_start_matches(SPACES).len();
                let start = at + 1 + spaces;
                return match text[start..].chars().next() {
                    Some('"') => (context.with(State::CssDoubleUrl), start + 1),
                    Some('\'') => (context.with(State::CssSingleUrl), start + 1),
                    _ => (context.with(State::CssUrl), start),
                };
            }
            "/" if after.starts_with('/') => return (context.with(State::CssLineComment), at + 2),
            "/" if after.starts_with('*') => return (context.with(State::CssBlockComment), at + 2),
            "\"" => return (context.with(State::CssDouble), at + 1),
            "'" => return (context.with(State::CssSingle), at + 1),
            _ => from = at + 1,
        }
    }
    (context, text.len())
}

/// Whether what is before a parenthesis ends with `url`.
fn is_url(before: &str) -> bool {
    let before = before.trim_end_matches(SPACES);
    let word =
        before.trim_end_matches(|char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_');
    before[word.len()..].eq_ignore_ascii_case("url")
}

fn string(context: Context, text: &str, ends: &[char]) -> Step {
    let mut from = 0;
    while let Some(at) = text[from..].find(ends) {
        let at = from + at;
        if text[at..].starts_with('\\') {
            let Some(escaped) = text[at + 1..].chars().next() else {
                return Err(format!("unfinished escape sequence in CSS string: {text:?}"));
            };
            from = at + 1 + escaped.len_utf8();
            continue;
        }
        return Ok((context.with(State::Css), at + 1));
    }
    Ok((context.along_url(text), text.len()))
}

/// A value, unless it could be more than one.
pub(super) fn value(text: &str) -> String {
    let mut word = String::new();
    let mut before = ' ';
    for char in decoded(text).chars() {
        let bad = matches!(
            char,
            '\0' | '"' | '\'' | '(' | ')' | '/' | ';' | '@' | '[' | '\\' | ']' | '`' | '{' | '}' | '<' | '>'
        );
        if bad || (char == '-' && before == '-') {
            return FAILSAFE.to_owned();
        }
        if char.is_ascii_alphabetic() || char == '-' {
            word.push(char.to_ascii_lowercase());
        }
        before = char;
    }
    if word.contains("expression") || word.contains("mozbinding") {
        return FAILSAFE.to_owned();
    }
    text.to_owned()
}

/// What escapes in a style stand for.
fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char != '\\' {
            out.push(char);
            continue;
        }
        let mut code = String::new();
        while code.len() < 6
            && let Some(digit) = chars.next_if(char::is_ascii_hexdigit)
        {
            code.push(digit);
        }
        match u32::from_str_radix(&code, 16) {
            Ok(code) => {
                out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                chars.next_if(|next| SPACES.contains(next));
            }
            Err(_) => out.extend(chars.next()),
        }
    }
    out
}

/// A text within quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\0' | '\t' | '\n' | '\x0c' | '\r' | '"' | '&' | '\'' | '(' | ')' | '+' | '/' | ':' | ';'
            | '<' | '>' | '{' | '}' => {
                // writing to a text cannot fail
                let _ = write!(out, "\\{:x}", u32::from(char));
                let ambiguous = |next: &char| next.is_ascii_hexdigit() || SPACES.contains(next);
                if chars.peek().is_none_or(ambiguous) {
                    out.push(' ');
                }
            }
            char => out.push(char),
        }
    }
    out
}
