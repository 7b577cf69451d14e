//! Notices: what somebody who subscribes to the hub is told of, one thing each.

use crate::{Id, Time};

/// What a notice is about. The names are the contract's with subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// An event came in.
    EventAccepted,
    /// An incident began, or began again.
    IncidentOpened,
    /// Somebody took an incident.
    IncidentAcknowledged,
    /// An incident is over.
    IncidentResolved,
    /// Anything else happened to an incident.
    IncidentChanged,
    /// A delivery was delivered, given up or buried.
    DeliveryFinished,
    /// A request was answered. Kept in memory only.
    RequestServed,
}

impl Topic {
    /// All of them.
    pub const ALL: [Topic; 7] = [
        Topic::EventAccepted,
        Topic::IncidentOpened,
        Topic::IncidentAcknowledged,
        Topic::IncidentResolved,
        Topic::IncidentChanged,
        Topic::DeliveryFinished,
        Topic::RequestServed,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Topic::EventAccepted => "event.accepted",
            Topic::IncidentOpened => "incident.opened",
            Topic::IncidentAcknowledged => "incident.acknowledged",
            Topic::IncidentResolved => "incident.resolved",
            Topic::IncidentChanged => "incident.changed",
            Topic::DeliveryFinished => "delivery.finished",
            Topic::RequestServed => "request.served",
        }
    }

    /// The topic of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

/// What a subscriber is told: one thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id, the same however often it is told; ids ascend in the order of what happened.
    pub id: Id,
    /// What it is about.
    pub topic: Topic,
    /// When it happened.
    pub at: Time,
    /// All about it, as JSON.
    pub data: String,
}
