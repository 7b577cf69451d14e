//! An incident as filters look at it.

use super::{EventType, Subject, Tag};
use crate::incident::{Change, ChangeKind, Incident};
use crate::time::Time;

/// The tags that an incident has besides its labels.
pub fn tags_of(incident: &Incident) -> Vec<Tag> {
    incident.more().tags.iter().filter_map(|it| it.tag.parse().ok()).collect()
}

impl EventType {
    /// The type of what has happened to an incident; `None` for what is no event, such as that something without an
    /// end counts as over.
    pub fn at(incident: &Incident, change: &Change) -> Option<EventType> {
        match EventType::of(change)? {
            // what a source says in vain it has said
            said if change.kind == ChangeKind::Noted => Some(said),
            EventType::Start if incident.more().stateless => Some(EventType::Stateless),
            EventType::End if incident.more().stateless => None,
            other => Some(other),
        }
    }
}

impl<'a> Subject<'a> {
    /// An incident at a time with its [`tags_of`], and the event of it that there is to tell.
    pub fn of(incident: &'a Incident, tags: &'a [Tag], event: Option<EventType>, at: Time) -> Subject<'a> {
        Subject {
            source: Some(incident.source_number()),
            source_type: incident.source_kind(),
            labels: &incident.labels,
            tags,
            severity: incident.severity,
            open: incident.is_open(),
            acked: incident.is_acknowledged(at),
            stateful: !incident.more().stateless,
            event,
        }
    }

    /// The same incident as it stood when it opened.
    pub fn as_it_opened(self) -> Subject<'a> {
        Subject { open: self.stateful, acked: false, ..self }
    }
}
