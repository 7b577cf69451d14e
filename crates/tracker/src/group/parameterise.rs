//! Takes out of a text what differs from one event to the next: ids, addresses, numbers, times.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::texts::clipped;

/// Characters of a text that are looked at; what lies behind is left out of the group.
pub const MAX_TEXT: usize = 8_192;

/// What is recognised, the most particular first, and the name that takes its place.
const KINDS: &[(&str, &str)] = &[
    ("email", r"[a-zA-Z0-9._%+'-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+"),
    (
        "url",
        r#"\b(?:https?|wss?|ftp|file|rtsp|amqps?|rediss?|postgres(?:ql)?|mysql|mongodb)://[^\s"'<>()\[\]{}]+"#,
    ),
    ("traceparent", r"\b00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]\b"),
    ("uuid", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    (
        "date",
        concat!(
            r"\b\d{4}-[01]\d-[0-3]\d(?:[T ][0-2]\d:[0-5]\d(?::[0-5]\d(?:[.,]\d+)?)?)?(?:Z|[+-]\d\d:?\d\d)?",
            r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\d{1,2} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)",
            r"[a-z]* \d{1,4}(?: \d{4})?(?: \d\d:\d\d:\d\d)?(?: (?:GMT|UTC|[+-]\d{4}))?",
            r"|\b[0-2]?\d:[0-5]\d:[0-5]\d(?:[.,]\d+)?\b|\b\d{1,2}/\d{1,2}/\d{4}\b"
        ),
    ),
    ("mac", r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b"),
    (
        "ip",
        concat!(
            r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b|\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b",
            r"|\b(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}\b"
        ),
    ),
    (
        "hostname",
        r"\b(?:[a-zA-Z0-9-]{1,63}\.)+(?:com|net|org|io|dev|local|internal|lan|cloud|app|de|uk|eu)\b(?::\d+)?",
    ),
    ("sha1", r"\b[0-9a-f]{40}\b|\b[0-9A-F]{40}\b"),
    ("md5", r"\b[0-9a-f]{32}\b|\b[0-9A-F]{32}\b"),
    ("duration", r"\b\d+(?:\.\d+)?(?:ns|us|µs|ms|s|sec|min|h|hrs?|days?)\b"),
    (
        "hex",
        concat!(
            r"\b0[xX][0-9a-fA-F]+\b|\b(?:[0-9]+[a-f]|[a-f]+[0-9])[0-9a-f]{6,}\b",
            r"|\b(?:[0-9]+[A-F]|[A-F]+[0-9])[0-9A-F]{6,}\b"
        ),
    ),
    ("float", r"-\d+\.\d+\b|\b\d+\.\d+(?:[eE][+-]?\d+)?\b"),
    ("int", r"-\d+\b|\b\d+\b"),
    ("quoted_str", r#"='[^'\n]*'|="[^"\n]*""#),
    ("bool", r"=(?:[tT]rue|[fF]alse)\b"),
];

static KNOWN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let alternatives: Vec<String> =
        KINDS.iter().map(|(name, pattern)| format!("(?P<{name}>{pattern})")).collect();
    Regex::new(&alternatives.join("|")).ok()
});

/// The first two lines that say something, with `<int>`, `<uuid>`, … in the places of what varies.
pub(crate) fn parameterised(text: &str) -> Cow<'_, str> {
    let text = two_lines(clipped(text, MAX_TEXT));
    // most messages of errors have nothing of the kind
    if !text.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'@' | b'=' | b':' | b'.')) {
        return text;
    }
    let Some(known) = KNOWN.as_ref() else { return text };
    let replaced = known.replace_all(&text, |captures: &Captures<'_>| {
        let name = KINDS.iter().find(|(name, _)| captures.name(name).is_some());
        match name.map_or("", |(name, _)| name) {
            name @ ("quoted_str" | "bool") => format!("=<{name}>"),
            name => format!("<{name}>"),
        }
    });
    match replaced {
        Cow::Borrowed(_) => text,
        Cow::Owned(replaced) => Cow::Owned(replaced),
    }
}

fn two_lines(text: &str) -> Cow<'_, str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next()) {
        (None, _) => Cow::Borrowed(""),
        (Some(one), None) => Cow::Borrowed(one),
        (Some(one), Some(two)) => Cow::Owned(format!("{one} {two}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_taken_out() {
        for (text, expected) in [
            ("division by zero", "division by zero"),
            ("user 4711 not found", "user <int> not found"),
            ("ann@example.org is not allowed", "<email> is not allowed"),
            ("GET https://example.org/a?b=1 failed: 502", "GET <url> failed: <int>"),
            ("connect to 10.0.0.1:5432 timed out after 30.5s", "connect to <ip> timed out after <duration>"),
            ("no job 6f1c0e0a-0b5a-4b8e-9a51-2f0a4b6c8d7e", "no job <uuid>"),
            ("at 2026-11-21T10:00:00.123Z", "at <date>"),
            ("commit 9ec79c33ec9942ab8353589fcb2e04dc9ec79c33", "commit <sha1>"),
            ("digest 9ec79c33ec9942ab8353589fcb2e04dc", "digest <md5>"),
            ("object at 0x7f3a2c1b", "object at <hex>"),
            ("ratio -0.25 of 1e5", "ratio <float> of 1e5"),
            ("name='Ann' ok=True", "name=<quoted_str> ok=<bool>"),
            ("host db1.internal:5432 is gone", "host <hostname> is gone"),
            ("mac 00:1b:44:11:3a:b7", "mac <mac>"),
            ("\n\n  first  \n\nsecond\nthird", "first second"),
            ("", ""),
        ] {
            assert_eq!(parameterised(text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_clipped_between_characters() {
        let long = "ä".repeat(MAX_TEXT);
        assert_eq!(parameterised(&long).len(), MAX_TEXT);
    }

    proptest::proptest! {
        #[test]
        fn numbers_do_not_matter(left in "[a-z ]{0,20}", number in 0u64.., right in "[a-z ]{0,20}") {
            let text = format!("{left} {number} {right}");
            let zero = format!("{left} 0 {right}");
            proptest::prop_assert_eq!(parameterised(&text), parameterised(&zero));
        }
    }
}
