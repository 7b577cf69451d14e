//! Silences.

use model::silence::SilenceState;
use model::time_interval::TimeInterval;
use model::{Silence, Time};
use serde::Serialize;
use utoipa::ToSchema;

use super::words;

/// What need not be told for a while.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Silence)]
pub struct SilenceView {
    /// Its id, a UUID.
    pub id: String,
    /// What it silences, such as `team="db"`: all of these must match.
    pub matchers: Vec<String>,
    /// Where it stands.
    #[schema(value_type = words::SilenceState)]
    pub state: SilenceState,
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Time,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Time,
    /// Within which times only, as Alertmanager's `time_intervals` write them; null: all the time.
    #[schema(value_type = Option<Object>)]
    pub recurrence: Option<TimeInterval>,
    /// Who made it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

impl SilenceView {
    /// A silence as it stands at this time.
    pub fn new(it: Silence, now: Time) -> Self {
        SilenceView {
            state: it.state(now),
            id: it.id,
            matchers: it.matchers.0.iter().map(ToString::to_string).collect(),
            starts_at: it.starts_at,
            ends_at: it.ends_at,
            recurrence: it.recurrence,
            created_by: it.created_by,
            comment: it.comment,
            updated_at: it.updated_at,
        }
    }
}
