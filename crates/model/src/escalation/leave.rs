//! Whether somebody may be paged about an incident: one rule, for steps, for what rings later and for what stands in.

use crate::group::Hold;
use crate::incident::{Incident, State};
use crate::time::Time;

/// Whether somebody may be paged about an incident now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// They may.
    Given,
    /// Something keeps it back, in words: it is asked again later.
    Held(String),
    /// Somebody has it, or it is snoozed: nobody is paged before it is given back.
    Rests,
    /// It is over.
    Over,
}

impl Leave {
    /// What is to be said of an incident that this keeps back, if anything does.
    pub fn of(incident: &Incident, hold: Option<&Hold>, at: Time) -> Leave {
        let is_snoozed = incident.snoozed_until.is_some_and(|until| at < until);
        match incident.state {
            State::Resolved => Leave::Over,
            State::Acknowledged => Leave::Rests,
            State::Open if is_snoozed => Leave::Rests,
            State::Open => hold.map_or(Leave::Given, |hold| Leave::Held(hold.to_string())),
        }
    }
}
