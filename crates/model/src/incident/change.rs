//! What happens to incidents, in words: the lines of their timelines.

use serde::{Deserialize, Serialize};

/// What kind of thing happened to an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It began.
    Opened,
    /// It began again within its re-open window.
    Reopened,
    /// It got worse or milder.
    SeverityChanged,
    /// What is known about it changed.
    Updated,
    /// Somebody took it.
    Acknowledged,
    /// Somebody gave it back.
    Unacknowledged,
    /// The time for which somebody took it is over.
    AcknowledgementExpired,
    /// An event or a person said that it is over.
    Resolved,
    /// Nothing was heard of it for so long that it counts as over.
    TimedOut,
    /// Nobody is told for a while.
    Snoozed,
    /// That while is over.
    SnoozeEnded,
    /// It begins and ends so often that it flaps.
    Flapping,
    /// It has stopped flapping.
    Calmed,
    /// A rule of its project says that it is worth a word.
    Alerted,
    /// Somebody said something about it.
    Noted,
    /// The ledger: somebody was paged.
    Paged,
    /// The ledger: it was not told, and why.
    Suppressed,
    /// The ledger: what kept it from being told is gone.
    Released,
}

impl ChangeKind {
    /// All of them.
    pub const ALL: [ChangeKind; 18] = [
        ChangeKind::Opened,
        ChangeKind::Reopened,
        ChangeKind::SeverityChanged,
        ChangeKind::Updated,
        ChangeKind::Acknowledged,
        ChangeKind::Unacknowledged,
        ChangeKind::AcknowledgementExpired,
        ChangeKind::Resolved,
        ChangeKind::TimedOut,
        ChangeKind::Snoozed,
        ChangeKind::SnoozeEnded,
        ChangeKind::Flapping,
        ChangeKind::Calmed,
        ChangeKind::Alerted,
        ChangeKind::Noted,
        ChangeKind::Paged,
        ChangeKind::Suppressed,
        ChangeKind::Released,
    ];

    /// The word for it, as in columns and JSON.
    pub fn name(self) -> &'static str {
        match self {
            ChangeKind::Opened => "opened",
            ChangeKind::Reopened => "reopened",
            ChangeKind::SeverityChanged => "severity_changed",
            ChangeKind::Updated => "updated",
            ChangeKind::Acknowledged => "acknowledged",
            ChangeKind::Unacknowledged => "unacknowledged",
            ChangeKind::AcknowledgementExpired => "acknowledgement_expired",
            ChangeKind::Resolved => "resolved",
            ChangeKind::TimedOut => "timed_out",
            ChangeKind::Snoozed => "snoozed",
            ChangeKind::SnoozeEnded => "snooze_ended",
            ChangeKind::Flapping => "flapping",
            ChangeKind::Calmed => "calmed",
            ChangeKind::Alerted => "alerted",
            ChangeKind::Noted => "noted",
            ChangeKind::Paged => "paged",
            ChangeKind::Suppressed => "suppressed",
            ChangeKind::Released => "released",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether routing must look at the incident again: its place in groups, or what they tell, may differ.
    pub fn concerns_routing(self) -> bool {
        !matches!(self, ChangeKind::Noted | ChangeKind::Paged | ChangeKind::Suppressed | ChangeKind::Released)
    }
}

/// One thing that happened to an incident: a line of its timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What.
    pub kind: ChangeKind,
    /// Who did it; empty when an event or the clock did.
    pub by: String,
    /// In words, where there is more to say: a note, `warning → critical`, the silence's id.
    pub detail: String,
}

impl Change {
    pub(super) fn new(kind: ChangeKind, by: &str, detail: impl Into<String>) -> Self {
        Change { kind, by: by.to_owned(), detail: detail.into() }
    }
}
