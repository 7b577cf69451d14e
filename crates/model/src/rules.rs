//! The rules: everything that decides who is told what and when, as one value that is replaced whole.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::flap::{Flapping, OnFlapping};
use crate::group::Hold;
use crate::incident::Policy;
use crate::inhibition::Inhibitions;
use crate::labels::Labels;
use crate::matcher::Matchers;
use crate::receiver::{Place, Receiver};
use crate::route::Route;
use crate::storm::StormRules;
use crate::time::Time;
use crate::time_interval::TimeInterval;

/// The part of the configuration that the flow goes by.
#[derive(Clone, Debug, Serialize)]
pub struct Rules {
    /// The routing tree.
    pub root: Route,
    /// Everybody who can be told, by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// What inhibits what.
    pub inhibitions: Inhibitions,
    /// Named times, for routes to be muted or active in.
    pub intervals: BTreeMap<String, TimeInterval>,
    /// How long an alert of Alertmanager's door lives without an end of its own.
    #[serde(with = "crate::time::span")]
    pub resolve_timeout: Duration,
    /// How long after its end a raise re-opens an incident.
    #[serde(with = "crate::time::span")]
    pub reopen_within: Duration,
    /// How long after a start nothing ends by itself, so that senders can say again what goes on.
    #[serde(with = "crate::time::span")]
    pub restart_grace: Duration,
    /// What is told at once even when its group has been told of others; none: nothing.
    pub urgent: Matchers,
    /// When an incident flaps, and what is done then.
    pub flapping: Flapping,
    /// When a receiver is sent so much that its people get summaries.
    pub storms: StormRules,
    /// Where people reach this Nightbell; no slash at the end.
    pub external_url: String,
}

/// Something in the rules that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRules {
    /// A route tells somebody who is not there.
    #[error("route {path} tells receiver {receiver:?}, which is not defined{hint}")]
    NoReceiver {
        /// The route.
        path: String,
        /// Whom it tells.
        receiver: String,
        /// Who is there.
        hint: String,
    },
    /// A route keeps to times that are not there.
    #[error("route {path} refers to time interval {interval:?}, which is not defined")]
    NoInterval {
        /// The route.
        path: String,
        /// The name.
        interval: String,
    },
    /// The root does not take everything.
    #[error("the root route must take everything: it may have no matchers, condition or time intervals")]
    NarrowRoot,
}

impl Rules {
    /// Rules that send everything to one receiver.
    pub fn simple(receiver: Receiver) -> Self {
        Rules {
            root: Route::root(&receiver.name),
            receivers: BTreeMap::from([(receiver.name.clone(), receiver)]),
            inhibitions: Inhibitions::default(),
            intervals: BTreeMap::new(),
            resolve_timeout: Duration::from_secs(300),
            reopen_within: Duration::ZERO,
            restart_grace: Duration::ZERO,
            urgent: Matchers::default(),
            flapping: Flapping::default(),
            storms: StormRules::default(),
            external_url: String::new(),
        }
    }

    /// Takes over from others what an `alertmanager.yml` does not speak of.
    pub fn complete_with(&mut self, ours: &Rules) {
        self.external_url.clone_from(&ours.external_url);
        self.reopen_within = ours.reopen_within;
        self.restart_grace = ours.restart_grace;
        self.urgent.clone_from(&ours.urgent);
        self.flapping = ours.flapping;
        self.storms.clone_from(&ours.storms);
    }

    /// Whether everything that is referred to is there.
    ///
    /// # Errors
    /// The first thing that leads nowhere.
    pub fn check(&self) -> Result<(), BadRules> {
        let root = &self.root;
        let narrow = !root.matchers.0.is_empty() || root.condition.is_some();
        if narrow || !root.mute.is_empty() || !root.active.is_empty() {
            return Err(BadRules::NarrowRoot);
        }
        for route in root.nodes() {
            if !self.receivers.contains_key(&route.receiver) {
                let known: Vec<_> = self.receivers.keys().map(String::as_str).take(10).collect();
                let hint = format!("; defined are {}", known.join(", "));
                return Err(BadRules::NoReceiver {
                    path: route.path.clone(),
                    receiver: route.receiver.clone(),
                    hint,
                });
            }
            if let Some(name) =
                route.mute.iter().chain(&route.active).find(|name| !self.intervals.contains_key(*name))
            {
                return Err(BadRules::NoInterval { path: route.path.clone(), interval: name.clone() });
            }
        }
        Ok(())
    }

    /// Whether a new incident with these labels does not wait for its group's next tick.
    pub fn is_urgent(&self, labels: &Labels) -> bool {
        !self.urgent.0.is_empty() && self.urgent.matches(labels)
    }

    /// The policy for the life of incidents.
    pub fn policy(&self) -> Policy {
        Policy { reopen_within: self.reopen_within, flapping: self.flapping }
    }

    /// What a route does about incidents that flap.
    pub fn on_flapping(&self, route: &Route) -> OnFlapping {
        route.on_flapping.unwrap_or(self.flapping.policy)
    }

    /// The route with this path and receiver.
    pub fn route(&self, path: &str, receiver: &str) -> Option<&Route> {
        self.root.node(path, receiver)
    }

    /// The destination with this id.
    pub fn place(&self, id: &str) -> Option<&Place> {
        self.receivers.values().flat_map(|receiver| &receiver.destinations).find(|place| place.id == id)
    }

    /// What mutes a route at this time: a mute interval that holds, or active ones of which none does.
    pub fn mute(&self, route: &Route, at: Time) -> Option<Hold> {
        let holds = |name: &&String| self.intervals.get(*name).is_some_and(|interval| interval.contains(at));
        if let Some(name) = route.mute.iter().find(holds) {
            return Some(Hold::Mute { interval: name.clone() });
        }
        if route.active.is_empty() || route.active.iter().any(|name| holds(&name)) {
            return None;
        }
        Some(Hold::Mute { interval: format!("outside {}", route.active.join(", ")) })
    }
}
