//! The rules in force, with their destinations made ready.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::matcher::Matchers;
use model::receiver::Place;
use model::rules::BadRules;
use model::{Labels, Rules, Severity, Time, Topic};
use sdk::registry::{BadSettings, Ready, Registry};
use sdk::{Secret, Subscriber, Surroundings};
use store::Tx;
use store::rules::Applied;

/// A destination that can be sent to.
#[derive(Clone)]
pub struct LivePlace {
    /// As configured.
    pub place: Place,
    /// The receiver that it belongs to.
    pub receiver: String,
    /// Its connector.
    pub ready: Arc<dyn Ready>,
}

/// A ping that must come.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The integration's name.
    pub name: String,
    /// How often.
    pub every: Duration,
    /// How late it may be.
    pub grace: Duration,
    /// What its absence is about.
    pub labels: Labels,
    /// How bad its absence is.
    pub severity: Severity,
    /// What to say about its absence; may be empty.
    pub title: String,
    /// Alerts that are pings, too; empty: none.
    pub alerts: Matchers,
    /// The project whose check-ins are pings; empty: any.
    pub project: String,
}

/// What a hub does to be watched, and to watch itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelfWatch {
    /// Where pings go, and how often.
    pub ping: Option<Ping>,
    /// Receivers that get canaries.
    pub canary: Vec<String>,
    /// How often each gets one.
    pub canary_every: Duration,
    /// How long a canary may take to arrive.
    pub canary_within: Duration,
}

/// Where answers are heard, as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answering {
    /// The mailbox that is looked into, as [`sdk::message::Answers::mail_to`]; empty: none.
    pub mail_to: String,
    /// Whether buttons in Slack are heard.
    pub slack: bool,
    /// The bot whose buttons in Telegram are heard, by its token.
    pub telegram: Option<Secret>,
}

/// Signs of life for somebody else.
#[derive(Clone, Debug, PartialEq)]
pub struct Ping {
    /// Where they go.
    pub url: Secret,
    /// How often.
    pub every: Duration,
    /// How long a delivery may wait before pings stop.
    pub overdue_after: Duration,
}

/// Everything that the flow goes by, replaced whole.
pub struct Live {
    /// The rules.
    pub rules: Rules,
    /// Their version in the database; 0 until they are kept there.
    pub version: i64,
    /// Destinations by id.
    pub places: HashMap<String, Arc<LivePlace>>,
    /// The kinds that there are, to make people's own destinations ready with.
    pub kinds: Arc<Registry>,
    /// The hub's own accounts by kind, for those destinations of people that say only where they are reached. Secrets
    /// are in here in the clear.
    pub accounts: Arc<BTreeMap<String, serde_json::Value>>,
    /// Where answers to messages are heard.
    pub answering: Answering,
    /// Heartbeats by name.
    pub heartbeats: Vec<Expected>,
    /// Whether any route pages people.
    pub escalates: bool,
    /// How it is watched, and watches itself.
    pub self_watch: SelfWatch,
    /// Who is told what happens in the hub itself.
    pub subscribers: Arc<[Subscriber]>,
    /// The configuration that all this is of, and how it came into force.
    pub applied: Applied,
}

/// Why rules cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum BadLive {
    /// Something leads nowhere.
    #[error(transparent)]
    Rules(#[from] BadRules),
    /// A destination's settings do not fit.
    #[error("destination {place}: {error}")]
    Settings {
        /// The destination's id.
        place: String,
        /// What is wrong.
        error: BadSettings,
    },
}

impl Live {
    /// Makes everything ready.
    ///
    /// # Errors
    /// When the rules do not hang together or a destination's settings do not fit its kind.
    pub fn new(rules: Rules, heartbeats: Vec<Expected>, registry: &Registry) -> Result<Self, BadLive> {
        Live::within(registry.built_in(), rules, heartbeats, registry)
    }

    /// The same with settings that refer to what is around them.
    ///
    /// # Errors
    /// As [`Live::new`].
    pub fn within(
        surroundings: &Surroundings,
        rules: Rules,
        heartbeats: Vec<Expected>,
        registry: &Registry,
    ) -> Result<Self, BadLive> {
        rules.check()?;
        let mut places = HashMap::new();
        for receiver in rules.receivers.values() {
            for place in &receiver.destinations {
                let ready = registry.ready_within(&place.kind, place.settings.clone(), surroundings);
                let ready = ready.map_err(|error| BadLive::Settings { place: place.id.clone(), error })?;
                let live = LivePlace { place: place.clone(), receiver: receiver.name.clone(), ready };
                places.insert(place.id.clone(), Arc::new(live));
            }
        }
        Ok(Live { heartbeats, places, ..Live::bare(rules) })
    }

    /// Rules that are looked at and not gone by: nothing is ready to be sent to.
    pub fn bare(rules: Rules) -> Self {
        Live {
            escalates: rules.root.nodes().iter().any(|route| route.escalate.is_some()),
            rules,
            version: 0,
            places: HashMap::new(),
            kinds: Arc::default(),
            accounts: Arc::default(),
            answering: Answering::default(),
            heartbeats: Vec::new(),
            self_watch: SelfWatch::default(),
            subscribers: Arc::default(),
            applied: Applied::default(),
        }
    }

    /// Whether anybody wants to hear of a topic.
    pub fn is_heard(&self, topic: Topic) -> bool {
        self.subscribers.iter().any(|it| it.topics.contains(&topic))
    }

    /// The subscriber of this name.
    pub fn subscriber(&self, name: &str) -> Option<&Subscriber> {
        self.subscribers.iter().find(|it| it.name == name)
    }

    /// What subscribers are called.
    pub(crate) fn subscriber_names(&self) -> Vec<&str> {
        self.subscribers.iter().map(|it| it.name.as_str()).collect()
    }

    /// Keeps the rules, and knows their version from then on.
    ///
    /// # Errors
    /// When the database is gone or full.
    pub fn kept(mut self, tx: &mut Tx<'_>, now: Time) -> store::Result<Self> {
        self.version = self.keep(tx, now)?;
        Ok(self)
    }

    pub(crate) fn keep(&self, tx: &mut Tx<'_>, now: Time) -> store::Result<i64> {
        Ok(store::rules::keep(tx, &self.rules_text(), &self.applied, now)?.0)
    }

    /// The rules as text, for the ledger.
    pub fn rules_text(&self) -> String {
        // rules hold nothing that could fail to be written
        serde_json::to_string(&self.rules).unwrap_or_default()
    }
}
