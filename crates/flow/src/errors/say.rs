//! Errors in words: what an incident says of them, and what they are searched by.

use std::fmt::Write as _;

use model::{Id, Labels, Severity};
use tracker::event::{Exception, Frame, Stacktrace};
use tracker::{Event, Level};

/// Characters of the stack that an incident shows.
const MAX_STACK_CHARS: usize = 4_000;
/// Frames of each stack that it shows: the last ones, where it went wrong.
const MAX_FRAMES: usize = 12;
/// Bytes that an issue is searched by.
pub(super) const MAX_HAYSTACK_BYTES: usize = 8 * 1024;
/// Bytes of these that its first error may take: the rest is for what others say.
const MAX_FIRST_BYTES: usize = 6 * 1024;
/// Characters of what each other error says.
const MAX_SAID_CHARS: usize = 400;
/// Characters of a label's value.
const MAX_LABEL_CHARS: usize = 200;
/// Characters of a message.
const MAX_MESSAGE_CHARS: usize = 8_000;

/// How bad it is, in the words of incidents.
pub fn severity(level: Level) -> Severity {
    match level {
        Level::Fatal => Severity::Critical,
        Level::Error => Severity::Error,
        Level::Warning => Severity::Warning,
        Level::Info | Level::Debug => Severity::Info,
    }
}

/// What routes go by.
pub fn labels(project: &str, event: &Event) -> Labels {
    let mut labels = Labels::new();
    let mut set = |name: &str, value: &str| {
        if !value.is_empty() {
            labels.set(name, shortened(value, MAX_LABEL_CHARS));
        }
    };
    let name = event.exceptions.last().and_then(|it| it.ty.as_deref());
    set("alertname", name.unwrap_or(if event.exceptions.is_empty() { "Message" } else { "Error" }));
    set("project", project);
    set("level", event.level.as_str());
    set("platform", &event.platform);
    set("culprit", &event.culprit);
    set("release", event.release.as_deref().unwrap_or_default());
    set("environment", event.environment.as_deref().unwrap_or_default());
    set("logger", event.logger.as_deref().unwrap_or_default());
    set("server_name", event.server_name.as_deref().unwrap_or_default());
    set("transaction", event.transaction.as_deref().unwrap_or_default());
    labels
}

/// What is counted when it is told.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// How often it was seen.
    pub times: i64,
    /// Users that it has hit.
    pub users: i64,
}

/// What people read.
pub fn annotations(event: &Event, id: Id, counts: Counts, why: &str) -> Labels {
    let mut notes = Labels::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            notes.set(name, value);
        }
    };
    set("summary", event.title.clone());
    set("description", shortened(&message(event), MAX_MESSAGE_CHARS));
    set("culprit", event.culprit.clone());
    set("location", event.location.clone());
    set("times_seen", counts.times.to_string());
    set("users_seen", counts.users.to_string());
    set("event_id", event.event_id.clone());
    set("error", id.to_string());
    set("rules", why.to_owned());
    set("stack", stack_text(event));
    notes
}

/// What it says: the messages of its exceptions, the last first, or its own.
pub fn message(event: &Event) -> String {
    let said = event.exceptions.iter().rev().map(said_by).collect::<Vec<_>>();
    match &event.message {
        Some(message) if said.is_empty() => message.formatted.clone(),
        _ if said.is_empty() => event.title.clone(),
        _ => said.join("\n"),
    }
}

fn said_by(it: &Exception) -> String {
    match (it.ty.as_deref(), it.value.as_deref()) {
        (Some(ty), Some(value)) if !value.is_empty() => format!("{ty}: {value}"),
        (Some(ty), _) => ty.to_owned(),
        (None, value) => value.unwrap_or("<unknown>").to_owned(),
    }
}

/// The stacks, where it went wrong first.
fn stack_text(event: &Event) -> String {
    let mut text = String::new();
    let chained = event.exceptions.iter().rev().filter_map(|it| Some((said_by(it), it.stacktrace.as_ref()?)));
    let alone = event.stacktrace.as_ref().map(|it| (String::new(), it));
    for (head, stack) in chained.chain(alone) {
        if !head.is_empty() {
            let _ = writeln!(text, "{}", head.lines().next().unwrap_or_default());
        }
        for frame in stack.frames.iter().rev().take(MAX_FRAMES) {
            let place = frame.filename.as_deref().or(frame.module.as_deref()).unwrap_or("?");
            let line = frame.lineno.map(|line| format!(":{line}")).unwrap_or_default();
            let _ = writeln!(text, "  {place}{line} in {}", frame.function.as_deref().unwrap_or("?"));
            if let Some(line) = frame.context_line.as_deref().filter(|_| frame.in_app) {
                let _ = writeln!(text, "    {}", line.trim());
            }
        }
        if stack.frames.len() > MAX_FRAMES {
            let _ = writeln!(text, "  … {} more", stack.frames.len() - MAX_FRAMES);
        }
        if text.len() > MAX_STACK_CHARS {
            break;
        }
    }
    shortened(text.trim_end(), MAX_STACK_CHARS)
}

/// What words are looked for in: everything that says what and where it was, in lower case.
pub fn haystack(event: &Event) -> String {
    let mut text = String::with_capacity(2048);
    let mut add = |word: Option<&str>| {
        let Some(word) = word.filter(|word| !word.is_empty()) else { return };
        if text.len() + word.len() < MAX_FIRST_BYTES && !text.contains(word) {
            text.push_str(word);
            text.push('\n');
        }
    };
    add(Some(&event.title));
    add(Some(&event.culprit));
    add(event.transaction.as_deref());
    add(event.logger.as_deref());
    add(event.message.as_ref().map(|it| it.formatted.as_str()));
    for it in event.exceptions.iter().rev() {
        add(it.ty.as_deref());
        add(it.value.as_deref());
    }
    let stacks = event.exceptions.iter().rev().filter_map(|it| it.stacktrace.as_ref());
    let frames: Vec<&Frame> =
        stacks.chain(event.stacktrace.as_ref()).flat_map(|it: &Stacktrace| it.frames.iter().rev()).collect();
    // what is the program's own first, as far as there is room
    for in_app in [true, false] {
        for frame in frames.iter().filter(|it| it.in_app == in_app) {
            add(frame.function.as_deref());
            add(frame.filename.as_deref());
            add(frame.module.as_deref());
            add(frame.context_line.as_deref().map(str::trim));
        }
    }
    searchable(&text)
}

/// What an error says that others of its issue may not, for the same purpose.
pub fn said(event: &Event) -> String {
    searchable(&shortened(&message(event), MAX_SAID_CHARS))
}

fn searchable(text: &str) -> String {
    // no text of PostgreSQL has one
    text.replace('\0', " ").to_lowercase()
}

fn shortened(text: &str, limit: usize) -> String {
    let clean = |c: char| if c == '\0' { ' ' } else { c };
    if text.chars().count() <= limit {
        return text.chars().map(clean).collect();
    }
    text.chars().take(limit - 1).map(clean).chain(['…']).collect()
}
