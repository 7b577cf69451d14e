//! How text moves the context on: HTML's part of it.

use std::borrow::Cow;

use super::context::{Attr, Context, Delim, Element, SPACES, State, Step};
use super::{css, js, names};

/// Moves on over some of the text; all of it, if nothing in it is of interest.
pub(super) fn step(context: Context, text: &str) -> Step {
    if context.delim == Delim::None {
        return match special_end(context, text) {
            Some(0) => Ok((Context::default(), 0)),
            Some(end) => inside(context, &text[..end]),
            None => inside(context, text),
        };
    }
    let ends: &[char] = match context.delim {
        Delim::Double => &['"'],
        Delim::Single => &['\''],
        _ => &[' ', '\t', '\n', '\x0c', '\r', '>'],
    };
    let end = text.find(ends);
    let value = &text[..end.unwrap_or(text.len())];
    if context.delim == Delim::SpaceOrTagEnd
        && let Some(at) = value.find(['"', '\'', '<', '=', '`'])
    {
        let bad: String = value[at..].chars().take(1).collect();
        return Err(format!("{bad:?} in unquoted attr: {value:?}"));
    }
    let Some(end) = end else {
        let mut context = context;
        let decoded = unescape(value);
        let mut rest: &str = &decoded;
        while !rest.is_empty() {
            let (next, bytes) = inside(context, rest)?;
            if bytes == 0 && next == context {
                break;
            }
            (context, rest) = (next, &rest[bytes..]);
        }
        return Ok((context, text.len()));
    };
    let mut after = context.back_in_tag();
    if context.attr == Attr::ScriptType && !js::is_script_type(value) {
        after.element = Element::Ordinary;
    }
    Ok((after, if context.delim == Delim::SpaceOrTagEnd { end } else { end + 1 }))
}

/// Moves on within whatever the text is.
fn inside(context: Context, text: &str) -> Step {
    let all = text.len();
    match context.state {
        State::Text => Ok(html(context, text)),
        State::Tag => tag(context, text),
        State::AttrName => attr_name(context, text),
        State::AfterName => Ok(after_name(context, text)),
        State::BeforeValue => Ok(before_value(context, text)),
        State::Comment => Ok(match text.find("-->") {
            Some(at) => (Context::default(), at + 3),
            None => (context, all),
        }),
        State::Rcdata | State::Attr | State::Srcset => Ok((context, all)),
        State::Url => Ok((context.along_url(text), all)),
        State::Js
        | State::JsDouble
        | State::JsSingle
        | State::JsTemplate
        | State::JsRegexp
        | State::JsBlockComment
        | State::JsLineComment => js::step(context, text),
        _ => css::step(context, text),
    }
}

/// Where the end tag of a special element begins.
fn special_end(context: Context, text: &str) -> Option<usize> {
    let name = context.element.name();
    if name.is_empty() {
        return None;
    }
    let mut from = 0;
    while let Some(at) = text[from..].find("</") {
        let after = from + at + 2;
        let is_name = text.get(after..after + name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
        let ends = |char: char| SPACES.contains(&char) || matches!(char, '>' | '/');
        if is_name && text[after + name.len()..].starts_with(ends) {
            return Some(from + at);
        }
        from = after;
    }
    None
}

fn html(context: Context, text: &str) -> (Context, usize) {
    let mut from = 0;
    while let Some(at) = text[from..].find('<') {
        let at = from + at;
        if text[at..].starts_with("<!--") {
            return (context.with(State::Comment), at + 4);
        }
        let is_end = text[at + 1..].starts_with('/');
        let name_at = at + 1 + usize::from(is_end);
        let name = tag_name(&text[name_at..]);
        if !name.is_empty() {
            let element = if is_end { Element::Ordinary } else { Element::named(name) };
            let tag = Context { state: State::Tag, element, ..Context::default() };
            return (tag, name_at + name.len());
        }
        from = name_at;
    }
    (context, text.len())
}

fn tag_name(text: &str) -> &str {
    if !text.starts_with(|char: char| char.is_ascii_alphabetic()) {
        return "";
    }
    let bytes = text.as_bytes();
    let mut end = 1;
    while let Some(byte) = bytes.get(end) {
        let more = bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
        match byte {
            byte if byte.is_ascii_alphanumeric() => end += 1,
            b':' | b'-' if more => end += 2,
            _ => break,
        }
    }
    &text[..end]
}

fn skip_spaces(text: &str) -> usize {
    text.len() - text.trim_start_matches(SPACES).len()
}

fn tag(context: Context, text: &str) -> Step {
    let at = skip_spaces(text);
    let rest = &text[at..];
    if rest.is_empty() {
        return Ok((context, text.len()));
    }
    if rest.starts_with('>') {
        let content =
            Context { state: context.element.content(), element: context.element, ..Context::default() };
        return Ok((content, at + 1));
    }
    let length = name_length(rest)?;
    if length == 0 {
        return Err(format!("expected space, attr name, or end of tag, but got {rest:?}"));
    }
    let name = rest[..length].to_ascii_lowercase();
    let attr = match (context.element, name.as_str()) {
        (Element::Script, "type") => Attr::ScriptType,
        _ => match names::content(&name) {
            names::Content::Url => Attr::Url,
            names::Content::Css => Attr::Style,
            names::Content::Js => Attr::Script,
            names::Content::Srcset => Attr::Srcset,
            _ => Attr::Plain,
        },
    };
    let state = if length == rest.len() { State::AttrName } else { State::AfterName };
    Ok((Context { state, attr, ..context }, at + length))
}

/// How many bytes of an attribute's name the text starts with.
fn name_length(text: &str) -> Result<usize, String> {
    for (at, char) in text.char_indices() {
        match char {
            ' ' | '\t' | '\n' | '\x0c' | '\r' | '=' | '>' => return Ok(at),
            '\'' | '"' | '<' => return Err(format!("{:?} in attribute name: {text:?}", char.to_string())),
            _ => {}
        }
    }
    Ok(text.len())
}

fn attr_name(context: Context, text: &str) -> Step {
    let length = name_length(text)?;
    Ok((if length == text.len() { context } else { context.with(State::AfterName) }, length))
}

fn after_name(context: Context, text: &str) -> (Context, usize) {
    let at = skip_spaces(text);
    match text[at..].chars().next() {
        None => (context, text.len()),
        Some('=') => (context.with(State::BeforeValue), at + 1),
        // the attribute has no value
        Some(_) => (Context { state: State::Tag, attr: Attr::Plain, ..context }, at),
    }
}

fn before_value(context: Context, text: &str) -> (Context, usize) {
    let at = skip_spaces(text);
    let attr = if context.attr == Attr::ScriptType { Attr::ScriptType } else { Attr::Plain };
    let value = |delim| Context { attr, ..context.value(delim) };
    match text[at..].chars().next() {
        None => (context, text.len()),
        Some('"') => (value(Delim::Double), at + 1),
        Some('\'') => (value(Delim::Single), at + 1),
        Some(_) => (value(Delim::SpaceOrTagEnd), at),
    }
}

/// What references to characters stand for: those that hide what is special to us.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match reference(rest) {
            Some((char, bytes)) => {
                out.push(char);
                rest = &rest[bytes..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn reference(text: &str) -> Option<(char, usize)> {
    if let Some(number) = text.strip_prefix('#') {
        let (radix, digits) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (16, digits),
            None => (10, number),
        };
        let count = digits.bytes().take(8).take_while(|byte| char::from(*byte).is_digit(radix)).count();
        let code = u32::from_str_radix(&digits[..count], radix).ok()?;
        let start = text.len() - digits.len();
        let semicolon = usize::from(digits[count..].starts_with(';'));
        return Some((char::from_u32(code).unwrap_or('\u{fffd}'), start + count + semicolon));
    }
    let known = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos;", '\''),
        ("colon;", ':'),
        ("num;", '#'),
        ("quest;", '?'),
        ("sol;", '/'),
        ("lpar;", '('),
        ("rpar;", ')'),
        ("grave;", '`'),
        ("Tab;", '\t'),
        ("NewLine;", '\n'),
        ("nbsp", '\u{a0}'),
    ];
    let (name, char) = known.into_iter().find(|(name, _)| text.starts_with(name))?;
    let semicolon = usize::from(text[name.len()..].starts_with(';'));
    Some((char, name.len() + semicolon))
}
