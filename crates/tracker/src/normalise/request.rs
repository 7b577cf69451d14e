//! The HTTP request, the user, and what else describes the moment.

use serde_json::Value as Json;

use super::reading::{Pairs, Path, Reading, Room};
use crate::auth::pairs_of_query;
use crate::event::{Breadcrumb, Change, Data, Level, Message, Request, Sdk, User};
use crate::json::{self, Value};

const MAX_URL: usize = 2_048;
const QUERY: Pairs = Pairs { count: 100, name: 200, value: 1_024 };
const HEADERS: Pairs = Pairs { count: 100, name: 100, value: 2_048 };
const COOKIES: Pairs = Pairs { count: 100, name: 200, value: 1_024 };
const BODY: Room = Room { bytes: 32 << 10, text: 8_192, members: 200, depth: 7 };
const ENV: Room = Room { bytes: 8 << 10, text: 1_024, members: 100, depth: 3 };
const USER: Room = Room { bytes: 8 << 10, text: 1_024, members: 50, depth: 4 };
const CONTEXTS: Room = Room { bytes: 48 << 10, text: 2_048, members: 200, depth: 7 };
const CRUMBS: Room = Room { bytes: 64 << 10, text: 1_024, members: 50, depth: 4 };
/// Breadcrumbs that are kept: the last ones.
const MAX_CRUMBS: usize = 100;
const MAX_MESSAGE: usize = 8_192;
const MAX_WORD: usize = 200;

/// A request in its own form or raven's.
pub(crate) fn request(read: &mut Reading, value: Value<'_>) -> Option<Request> {
    let at = Path::of("request");
    let mut request = Request::default();
    for (key, value) in read.fields(value, &at)? {
        let path = at.key(&key);
        match &*key {
            "url" => request.url = read.word(value, MAX_URL, &path),
            "method" => request.method = read.word(value, 32, &path),
            "query_string" | "query" => request.query = query(read, value, &path),
            "headers" => request.headers = read.pairs(value, HEADERS, &path),
            "cookies" => request.cookies = cookies(read, value, &path),
            "data" => request.data = body(read, value, &path),
            "env" => request.env = read.map(value, &mut { ENV }, &path),
            _ => {}
        }
    }
    if let Some(url) = &request.url
        && let Some(end) = url.find(['?', '#'])
    {
        let (before, behind) = url.split_at(end);
        let behind = behind.split('#').next().unwrap_or_default();
        if request.query.is_empty() && behind.len() > 1 {
            request.query = query(read, Value::Text(behind.to_owned().into()), &at.key("query"));
        }
        request.url = Some(before.to_owned());
    }
    for (name, _) in &mut request.headers {
        *name = header_name(name);
    }
    if let Some(index) = request.headers.iter().position(|(name, _)| name == "Cookie") {
        let (_, header) = request.headers.remove(index);
        if request.cookies.is_empty() {
            request.cookies = cookies(read, Value::Text(header.into()), &at.key("cookies"));
        }
    }
    Some(request)
}

/// `user-agent` and `USER_AGENT` as `User-Agent`.
fn header_name(name: &str) -> String {
    let parts = name.split(['-', '_']).map(|part| {
        let mut chars = part.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(chars.map(|char| char.to_ascii_lowercase())).collect::<String>()
    });
    parts.collect::<Vec<_>>().join("-")
}

fn query(read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> Vec<(String, String)> {
    let Value::Text(text) = value else { return read.pairs(value, QUERY, path) };
    let pairs = pairs_of_query(&text).take(QUERY.count + 1);
    let pairs = pairs.map(|(name, value)| Value::List(vec![Value::Text(name), Value::Text(value)]));
    let pairs = pairs.collect();
    read.pairs(Value::List(pairs), QUERY, path)
}

fn cookies(read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> Vec<(String, String)> {
    let Value::Text(text) = value else { return read.pairs(value, COOKIES, path) };
    let cookies = text.split(';').map(str::trim).filter(|cookie| !cookie.is_empty()).take(COOKIES.count + 1);
    let pairs = cookies.map(|cookie| {
        let (name, value) = cookie.split_once('=').unwrap_or((cookie, ""));
        Value::List(vec![Value::Text(name.to_owned().into()), Value::Text(value.to_owned().into())])
    });
    let pairs = pairs.collect();
    read.pairs(Value::List(pairs), COOKIES, path)
}

/// A body that is JSON or a form in a string is read, so that its secrets are found by their names.
fn body(read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> Json {
    let mut room = BODY;
    let Value::Text(text) = &value else { return read.data(value, &mut room, path) };
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '[']) && trimmed.len() <= 4 * BODY.bytes {
        if let Ok(parsed) = json::parse(trimmed) {
            return read.data(parsed, &mut room, path);
        }
    } else if is_form(trimmed) {
        let pairs = pairs_of_query(trimmed).map(|(name, value)| (name, Value::Text(value)));
        let pairs: Vec<_> = pairs.take(room.members + 1).collect();
        return read.data(Value::Map(pairs), &mut room, path);
    }
    read.data(value, &mut room, path)
}

/// `a=1&b=2`, without blanks and with a name before each value.
fn is_form(text: &str) -> bool {
    !text.is_empty()
        && text.contains('=')
        && !text.contains(|char: char| char.is_whitespace() || matches!(char, '<' | '"'))
        && text.split('&').all(|pair| pair.find('=').is_some_and(|at| at > 0))
}

/// The user; `{{auto}}` as an address means where the request came from.
pub(crate) fn user(read: &mut Reading, value: Value<'_>, client_ip: Option<&str>) -> Option<User> {
    let at = Path::of("user");
    let mut user = User::default();
    let mut room = USER;
    for (key, value) in read.fields(value, &at)? {
        let path = at.key(&key);
        match &*key {
            "id" => user.id = read.word(value, MAX_WORD, &path),
            "username" => user.username = read.word(value, MAX_WORD, &path),
            "email" => user.email = read.word(value, MAX_WORD, &path),
            "ip_address" => {
                user.ip_address = match read.word(value, MAX_WORD, &path) {
                    Some(auto) if auto == "{{auto}}" => client_ip.map(str::to_owned),
                    address => address,
                }
            }
            "data" => user.data.extend(read.map(value, &mut room, &path)),
            _ => {
                if value.is_nothing() || room.bytes == 0 || user.data.len() >= room.members {
                    continue;
                }
                let value = read.data(value, &mut room, &path);
                user.data.insert(key.chars().take(MAX_WORD).collect(), value);
            }
        }
    }
    // what is flattened into the user must not stand there twice
    for taken in ["id", "username", "email", "ip_address"] {
        user.data.remove(taken);
    }
    (user != User::default()).then_some(user)
}

/// Contexts: maps by name.
pub(crate) fn contexts(read: &mut Reading, value: Value<'_>) -> Data {
    read.map(value, &mut { CONTEXTS }, &Path::of("contexts"))
}

/// What happened before.
pub(crate) fn breadcrumbs(read: &mut Reading, value: Value<'_>) -> Vec<Breadcrumb> {
    let at = Path::of("breadcrumbs");
    let mut values = read.values(value, &at);
    let surplus = values.len().saturating_sub(MAX_CRUMBS);
    if surplus > 0 {
        read.note(&at, Change::LeftOut, Some(values.len()));
        values.drain(..surplus);
    }
    let mut room = CRUMBS;
    let mut out = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let at = at.index(index);
        let Some(fields) = read.fields(value, &at) else { continue };
        let mut crumb = Breadcrumb::default();
        for (key, value) in fields {
            let path = at.key(&key);
            match &*key {
                "timestamp" => crumb.timestamp = read.time(&value, &path),
                "type" => crumb.ty = read.word(value, 64, &path).filter(|ty| ty != "default"),
                "category" => crumb.category = read.word(value, MAX_WORD, &path),
                "level" => crumb.level = level(&value),
                "message" => {
                    crumb.message = read.text(value, room.text.min(room.bytes), &path);
                    let length = crumb.message.as_ref().map_or(0, String::len);
                    room.bytes = room.bytes.saturating_sub(length);
                }
                "data" => crumb.data = read.map(value, &mut room, &path),
                _ => {}
            }
        }
        out.push(crumb);
    }
    out
}

/// A level by name or number.
pub(crate) fn level(value: &Value<'_>) -> Option<Level> {
    match value {
        Value::Text(name) => Level::from_name(name),
        other => other.as_int().map(Level::from_number),
    }
}

/// A message as a string, or with what it was made of.
pub(crate) fn message(read: &mut Reading, value: Value<'_>) -> Option<Message> {
    let at = Path::of("message");
    if !matches!(value, Value::Map(_)) {
        let formatted = read.text(value, MAX_MESSAGE, &at)?;
        return Some(Message { formatted, ..Message::default() });
    }
    let (mut template, mut formatted, mut params) = (None, None, Vec::new());
    for (key, value) in read.fields(value, &at)? {
        let path = at.key(&key);
        match &*key {
            "message" => template = read.text(value, MAX_MESSAGE, &path),
            "formatted" => formatted = read.text(value, MAX_MESSAGE, &path),
            "params" => params = parameters(read, value, &path),
            _ => {}
        }
    }
    let formatted = match (formatted, &template) {
        (Some(formatted), _) => formatted,
        (None, Some(template)) => filled_in(template, &params),
        (None, None) => return None,
    };
    let template = template.filter(|template| !params.is_empty() || *template != formatted);
    Some(Message { template, params, formatted })
}

fn parameters(read: &mut Reading, value: Value<'_>, path: &Path<'_>) -> Vec<String> {
    let values: Vec<Value<'_>> = match value {
        Value::List(list) => list,
        Value::Map(members) => members.into_iter().map(|(_, value)| value).collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    };
    let shown = values.into_iter().take(50).enumerate();
    shown.map(|(index, value)| read.text(value, 1_024, &path.index(index)).unwrap_or_default()).collect()
}

/// `%s` and `{}` with their parameters, as far as they are that simple.
fn filled_in(template: &str, params: &[String]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut params = params.iter();
    let mut rest = template;
    while let Some(at) = rest.find(['%', '{']) {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        let place =
            ["%s", "%d", "%i", "%f", "%r", "%o", "{}"].iter().find(|place| behind.starts_with(**place));
        let length = match place.and_then(|place| params.next().map(|param| (place, param))) {
            Some((place, param)) => {
                out.push_str(param);
                place.len()
            }
            None => {
                out.push_str(&behind[..1]);
                1
            }
        };
        rest = &behind[length..];
    }
    out.push_str(rest);
    if out.len() > MAX_MESSAGE { out.chars().take(MAX_MESSAGE).collect() } else { out }
}

/// The client's name and version; and whether it wants the address of the sender as the user's.
pub(crate) fn sdk(read: &mut Reading, value: Value<'_>) -> Option<(Sdk, bool)> {
    let at = Path::of("sdk");
    let wants_ip = value.get("settings").and_then(|settings| settings.get("infer_ip"));
    let wants_ip = wants_ip.and_then(Value::as_str) == Some("auto");
    let mut sdk = Sdk::default();
    for (key, value) in read.fields(value, &at)? {
        let path = at.key(&key);
        match &*key {
            "name" => sdk.name = read.word(value, MAX_WORD, &path).unwrap_or_default(),
            "version" => sdk.version = read.word(value, MAX_WORD, &path),
            "integrations" => {
                let list = read.values(value, &path).into_iter().take(100).enumerate();
                sdk.integrations =
                    list.filter_map(|(index, name)| read.word(name, MAX_WORD, &path.index(index))).collect();
            }
            _ => {}
        }
    }
    Some((sdk, wants_ip))
}
