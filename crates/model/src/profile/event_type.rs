//! Types of events, as filters name them.

use serde::{Deserialize, Serialize};

use crate::incident::{Change, ChangeKind};

/// What kind of event of an incident it is. The codes are Argus'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventType {
    /// It began.
    #[serde(rename = "STA")]
    Start,
    /// Its source says that it is over.
    #[serde(rename = "END")]
    End,
    /// Something about it changed.
    #[serde(rename = "CHI")]
    Change,
    /// Its source says that it is wrong again.
    #[serde(rename = "RES")]
    Restart,
    /// A person says that it is over.
    #[serde(rename = "CLO")]
    Close,
    /// A person says that it is wrong again.
    #[serde(rename = "REO")]
    Reopen,
    /// Somebody took it.
    #[serde(rename = "ACK")]
    Acknowledge,
    /// Anything else.
    #[serde(rename = "OTH")]
    Other,
    /// It happened, and has no end.
    #[serde(rename = "LES")]
    Stateless,
}

impl EventType {
    /// All of them, in Argus' order.
    pub const ALL: [EventType; 9] = [
        EventType::Start,
        EventType::End,
        EventType::Change,
        EventType::Restart,
        EventType::Close,
        EventType::Reopen,
        EventType::Acknowledge,
        EventType::Other,
        EventType::Stateless,
    ];

    /// Its three letters.
    pub fn code(self) -> &'static str {
        match self {
            EventType::Start => "STA",
            EventType::End => "END",
            EventType::Change => "CHI",
            EventType::Restart => "RES",
            EventType::Close => "CLO",
            EventType::Reopen => "REO",
            EventType::Acknowledge => "ACK",
            EventType::Other => "OTH",
            EventType::Stateless => "LES",
        }
    }

    /// The type with these letters.
    pub fn from_code(code: &str) -> Option<EventType> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }

    /// Whether something is wrong since then.
    pub fn begins(self) -> bool {
        matches!(self, EventType::Start | EventType::Restart | EventType::Reopen | EventType::Stateless)
    }

    /// A note that stands for an event of this type, such as what a source said that changes nothing.
    pub fn noted(self, text: &str) -> String {
        match self {
            EventType::Other if !text.starts_with('[') => text.to_owned(),
            _ => format!("[{}] {text}", self.code()),
        }
    }

    /// The type of event that a note stands for, and what it says without that.
    pub fn in_note(note: &str) -> Option<(EventType, &str)> {
        let (code, text) = note.strip_prefix('[')?.split_once("] ")?;
        Some((EventType::from_code(code)?, text))
    }

    /// The type of a line of an incident's timeline; `None` for what is no event: lines of the ledger, and that the
    /// time of an acknowledgement is over.
    pub fn of(change: &Change) -> Option<EventType> {
        let by_a_person = !change.by.is_empty();
        Some(match change.kind {
            ChangeKind::Opened => EventType::Start,
            ChangeKind::Reopened if by_a_person => EventType::Reopen,
            ChangeKind::Reopened | ChangeKind::Alerted => EventType::Restart,
            ChangeKind::SeverityChanged | ChangeKind::Updated => EventType::Change,
            ChangeKind::Acknowledged => EventType::Acknowledge,
            ChangeKind::Resolved if by_a_person => EventType::Close,
            ChangeKind::Resolved | ChangeKind::TimedOut => EventType::End,
            ChangeKind::Noted => {
                EventType::in_note(&change.detail).map_or(EventType::Other, |(event, _)| event)
            }
            ChangeKind::AcknowledgementExpired
            | ChangeKind::Paged
            | ChangeKind::Suppressed
            | ChangeKind::Released => return None,
            _ => EventType::Other,
        })
    }
}
