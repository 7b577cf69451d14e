//! Quoting as Go's `%q` does.

use std::fmt::Write;

/// Whether Go's `unicode.IsPrint` lets a character stand as it is; near enough: no control, no space but the
/// plain one, nothing private or unassigned that Rust's own escaping would hide.
pub(crate) fn is_print(char: char) -> bool {
    match char {
        ' '..='~' => true,
        '\u{a0}' | '\u{ad}' => false,
        char if char.is_control() || char.is_whitespace() => false,
        // Rust escapes what does not print, and combining marks, which do
        char => char.is_alphanumeric() || char.escape_debug().len() == 1,
    }
}

/// A text in double quotes.
pub(super) fn quoted(text: &str, only_ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|char| escaped(&mut out, char, '"', only_ascii));
    out.push('"');
    out
}

/// A character in single quotes.
pub(super) fn quoted_char(char: char, only_ascii: bool) -> String {
    let mut out = String::from("'");
    escaped(&mut out, char, '\'', only_ascii);
    out.push('\'');
    out
}

fn escaped(out: &mut String, char: char, quote: char, only_ascii: bool) {
    let simple = match char {
        '\x07' => "\\a",
        '\x08' => "\\b",
        '\x0c' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\x0b' => "\\v",
        '\\' => "\\\\",
        _ => "",
    };
    // writing to a text cannot fail
    let _ = match char {
        _ if !simple.is_empty() => out.write_str(simple),
        char if char == quote => write!(out, "\\{char}"),
        char if is_print(char) && (char.is_ascii() || !only_ascii) => out.write_char(char),
        '\0'..='\x1f' | '\x7f' => write!(out, "\\x{:02x}", u32::from(char)),
        '\0'..='\u{ffff}' => write!(out, "\\u{:04x}", u32::from(char)),
        char => write!(out, "\\U{:08x}", u32::from(char)),
    };
}
