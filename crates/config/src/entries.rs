//! The sections of `nightbell.toml` that the rules are made of, as they are written.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::flap::OnFlapping;
use model::receiver::{Audience, Manners};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::answers::Answers;
use crate::limits::MAX_CONCURRENCY;
use crate::oidc::Oidc;
use crate::plugins::Plugins;
use crate::sections::{Database, Incidents, Limits, Log, Outbound, SelfWatch, Server, Traces, some_time};
use crate::storms::Storms;
use crate::templates::Templates;

// Only the schema is made of this as a whole. It is read section by section, so that everything that is
// wrong is told at once.
/// The configuration of a Nightbell, as `nightbell.toml` says it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct File {
    /// How the hub is reached over HTTP.
    pub(crate) server: Server,
    /// Where everything is remembered.
    pub(crate) database: Database,
    /// Which addresses messages may be sent to.
    pub(crate) outbound: Outbound,
    /// What the hub takes on at the most.
    pub(crate) limits: Limits,
    /// How incidents live.
    pub(crate) incidents: Incidents,
    /// How the hub is watched, and watches itself.
    pub(crate) self_watch: SelfWatch,
    /// When a receiver is sent so much that its people get summaries.
    pub(crate) storm: Storms,
    /// A provider of identities that people log in by.
    pub(crate) oidc: Oidc,
    /// Where people's answers to messages are heard.
    pub(crate) answers: Answers,
    /// Where the traces of incidents go.
    pub(crate) traces: Traces,
    /// Files of templates that settings may use by name.
    pub(crate) templates: Templates,
    /// Plugins: which run, with which settings.
    pub(crate) plugins: Plugins,
    /// What the hub writes about itself.
    pub(crate) log: Log,
    /// The routing tree: who is told what and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<RouteEntry>,
    /// Settings that all destinations of a kind have which say nothing else, by kind: `[defaults.slack]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) defaults: BTreeMap<String, Value>,
    /// Everybody who can be told, by name, with lists of destinations by kind: `[[receivers.ops.slack]]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) receivers: BTreeMap<String, BTreeMap<String, Vec<Value>>>,
    /// What need not be told while something else is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) inhibit: Vec<InhibitEntry>,
    /// Times that routes are muted or active in, by name. One table, or several of which any may hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) time_intervals: BTreeMap<String, Value>,
    /// What plugins look at now and then, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) checks: BTreeMap<String, Value>,
    /// Ways in: who may send events, in which form, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) integrations: BTreeMap<String, Value>,
}

/// A node of the routing tree. What is not set is as on the route above it.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct RouteEntry {
    /// Who is told. The root must have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) receiver: Option<String>,
    /// Labels by which incidents are told together: a list, `"all"` (each on its own), or `[]` (all as one).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group_by: Option<Grouping>,
    /// How long a new group gathers before it is told for the first time.
    #[serde(with = "model::time::span::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "span"))]
    pub(crate) group_wait: Option<Duration>,
    /// How long after that until a group is told of what is new. Not zero.
    #[serde(with = "model::time::span::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "span"))]
    pub(crate) group_interval: Option<Duration>,
    /// How long until a group is told again although nothing is new. Not zero.
    #[serde(with = "model::time::span::option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "span"))]
    pub(crate) repeat_interval: Option<Duration>,
    /// What must match, all of it, such as `team="db"` or `severity=~"critical|error"`.
    pub(crate) matchers: Vec<String>,
    /// What must hold besides, such as `level <= 2 and labels.team in ['db', 'core']`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    /// Whether the routes after this one are asked, too, when this one matches.
    pub(crate) r#continue: bool,
    /// Names of time intervals in which nobody is told.
    pub(crate) mute_time_intervals: Vec<String>,
    /// Names of time intervals outside of which nobody is told.
    pub(crate) active_time_intervals: Vec<String>,
    /// What is done about incidents that flap: `notify` (told as any other), `hold` (not told until calm) or
    /// `summarise` (told once that they flap, and once that they are calm). At the root: as
    /// `incidents.flapping.policy` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("enum" = ["notify", "hold", "summarise"]))]
    pub(crate) on_flapping: Option<OnFlapping>,
    /// The name of the escalation policy by which people are paged about what it takes, until somebody takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) escalate: Option<String>,
    /// More particular routes. The first that matches takes it, unless it says `continue`.
    pub(crate) routes: Vec<RouteEntry>,
}

/// An inhibition: while one thing is wrong, another need not be told.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InhibitEntry {
    /// What it is called in explanations.
    #[serde(default)]
    pub(crate) name: String,
    /// Matchers of what inhibits, such as `severity="critical"`.
    pub(crate) source: Vec<String>,
    /// Matchers of what is inhibited.
    pub(crate) target: Vec<String>,
    /// Labels in which both must agree.
    #[serde(default)]
    pub(crate) equal: Vec<String>,
}

/// People, teams or schedules that one destination names at the most.
const MAX_NAMES: usize = 100;

/// What a destination wants to hear and how it wants to be treated; beside the settings of its kind.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MannersEntry {
    /// Who reads it: `people`, who get summaries in a storm, or `machines`, which get everything. Without it,
    /// as is usual for the kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("enum" = ["people", "machines"]))]
    pub(crate) audience: Option<Audience>,
    /// Whether it is told when something is over.
    pub(crate) send_resolved: bool,
    /// Whether it is told when somebody has taken an incident.
    pub(crate) send_acknowledged: bool,
    /// Alerts that one message carries at the most; 0: as many as the hub itself allows (1000).
    pub(crate) max_alerts: usize,
    /// Messages that are under way to it at once.
    #[serde(deserialize_with = "concurrency")]
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) concurrency: usize,
    /// Messages that it gets in a second, on average; 0: any number.
    #[serde(deserialize_with = "per_second")]
    #[schemars(range(min = 0.0))]
    pub(crate) per_second: f64,
    /// How long one attempt may take. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) timeout: Duration,
    /// How long a message is worth sending; after that it goes to the dead letters. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    pub(crate) give_up_after: Duration,
    /// Whom it is for, where it is told of people, as plugins are: names of users, and `team:` with that of a team.
    #[serde(deserialize_with = "few_names", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_NAMES))]
    pub(crate) recipients: Vec<String>,
    /// The schedules that say who is on duty, where it is told of people, as plugins are.
    #[serde(deserialize_with = "few_names", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_NAMES))]
    pub(crate) on_duty: Vec<String>,
}

/// The keys of [`MannersEntry`]: what is split off from the settings of a kind.
pub(crate) const MANNERS: [&str; 10] = [
    "audience",
    "send_resolved",
    "send_acknowledged",
    "max_alerts",
    "concurrency",
    "per_second",
    "timeout",
    "give_up_after",
    "recipients",
    "on_duty",
];

/// Whether a key of a destination says how it is treated, rather than being its kind's.
pub fn is_manner(key: &str) -> bool {
    MANNERS.contains(&key)
}

impl Default for MannersEntry {
    fn default() -> Self {
        let manners = Manners::default();
        MannersEntry {
            audience: None,
            send_resolved: manners.send_resolved,
            send_acknowledged: manners.send_acknowledged,
            max_alerts: manners.max_alerts,
            concurrency: manners.concurrency,
            per_second: manners.per_second,
            timeout: manners.timeout,
            give_up_after: manners.give_up_after,
            recipients: manners.recipients,
            on_duty: manners.on_duty,
        }
    }
}

impl MannersEntry {
    /// With the defaults of a kind.
    pub(crate) fn for_kind(self, audience: Audience) -> Manners {
        let entry = self;
        Manners {
            audience: entry.audience.unwrap_or(audience),
            send_resolved: entry.send_resolved,
            send_acknowledged: entry.send_acknowledged,
            max_alerts: entry.max_alerts,
            concurrency: entry.concurrency,
            per_second: entry.per_second,
            timeout: entry.timeout,
            give_up_after: entry.give_up_after,
            recipients: entry.recipients,
            on_duty: entry.on_duty,
        }
    }
}

/// What groups are made by, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// `"all"`.
    All,
    /// A list of labels, in which Alertmanager's `...` still stands.
    Labels(Vec<String>),
}

impl Serialize for Grouping {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Grouping::All => serializer.serialize_str("all"),
            Grouping::Labels(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Grouping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Grouping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of labels or \"all\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Grouping, E> {
                let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
                if text == "all" { Ok(Grouping::All) } else { Err(wrong()) }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Grouping, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Grouping::Labels(names))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for Grouping {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Grouping".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "const": "all" }, { "type": "array", "items": { "type": "string" } }] })
    }
}

fn concurrency<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let number = usize::deserialize(deserializer)?;
    match (1..=MAX_CONCURRENCY).contains(&number) {
        true => Ok(number),
        false => Err(serde::de::Error::custom(format!("{number} is not between 1 and {MAX_CONCURRENCY}"))),
    }
}

fn few_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    match names.len() <= MAX_NAMES {
        true => Ok(names),
        false => Err(serde::de::Error::custom(format!("{} are more than {MAX_NAMES}", names.len()))),
    }
}

fn per_second<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let number = f64::deserialize(deserializer)?;
    match number.is_finite() && number >= 0.0 {
        true => Ok(number),
        false => Err(serde::de::Error::custom(format!("{number} is not zero or more"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manners_are_known_by_name() {
        let schema = sdk::registry::schema_of::<MannersEntry>();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), MANNERS.len());
        assert!(MANNERS.iter().all(|name| properties.contains_key(*name)));
    }
}
