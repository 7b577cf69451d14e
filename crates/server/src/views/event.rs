//! Events and what became of them.

use model::{Action, Id, Labels, Severity, Time};
use serde::Serialize;
use store::events::Judged;
use utoipa::ToSchema;

use super::words;

/// An event as it was received, and what became of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The incident that it belongs to; null: nothing came of it.
    #[schema(value_type = Option<String>)]
    pub incident: Option<Id>,
    /// What became of it, in a word or a sentence; empty: it is still to be looked at.
    pub verdict: String,
    /// Which way it came in.
    pub source: String,
    /// What it is about: events of one key make one incident.
    pub key: String,
    /// What it says.
    #[schema(value_type = words::Action)]
    pub action: Action,
    /// How bad it is, where it says so.
    #[schema(value_type = Option<words::Severity>)]
    pub severity: Option<Severity>,
    /// One line for people; may be empty.
    pub title: String,
    /// What it is about.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub labels: Labels,
    /// More about it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub annotations: Labels,
    /// Where it came from; may be empty.
    pub link: String,
    /// When it began, as the sender says.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Time,
    /// When it is over if nothing is heard until then.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Time>,
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    pub arrived_at: Time,
}

impl From<Judged> for EventView {
    fn from(Judged { event, incident, verdict }: Judged) -> Self {
        EventView {
            id: event.id,
            incident,
            verdict,
            source: event.source,
            key: event.key,
            action: event.action,
            severity: event.severity,
            title: event.title,
            labels: event.labels,
            annotations: event.annotations,
            link: event.link,
            started_at: event.started_at,
            ends_at: event.ends_at,
            arrived_at: event.arrived_at,
        }
    }
}
