//! From JSON of any client of any decade to one [`Event`].
//!
//! Nothing is refused for what it says: a field that is not what belongs there is left out, what is too long
//! is shortened, and [`Event::notes`] has a line for each. Only a body that is no JSON object is no event.
//!
//! Names of fields, their old names and their limits are those that the SDKs' developers document; where they
//! are ours to choose, they are constants here.

pub(crate) mod in_app;
mod reading;
mod request;
mod security;
pub mod stack;
pub mod time;

use std::borrow::Cow;

use jiff::Timestamp;

use self::reading::{Pairs, Path, Reading, Room};
use self::stack::Stacks;
use crate::event::{Change, Data, Event, Kind, Level, Message, Names, User};
use crate::json::{self, Value};
use crate::refusal::Refusal;

const TAGS: Pairs = Pairs { count: 100, name: 200, value: 200 };
const MODULES: Pairs = Pairs { count: 500, name: 200, value: 100 };
const EXTRA: Room = Room { bytes: 64 << 10, text: 8_192, members: 200, depth: 8 };
const LEGACY: Room = Room { bytes: 8 << 10, text: 2_048, members: 40, depth: 4 };
const MAX_DEBUG_IDS: usize = 200;
/// Parts of a fingerprint, and how long each may be.
const MAX_FINGERPRINT: usize = 50;
const MAX_PART: usize = 1_024;

/// What the request said beside the event.
#[derive(Debug, Clone, Default)]
pub struct Arrival<'a> {
    /// When it came in.
    pub received: Timestamp,
    /// When the client sent it, by its own clock: from the envelope's header, else `sentry_timestamp` of the
    /// credentials. Read it with [`time::parse`].
    pub sent_at: Option<Timestamp>,
    /// The id in the envelope's header, which wins.
    pub event_id: Option<&'a str>,
    /// The address that it came from, for SDKs that ask for it.
    pub client_ip: Option<&'a str>,
}

/// Reads an event.
pub fn event(payload: &[u8], arrival: &Arrival<'_>) -> Result<Event, Refusal> {
    let text = json::text(payload);
    let value = json::parse(&text).map_err(|error| Refusal::malformed(format!("the event is {error}")))?;
    let Value::Map(members) = value else {
        return Err(Refusal::malformed("the event is no JSON object"));
    };
    let mut read = reading(arrival);
    let mut fields = Fields::default();
    for (key, value) in members {
        if !value.is_nothing() {
            fields.take(&key, value);
        }
    }
    let mut event = fields.into_event(&mut read, arrival);
    event.notes = read.notes;
    Ok(event)
}

/// Whether this is a report of a browser that is known.
pub(crate) fn is_report(payload: &[u8]) -> bool {
    let text = json::text(payload);
    matches!(json::parse(&text), Ok(Value::Map(members)) if security::known(&members).is_some())
}

/// Reads what a browser reports of itself.
pub fn security_report(payload: &[u8], arrival: &Arrival<'_>) -> Result<Event, Refusal> {
    let text = json::text(payload);
    let value = json::parse(&text).map_err(|error| Refusal::malformed(format!("the report is {error}")))?;
    let mut read = reading(arrival);
    let reported = security::report(&mut read, value)?;
    let mut event = Event {
        timestamp: arrival.received,
        received: arrival.received,
        platform: "javascript".to_owned(),
        event_id: arrival.event_id.and_then(event_id).unwrap_or_default(),
        ..Event::default()
    };
    set_report(&mut event, reported);
    event.notes = read.notes;
    Ok(event)
}

fn reading(arrival: &Arrival<'_>) -> Reading {
    let drift = time::drift(arrival.sent_at, arrival.received);
    Reading { notes: Default::default(), drift, received: arrival.received }
}

fn set_report(event: &mut Event, reported: security::Reported) {
    event.kind = reported.kind;
    event.security = Some(reported.security);
    event.message = Some(reported.message);
    event.level = reported.level;
}

/// An id as 32 lower-case hexadecimal digits, if it is one.
pub fn event_id(text: &str) -> Option<String> {
    let id: String =
        text.trim().chars().filter(|char| *char != '-').map(|char| char.to_ascii_lowercase()).collect();
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

macro_rules! fields {
    ($($field:ident: $($name:literal)|+;)*) => {
        /// The fields of an event as sent, by their present names.
        #[derive(Default)]
        struct Fields<'a> {
            $($field: Option<Value<'a>>,)*
            legacy: Vec<(Cow<'a, str>, Value<'a>)>,
            report: Option<(Kind, Value<'a>)>,
        }

        impl<'a> Fields<'a> {
            /// Sorts a field in. A new name and an old one of the same thing may both be there: the later holds.
            fn take(&mut self, key: &str, value: Value<'a>) {
                match key {
                    $($($name)|+ => self.$field = Some(value),)*
                    "query" | "sentry.interfaces.Query" => self.legacy.push(("query".into(), value)),
                    "template" | "sentry.interfaces.Template" => self.legacy.push(("template".into(), value)),
                    other => {
                        if let Some(kind) = security::kind_of_interface(other) {
                            self.report = Some((kind, value));
                        }
                    }
                }
            }
        }
    };
}

fields! {
    event_id: "event_id";
    timestamp: "timestamp";
    level: "level";
    platform: "platform";
    logger: "logger";
    transaction: "transaction";
    culprit: "culprit";
    server_name: "server_name";
    release: "release";
    dist: "dist";
    environment: "environment";
    message: "message";
    logentry: "logentry" | "sentry.interfaces.Message";
    exception: "exception" | "sentry.interfaces.Exception";
    stacktrace: "stacktrace" | "sentry.interfaces.Stacktrace";
    threads: "threads";
    breadcrumbs: "breadcrumbs" | "sentry.interfaces.Breadcrumbs";
    tags: "tags";
    user: "user" | "sentry.interfaces.User";
    request: "request" | "sentry.interfaces.Http";
    contexts: "contexts" | "sentry.interfaces.Contexts";
    extra: "extra";
    modules: "modules";
    sdk: "sdk";
    fingerprint: "fingerprint";
    checksum: "checksum";
    debug_meta: "debug_meta";
}

impl Fields<'_> {
    fn into_event(mut self, read: &mut Reading, arrival: &Arrival<'_>) -> Event {
        let platform = self.platform.take().and_then(|value| read.word(value, 64, &Path::of("platform")));
        let platform = platform.map_or_else(|| "other".to_owned(), |name| name.to_ascii_lowercase());
        let mut event = Event {
            timestamp: read.time_of_event(self.timestamp.as_ref()),
            received: arrival.received,
            platform,
            ..Event::default()
        };
        self.identity(&mut event, read, arrival);
        self.words(&mut event, read);
        self.what_happened(&mut event, read);
        self.around_it(&mut event, read, arrival);
        event
    }

    fn identity(&mut self, event: &mut Event, read: &mut Reading, arrival: &Arrival<'_>) {
        let own = self.event_id.take().and_then(|value| read.word(value, 64, &Path::of("event_id")));
        let around = arrival.event_id.and_then(event_id);
        match around.or_else(|| own.as_deref().and_then(event_id)) {
            Some(id) => event.event_id = id,
            None if own.is_some() || arrival.event_id.is_some() => {
                read.note(&Path::of("event_id"), Change::Invalid, None);
            }
            None => {}
        }
        if let Some(value) = self.level.take() {
            match request::level(&value) {
                Some(level) => event.level = level,
                None => read.note(&Path::of("level"), Change::Invalid, None),
            }
        }
        if let Some(value) = self.fingerprint.take() {
            let at = Path::of("fingerprint");
            let parts = match value {
                Value::List(parts) => parts,
                one => vec![one],
            };
            if parts.len() > MAX_FINGERPRINT {
                read.note(&at, Change::LeftOut, Some(parts.len()));
            }
            let parts = parts.into_iter().take(MAX_FINGERPRINT).enumerate();
            event.fingerprint =
                parts.filter_map(|(index, part)| read.text(part, MAX_PART, &at.index(index))).collect();
        }
    }

    /// What is one short text.
    fn words(&mut self, event: &mut Event, read: &mut Reading) {
        let transaction = self.transaction.take().or(self.culprit.take());
        let words = [
            ("logger", 64, self.logger.take(), &mut event.logger),
            ("transaction", 200, transaction, &mut event.transaction),
            ("server_name", 200, self.server_name.take(), &mut event.server_name),
            ("release", 250, self.release.take(), &mut event.release),
            ("dist", 64, self.dist.take(), &mut event.dist),
            ("environment", 64, self.environment.take(), &mut event.environment),
            ("checksum", 128, self.checksum.take(), &mut event.checksum),
        ];
        for (name, max, value, slot) in words {
            let path = Path::of(name);
            *slot = value.and_then(|value| read.word(value, max, &path));
            let of_one_line = slot.as_ref().is_none_or(|word| !word.contains(['\n', '\r']));
            let a_path = name == "environment" && slot.as_ref().is_some_and(|word| word.contains('/'));
            if !of_one_line || a_path {
                read.note(&path, Change::Invalid, None);
                *slot = slot.take().map(|word| word.replace(['\n', '\r', '/'], "-"));
            }
        }
    }

    fn what_happened(&mut self, event: &mut Event, read: &mut Reading) {
        let logentry = self.logentry.take().and_then(|value| request::message(read, value));
        let message = self.message.take().and_then(|value| request::message(read, value));
        event.message = match (logentry, message) {
            // raven sends both: the text, and what it was made of
            (Some(entry), Some(text)) if entry.formatted.is_empty() => {
                Some(Message { formatted: text.formatted, ..entry })
            }
            (Some(entry), _) => Some(entry),
            (None, message) => message,
        };
        let platform = event.platform.clone();
        let mut stacks = Stacks::new(&platform);
        if let Some(value) = self.exception.take() {
            event.exceptions = stacks.exceptions(read, value);
        }
        if let Some(value) = self.stacktrace.take() {
            event.stacktrace = stacks.stacktrace(read, value, &Path::of("stacktrace"));
        }
        if let Some(value) = self.threads.take() {
            event.threads = stacks.threads(read, value);
        }
        if let [only] = event.exceptions.as_mut_slice()
            && only.stacktrace.is_none()
        {
            only.stacktrace = event.stacktrace.take();
        }
        event.kind = if event.exceptions.is_empty() { Kind::Message } else { Kind::Error };
        if let Some((kind, value)) = self.report.take() {
            let level = event.level;
            set_report(event, security::reported(read, kind, value, None));
            if level != Level::default() {
                event.level = level;
            }
        }
    }

    fn around_it(self, event: &mut Event, read: &mut Reading, arrival: &Arrival<'_>) {
        if let Some(value) = self.tags {
            event.tags = tags(read.names(value, TAGS, &Path::of("tags")));
        }
        if let Some(value) = self.modules {
            event.modules = read.names(value, MODULES, &Path::of("modules"));
        }
        if let Some(value) = self.extra {
            event.extra = read.map(value, &mut { EXTRA }, &Path::of("extra"));
        }
        event.contexts = self.contexts.map(|value| request::contexts(read, value)).unwrap_or_default();
        event.breadcrumbs =
            self.breadcrumbs.map(|value| request::breadcrumbs(read, value)).unwrap_or_default();
        event.request = self.request.and_then(|value| request::request(read, value));
        event.user = self.user.and_then(|value| request::user(read, value, arrival.client_ip));
        if let Some((sdk, wants_ip)) = self.sdk.and_then(|value| request::sdk(read, value)) {
            event.sdk = Some(sdk);
            let has_ip = event.user.as_ref().is_some_and(|user| user.ip_address.is_some());
            if wants_ip
                && !has_ip
                && let Some(ip) = arrival.client_ip
            {
                event.user.get_or_insert_with(User::default).ip_address = Some(ip.to_owned());
            }
        }
        if let Some(value) = self.debug_meta {
            event.debug_ids = debug_ids(read, &value);
        }
        let mut room = LEGACY;
        for (key, value) in self.legacy {
            let value = read.data(value, &mut room, &Path::of("legacy"));
            event.legacy = Data::from_iter(
                std::mem::take(&mut event.legacy).into_iter().chain([(key.into_owned(), value)]),
            );
        }
    }
}

/// Names of tags in one line; a value too.
fn tags(tags: Names) -> Names {
    if tags.iter().all(|(name, value)| !name.contains(['\n', ' ']) && !value.contains('\n')) {
        return tags;
    }
    tags.into_iter().map(|(name, value)| (name.replace(['\n', ' '], "-"), value.replace('\n', " "))).collect()
}

/// The ids of built JavaScript files.
fn debug_ids(read: &mut Reading, value: &Value<'_>) -> Names {
    let at = Path::of("debug_ids");
    let Some(Value::List(images)) = value.get("images") else { return Names::new() };
    let mut out = Names::new();
    for image in images {
        if image.get("type").and_then(Value::as_str) != Some("sourcemap") {
            continue;
        }
        let text = |key: &str| image.get(key).and_then(Value::as_str).filter(|text| text.len() <= 2_048);
        if let (Some(file), Some(id)) = (text("code_file"), text("debug_id")) {
            if out.len() >= MAX_DEBUG_IDS {
                read.note(&at, Change::LeftOut, Some(images.len()));
                break;
            }
            let id = crate::texts::debug_id(id).unwrap_or_else(|| id.to_ascii_lowercase());
            out.insert(file.to_owned(), id);
        }
    }
    out
}

#[cfg(test)]
mod tests;
