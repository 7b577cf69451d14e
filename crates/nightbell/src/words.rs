//! Words on the command line: times, labels, matchers. Each says what would be right.

use flow::{Clock, SystemClock};
use model::matcher::{self, Matcher};
use model::time::span;
use model::{Labels, Severity, Time};
use serde_json::{Map, Value};

/// The time now.
pub fn now() -> Time {
    SystemClock.now()
}

/// A time: RFC 3339, `now`, or counted from now (`+2h`, `-30m`).
pub fn time(text: &str) -> Result<Time, String> {
    time_from(text, now())
}

fn time_from(text: &str, now: Time) -> Result<Time, String> {
    let read = |text: &str| span::parse(text).map_err(|bad| bad.to_string());
    match text.as_bytes().first() {
        _ if text == "now" => Ok(now),
        Some(b'+') => Ok(now + read(&text[1..])?),
        Some(b'-') => Ok(now - read(&text[1..])?),
        _ => text.parse().map_err(|_| format!("{text:?} is not a time like 2026-01-31T12:00:00Z or +2h")),
    }
}

/// A span of time such as `30m`, longer than nothing.
pub fn some_time(text: &str) -> Result<std::time::Duration, String> {
    match span::parse(text) {
        Ok(span) if span.is_zero() => Err("must be longer than zero, such as 30m".to_owned()),
        Ok(span) => Ok(span),
        Err(bad) => Err(bad.to_string()),
    }
}

/// A label: `name=value`.
pub fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("is not a label like team=db".to_owned()),
    }
}

/// Several labels; the last of a name counts.
pub fn labels(all: &[(String, String)]) -> Labels {
    all.iter().cloned().collect()
}

/// A matcher as in Alertmanager: `team=db`, `host=~"db.*"`.
pub fn matcher(text: &str) -> Result<Matcher, String> {
    matcher::parse(text).map_err(|bad| bad.to_string())
}

/// How bad it is, in any of the words that the field has for it.
pub fn severity(text: &str) -> Result<Severity, String> {
    let known = || Severity::ALL.map(Severity::name).join(", ");
    Severity::from_word(text).ok_or_else(|| format!("is not a severity; known are {}", known()))
}

/// A name as a part of a path.
pub fn in_path(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    name.bytes().map(|it| if plain(it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
}

/// The name that such a part stands for.
pub fn out_of_path(part: &str) -> String {
    let (mut bytes, mut rest) = (Vec::with_capacity(part.len()), part.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = code.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%');
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Who sits at the keyboard, for timelines.
pub fn somebody() -> String {
    let name = |variable: &str| std::env::var(variable).ok().filter(|name| !name.is_empty());
    name("USER").or_else(|| name("LOGNAME")).unwrap_or_else(|| "somebody".to_owned())
}

/// `NAME=VALUE` of the command line: JSON where it is, else a text.
pub fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} has no ="))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

/// Settings as a table, where `a.b` stands in the table `a`.
pub fn table(settings: &[(String, Value)]) -> Value {
    let mut table = Value::Object(Map::new());
    for (name, value) in settings {
        let mut at = &mut table;
        for part in name.split('.') {
            if !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = &mut at[part];
        }
        *at = value.clone();
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_into_paths_and_come_out_again() {
        for name in ["ann", "ann@example.org", "a+b", "DB people", "ü%20", "%"] {
            assert_eq!(out_of_path(&in_path(name)), name);
        }
        assert_eq!(out_of_path("a%2"), "a%2");
    }

    #[test]
    fn times_are_absolute_or_counted_from_now() {
        let now: Time = "2026-01-31T12:00:00Z".parse().unwrap();
        let text = |text: &str| time_from(text, now).map(|time| time.to_string());
        assert_eq!(text("now").unwrap(), "2026-01-31T12:00:00Z");
        assert_eq!(text("+2h").unwrap(), "2026-01-31T14:00:00Z");
        assert_eq!(text("-30m").unwrap(), "2026-01-31T11:30:00Z");
        assert_eq!(text("2026-02-01T00:00:00+01:00").unwrap(), "2026-01-31T23:00:00Z");
        for wrong in ["", "+", "+2", "tomorrow", "2026-01-31"] {
            let said = text(wrong).unwrap_err();
            assert!(said.contains("is not a"), "{wrong}: {said}");
        }
    }

    #[test]
    fn labels_have_a_name() {
        assert_eq!(label("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert_eq!(label("a=").unwrap(), ("a".to_owned(), String::new()));
        assert!(label("=b").is_err() && label("a").is_err());
    }
}
