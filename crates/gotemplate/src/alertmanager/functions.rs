//! Alertmanager's functions.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use regex::Regex;

use super::kv::join;
use crate::json::to_json;
use crate::limits::{MAX_ITEMS, MAX_VALUE_BYTES};
use crate::value::Env;
use crate::value::Param::{Any, List, Str, Strings, Time};
use crate::value::{DURATION, Moment, human, parse_time};
use crate::value::{Function, Param, Safe, Value};

macro_rules! functions {
    ($($name:literal: $takes:expr, $rest:expr, $call:expr;)*) => {
        /// All of them.
        pub static FUNCTIONS: &[Function] =
            &[$(Function { name: $name, takes: $takes, rest: $rest, call: $call }),*];
    };
}

const NONE: Option<Param> = None;

functions! {
    "append": &[List], Some(Any), append;
    "base64decode": &[Str], NONE, base64_decode;
    "base64encode": &[Str], NONE, |env, all| env.made(URL_SAFE.encode(text(&all[0])));
    "date": &[Str, Time], NONE, |env, all| env.made(time(&all[1])?.format(text(&all[0])));
    "dict": &[], Some(Any), dict;
    "humanizeDuration": &[Any], NONE, humanize;
    "join": &[Str, Strings], NONE, |env, all| join(env, &all[0], &all[1]);
    "list": &[], Some(Any), |_, all| Value::list(all.to_vec());
    "match": &[Str, Str], NONE, |env, all| Ok(Value::Bool(regex(env, all)?.is_match(text(&all[1]))));
    "mustToDate": &[Str, Str], NONE, |_, all| Ok(parse_time(text(&all[0]), text(&all[1]))?.value());
    "now": &[], NONE, |env, _| Ok(Moment::utc(env.now).value());
    "reReplaceAll": &[Str, Str, Str], NONE, replace;
    "routeLabels": &[Str], NONE, route_label;
    "safeHtml": &[Str], NONE, |_, all| safe(Safe::Html, &all[0]);
    "safeUrl": &[Str], NONE, |_, all| safe(Safe::Url, &all[0]);
    "since": &[Time], NONE, |env, all| {
        Ok(Value::Named(&DURATION, time(&all[0])?.minus(env.now).saturating_neg()))
    };
    "stringSlice": &[], Some(Str), |_, all| Value::strings(all.iter().filter_map(Value::as_text).cloned());
    "title": &[Str], NONE, |env, all| env.made(title(text(&all[0])));
    "toDate": &[Str, Str], NONE, |_, all| {
        Ok(parse_time(text(&all[0]), text(&all[1])).unwrap_or_else(|_| Moment::zero()).value())
    };
    "toJson": &[Any], NONE, |env, all| env.made(to_json(&all[0], env)?);
    "toLower": &[Str], NONE, |env, all| env.made(text(&all[0]).to_lowercase());
    "toUpper": &[Str], NONE, |env, all| env.made(text(&all[0]).to_uppercase());
    "trimSpace": &[Str], NONE, |env, all| env.made(text(&all[0]).trim().to_owned());
    "tz": &[Str, Time], NONE, |env, all| Ok(time(&all[1])?.within(text(&all[0]), env.local)?.value());
    "urlUnescape": &[Str], NONE, |env, all| env.made(url_unescape(text(&all[0]))?);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn time(value: &Value) -> Result<&Moment, String> {
    match value {
        Value::Time(moment) => Ok(moment),
        other => Err(format!("not a time but {}", other.of().name)),
    }
}

fn safe(what: Safe, value: &Value) -> Result<Value, String> {
    Ok(Value::Safe(what, value.as_text().cloned().unwrap_or_default()))
}

fn append(_: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let list = all[0].as_list().unwrap_or_default();
    if list.len() + all.len() > MAX_ITEMS {
        return Err(format!("limit: more than {MAX_ITEMS} items in a list"));
    }
    Value::list(list.iter().chain(&all[1..]).cloned().collect())
}

fn dict(_: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    if !all.len().is_multiple_of(2) {
        return Err("dict requires an even number of arguments".to_owned());
    }
    let mut entries = BTreeMap::new();
    for pair in all.chunks_exact(2) {
        match &pair[0] {
            Value::Str(key) => entries.insert(key.clone(), pair[1].clone()),
            _ => return Err("dict keys must be strings".to_owned()),
        };
    }
    Value::map(entries)
}

fn base64_decode(env: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let decoded = URL_SAFE.decode(text(&all[0])).map_err(|error| format!("illegal base64 data: {error}"))?;
    env.made(String::from_utf8_lossy(&decoded).into_owned())
}

fn humanize(_: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let seconds = match &all[0] {
        Value::Float(number) => *number,
        // a duration counts in seconds
        Value::Named(of, nanos) if of.name == DURATION.name => *nanos as f64 / 1e9,
        Value::Int(number) | Value::Named(_, number) => *number as f64,
        Value::Str(text) => match text.trim() == &**text {
            true => {
                text.parse().map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"))?
            }
            false => return Err(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
        },
        other => return Err(format!("can't convert {} to float", other.of().name)),
    };
    Ok(Value::text(human(seconds)))
}

/// The regular expression of the first argument, when there is work enough left to try it on the last.
fn regex(env: &Env<'_>, all: &[Value]) -> Result<Regex, String> {
    let pattern = all[0].as_text().ok_or("a regular expression is needed")?;
    env.spend_bytes(all.last().map_or(0, |it| text(it).len()).saturating_mul(8))?;
    env.regex(pattern)
}

fn replace(env: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let regex = regex(env, all)?;
    let (with, subject) = (text(&all[1]), text(&all[2]));
    let (mut out, mut last) = (String::with_capacity(subject.len()), 0);
    for found in regex.captures_iter(subject) {
        env.spend(1)?;
        let Some(whole) = found.get(0) else { continue };
        out.push_str(&subject[last..whole.start()]);
        // the crate's way of writing `$1` and `${1}` is Go's
        found.expand(with, &mut out);
        last = whole.end();
        if out.len() > MAX_VALUE_BYTES {
            return Err(format!("limit: it makes a text of more than {MAX_VALUE_BYTES} bytes"));
        }
    }
    out.push_str(&subject[last..]);
    env.made(out)
}

/// A label of the route that the data names.
fn route_label(env: &Env<'_>, all: &[Value]) -> Result<Value, String> {
    let labels = match env.data {
        Value::Struct(data) => data.field("RouteLabels"),
        _ => None,
    };
    match labels {
        Some(Value::Map(labels)) => {
            let found = labels.entries.get(text(&all[0]));
            Ok(found.cloned().unwrap_or_else(|| Value::text("")))
        }
        _ => Ok(Value::text("")),
    }
}

/// The first letter of every word large, the others small.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut inside = false;
    while let Some(char) = chars.next() {
        if inside {
            out.extend(char.to_lowercase());
        } else {
            out.extend(char.to_uppercase());
        }
        let next_is_letter = chars.peek().is_some_and(|next| next.is_alphanumeric());
        inside = match char {
            // these join letters on both sides into one word
            '\'' | '\u{2019}' | '.' | ':' | '\u{b7}' => inside && next_is_letter,
            '_' => true,
            char => char.is_alphabetic() || (inside && char.is_alphanumeric()),
        };
    }
    out
}

/// What `%20` and `+` in a query stand for.
fn url_unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |at: usize| after.get(at).and_then(|it| char::from(*it).to_digit(16));
                let (Some(high), Some(low)) = (digit(0), digit(1)) else {
                    let shown = String::from_utf8_lossy(&after[..after.len().min(2)]).into_owned();
                    return Err(format!("invalid URL escape {:?}", format!("%{shown}")));
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = &after[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
