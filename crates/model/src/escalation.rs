//! Escalation: who is paged, one after another, until somebody takes the incident.
//!
//! A [`Policy`] has [`Step`]s, each with [`Target`]s. [`Plan::of`] lays it out in time, with the policies that it leads
//! to. [`Escalation`] is where one incident stands in its plan: [`Escalation::apply`] says who is paged now and when it
//! goes on. It starts when the incident opens, rests while somebody has it, goes on when they give it back, and ends
//! with the incident. A page that reaches nobody, and a plan that is at its end, are told as an [`Alarm`], never in
//! silence. [`audit`] looks for incidents that fell out of all that.
//!
//! Each person who is paged says in their [`ContactRules`] what rings when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::refusal::{self, Refusal};
use crate::severity::Severity;
use crate::time::{Time, span};
use crate::time_interval::TimeInterval;

mod audit;
mod contact;
mod leave;
mod machine;
mod plan;
#[cfg(test)]
mod tests;

pub use audit::{Finding, audit};
pub use contact::{Contact, ContactRules, Ring, Urgency};
pub use leave::Leave;
pub use machine::{Alarm, Applied, Escalation, Input, Page, Stage};
pub use plan::{Directory, Plan, Planned, Recipient, Team, Unreached};

/// Steps of one policy.
pub const MAX_STEPS: usize = 64;
/// Targets of one step, and of a fall-back.
pub const MAX_TARGETS: usize = 64;
/// Steps of a policy with those of all policies that it leads to.
pub const MAX_PLANNED_STEPS: usize = 512;
/// How many policies may lead from one to the next.
pub const MAX_DEPTH: usize = 8;
/// How often a policy may begin again.
pub const MAX_REPEATS: u16 = 100;
/// The longest that a policy may wait between two steps: a week.
pub const MAX_WAIT: Duration = Duration::from_secs(7 * 86_400);
/// The shortest time after the last step before a policy begins again or gives up.
pub const MIN_ROUND_WAIT: Duration = Duration::from_secs(60);

/// Whom to page, one after another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What it is called.
    pub name: String,
    /// What is done one after another until somebody takes the incident.
    pub steps: Vec<Step>,
    /// How often it begins again when all steps are done.
    #[serde(default)]
    pub repeat: u16,
    /// How long after the last step it begins again, or gives up.
    #[serde(default = "five_minutes", with = "span")]
    pub repeat_after: Duration,
    /// Who is paged when a step reaches nobody, and when it gives up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<Target>,
}

fn five_minutes() -> Duration {
    Duration::from_secs(300)
}

/// One step of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// How long after the step before; the first: after the incident opened.
    #[serde(default, with = "span")]
    pub after: Duration,
    /// Who is paged, all at once.
    pub targets: Vec<Target>,
    /// When it is left out.
    #[serde(default, skip_serializing_if = "Gate::is_open")]
    pub only: Gate,
}

/// Whom a step pages.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// A person.
    User {
        /// Who.
        id: Id,
    },
    /// Whoever is on call by a schedule.
    Schedule {
        /// Which.
        id: Id,
    },
    /// A team: by its own policy where it has one, else all members.
    Team {
        /// Which.
        id: Id,
    },
    /// The steps of another policy, once, from here on.
    Policy {
        /// Which.
        id: Id,
    },
    /// A configured receiver, such as a channel.
    Receiver {
        /// Its name.
        name: String,
    },
}

/// When a step is done; at its time, each part that is given must hold.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Only if it is as bad as this or worse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Only within these times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<TimeInterval>,
}

impl Gate {
    fn is_open(&self) -> bool {
        self.severity.is_none() && self.during.is_none()
    }

    fn lets_pass(&self, severity: Severity, at: Time) -> bool {
        self.severity.is_none_or(|least| severity >= least)
            && self.during.as_ref().is_none_or(|times| times.contains(at))
    }
}

impl Policy {
    /// Whether it can be used: what it says makes sense, everybody whom it leads to is there, and it leads to no policy
    /// that leads back to it. `own` is its id when it has one already.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self, own: Option<Id>, directory: &dyn Directory) -> Result<(), Refusal> {
        refusal::name("name", &self.name)?;
        refusal::at_most("steps", self.steps.len(), MAX_STEPS)?;
        refusal::at_most("fallback", self.fallback.len(), MAX_TARGETS)?;
        if self.steps.is_empty() {
            return Err(Refusal::new("steps", "is empty; a policy without steps pages nobody"));
        }
        for (n, step) in self.steps.iter().enumerate() {
            let field = |name: &str| format!("steps[{n}].{name}");
            refusal::at_most(&field("targets"), step.targets.len(), MAX_TARGETS)?;
            if step.targets.is_empty() {
                return Err(Refusal::new(field("targets"), "is empty; name whom to page"));
            }
            if step.after > MAX_WAIT {
                let reason =
                    format!("is {}; the longest is {}", span::format(step.after), span::format(MAX_WAIT));
                return Err(Refusal::new(field("after"), reason));
            }
        }
        if self.repeat > MAX_REPEATS {
            let reason = format!("is {}; the most is {MAX_REPEATS}", self.repeat);
            return Err(Refusal::new("repeat", reason));
        }
        if !(MIN_ROUND_WAIT..=MAX_WAIT).contains(&self.repeat_after) {
            let [given, least, most] = [self.repeat_after, MIN_ROUND_WAIT, MAX_WAIT].map(span::format);
            return Err(Refusal::new("repeat_after", format!("is {given}; write {least} to {most}")));
        }
        Plan::of(self, own, directory).flaws.into_iter().next().map_or(Ok(()), Err)
    }
}
