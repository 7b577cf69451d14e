//! Receivers: configured, named places that can be told something.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A named receiver with its destinations, as configured.
#[derive(Clone, Debug, Serialize)]
pub struct Receiver {
    /// The name that routes use.
    pub name: String,
    /// Where a notification for it goes: to all of these, independently of one another.
    pub destinations: Vec<Place>,
}

/// One destination of a receiver: a kind with its settings, and the manners of dealing with it.
#[derive(Clone, Serialize)]
pub struct Place {
    /// `receiver/kind/index`, e.g. `ops/slack/0`: what deliveries, metrics and breakers know it by.
    pub id: String,
    /// The kind of destination in the registry, e.g. `slack`.
    pub kind: String,
    /// What the kind needs to know, valid against its schema. Secrets are in here in the clear, which is
    /// why neither `Debug` nor `Serialize` shows it.
    #[serde(skip)]
    pub settings: serde_json::Value,
    /// What it wants to hear and how it wants to be treated.
    #[serde(flatten)]
    pub manners: Manners,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("id", &self.id).field("manners", &self.manners).finish_non_exhaustive()
    }
}

/// Who reads what a destination is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// People, who can read only so much.
    #[default]
    People,
    /// Programs, which want everything.
    Machines,
}

/// What a destination wants to hear, and how it wants to be treated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Manners {
    /// Who reads it: in a storm people get summaries, and machines everything.
    pub audience: Audience,
    /// Tell it when something is over.
    pub send_resolved: bool,
    /// Tell it when somebody has taken an incident.
    pub send_acknowledged: bool,
    /// Alerts that one message carries at the most; zero: as many as the hub's own limit.
    pub max_alerts: usize,
    /// Messages under way to it at once.
    pub concurrency: usize,
    /// Messages a second that it may get on average; zero: no budget.
    pub per_second: f64,
    /// How long one attempt may take.
    #[serde(with = "crate::time::span")]
    pub timeout: Duration,
    /// How long a message is worth sending; after that it goes to the dead letters.
    #[serde(with = "crate::time::span")]
    pub give_up_after: Duration,
    /// Whom it is for, where it is told of people: names of users, and `team:` with that of a team.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// The schedules that say who is on duty, where it is told of people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_duty: Vec<String>,
}

impl Default for Manners {
    fn default() -> Self {
        Manners {
            audience: Audience::People,
            send_resolved: true,
            send_acknowledged: false,
            max_alerts: 0,
            concurrency: 16,
            per_second: 0.0,
            timeout: Duration::from_secs(10),
            give_up_after: Duration::from_secs(24 * 3600),
            recipients: Vec::new(),
            on_duty: Vec::new(),
        }
    }
}
