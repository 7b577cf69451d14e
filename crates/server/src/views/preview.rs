//! Previews: what something would catch.

use flow::verbs::Preview;
use serde::Serialize;
use utoipa::ToSchema;

use super::incident::IncidentView;
use crate::limits::MAX_PREVIEW;

/// What a silence, a filter, a profile or a maintenance would catch.
#[derive(Serialize, ToSchema)]
#[schema(as = Preview)]
pub struct PreviewView {
    /// Active incidents that match, up to 100 of them.
    pub active: Vec<IncidentView>,
    /// How many active incidents match.
    pub active_count: usize,
    /// How many incidents are active in all.
    pub active_total: usize,
    /// Incidents of the last week that match, as far as they were looked at.
    pub last_week: usize,
    /// How many there were in the last week in all, as far as they were looked at.
    pub last_week_total: usize,
    /// The share of all active incidents that it would catch, or of the last week's when none is active.
    pub share: f64,
    /// Whether making it needs `confirm`, or a higher `guard_percent`.
    pub needs_confirmation: bool,
}

impl PreviewView {
    /// What was found.
    pub fn new(found: Preview, needs_confirmation: bool) -> Self {
        PreviewView {
            active_count: found.active.len(),
            active_total: found.active_total,
            last_week: found.last_week,
            last_week_total: found.last_week_total,
            share: found.share(),
            needs_confirmation,
            active: found.active.into_iter().take(MAX_PREVIEW).map(IncidentView::from).collect(),
        }
    }
}
