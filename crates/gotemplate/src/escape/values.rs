//! How values become safe in HTML and in URLs.

use std::fmt::Write;

use super::FAILSAFE;
use super::names::{Content, content};

/// Fit to stand between tags, or in a quoted value. What already is HTML keeps its references.
pub(super) fn html(text: &str, keep_references: bool) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for char in text.chars() {
        match char {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '&' if !keep_references => out.push_str("&amp;"),
            '\'' => out.push_str("&#39;"),
            '+' => out.push_str("&#43;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            char => out.push(char),
        }
    }
    out
}

/// Fit to stand in a value without quotes.
pub(super) fn unquoted(text: &str, keep_references: bool) -> String {
    if text.is_empty() {
        return FAILSAFE.to_owned();
    }
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for char in text.chars() {
        match char {
            '\0' => out.push_str("&#xfffd;"),
            '&' if keep_references => out.push(char),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\x0b' | '\x0c' | '\r' | ' ' | '"' | '\'' | '+' | '=' | '`' => {
                // writing to a text cannot fail
                let _ = write!(out, "&#{};", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out
}

/// HTML without its tags and comments.
pub(super) fn strip_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut context = super::context::Context::default();
    let mut rest = html;
    while !rest.is_empty() {
        let was_text = matches!(context.state, super::context::State::Text | super::context::State::Rcdata);
        let Ok((next, bytes)) = super::step::step(context, rest) else { break };
        let mut piece = &rest[..bytes];
        if next.state != context.state {
            piece = piece.rfind('<').map_or(piece, |at| &piece[..at]);
        }
        if was_text {
            out.push_str(piece);
        }
        if bytes == 0 && next == context {
            break;
        }
        (context, rest) = (next, &rest[bytes..]);
    }
    out
}

/// The name of an attribute, unless it is one that changes what its value means.
pub(super) fn attribute_name(text: &str) -> String {
    let name = text.to_lowercase();
    let plain = !name.is_empty() && name.chars().all(|char| char.is_ascii_alphanumeric());
    if plain && content(&name) == Content::Plain { name } else { FAILSAFE.to_owned() }
}

/// A URL, unless its scheme could run something.
pub(super) fn filter_url(text: &str) -> String {
    if is_safe_url(text) { text.to_owned() } else { format!("#{FAILSAFE}") }
}

fn is_safe_url(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe))
        }
        _ => true,
    }
}

/// A URL in which nothing is left that must not stand in one; with `whole`, what separates its parts stays.
pub(super) fn url(text: &str, whole: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len() + 16);
    for (at, byte) in bytes.iter().enumerate() {
        let keep = match byte {
            b'-' | b'.' | b'_' | b'~' => true,
            byte if byte.is_ascii_alphanumeric() => true,
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@'
            | b'[' | b']' => whole,
            b'%' if whole => {
                bytes.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            }
            _ => false,
        };
        match keep {
            true => out.push(char::from(*byte)),
            false => {
                // writing to a text cannot fail
                let _ = write!(out, "%{byte:02x}");
            }
        }
    }
    out
}

/// A list of images for several sizes, each with its URL.
pub(super) fn srcset(text: &str) -> String {
    let images: Vec<String> = text.split(',').map(image).collect();
    images.join(",")
}

fn image(text: &str) -> String {
    let spaces = [' ', '\t', '\n', '\x0c', '\r'];
    let start = text.len() - text.trim_start_matches(spaces).len();
    let end = text[start..].find(spaces).map_or(text.len(), |at| start + at);
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '.' || spaces.contains(&char);
    if is_safe_url(&text[start..end]) && text[end..].chars().all(plain) {
        return format!(
            "{}{}{}",
            &text[..start],
            url(&text[start..end], true).replace(',', "%2c"),
            &text[end..]
        );
    }
    format!("#{FAILSAFE}")
}
