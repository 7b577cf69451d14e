//! JavaScript: how its text moves the context on, and how values become safe in it.

use std::fmt::Write;

use super::context::{Context, Slash, State, Step};
use crate::json::to_json;
use crate::value::Env;
use crate::value::Value;

/// Whether a `<script type=…>` is a script, or data that is read as one.
pub(super) fn is_script_type(value: &str) -> bool {
    let kind = value.split_once(';').map_or(value, |(kind, _)| kind).trim().to_ascii_lowercase();
    matches!(
        kind.as_str(),
        "application/ecmascript"
            | "application/javascript"
            | "application/json"
            | "application/ld+json"
            | "application/x-ecmascript"
            | "application/x-javascript"
            | "module"
            | "text/ecmascript"
            | "text/javascript"
            | "text/javascript1.0"
            | "text/javascript1.1"
            | "text/javascript1.2"
            | "text/javascript1.3"
            | "text/javascript1.4"
            | "text/javascript1.5"
            | "text/jscript"
            | "text/livescript"
            | "text/x-ecmascript"
            | "text/x-javascript"
    )
}

/// Moves on within a script.
pub(super) fn step(context: Context, text: &str) -> Step {
    let all = text.len();
    Ok(match context.state {
        State::JsDouble => delimited(context, text, '"')?,
        State::JsSingle => delimited(context, text, '\'')?,
        State::JsTemplate if text.contains("${") => {
            return Err("`${` in a template literal of JavaScript is not supported".to_owned());
        }
        State::JsTemplate => delimited(context, text, '`')?,
        State::JsRegexp => delimited(context, text, '/')?,
        State::JsBlockComment => match text.find("*/") {
            Some(at) => (context.with(State::Js), at + 2),
            None => (context, all),
        },
        State::JsLineComment => match text.find(['\n', '\r', '\u{2028}', '\u{2029}']) {
            // the end of the line is not part of the comment
            Some(at) => (context.with(State::Js), at),
            None => (context, all),
        },
        _ => return code(context, text),
    })
}

fn code(context: Context, text: &str) -> Step {
    let Some(at) = text.find(['"', '\'', '`', '/']) else {
        return Ok((Context { slash: slash_after(text, context.slash), ..context }, text.len()));
    };
    let slash = slash_after(&text[..at], context.slash);
    let next = Context { slash, ..context };
    let rest = &text[at..];
    let start = |state| Context { state, slash: Slash::Regexp, ..context };
    Ok(match (&rest[..1], rest.get(1..2)) {
        ("\"", _) => (start(State::JsDouble), at + 1),
        ("'", _) => (start(State::JsSingle), at + 1),
        ("`", _) => (start(State::JsTemplate), at + 1),
        (_, Some("/")) => (next.with(State::JsLineComment), at + 2),
        (_, Some("*")) => (next.with(State::JsBlockComment), at + 2),
        _ => match slash {
            Slash::Regexp => (next.with(State::JsRegexp), at + 1),
            Slash::Division => (Context { slash: Slash::Regexp, ..context }, at + 1),
            Slash::Unknown => {
                let shown: String = rest.chars().take(32).collect();
                return Err(format!("'/' could start a division or regexp: {shown:?}"));
            }
        },
    })
}

/// To the end of a text or a regular expression.
fn delimited(context: Context, text: &str, quote: char) -> Step {
    let mut in_class = false;
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' if chars.next().is_none() => {
                return Err(format!("unfinished escape sequence in JS string: {text:?}"));
            }
            '\\' => {}
            '[' if quote == '/' => in_class = true,
            ']' if quote == '/' => in_class = false,
            char if char == quote && !in_class => {
                return Ok((Context { state: State::Js, slash: Slash::Division, ..context }, at + 1));
            }
            _ => {}
        }
    }
    if in_class {
        return Err(format!("unfinished JS regexp charset: {text:?}"));
    }
    Ok((context, text.len()))
}

/// Words behind which a slash begins a regular expression.
const BEFORE_REGEXP: &[&str] = &[
    "break",
    "case",
    "continue",
    "delete",
    "do",
    "else",
    "finally",
    "in",
    "instanceof",
    "return",
    "throw",
    "try",
    "typeof",
    "void",
];

/// What a slash behind this text is.
pub(super) fn slash_after(text: &str, before: Slash) -> Slash {
    let text = text.trim_end_matches([' ', '\t', '\n', '\x0c', '\r', '\u{2028}', '\u{2029}']);
    let Some(last) = text.chars().next_back() else { return before };
    let is_word = |char: char| char.is_ascii_alphanumeric() || matches!(char, '$' | '_');
    match last {
        '+' | '-' => {
            let run = text.chars().rev().take_while(|char| *char == last).count();
            if run % 2 == 1 { Slash::Regexp } else { Slash::Division }
        }
        '.' => {
            let digit = text[..text.len() - 1].ends_with(|char: char| char.is_ascii_digit());
            if digit { Slash::Division } else { Slash::Regexp }
        }
        ',' | '<' | '>' | '=' | '*' | '%' | '&' | '|' | '^' | '?' | '!' | '~' | '(' | '[' | ':' | ';'
        | '{' | '}' => Slash::Regexp,
        _ => {
            let start = text.trim_end_matches(is_word).len();
            if BEFORE_REGEXP.contains(&&text[start..]) { Slash::Regexp } else { Slash::Division }
        }
    }
}

/// A value as an expression.
pub(super) fn value(value: &Value, env: &Env<'_>) -> Result<String, String> {
    let json = match (value, value.of().print) {
        (Value::Nil, _) => return Ok(" null ".to_owned()),
        (value, Some(print)) => to_json(&Value::text(print(value)), env),
        (value, None) => to_json(value, env),
    };
    let json = json.unwrap_or_else(|error| {
        // a comment that says so, and nothing
        let error =
            error.replace("*/", "* /").replace("</script", "\\x3C/script").replace("<!--", "\\x3C!--");
        format!(" /* {error} */null ")
    });
    let is_word = |char: char| char.is_alphanumeric() || matches!(char, '$' | '_' | '-');
    let first = if json.starts_with(is_word) { " " } else { "" };
    let last = if json.ends_with(is_word) { " " } else { "" };
    Ok(format!("{first}{json}{last}"))
}

/// A text within quotes.
pub(super) fn string(text: &str) -> String {
    escaped(text, |char| match char {
        '"' | '`' | '&' | '\'' | '+' | '<' | '>' | '\u{2028}' | '\u{2029}' => Some(None),
        '/' => Some(Some("\\/")),
        _ => None,
    })
}

/// A text within a template literal.
pub(super) fn template(text: &str) -> String {
    escaped(text, |char| match char {
        '"' | '`' | '&' | '\'' | '+' | '<' | '>' | '$' | '{' | '}' | '\u{2028}' | '\u{2029}' => Some(None),
        '/' => Some(Some("\\/")),
        _ => None,
    })
}

/// A text within a regular expression.
pub(super) fn regexp(text: &str) -> String {
    if text.is_empty() {
        return "(?:)".to_owned();
    }
    escaped(text, |char| match char {
        '"' | '&' | '\'' | '+' | '<' | '>' | '\u{2028}' | '\u{2029}' | '`' => Some(None),
        '/' => Some(Some("\\/")),
        '$' => Some(Some("\\$")),
        '(' => Some(Some("\\(")),
        ')' => Some(Some("\\)")),
        '*' => Some(Some("\\*")),
        '-' => Some(Some("\\-")),
        '.' => Some(Some("\\.")),
        '?' => Some(Some("\\?")),
        '[' => Some(Some("\\[")),
        ']' => Some(Some("\\]")),
        '^' => Some(Some("\\^")),
        '{' => Some(Some("\\{")),
        '|' => Some(Some("\\|")),
        '}' => Some(Some("\\}")),
        _ => None,
    })
}

/// Escapes what is chosen: by its number, or as given; controls and backslashes always.
fn escaped(text: &str, choose: impl Fn(char) -> Option<Option<&'static str>>) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for char in text.chars() {
        let known = match char {
            '\t' => Some("\\t"),
            '\n' => Some("\\n"),
            '\x0c' => Some("\\f"),
            '\r' => Some("\\r"),
            '\\' => Some("\\\\"),
            _ => None,
        };
        // writing to a text cannot fail
        let _ = match (known, choose(char)) {
            (Some(known), _) | (None, Some(Some(known))) => out.write_str(known),
            (None, Some(None)) => write!(out, "\\u{:04x}", u32::from(char)),
            (None, None) if char == '\0' || char == '\x0b' => write!(out, "\\u{:04x}", u32::from(char)),
            (None, None) => out.write_char(char),
        };
    }
    out
}
