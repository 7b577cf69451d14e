//! Whom the policy of an incident pages, and whether that is somebody.

use std::time::Duration;

use model::account::User;
use model::escalation::{MAX_DEPTH, MAX_PLANNED_STEPS, Policy, Target};
use model::schedule::{Duty, Rota, Why};
use model::{Id, Time};
use store::definitions::{Definition, Kind};
use store::{Result, Tx, past};

use super::Record;
use crate::people::{People, with_shifts};

/// A target of a step, as it was at the step's time.
#[derive(Clone, Debug, PartialEq)]
pub struct PageStep {
    /// The policy, by name.
    pub policy: String,
    /// Which of its steps, counted from one; the fall-back is 0.
    pub step: usize,
    /// When, if nobody takes it before.
    pub at: Time,
    /// Whom it pages, in words.
    pub target: String,
    /// Who is on call by it, and by what: only of a schedule.
    pub on_call: Vec<(String, String)>,
    /// Whether that is whoever asks.
    pub includes: bool,
}

impl PageStep {
    pub(super) fn text(&self, name: &str) -> String {
        let step = if self.step == 0 { "the fall-back".to_owned() } else { format!("step {}", self.step) };
        let (policy, at, target) = (&self.policy, self.at, &self.target);
        let duties = self.on_call.iter().map(|(who, by)| format!("{who} by {by}")).collect::<Vec<_>>();
        let duties = match (duties.is_empty(), self.target.starts_with("schedule")) {
            (_, false) => String::new(),
            (true, true) => ", by which nobody is on call then".to_owned(),
            (false, true) => format!(", by which on call then: {}", duties.join(", ")),
        };
        let whether = if self.includes { format!("that is {name}") } else { format!("not {name}") };
        format!("Policy {policy:?} pages by {step}, at {at}: {target}{duties}; {whether}.")
    }
}

/// The steps of the policy of an incident, with those of the policies that it leads to.
pub(super) fn steps(
    tx: &mut Tx<'_>,
    record: &Record<'_>,
    people: &People,
    user: &User,
    at: Option<Time>,
    now: Time,
) -> Result<Vec<PageStep>> {
    let Some(name) = &record.policy else { return Ok(Vec::new()) };
    let began = record.incident.first_seen;
    let then = at.unwrap_or(now);
    let all = past::definitions::<Policy>(tx, Kind::Policy, None, then)?;
    let named = all.iter().filter(|it| it.name == *name).min_by_key(|it| (it.owner, it.id));
    let Some(policy) = named else { return Ok(Vec::new()) };
    let mut walk = Walk { people, user, all: &all, asked: at, steps: Vec::new() };
    walk.policy(tx, policy, began, 0)?;
    Ok(walk.steps)
}

struct Walk<'a> {
    people: &'a People,
    user: &'a User,
    all: &'a [Definition<Policy>],
    /// The time that was asked for; who is on call is said of that.
    asked: Option<Time>,
    steps: Vec<PageStep>,
}

impl Walk<'_> {
    fn policy(
        &mut self,
        tx: &mut Tx<'_>,
        policy: &Definition<Policy>,
        began: Time,
        depth: usize,
    ) -> Result<()> {
        let mut waited = Duration::ZERO;
        for (n, step) in policy.body.steps.iter().enumerate() {
            waited += step.after;
            for target in &step.targets {
                self.target(tx, (&policy.name, n + 1), target, began + waited, depth)?;
            }
        }
        for target in &policy.body.fallback {
            self.target(tx, (&policy.name, 0), target, began + waited, depth)?;
        }
        Ok(())
    }

    fn target(
        &mut self,
        tx: &mut Tx<'_>,
        (policy, step): (&str, usize),
        target: &Target,
        at: Time,
        depth: usize,
    ) -> Result<()> {
        if self.steps.len() >= MAX_PLANNED_STEPS {
            return Ok(());
        }
        let when = self.asked.unwrap_or(at);
        let (mut on_call, mut includes) = (Vec::new(), false);
        let target = match target {
            Target::User { id } => {
                includes = *id == self.user.id;
                format!("user {}", self.name(*id))
            }
            Target::Schedule { id } => match past::definition::<Rota>(tx, Kind::Schedule, *id, when)? {
                None => format!("schedule {id}, which was not there"),
                Some(Definition { name, body, .. }) => {
                    let rota = match past::shifts(tx, *id, when)? {
                        Some(said) => with_shifts(body, &said),
                        None => self.people.with_calendars(*id, body),
                    };
                    for duty in rota.roster().on_call(when) {
                        includes |= duty.user == self.user.id;
                        on_call.push((self.name(duty.user), by(&rota, &duty)));
                    }
                    format!("schedule {name:?}")
                }
            },
            Target::Team { id } => {
                let members = past::members(tx, *id, when)?.unwrap_or_else(|| self.people.members(*id));
                includes = members.contains(&self.user.id);
                let own = self.all.iter().filter(|it| it.owner == *id).min_by_key(|it| it.id);
                if let Some(own) = own.filter(|_| depth < MAX_DEPTH) {
                    return self.policy(tx, own, at, depth + 1);
                }
                {
                    let team = store::teams::get(tx, *id)?.map(|it| it.name);
                    format!("team {}, all of it", team.unwrap_or_else(|| id.to_string()))
                }
            }
            Target::Policy { id } => {
                if let Some(other) = self.all.iter().find(|it| it.id == *id).filter(|_| depth < MAX_DEPTH) {
                    return self.policy(tx, other, at, depth + 1);
                }
                format!("policy {id}, which was not there")
            }
            Target::Receiver { name } => format!("receiver {name}"),
        };
        self.steps.push(PageStep { policy: policy.to_owned(), step, at, target, on_call, includes });
        Ok(())
    }

    fn name(&self, user: Id) -> String {
        self.people.user(user).map_or_else(|| user.to_string(), |it| it.name.clone())
    }
}

/// By what somebody is on call.
fn by(rota: &Rota, duty: &Duty) -> String {
    match duty.why {
        Why::Layer { layer, .. } => {
            let name = rota.schedule.layers.get(layer).map(|it| it.name.as_str()).unwrap_or_default();
            format!("layer {name:?}")
        }
        Why::Override { id, .. } => format!("override {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_says_whom_it_pages_and_whether_that_is_whoever_asks() {
        let step = PageStep {
            policy: "db".to_owned(),
            step: 2,
            at: Time(0),
            target: "schedule \"nights\"".to_owned(),
            on_call: vec![("bob".to_owned(), "layer \"first\"".to_owned())],
            includes: false,
        };
        let text = step.text("ann");
        assert!(text.contains("step 2") && text.contains("bob by layer \"first\""), "{text}");
        assert!(text.ends_with("; not ann."), "{text}");
        let gap = PageStep { on_call: Vec::new(), step: 0, ..step };
        assert!(gap.text("ann").contains("the fall-back") && gap.text("ann").contains("nobody is on call"));
    }
}
