//! The right-hand side of `=~` and `!~`: Go's regular expressions, matched against whole values.
//!
//! Most of them are names with `|` between them, which need no regular expressions at all. The others are
//! rewritten from Go's dialect (RE2, <https://github.com/google/re2/wiki/Syntax>) into that of the `regex`
//! crate where the two read the same text in different ways. Where ours only knows more, it may.

use std::fmt::Write;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::limits;

/// An expression made ready. Cheap to clone.
#[derive(Clone)]
pub(super) enum Pattern {
    /// An alternation of literal texts, sorted.
    OneOf(Arc<[String]>),
    /// Anything else.
    Regex(Regex),
}

impl Pattern {
    /// Compiles; the error says what is wrong with the expression.
    pub(super) fn new(text: &str) -> Result<Pattern, String> {
        if let Some(mut all) = literals(text) {
            all.sort_unstable();
            all.dedup();
            return Ok(Pattern::OneOf(all.into()));
        }
        let text = from_go(text);
        // The same wrapping, as text, as Alertmanager's. Errors are told of the text without it if it has any.
        let wrapped = compile(&format!("^(?:{text})$"));
        wrapped.map(Pattern::Regex).map_err(|error| explain(compile(&text).err().unwrap_or(error)))
    }

    /// Whether the whole value matches.
    pub(super) fn matches(&self, value: &str) -> bool {
        match self {
            Pattern::OneOf(all) => all.binary_search_by(|have| have.as_str().cmp(value)).is_ok(),
            Pattern::Regex(regex) => regex.is_match(value),
        }
    }
}

fn compile(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(limits::MAX_REGEX_COMPILED_BYTES).build()
}

/// What is wrong, on one line.
fn explain(error: regex::Error) -> String {
    if let regex::Error::CompiledTooBig(limit) = error {
        return format!("compiled it takes more than {limit} bytes; repeat less, or name fewer characters");
    }
    // The crate draws the expression over several lines; the last says what is wrong with it.
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

/// The texts of an alternation of nothing but literals.
pub(super) fn literals(text: &str) -> Option<Vec<String>> {
    let (mut all, mut one) = (Vec::new(), String::new());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '|' => all.push(std::mem::take(&mut one)),
            '\\' => one.push(chars.next().filter(char::is_ascii_punctuation)?),
            '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
            char => one.push(char),
        }
    }
    all.push(one);
    Some(all)
}

/// The same expression in the dialect of the `regex` crate. What is wrong in Go's is left for the crate to
/// refuse, since it says best why.
pub fn from_go(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        rest = match char {
            '\\' => escape(rest, &mut out),
            '[' => class(rest, &mut out),
            // to Go a brace that counts nothing is a brace
            '{' if !counts(rest) => copy(rest, 1, "\\", &mut out),
            char => copy(rest, char.len_utf8(), "", &mut out),
        };
    }
    out
}

/// Writes a prefix and so many bytes of the text; what is left of the text.
fn copy<'a>(text: &'a str, bytes: usize, prefix: &str, out: &mut String) -> &'a str {
    let (head, tail) = text.split_at(bytes);
    out.push_str(prefix);
    out.push_str(head);
    tail
}

/// Whether the text starts with a count: `{2}`, `{2,}` or `{2,3}`, without leading zeros.
fn counts(text: &str) -> bool {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        !text.is_empty() && digits && (text.len() == 1 || !text.starts_with('0'))
    };
    let Some((inside, _)) = text[1..].split_once('}') else { return false };
    match inside.split_once(',') {
        Some((least, most)) => number(least) && (most.is_empty() || number(most)),
        None => number(inside),
    }
}

/// What the classes `\d`, `\s`, `\w` and their opposites hold: in Go ASCII only, unlike in ours.
fn perl_class(letter: char) -> Option<&'static str> {
    match letter {
        'd' => Some("0-9"),
        'D' => Some("^0-9"),
        's' => Some("\\t\\n\\x0C\\r\\x20"),
        'S' => Some("^\\t\\n\\x0C\\r\\x20"),
        'w' => Some("0-9A-Za-z_"),
        'W' => Some("^0-9A-Za-z_"),
        _ => None,
    }
}

/// Rewrites the escape with which the text starts, outside of brackets.
fn escape<'a>(text: &'a str, out: &mut String) -> &'a str {
    let Some(letter) = text[1..].chars().next() else { return copy(text, 1, "", out) };
    let after = &text[1 + letter.len_utf8()..];
    match letter {
        // everything up to \E is literal
        'Q' => {
            let (literal, after) = after.split_once("\\E").unwrap_or((after, ""));
            out.push_str(&regex::escape(literal));
            after
        }
        // word boundaries know ASCII words only
        'b' | 'B' => {
            // writing to a text cannot fail
            let _ = write!(out, "(?-u:\\{letter})");
            after
        }
        letter => match perl_class(letter) {
            Some(class) => {
                let _ = write!(out, "[{class}]");
                after
            }
            None => plain_escape(text, letter, out),
        },
    }
}

/// Copies an escape that both dialects have, with its braces, as in `\x{2318}` and `\p{Greek}`.
fn plain_escape<'a>(text: &'a str, letter: char, out: &mut String) -> &'a str {
    let bytes = 1 + letter.len_utf8();
    match letter {
        'x' | 'p' | 'P' if text[bytes..].starts_with('{') => {
            let braces = text[bytes..].find('}').map_or(text.len() - bytes, |at| at + 1);
            copy(text, bytes + braces, "", out)
        }
        // to ours these are edges of words
        '<' | '>' => copy(&text[1..], 1, "", out),
        _ => copy(text, bytes, "", out),
    }
}

/// Rewrites the bracket expression with which the text starts. Ours knows nested brackets and the operators
/// `&&`, `--` and `~~` in them; to Go they are characters like others.
fn class<'a>(text: &'a str, out: &mut String) -> &'a str {
    let mut rest = copy(text, if text.starts_with("[^") { 2 } else { 1 }, "", out);
    let mut first = true;
    loop {
        // a closing bracket that comes first is a member
        if rest.is_empty() || (rest.starts_with(']') && !first) {
            return copy(rest, rest.len().min(1), "", out);
        }
        first = false;
        if rest.starts_with("[:")
            && let Some(end) = rest[2..].find(":]")
        {
            rest = copy(rest, end + 4, "", out);
            continue;
        }
        let letter = rest.strip_prefix('\\').and_then(|rest| rest.chars().next());
        if let Some(letter) = letter
            && let Some(class) = perl_class(letter)
        {
            // brackets within brackets, so that the opposites work
            let _ = write!(out, "[{class}]");
            rest = &rest[2..];
            continue;
        }
        rest = member(rest, out);
        // every dash is escaped but the one between the two ends of a range
        if rest.starts_with('-') && rest.len() > 1 && !rest.starts_with("-]") {
            rest = member(copy(rest, 1, "", out), out);
        }
    }
}

/// Rewrites one character of a bracket expression, escaped or not.
fn member<'a>(text: &'a str, out: &mut String) -> &'a str {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(letter)) => plain_escape(text, letter, out),
        (Some('<' | '>'), _) | (None, _) => copy(text, text.len().min(1), "", out),
        (Some(char), _) if char.is_ascii_punctuation() => copy(text, 1, "\\", out),
        (Some(char), _) => copy(text, char.len_utf8(), "", out),
    }
}
