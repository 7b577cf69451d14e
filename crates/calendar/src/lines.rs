//! Content lines and components (RFC 5545, 3.1 and 3.4 to 3.6).

use jiff::civil::{Date, DateTime, Time};

use crate::{BadCalendar, MAX_BYTES, MAX_EVENTS};

/// Components within components.
const MAX_DEPTH: usize = 8;

/// `NAME;PARAM=value:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    /// In upper case.
    pub(crate) name: String,
    params: Vec<(String, String)>,
    pub(crate) value: String,
}

impl Property {
    /// The value of a parameter.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

/// What stands between BEGIN and END.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Component {
    /// In upper case.
    pub(crate) name: String,
    pub(crate) properties: Vec<Property>,
    pub(crate) children: Vec<Component>,
    /// The line of its BEGIN, from 1.
    pub(crate) line: usize,
    /// Whether its END was there.
    pub(crate) is_whole: bool,
}

impl Component {
    /// The first property of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|it| it.name == name)
    }

    /// All properties of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties.iter().filter(move |it| it.name == name)
    }

    /// The text of a property, without what escapes in it; empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).map(|it| unescape(&it.value)).unwrap_or_default()
    }
}

/// The calendars of a file: their time zones and events. Lines that are none are passed over.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Component>, BadCalendar> {
    if bytes.len() > MAX_BYTES {
        return Err(BadCalendar::TooLong(bytes.len()));
    }
    let mut calendars = Vec::new();
    let mut open: Vec<Component> = Vec::new();
    let mut events = 0;
    for (line, text) in unfold(bytes) {
        let Some(property) = property(&text) else { continue };
        match property.name.as_str() {
            "BEGIN" => {
                let name = property.value.trim().to_ascii_uppercase();
                events += usize::from(name == "VEVENT");
                if events > MAX_EVENTS {
                    return Err(BadCalendar::TooManyEvents);
                }
                if open.len() < MAX_DEPTH && (!open.is_empty() || name == "VCALENDAR") {
                    open.push(Component { name, line, ..Component::default() });
                }
            }
            "END" => {
                let name = property.value.trim();
                let Some(at) = open.iter().rposition(|it| it.name.eq_ignore_ascii_case(name)) else {
                    continue;
                };
                // what was not ended ends with what it is in
                while open.len() > at + 1 {
                    close(&mut open, &mut calendars, false);
                }
                close(&mut open, &mut calendars, true);
            }
            _ => open.last_mut().into_iter().for_each(|it| it.properties.push(property.clone())),
        }
    }
    while !open.is_empty() {
        close(&mut open, &mut calendars, false);
    }
    if calendars.is_empty() { Err(BadCalendar::NotOne) } else { Ok(calendars) }
}

fn close(open: &mut Vec<Component>, calendars: &mut Vec<Component>, is_whole: bool) {
    if let Some(mut last) = open.pop() {
        last.is_whole = is_whole;
        open.last_mut().map_or(calendars, |outer| &mut outer.children).push(last);
    }
}

/// Lines with what was folded joined again, each with its number. A fold may be in the middle of a character.
fn unfold(bytes: &[u8]) -> Vec<(usize, String)> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut lines: Vec<(usize, Vec<u8>)> = Vec::new();
    for (n, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match (line.split_first(), lines.last_mut()) {
            (Some((b' ' | b'\t', rest)), Some((_, last))) => last.extend_from_slice(rest),
            _ => lines.push((n, line.to_vec())),
        }
    }
    lines.into_iter().map(|(n, line)| (n, String::from_utf8_lossy(&line).into_owned())).collect()
}

fn property(line: &str) -> Option<Property> {
    let end = line.find([';', ':'])?;
    let name = line[..end].trim().to_ascii_uppercase();
    let (mut rest, mut params) = (&line[end..], Vec::new());
    while let Some(param) = rest.strip_prefix(';') {
        let equals = param.find('=')?;
        let (name, after) = (&param[..equals], &param[equals + 1..]);
        let end = end_of_param(after)?;
        params.push((name.trim().to_ascii_uppercase(), after[..end].replace('"', "")));
        rest = &after[end..];
    }
    Some(Property { name, params, value: rest.strip_prefix(':')?.to_owned() })
}

/// Where the value of a parameter ends: at the first `;` or `:` that is not within quotes.
fn end_of_param(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        !quoted && (byte == b';' || byte == b':')
    })
}

/// `20260105` (RFC 5545, 3.3.4): no other way to write a date.
pub(crate) fn date(text: &str) -> Option<Date> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// `20260105T090000` (RFC 5545, 3.3.5).
pub(crate) fn date_time(text: &str) -> Option<DateTime> {
    let (day, time) = text.split_once(['T', 't'])?;
    let digits = time.len() == 6 && time.bytes().all(|byte| byte.is_ascii_digit());
    let time: Time =
        digits.then(|| format!("{}:{}:{}", &time[..2], &time[2..4], &time[4..]).parse().ok()).flatten()?;
    Some(date(day)?.to_datetime(time))
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            _ => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_lines_parameters_and_escapes_are_read() {
        let text = "\u{feff}BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n\
            SUMMARY;X=\"a;b:c\";LANGUAGE=de:J\u{fc}r\r\n gen\\, die \r\n\
            \tErste\\nx\r\nrubbish\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let calendars = parse(text.as_bytes()).unwrap();
        let event = &calendars[0].children[0];
        assert_eq!((event.line, event.is_whole, event.properties.len()), (2, true, 1));
        assert_eq!(event.text("SUMMARY"), "J\u{fc}rgen, die Erste\nx");
        assert_eq!(event.get("SUMMARY").unwrap().param("X"), Some("a;b:c"));
    }

    #[test]
    fn what_is_cut_off_is_known() {
        let calendars =
            parse(b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nEND:VCALENDAR\nBEGIN:VEVENT\n").unwrap();
        assert!(calendars[0].is_whole && !calendars[0].children[0].is_whole);
        assert_eq!(parse(b"<html>"), Err(BadCalendar::NotOne));
        assert_eq!(parse(&vec![b'x'; MAX_BYTES + 1]), Err(BadCalendar::TooLong(MAX_BYTES + 1)));
        let many = format!("BEGIN:VCALENDAR\n{}", "BEGIN:VEVENT\nEND:VEVENT\n".repeat(MAX_EVENTS + 1));
        assert_eq!(parse(many.as_bytes()), Err(BadCalendar::TooManyEvents));
        assert!(parse("BEGIN:VCALENDAR\n".repeat(1000).as_bytes()).is_ok());
    }
}
