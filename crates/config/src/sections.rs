//! The sections of `nightbell.toml` that say how the hub runs. What is written here is the contract that
//! users read: the schema, the defaults in `config show` and the check for unknown keys follow from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::flap::{Flapping, MAX_TIMES, OnFlapping};
use schemars::JsonSchema;
use sdk::Secret;
use serde::{Deserialize, Deserializer, Serialize};

/// How the hub is reached over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port to listen on, such as `0.0.0.0:8440`. Port 0 takes any free one.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Where people and other systems reach this hub, such as `https://bell.example.org/nightbell`. Links
    /// in messages begin with it; without it they have none, or, with an `alertmanager.yml`, begin with
    /// `http://`, the name of this machine and the port.
    #[serde(deserialize_with = "base_url")]
    #[schemars(with = "String")]
    pub external_url: String,
    /// The path under which the hub serves, such as `/nightbell`. When it is empty, it is the path of
    /// `external_url`, as in Alertmanager; `/` serves at the root in any case.
    #[serde(deserialize_with = "prefix")]
    #[schemars(with = "String")]
    pub route_prefix: String,
    /// Bytes that the body of a request may have; beyond, the answer is 413.
    pub max_body_bytes: usize,
    /// How long a request may take altogether; beyond, the answer is 503. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub request_timeout: Duration,
    /// How long the head of a request may take to arrive, and how long a kept connection may idle. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub header_timeout: Duration,
    /// How long requests and deliveries that are under way may take to end when the hub is told to stop.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub shutdown_timeout: Duration,
    /// Whether requests from a loopback address need no token, if they are to `localhost`, an address, a name without
    /// a dot or the one in `external_url`. Unset it behind a proxy that runs on the same
    /// machine and adds no `Forwarded` or `X-Forwarded-For`: everybody would come from there.
    pub allow_anonymous_loopback: bool,
    /// Networks and addresses of proxies whose `X-Forwarded-For` is believed, such as `10.1.0.0/16`: then the address
    /// of who asks is the last one in it that is none of these. It is what the audit log, the limits on logging in and
    /// the users of errors go by. Nobody's is believed unless named here.
    pub trusted_proxies: Vec<String>,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8440)),
            external_url: String::new(),
            route_prefix: String::new(),
            max_body_bytes: 4 * 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(75),
            shutdown_timeout: Duration::from_secs(20),
            allow_anonymous_loopback: true,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Server {
    /// The path that all routes begin with: empty, or a slash first and none at the end.
    pub fn prefix(&self) -> String {
        let path = match self.route_prefix.as_str() {
            "" => {
                sdk::http::parse_url(&self.external_url).map(|url| url.path().to_owned()).unwrap_or_default()
            }
            prefix => prefix.to_owned(),
        };
        path.trim_end_matches('/').to_owned()
    }
}

/// Where everything is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// The folder of the built-in database (SQLite); made when it is not there. From the folder of the
    /// configuration file, unless it begins with a slash.
    pub data_dir: PathBuf,
    /// A PostgreSQL server to be used instead, such as `postgres://nightbell@db.example.org/nightbell`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Secret>,
    /// What secrets are sealed with that are set while the hub runs: 64 hexadecimal digits; after a blank, older ones
    /// that still open. Without it, the built-in database makes a key in `secret.key` in its folder; with PostgreSQL,
    /// such secrets lie in the clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<Secret>,
    /// What is kept of the past. What is still open is always kept.
    pub retention: Retention,
}

impl Default for Database {
    fn default() -> Self {
        Database {
            data_dir: PathBuf::from("data"),
            url: None,
            secret_key: None,
            retention: Retention::default(),
        }
    }
}

/// What is kept of the past: whatever goes over one of these limits goes, the oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How old it may be; `0s`: any age.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub age: Duration,
    /// How long events are kept that only repeated what was known.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub repeats: Duration,
    /// How many incidents it may be; 0: any number.
    pub incidents: u64,
    /// How many bytes the built-in database may take; 0: any number. PostgreSQL is not measured.
    pub bytes: u64,
    /// How long the audit log is kept: who changed what; `0s`: for ever.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Retention { age: day * 90, repeats: day, incidents: 0, bytes: 0, audit: day * 365 }
    }
}

/// Which addresses messages may be sent to. Public ones always may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Outbound {
    /// Whether messages may go to loopback, private, link-local and other special addresses, too.
    pub(crate) allow_private: bool,
    /// Networks and addresses that messages may go to besides, such as `10.1.0.0/16`.
    pub(crate) allow: Vec<String>,
}

/// What the hub takes on at the most. Beyond it, senders are asked to come again; nothing is dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests that are worked on at once; beyond, the answer is 503 with Retry-After.
    pub requests: usize,
    /// Events in one request; beyond, the answer is 413.
    pub events_per_request: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { requests: 512, events_per_request: 10_000 }
    }
}

/// How incidents live.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Incidents {
    /// How long after its end the same trouble re-opens an incident, rather than opening a new one.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) reopen_within: Duration,
    /// When an alert that came without an end is taken to be over, counted from when it last came.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) resolve_timeout: Duration,
    /// How long after a start nothing ends by itself: senders could not be heard while the hub was away.
    #[serde(with = "model::time::span")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) restart_grace: Duration,
    /// New incidents that match all of these are told at once, though their group has a message behind it and
    /// would wait for its group interval.
    pub(crate) urgent: Vec<String>,
    /// When an incident flaps, and what is done then.
    pub(crate) flapping: FlappingEntry,
}

/// When an incident flaps: begins and ends so often that its state says little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FlappingEntry {
    /// It flaps when it begins more often than this within the window, up to 1000; 0: flapping is not looked
    /// for.
    #[serde(deserialize_with = "flap_times")]
    #[schemars(range(max = 1000))]
    pub(crate) times: u32,
    /// The window. Where flapping is looked for, an incident that is over is re-opened within it, even if
    /// `reopen_within` is shorter: what is a new incident each time does not flap. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) within: Duration,
    /// It is calm again when it has neither begun nor ended for so long. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) calm_after: Duration,
    /// What routes do about it that have no `on_flapping`: `notify`, `hold` or `summarise`.
    #[schemars(with = "String", extend("enum" = ["notify", "hold", "summarise"]))]
    pub(crate) policy: OnFlapping,
}

impl Default for FlappingEntry {
    fn default() -> Self {
        let Flapping { times, within, calm_after, policy } = Flapping::default();
        FlappingEntry { times, within, calm_after, policy }
    }
}

impl From<FlappingEntry> for Flapping {
    fn from(FlappingEntry { times, within, calm_after, policy }: FlappingEntry) -> Self {
        Flapping { times, within, calm_after, policy }
    }
}

fn flap_times<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let times = u32::deserialize(deserializer)?;
    match times <= MAX_TIMES {
        true => Ok(times),
        false => Err(serde::de::Error::custom(format!("{times} is more than {MAX_TIMES}"))),
    }
}

impl Default for Incidents {
    fn default() -> Self {
        Incidents {
            reopen_within: Duration::ZERO,
            resolve_timeout: Duration::from_secs(300),
            // Prometheus says once a minute what fires
            restart_grace: Duration::from_secs(75),
            urgent: Vec::new(),
            flapping: FlappingEntry::default(),
        }
    }
}

/// How the hub is watched, and watches itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelfWatch {
    /// Where a sign of life is POSTed to as long as the flow works: the database writes, the steps run, and no
    /// delivery is overdue. Whoever is there raises the alarm when they stop. Without it none is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_url: Option<Secret>,
    /// How often. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub ping_every: Duration,
    /// How long a delivery may wait before signs of life stop. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub overdue_after: Duration,
    /// Receivers that get a test message from time to time. One that does not arrive opens an incident.
    pub canary: Vec<String>,
    /// How often each of them gets one. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub canary_every: Duration,
    /// How long it may take to arrive. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub canary_within: Duration,
}

impl Default for SelfWatch {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        SelfWatch {
            ping_url: None,
            ping_every: minute,
            overdue_after: minute * 15,
            canary: Vec::new(),
            canary_every: minute * 60 * 24,
            canary_within: minute * 5,
        }
    }
}

/// Where the traces of incidents go, to be seen beside those of other programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// The base URL of a collector of OpenTelemetry's protocol over HTTP, such as `http://localhost:4318`;
    /// `/v1/traces` is added. Without it none go anywhere.
    #[serde(deserialize_with = "base_url")]
    #[schemars(with = "String")]
    pub endpoint: String,
    /// How they are written.
    pub encoding: TraceEncoding,
    /// Headers to send along, such as the key of a service. Their values count as secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// The share of all incidents that is traced, 0 to 1.
    #[serde(deserialize_with = "share")]
    #[schemars(range(min = 0, max = 1))]
    pub sample: f64,
}

/// How traces are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TraceEncoding {
    /// As Protocol Buffers, which every collector reads.
    #[default]
    Protobuf,
    /// As JSON.
    Json,
}

impl Default for Traces {
    fn default() -> Self {
        Traces {
            endpoint: String::new(),
            encoding: TraceEncoding::default(),
            headers: BTreeMap::new(),
            sample: 1.0,
        }
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(serde::de::Error::custom(format!("{share} is not from 0 to 1"))),
    }
}

/// What the hub writes about itself, to standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// The least level that is written: `error`, `warn`, `info`, `debug`, `trace` or `off`; also by module,
    /// such as `info,nightbell_flow=debug`.
    #[serde(deserialize_with = "log_level")]
    #[schemars(with = "String")]
    pub level: String,
    /// How it is written.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// A span of time that is not zero.
pub(crate) fn some_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let span = model::time::span::deserialize(deserializer)?;
    if span.is_zero() { Err(serde::de::Error::custom("must be longer than zero")) } else { Ok(span) }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        let reason = "is not an address with a port, such as 127.0.0.1:8440 or [::]:8440";
        serde::de::Error::custom(format!("{text:?} {reason}"))
    })
}

/// Without the slash at the end.
pub(crate) fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(text);
    }
    let url = sdk::http::parse_url(&text).map_err(serde::de::Error::custom)?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(serde::de::Error::custom("a base of URLs has no user, no `?` and no `#`"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.~".contains(c));
    match text.is_empty() || (text.starts_with('/') && plain && !text.contains("//")) {
        true => Ok(text),
        false => Err(serde::de::Error::custom(format!("{text:?} is not a path like /nightbell"))),
    }
}

fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let text = String::deserialize(deserializer)?;
    let good = |part: &str| LEVELS.contains(&part.split_once('=').map_or(part, |(_, level)| level).trim());
    match text.split(',').all(good) {
        true => Ok(text),
        false => {
            let message = format!("{text:?} is not a level; known are {}", LEVELS.join(", "));
            Err(serde::de::Error::custom(message))
        }
    }
}
