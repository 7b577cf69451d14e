//! Notifications: what a receiver is told, before it is rendered for a channel.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::incident::{Incident, State};
use crate::labels::Labels;
use crate::severity::Severity;
use crate::time::Time;

/// Why a group is told of now. The order of the variants is the order in which they are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The first word about this group.
    First,
    /// An alert fires that was not told of yet.
    NewAlerts,
    /// Everything is over.
    AllResolved,
    /// Some of it is over.
    SomeResolved,
    /// Somebody took it.
    Acknowledged,
    /// Something begins and ends so often that nothing more is told of it until it is calm.
    Flapping,
    /// Something has stopped flapping.
    Calmed,
    /// There are so many messages that people get this summary in their place.
    Storm,
    /// There are not so many messages any more.
    StormOver,
    /// What is known about it changed.
    Changed,
    /// Something else happened to it, such as a word that somebody said about it.
    Noted,
    /// Nobody has taken it, and it is this one's turn to hear of it.
    Paged,
    /// What was collected for a while, at the wish of whom it is told to.
    Digest,
    /// Somebody comes on call, or goes off.
    OnCall,
    /// Nothing is new, but the repeat interval has passed.
    Repeat,
    /// Somebody asked for a test message.
    Test,
}

impl Reason {
    /// The word for it, as in columns, JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Reason::First => "first",
            Reason::NewAlerts => "new_alerts",
            Reason::AllResolved => "all_resolved",
            Reason::SomeResolved => "some_resolved",
            Reason::Acknowledged => "acknowledged",
            Reason::Flapping => "flapping",
            Reason::Calmed => "calmed",
            Reason::Storm => "storm",
            Reason::StormOver => "storm_over",
            Reason::Changed => "changed",
            Reason::Noted => "noted",
            Reason::Paged => "paged",
            Reason::Digest => "digest",
            Reason::OnCall => "on_call",
            Reason::Repeat => "repeat",
            Reason::Test => "test",
        }
    }
}

/// One incident as a notification shows it, frozen at the moment of planning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The incident.
    pub incident: Id,
    /// Its state at that moment.
    pub state: State,
    /// How bad it was.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// When it began.
    pub started_at: Time,
    /// When it was over; for an open one, when it will time out, if ever.
    pub ends_at: Option<Time>,
    /// Where it came from; may be empty.
    pub link: String,
    /// Who took it, if anybody.
    pub acknowledged_by: Option<String>,
    /// How often it has begun since when, if it flaps or has just stopped to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping: Option<FlapCount>,
    /// How many things that plugins did led to each other before it came to be as it was.
    #[serde(default, skip_serializing_if = "crate::event::is_none")]
    pub chain: u32,
}

/// How much something flaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlapCount {
    /// How often it has begun.
    pub times: u32,
    /// Since when; `None`: it is calm again.
    pub since: Option<Time>,
}

impl Alert {
    /// The incident as it is now.
    pub fn of(incident: &Incident) -> Self {
        Alert {
            incident: incident.id,
            state: incident.state,
            severity: incident.severity,
            title: incident.title.clone(),
            labels: incident.labels.clone(),
            annotations: incident.annotations.clone(),
            started_at: incident.started_at,
            ends_at: incident.resolved_at.or(incident.ends_at),
            link: incident.link.clone(),
            acknowledged_by: incident.acknowledged_by.clone(),
            flapping: (incident.is_flapping())
                .then_some(FlapCount { times: incident.flap.times, since: incident.flap.since }),
            chain: incident.chain(),
        }
    }
}

/// What one destination is told at one moment. It is kept with its delivery as it is, so that every retry
/// says the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Constant over all retries; receivers may drop what they have seen under it.
    pub idempotency_key: String,
    /// Why now.
    pub reason: Reason,
    /// The receiver's name.
    pub receiver: String,
    /// The route that planned it, as a path from the root; empty for a test.
    pub route: String,
    /// Alertmanager's group key, `{}/{team="db"}:{alertname="DiskFull"}`; stable over time, so that a
    /// channel can thread by it.
    pub group_key: String,
    /// The labels that the group has in common by definition.
    pub group_labels: Labels,
    /// The labels that all alerts happen to share.
    pub common_labels: Labels,
    /// The annotations that all alerts happen to share.
    pub common_annotations: Labels,
    /// Where this Nightbell is reached by people, without a slash at the end.
    pub external_url: String,
    /// The alerts in Alertmanager's order: by job, by instance, by all labels.
    pub alerts: Vec<Alert>,
    /// How many more there were than fit.
    pub truncated: u64,
    /// What it sums up, if it is a storm's summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormSummary>,
    /// When it was planned.
    pub at: Time,
}

/// What people were not told of one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StormSummary {
    /// When the storm began.
    pub since: Time,
    /// Whether it is over.
    pub over: bool,
    /// Messages that this one stands for.
    pub messages: u32,
    /// Incidents that they were about.
    pub incidents: u64,
    /// How many there are of what, the most first.
    pub by: Vec<StormCount>,
}

/// How many incidents of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StormCount {
    /// Their label `alertname`; may be empty.
    pub alertname: String,
    /// How bad they are.
    pub severity: Severity,
    /// Their label `service`; may be empty.
    pub service: String,
    /// How many.
    pub incidents: u64,
    /// How many of them still fire.
    pub firing: u64,
}

impl StormSummary {
    /// The word for it.
    pub fn mark(&self) -> &'static str {
        if self.over { "STORM OVER" } else { "STORM" }
    }
}

/// `240 alerts in 90 messages: DiskFull critical db 180, and others`
impl fmt::Display for StormSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} alerts in {} messages", self.incidents, self.messages)?;
        match self.by.as_slice() {
            [] => Ok(()),
            [all] => write!(f, ": {all}"),
            [most, ..] => write!(f, ": {most}, and others"),
        }
    }
}

/// `DiskFull critical db 180`
impl fmt::Display for StormCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [self.alertname.as_str(), self.severity.name(), self.service.as_str()];
        words.iter().filter(|word| !word.is_empty()).try_for_each(|word| write!(f, "{word} "))?;
        write!(f, "{}", self.incidents)
    }
}

impl Notification {
    /// Whether anything in it still is wrong.
    pub fn is_firing(&self) -> bool {
        self.alerts.iter().any(|alert| alert.state != State::Resolved)
    }

    /// Alertmanager's word for the whole: `firing` as long as anything is.
    pub fn status(&self) -> &'static str {
        if self.is_firing() { "firing" } else { "resolved" }
    }

    /// The worst of what fires, or of all when nothing does.
    pub fn severity(&self) -> Severity {
        let firing = self.alerts.iter().filter(|alert| alert.state != State::Resolved);
        let worst = firing.map(|alert| alert.severity).max();
        worst.or_else(|| self.alerts.iter().map(|alert| alert.severity).max()).unwrap_or_default()
    }

    /// The longest chain of what plugins did that led to any of its alerts.
    pub fn chain(&self) -> u32 {
        self.alerts.iter().map(|alert| alert.chain).max().unwrap_or_default()
    }

    /// Works out what all alerts share.
    pub fn common(alerts: &[Alert]) -> (Labels, Labels) {
        let Some((first, rest)) = alerts.split_first() else { return Default::default() };
        let (mut labels, mut annotations) = (first.labels.clone(), first.annotations.clone());
        for alert in rest {
            labels.intersect(&alert.labels);
            annotations.intersect(&alert.annotations);
        }
        (labels, annotations)
    }
}
