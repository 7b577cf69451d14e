//! Destinations of a person or a team: where they can be told something, as they have set it up themselves.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::Id;
use crate::time::Time;

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
