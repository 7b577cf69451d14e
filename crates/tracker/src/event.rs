//! An event as it is kept: one shape, whatever client and whatever decade it came from.
//!
//! It is written as JSON and read back by the same types. What has no value is not written.

mod notes;
mod parts;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub use self::notes::{Change, MAX_NOTES, Note, Notes};
pub use self::parts::{
    Breadcrumb, Exception, Frame, Mechanism, Message, Omitted, Request, Sdk, Security, Stacktrace, Thread,
    User,
};

/// A map whose keys only the sender knows.
pub type Data = serde_json::Map<String, Json>;

/// Values of names that are looked up and compared: tags, headers.
pub type Names = BTreeMap<String, String>;

/// An error, a message or a report of a browser.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// 32 hexadecimal digits. The same id in one project is the same event. Empty when the client gave none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub event_id: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// When it happened, corrected by the drift of the client's clock.
    pub timestamp: Timestamp,
    /// When it came in.
    pub received: Timestamp,
    /// How bad it is.
    pub level: Level,
    /// The language: `python`, `javascript`, …, `other`.
    pub platform: String,
    /// The error in a line, or the message's first one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Where in the program, as a reader looks for it: the transaction, or module and function.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub culprit: String,
    /// The file of the frame that matters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// The logger's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logger: Option<String>,
    /// What was being done: a route, a task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// The machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The program's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Which build of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dist: Option<String>,
    /// `production`, `staging`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The message, of events that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The exceptions, the first cause first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
    /// The threads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub threads: Vec<Thread>,
    /// A stack without an exception.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacktrace: Option<Stacktrace>,
    /// That stack as it was sent, where source maps have changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_stacktrace: Option<Stacktrace>,
    /// What happened before, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breadcrumbs: Vec<Breadcrumb>,
    /// Names and values to search by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: Names,
    /// Whom it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The HTTP request during which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Runtime, system, browser, device, trace, and what else the sender describes.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub contexts: Data,
    /// Anything else of the sender's.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub extra: Data,
    /// Installed packages and their versions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: Names,
    /// The client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdk: Option<Sdk>,
    /// What the sender wants it grouped by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fingerprint: Vec<String>,
    /// The same in its oldest form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// What a browser reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// A template that could not be rendered, or a query that failed: of old clients.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub legacy: Data,
    /// Ids of the built files that its frames are of, for source maps: file → id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub debug_ids: Names,
    /// What is not as it was sent.
    #[serde(skip_serializing_if = "Notes::is_empty")]
    pub notes: Notes,
}

/// What an event is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It has an exception.
    Error,
    /// It has none: a message, or a stack alone.
    #[default]
    Message,
    /// Content-Security-Policy.
    Csp,
    /// Public-Key-Pins.
    Hpkp,
    /// Expect-CT.
    ExpectCt,
    /// Expect-Staple.
    ExpectStaple,
    /// Network Error Logging.
    Nel,
}

/// How bad an event is, the mildest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For developers.
    Debug,
    /// Nothing is wrong.
    Info,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    #[default]
    Error,
    /// The program ended by it.
    Fatal,
}

impl Level {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Fatal => "fatal",
        }
    }

    /// By any of the names in use.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "trace" | "debug" => Level::Debug,
            "info" | "log" | "notice" => Level::Info,
            "warning" | "warn" => Level::Warning,
            "error" => Level::Error,
            "fatal" | "critical" | "crash" => Level::Fatal,
            number => return number.parse().ok().map(Level::from_number),
        })
    }

    /// By the numbers of Python's logging, which raven sends.
    pub const fn from_number(number: i64) -> Self {
        match number {
            ..=10 => Level::Debug,
            11..=20 => Level::Info,
            21..=30 => Level::Warning,
            31..=40 => Level::Error,
            _ => Level::Fatal,
        }
    }
}
