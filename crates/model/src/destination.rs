//! Destinations of a person or a team: where they can be told something, as they have set it up themselves.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::escalation::ContactRules;
use crate::id::Id;
use crate::profile::{Person, Quiet};
use crate::time::Time;
use crate::zone::Zone;

/// How long a code may be said.
pub const CODE_LIFE: Duration = Duration::from_secs(15 * 60);
/// How often a wrong code may be said before another must be sent.
pub const CODE_TRIES: u32 = 5;

/// What a destination says of itself, apart from whose it is and how its owner calls it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnedDestination {
    /// The kind of destination in the registry, e.g. `email`.
    pub kind: String,
    /// What the kind needs to know, valid against its schema. Secrets are in here in the clear, which is why `Debug`
    /// does not show it.
    pub settings: Value,
    /// Whether it is kept in step with its owner's account, and nobody may change or delete it by itself.
    #[serde(default)]
    pub managed: bool,
    /// When its owner showed that what is sent there reaches them; `None`: not yet, and nothing is sent there but what
    /// is to show it.
    #[serde(default)]
    pub verified_at: Option<Time>,
    /// The code that its owner was sent and has to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
}

/// A code that somebody was sent, to show that it reaches them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The code's hash, in hexadecimal digits.
    pub hash: String,
    /// How long it may be said.
    pub expires_at: Time,
    /// How often another may be said before it is worth nothing.
    pub tries: u32,
}

impl OwnedDestination {
    /// The name by which deliveries, metrics and breakers know one: `@email/…`, unlike any receiver's.
    pub fn place_id(&self, id: Id) -> String {
        format!("@{}/{id}", self.kind)
    }
}

impl fmt::Debug for OwnedDestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedDestination")
            .field("kind", &self.kind)
            .field("managed", &self.managed)
            .finish_non_exhaustive()
    }
}

/// What somebody has set for a plugin, after the plugin's own schema for people.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSettings {
    /// The plugin's id.
    pub plugin: String,
    /// By name. Secrets are in here in the clear, which is why `Debug` does not show it.
    pub settings: Map<String, Value>,
}

impl fmt::Debug for PluginSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSettings").field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

/// How a person wants to be reached.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reach {
    /// By which clock their hours go.
    pub zone: Zone,
    /// When they want to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// What rings first when they are paged, and what later.
    pub rules: ContactRules,
}

impl Reach {
    /// What holds for their profiles.
    pub fn person(&self) -> Person {
        Person { zone: self.zone.clone(), quiet: self.quiet.clone() }
    }
}
