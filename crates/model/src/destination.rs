//! Destinations of a person or a team: where they can be told something, as they have set it up themselves.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::escalation::ContactRules;
use crate::id::Id;
use crate::profile::{Person, Quiet};
use crate::refusal::Refusal;
use crate::time::{Time, span};
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
    /// Which other one stands in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<Failover>,
}

/// Another destination of the same owner, through another provider: it is told what this one refuses, cannot be told
/// since it is down, or does not confirm in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failover {
    /// Which.
    pub destination: Id,
    /// How long is waited for this one's word that it has a message.
    #[serde(default = "default_patience", with = "span")]
    pub after: Duration,
}

fn default_patience() -> Duration {
    Duration::from_secs(120)
}

/// The least and the most of [`Failover::after`].
const PATIENCE: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(86_400)];
/// How many may stand in for one another, one after the other.
pub const MAX_STAND_INS: usize = 5;

impl Failover {
    /// Whether it can be that of the destination with this id; `next` knows who stands in for whom among those of the
    /// same owner, and gives nothing for what is none of theirs.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(&self, of: Id, next: &dyn Fn(Id) -> Option<Option<Id>>) -> Result<(), Refusal> {
        let [least, most] = PATIENCE;
        if self.after < least || self.after > most {
            let [given, least, most] = [self.after, least, most].map(span::format);
            let why = format!("is {given}; it may be {least} to {most}");
            return Err(Refusal::new("failover.after", why));
        }
        let mut at = self.destination;
        for _ in 0..MAX_STAND_INS {
            let field = "failover.destination";
            if at == of {
                return Err(Refusal::new(field, "leads back to this very destination"));
            }
            match next(at) {
                None => return Err(Refusal::new(field, "is none of the same owner")),
                Some(None) => return Ok(()),
                Some(Some(further)) => at = further,
            }
        }
        let why = format!("more than {MAX_STAND_INS} would stand in for one another");
        Err(Refusal::new("failover.destination", why))
    }
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
    /// One that nobody has confirmed yet.
    pub fn new(kind: &str, settings: Value) -> Self {
        OwnedDestination {
            kind: kind.to_owned(),
            settings,
            managed: false,
            verified_at: None,
            challenge: None,
            failover: None,
        }
    }

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

/// What is set for a plugin, after its own schemas: by a person for themselves, or for a project or service.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginSettings {
    /// The plugin's id.
    pub plugin: String,
    /// The project or service; `None`: its owner's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// By name. Secrets are in here in the clear, which is why `Debug` does not show it.
    pub settings: Map<String, Value>,
}

impl PluginSettings {
    /// What the name of such settings says: the plugin, and the project if it is for one (`PLUGIN/PROJECT`).
    pub fn parts(name: &str) -> (&str, Option<&str>) {
        match name.split_once('/') {
            Some((plugin, project)) => (plugin, Some(project)),
            None => (name, None),
        }
    }
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
    /// By which clock their hours go; `None`: by that of their account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<Zone>,
    /// When they want to be left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quiet>,
    /// What rings first when they are paged, and what later.
    pub rules: ContactRules,
}

impl Reach {
    /// What holds for their profiles; `account` is the clock of their account.
    pub fn person(&self, account: Option<Zone>) -> Person {
        Person { zone: self.zone.clone().or(account).unwrap_or_default(), quiet: self.quiet.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_stand_in_for_one_another_are_no_circle_and_few() {
        let check = |to: i64, chain: &[(i64, Option<i64>)]| {
            let next = |id: Id| chain.iter().find(|(from, _)| Id(*from) == id).map(|(_, to)| to.map(Id));
            let failover = Failover { destination: Id(to), after: default_patience() };
            failover.check(Id(1), &next).map_err(|bad| bad.reason)
        };
        assert_eq!(check(2, &[(2, Some(3)), (3, None)]), Ok(()));
        assert!(check(1, &[]).unwrap_err().contains("leads back"));
        assert!(check(2, &[(2, Some(3)), (3, Some(1))]).unwrap_err().contains("leads back"));
        assert!(check(2, &[(2, Some(9))]).unwrap_err().contains("none of the same owner"));
        let long: Vec<(i64, Option<i64>)> = (2..20).map(|n| (n, Some(n + 1))).collect();
        assert!(check(2, &long).unwrap_err().contains("more than 5"));
        let hasty = Failover { destination: Id(2), after: Duration::from_secs(1) };
        assert_eq!(hasty.check(Id(1), &|_| Some(None)).unwrap_err().field, "failover.after");
    }
}
