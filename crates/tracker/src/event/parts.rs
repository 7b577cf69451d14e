//! What an event is made of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Data, Level};

/// A message, with what it was made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// The text before its parameters were put in, if the sender had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<String>,
    /// The text to read.
    pub formatted: String,
}

/// An exception of a chain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exception {
    /// Its class.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its class is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// How it came to be reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mechanism: Option<Mechanism>,
    /// Where it was raised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacktrace: Option<Stacktrace>,
    /// The stack as it was sent, where source maps have changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_stacktrace: Option<Stacktrace>,
    /// The thread that it was raised in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<String>,
}

/// How an exception came to be reported.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mechanism {
    /// Who caught it: `logging`, `excepthook`, `onunhandledrejection`.
    #[serde(rename = "type")]
    pub ty: String,
    /// The program went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled: Option<bool>,
    /// Its class says nothing: a signal, a stand-in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub synthetic: bool,
    /// Its number in a tree of exceptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception_id: Option<i64>,
    /// The number of the one it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<i64>,
    /// It stands for several.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_exception_group: bool,
    /// What else is said.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub data: Data,
}

/// Calls on a stack.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stacktrace {
    /// The outermost first.
    pub frames: Vec<Frame>,
    /// How many frames were left out in the middle, and before which one they would stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
}

/// Frames that are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omitted {
    /// The index of the kept frame before which they stood.
    pub before: usize,
    /// How many.
    pub frames: usize,
}

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The file, as short as the sender has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// The file with its whole path, or its URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abs_path: Option<String>,
    /// The module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The library, for machine code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lineno: Option<u32>,
    /// The column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colno: Option<u32>,
    /// Lines before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_context: Vec<String>,
    /// The line itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_line: Option<String>,
    /// Lines after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_context: Vec<String>,
    /// Local variables.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub vars: Data,
    /// It is code of the program, not of a library.
    pub in_app: bool,
    /// Where in memory, for machine code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction_addr: Option<String>,
    /// Why no source map was put to use, where one was to be expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmapped: Option<String>,
}

/// A thread.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Thread {
    /// Its number or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// It is the one that failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub crashed: bool,
    /// It is the one that made the report.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub current: bool,
    /// Where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stacktrace: Option<Stacktrace>,
    /// The same, as it was sent, where [`Thread::stacktrace`] was mapped to sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_stacktrace: Option<Stacktrace>,
}

/// Something that happened before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breadcrumb {
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// `default`, `http`, `navigation`, `query`, …
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    /// Where from: a logger, `ui.click`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// What is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What else.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub data: Data,
}

/// Whom it happened to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// The id in the sender's program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name to log in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Where from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// What else.
    #[serde(flatten)]
    pub data: Data,
}

impl User {
    /// The user in a word that is the same for the same user: `id:7`, `email:…`, `username:…`, `ip:…`.
    pub fn identity(&self) -> Option<String> {
        let parts = [
            ("id", &self.id),
            ("username", &self.username),
            ("email", &self.email),
            ("ip", &self.ip_address),
        ];
        parts.into_iter().find_map(|(kind, value)| value.as_ref().map(|value| format!("{kind}:{value}")))
    }
}

/// An HTTP request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Request {
    /// Without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `GET`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The query in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<(String, String)>,
    /// The headers in their order, names as in `User-Agent`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The cookies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<(String, String)>,
    /// The body: a string, or what it held.
    #[serde(skip_serializing_if = "Json::is_null")]
    pub data: Json,
    /// The server's variables.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub env: Data,
}

/// The client that sent an event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sdk {
    /// `sentry.python`, `raven-python`.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is switched on in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<String>,
}

/// What a browser reported of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// The directive that was violated, in full words: `script-src-elem`. Of other reports, what failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directive: Option<String>,
    /// What was blocked, without its query: an origin, `inline`, `eval`, `self`; of other reports, the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<String>,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The report as it came.
    #[serde(skip_serializing_if = "Data::is_empty")]
    pub report: Data,
}
