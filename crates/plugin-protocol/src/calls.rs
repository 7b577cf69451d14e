//! What may be asked, both ways. Unknown fields are ignored, so that either side may learn more words.

pub mod guest;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::provides::{Provides, Route};

/// A call: its name, what is asked with, and what comes of it.
pub trait Call {
    /// The method.
    const METHOD: &'static str;
    /// The parameters.
    type Params: Serialize;
    /// The answer.
    type Answer: DeserializeOwned;
}

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($method:literal, $params:ty) -> $answer:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl Call for $name {
                const METHOD: &'static str = $method;
                type Params = $params;
                type Answer = $answer;
            }
        )*
    };
}

calls! {
    /// Who are you, and what do you provide?
    Hello("hello", HelloParams) -> HelloAnswer;
    /// These are your settings.
    Configure("configure", ConfigureParams) -> ConfigureAnswer;
    /// From here on there may be work.
    Start("start", Nothing) -> StartAnswer;
    /// Tell these.
    Deliver("deliver", DeliverParams) -> DeliverAnswer;
    /// Are these settings right?
    Validate("validate", ValidateParams) -> ValidateAnswer;
    /// Send something to be seen.
    Test("test", TestParams) -> Outcome;
    /// How is this?
    Check("check", CheckParams) -> CheckAnswer;
    /// Make a ticket.
    Ticket("ticket", TicketParams) -> TicketAnswer;
    /// This happened.
    Events("events", EventsParams) -> Nothing;
    /// Answer this request.
    Request("request", HttpRequest) -> HttpAnswer;
    /// How are you?
    Health("health", Nothing) -> HealthAnswer;
    /// No more work will come.
    Drain("drain", Nothing) -> Nothing;
    /// Close everything.
    Shutdown("shutdown", Nothing) -> Nothing;
}

/// The notification that nobody waits for an answer any more.
pub const CANCEL: &str = "$/cancel";

/// No parameters, or an answer that says no more than that it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// Which request is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelParams {
    /// Its id.
    pub id: crate::RpcId,
}

/// With what a plugin is greeted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloParams {
    /// Which numbers of the contract the host speaks.
    pub protocol: Versions,
    /// Who the host is.
    pub host: Program,
    /// What the host can do beside what the contract asks of it.
    pub features: Vec<String>,
    /// Who the plugin is.
    pub plugin: Place,
    /// How many deliveries it is asked for at once, at the most.
    #[serde(default)]
    pub concurrency: u32,
}

/// A range of contract numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Where a plugin lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What it is called.
    pub id: String,
    /// Its folder.
    pub folder: String,
    /// Where it may keep files.
    pub state: String,
}

/// How a plugin answers the greeting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HelloAnswer {
    /// Which number of the contract is spoken from here on.
    pub protocol: u32,
    /// What it is made with.
    pub sdk: String,
    /// What it can do beside what the contract asks of it.
    pub features: Vec<String>,
    /// What it provides.
    pub provides: Provides,
}

/// The plugin's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigureParams {
    /// With secrets and defaults in them.
    pub settings: Value,
    /// Which settings these are; grows.
    pub generation: u64,
    /// Whether they are only to be looked at.
    pub dry_run: bool,
}

/// What is wrong with settings; nothing: they are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfigureAnswer {
    /// What is wrong.
    pub errors: Vec<Complaint>,
}

/// Something that is wrong with a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Complaint {
    /// Where, such as `server.url`; empty: as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Complaint {
    /// The same about something that stands below a path.
    #[must_use]
    pub fn below(self, path: &str) -> Self {
        let path = match self.path.as_str() {
            "" => path.to_owned(),
            further if further.starts_with('[') => format!("{path}{further}"),
            further => format!("{path}.{further}"),
        };
        Complaint { path, ..self }
    }
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// How a plugin began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartAnswer {
    /// Where it answers over HTTP, beside what it said before.
    pub routes: Vec<Route>,
}

/// What is to be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeliverParams {
    /// Each of them.
    pub deliveries: Vec<Delivery>,
}

/// Something to be told to one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delivery<Says = Value> {
    /// Which it is; the same over all retries.
    pub id: String,
    /// The idempotency key; the same over all retries.
    pub key: String,
    /// How many milliseconds are left for it; the host says so last of all, when it hands it over.
    #[serde(skip_serializing_if = "is_nothing")]
    pub deadline_ms: u64,
    /// The kind of destination.
    pub kind: String,
    /// The destination, such as `ops/foo/0`.
    pub destination: String,
    /// Its settings.
    pub settings: Value,
    /// What to say.
    pub message: Says,
    /// Who is told.
    pub recipients: Vec<Person>,
    /// Who is on duty.
    pub on_duty: Vec<Person>,
    /// The projects and services that it is about, with what is set for them; none for plugins without a `project`
    /// schema.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<OfProject>,
}

/// What is set for a project or service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OfProject {
    /// What it is called.
    pub name: String,
    /// What is set for it, after the plugin's `project` schema.
    pub settings: Map<String, Value>,
}

/// Somebody.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Person {
    /// Who it is.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// What they set, after the plugin's `user` schema.
    pub settings: Map<String, Value>,
}

/// What came of deliveries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliverAnswer {
    /// One for each.
    pub outcomes: Vec<Outcome>,
}

/// What came of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Which it is about.
    pub id: String,
    /// The word for it; one that is not known is as `retry`.
    pub outcome: String,
    /// What the other side calls it.
    #[serde(deserialize_with = "lenient_text")]
    pub receipt: String,
    /// Why not.
    #[serde(deserialize_with = "lenient_text")]
    pub reason: String,
    /// How long it wants to be left alone.
    pub after_ms: Option<u64>,
    /// Whose trouble it is: `destination` or `pace`.
    pub fault: Option<String>,
    /// A number such as HTTP's.
    pub status: Option<i64>,
    /// The beginning of what was answered.
    #[serde(deserialize_with = "lenient_text")]
    pub text: String,
}

fn is_nothing(number: &u64) -> bool {
    *number == 0
}

/// A text, or what is as good as one.
fn lenient_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    })
}

/// Settings to be looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidateParams {
    /// Of what: `destination`, `removal` (of one), `user` or `project`.
    pub what: String,
    /// The kind, of a destination.
    pub kind: String,
    /// The settings.
    pub value: Value,
    /// Those of the other destinations of this kind in the same receiver.
    pub others: Vec<Value>,
    /// The project or service that they are for, with `project`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
}

/// Settings that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ValidateAnswer {
    /// As they are best written.
    pub value: Option<Value>,
    /// What is wrong.
    pub errors: Vec<Complaint>,
}

/// A test to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestParams {
    /// The kind.
    pub kind: String,
    /// The settings of the place.
    pub settings: Value,
    /// What to do.
    pub options: Value,
    /// As in [`Delivery::projects`], of the message that would tell it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub projects: Vec<OfProject>,
}

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckParams {
    /// The kind.
    pub kind: String,
    /// The settings of the check.
    pub settings: Value,
    /// How many milliseconds are left for it.
    pub deadline_ms: u64,
}

/// How it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckAnswer {
    /// `passing`, `warning` or `failing`; any other word is as `failing`.
    pub status: String,
    /// In words.
    #[serde(deserialize_with = "lenient_text")]
    pub detail: String,
    /// More labels for the event.
    pub labels: std::collections::BTreeMap<String, String>,
}

/// A ticket that is wanted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TicketParams {
    /// The same for the same incident, so that no two are made.
    pub key: String,
    /// The incident as the API shows it.
    pub incident: Value,
    /// Who wants it.
    pub by: String,
    /// What they say.
    pub note: String,
}

/// A ticket that there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TicketAnswer {
    /// What it is called, such as `OPS-17`.
    #[serde(deserialize_with = "lenient_text")]
    pub id: String,
    /// Where it is.
    #[serde(deserialize_with = "lenient_text")]
    pub url: String,
    /// What it says.
    #[serde(deserialize_with = "lenient_text")]
    pub title: String,
}

/// A batch of what happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventsParams {
    /// Which subscription wanted it.
    pub subscription: String,
    /// Each of them, the oldest first.
    pub events: Vec<Happening>,
}

/// Something that happened in the hub.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Happening {
    /// What.
    pub topic: String,
    /// Which one.
    pub id: String,
    /// When, as RFC 3339.
    pub at: String,
    /// All about it.
    pub data: Value,
}

/// A request over HTTP for a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpRequest {
    /// The route, as the plugin wrote it.
    pub route: String,
    /// What stands for the names in it.
    pub arguments: std::collections::BTreeMap<String, String>,
    /// The method, in capitals.
    pub method: String,
    /// The path under the plugin's own.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// Names in small letters, with values.
    pub headers: Vec<(String, String)>,
    /// The body, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Who asks, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Principal {
    /// Their name.
    pub name: String,
}

/// What a plugin answers over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// Names and values.
    pub headers: std::collections::BTreeMap<String, String>,
    /// The body, if it is text.
    pub body: Option<String>,
    /// The body, if it is not.
    pub body_base64: Option<String>,
}

/// How a plugin is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthAnswer {
    /// `ok` or `degraded`.
    pub status: String,
    /// In words.
    pub detail: String,
}

/// What a plugin writes into its log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogParams {
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// What it says.
    pub message: String,
    /// More about it.
    pub fields: Map<String, Value>,
    /// The delivery that it is about.
    pub delivery: Option<String>,
}
