//! Incidents and their timelines.

use model::incident::{ChangeKind, State};
use model::{Id, Incident, Labels, Severity, Time};
use serde::Serialize;
use store::ledger::Line;
use utoipa::ToSchema;

use super::words;

/// One thing that is, or was, wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Incident)]
pub struct IncidentView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// What its events have in common.
    pub key: String,
    /// Where the last event came from.
    pub source: String,
    /// Where it stands.
    #[schema(value_type = words::IncidentState)]
    pub state: State,
    /// How bad it is.
    #[schema(value_type = words::Severity)]
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// What it is about.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub labels: Labels,
    /// More about it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub annotations: Labels,
    /// Where it came from; may be empty.
    pub link: String,
    /// When it began, as its senders say.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Time,
    /// When it times out unless something is heard; null: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Time>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub resolved_at: Option<Time>,
    /// When the first event arrived.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Time,
    /// When the last event arrived.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
    /// How often it was said that it is wrong.
    pub times_seen: i64,
    /// Who took it.
    pub acknowledged_by: Option<String>,
    /// When that runs out; null: it does not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_until: Option<Time>,
    /// Nobody is told before this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub snoozed_until: Option<Time>,
    /// Since when it flaps: begins and ends too often for its state to say much; null: it does not.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub flapping_since: Option<Time>,
    /// How often it has begun since then, or had when it was calm again; 0: it has never flapped.
    pub flapping_times: u32,
    /// When it is calm again unless it begins or ends before.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub calm_at: Option<Time>,
    /// How many things that plugins did led to each other before it came to be as it is; missing: what was last said of
    /// it, or done to it, came from outside.
    #[serde(skip_serializing_if = "is_none")]
    #[schema(required = false)]
    pub chain: u32,
    /// Counts the changes.
    pub version: i64,
}

impl From<Incident> for IncidentView {
    fn from(it: Incident) -> Self {
        let chain = it.chain();
        IncidentView {
            id: it.id,
            key: it.key,
            source: it.source,
            state: it.state,
            severity: it.severity,
            title: it.title,
            labels: it.labels,
            annotations: it.annotations,
            link: it.link,
            started_at: it.started_at,
            ends_at: it.ends_at,
            resolved_at: it.resolved_at,
            first_seen: it.first_seen,
            last_seen: it.last_seen,
            times_seen: it.times_seen,
            acknowledged_by: it.acknowledged_by,
            acknowledged_until: it.acknowledged_until,
            snoozed_until: it.snoozed_until,
            flapping_since: it.flap.since,
            flapping_times: it.flap.times,
            calm_at: it.flap.calm_at,
            chain,
            version: it.version,
        }
    }
}

fn is_none(count: &u32) -> bool {
    *count == 0
}

/// A line of a timeline.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TimelineLine)]
pub struct LineView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// What.
    #[schema(value_type = words::ChangeKind)]
    pub kind: ChangeKind,
    /// Who did it; empty when an event or the clock did.
    pub by: String,
    /// In words, where there is more to say.
    pub detail: String,
}

impl From<Line> for LineView {
    fn from(it: Line) -> Self {
        LineView { id: it.id, at: it.at, kind: it.change.kind, by: it.change.by, detail: it.change.detail }
    }
}
