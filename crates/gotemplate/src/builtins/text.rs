//! `html`, `js` and `urlquery`: text made fit to stand in other languages.

use std::fmt::Write;

/// Fit to stand in HTML.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for char in text.chars() {
        match char {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            char => out.push(char),
        }
    }
    out
}

/// Fit to stand in a text of JavaScript.
pub(super) fn js(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for char in text.chars() {
        // writing to a text cannot fail
        let _ = match char {
            '\\' => out.write_str("\\\\"),
            '\'' => out.write_str("\\'"),
            '"' => out.write_str("\\\""),
            '<' | '>' | '&' | '=' | '\0'..='\x1f' => write!(out, "\\u{:04X}", u32::from(char)),
            char if !crate::print::is_print(char) => write!(out, "\\u{:04X}", u32::from(char)),
            char => out.write_char(char),
        };
    }
    out
}

/// Fit to stand in the query of a URL.
pub(crate) fn urlquery(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
