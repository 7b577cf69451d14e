//! Looks for incidents that fell out of their escalation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Escalation, Leave, Stage};
use crate::incident::Incident;
use crate::time::Time;

/// What is wrong with the escalation of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// There is a policy, and nothing was ever started.
    NotStarted,
    /// It rests or has ended, although nobody has the incident; or it runs without a next step.
    NoNextStep {
        /// Where it stands.
        stage: Stage,
    },
    /// Its next step should have been done.
    Overdue {
        /// When.
        due: Time,
    },
}

/// Whether the escalation of an incident goes on as it must: one about which somebody may be paged, and that has a
/// policy, has a next step that is due, or was told as exhausted. `grace` is how late a step may be.
pub fn audit(
    incident: &Incident,
    escalation: Option<&Escalation>,
    at: Time,
    grace: Duration,
) -> Option<Finding> {
    if Leave::of(incident, None, at) != Leave::Given {
        return None;
    }
    let Some(escalation) = escalation else { return Some(Finding::NotStarted) };
    match (escalation.stage, escalation.due) {
        (Stage::Exhausted, _) => None,
        (Stage::Running, Some(due)) if at.since(due) > grace => Some(Finding::Overdue { due }),
        (Stage::Running, Some(_)) => None,
        (stage, _) => Some(Finding::NoNextStep { stage }),
    }
}
