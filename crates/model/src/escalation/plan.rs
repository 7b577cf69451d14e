//! A policy, laid out in time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Gate, MAX_DEPTH, MAX_PLANNED_STEPS, MIN_ROUND_WAIT, Policy, Target};
use crate::id::Id;
use crate::refusal::Refusal;
use crate::severity::Severity;
use crate::time::Time;

/// Knows whom targets stand for. What is deleted is not there.
pub trait Directory {
    /// Whether a user can be reached somehow, or why not.
    ///
    /// # Errors
    /// The reason; [`Unreached::Gone`]: there is no such user.
    fn reaches(&self, user: Id) -> Result<(), Unreached>;
    /// Who is on call by a schedule; `None`: there is no such schedule.
    fn on_call(&self, schedule: Id, at: Time) -> Option<Vec<Id>>;
    /// A team; `None`: there is no such team.
    fn team(&self, team: Id) -> Option<Team>;
    /// A policy; `None`: there is no such policy.
    fn policy(&self, policy: Id) -> Option<Policy>;
    /// Whether a receiver of this name is told anywhere.
    ///
    /// # Errors
    /// The reason why not; [`Unreached::Gone`]: there is no such receiver.
    fn reaches_receiver(&self, name: &str) -> Result<(), Unreached>;
}

/// Whom a team stands for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Team {
    /// Who is in it.
    pub members: Vec<Id>,
    /// By which policy it wants to be paged.
    pub policy: Option<Id>,
}

/// Who is paged in the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Recipient {
    /// A person, by their own rules.
    User {
        /// Who.
        id: Id,
    },
    /// A configured receiver.
    Receiver {
        /// Its name.
        name: String,
    },
}

/// Why a target reaches nobody; the later ones pass the soonest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreached {
    /// It is not there any more.
    Gone,
    /// Nobody is on call.
    NobodyOnCall,
    /// The team has no members.
    NoMembers,
    /// Nobody of those whom it stands for can be reached anyhow.
    NoWay,
    /// The receiver has no destination.
    NoDestination,
    /// Those who could be reached are left alone at this hour.
    Quiet,
}

/// A policy, laid out in time, with the steps of all policies that it leads to.
///
/// A policy that a step leads to begins with that step, and its steps are done once; its own `repeat` and `fallback`
/// are for those incidents that begin with it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Plan {
    /// What is done when, by time.
    pub steps: Vec<Planned>,
    /// How often it begins again.
    pub repeat: u16,
    /// How long after the last step it begins again or gives up; at least [`MIN_ROUND_WAIT`].
    pub wait: Duration,
    /// Who is paged when a step reaches nobody, and when it gives up.
    pub fallback: Vec<Target>,
    /// What leads nowhere, or round in a circle; left out of the steps.
    pub flaws: Vec<Refusal>,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// How long after the start.
    pub after: Duration,
    /// Which step of the policy it belongs to, counted from zero.
    pub step: usize,
    /// Who is paged: people, schedules, teams and receivers.
    pub targets: Vec<Target>,
    /// All that must hold.
    pub gates: Vec<Gate>,
}

impl Plan {
    /// Lays a policy out. `own` is its id, if it has one. What comes out is bounded, whatever they say.
    pub fn of(policy: &Policy, own: Option<Id>, directory: &dyn Directory) -> Plan {
        let mut plan = Plan {
            repeat: policy.repeat,
            wait: policy.repeat_after.max(MIN_ROUND_WAIT),
            fallback: Vec::new(),
            ..Plan::default()
        };
        let mut layout = Layout { plan: &mut plan, directory, path: own.into_iter().collect() };
        layout.lay_out(policy, Duration::ZERO, None, &[], "");
        for (n, target) in policy.fallback.iter().enumerate() {
            let field = format!("fallback[{n}]");
            match layout.leads_to(target, &field) {
                Some(Some(_)) => layout.refuse(field, "leads to a policy, which would not be a fall-back"),
                Some(None) => layout.plan.fallback.push(target.clone()),
                None => {}
            }
        }
        plan.steps.sort_by_key(|step| step.after);
        plan
    }

    /// Why it would reach nobody if it began now and all its steps were done at once, each reason once; `None`: it
    /// would reach somebody. When steps are left out does not count.
    pub fn reaches_nobody(&self, directory: &dyn Directory, at: Time) -> Option<Vec<Unreached>> {
        let mut why = Vec::new();
        for target in self.steps.iter().flat_map(|step| &step.targets).chain(&self.fallback) {
            match reach(target, directory, at) {
                Ok(_) => return None,
                Err(unreached) if !why.contains(&unreached) => why.push(unreached),
                Err(_) => {}
            }
        }
        Some(why)
    }
}

impl Unreached {
    /// Several in words, each once.
    pub fn list(all: impl IntoIterator<Item = Unreached>) -> String {
        let mut words = Vec::new();
        for it in all {
            if !words.contains(&it.words()) {
                words.push(it.words());
            }
        }
        words.join(", ")
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Unreached::Gone => "somebody is not there any more",
            Unreached::NobodyOnCall => "nobody is on call",
            Unreached::NoMembers => "a team has no members",
            Unreached::NoWay => "nobody has a destination that they can be told at",
            Unreached::Quiet => "it is their quiet hour",
            Unreached::NoDestination => "a receiver has no destination",
        }
    }
}

struct Layout<'a> {
    plan: &'a mut Plan,
    directory: &'a dyn Directory,
    /// The policies on the way to here.
    path: Vec<Id>,
}

impl Layout<'_> {
    fn refuse(&mut self, field: String, reason: &str) {
        self.plan.flaws.push(Refusal::new(field, reason));
    }

    /// `top` is the step of the first policy; `gates` and `outer` are those of the target that led here.
    fn lay_out(&mut self, policy: &Policy, start: Duration, top: Option<usize>, gates: &[Gate], outer: &str) {
        let mut after = start;
        for (n, step) in policy.steps.iter().enumerate() {
            after = after.saturating_add(step.after);
            let gates = [gates, std::slice::from_ref(&step.only)].concat();
            let top = top.unwrap_or(n);
            let mut targets = Vec::new();
            let mut leads_on = Vec::new();
            for (m, target) in step.targets.iter().enumerate() {
                let field =
                    if outer.is_empty() { format!("steps[{n}].targets[{m}]") } else { outer.to_owned() };
                match self.leads_to(target, &field) {
                    Some(None) => targets.push(target.clone()),
                    Some(Some((id, policy))) => leads_on.push((id, policy, field)),
                    None => {}
                }
            }
            if self.plan.steps.len() >= MAX_PLANNED_STEPS {
                let field = if outer.is_empty() { "steps" } else { outer };
                let reason =
                    format!("there are more than {MAX_PLANNED_STEPS} steps with all policies it leads to");
                return self.refuse(field.to_owned(), &reason);
            }
            // a step that leads to other policies only is done by them
            if !targets.is_empty() || leads_on.is_empty() {
                self.plan.steps.push(Planned { after, step: top, targets, gates: gates.clone() });
            }
            for (id, policy, field) in leads_on {
                self.path.push(id);
                self.lay_out(&policy, after, Some(top), &gates, &field);
                self.path.pop();
            }
        }
    }

    /// The policy that a target leads to, if it leads to one. Nothing when it leads nowhere, which is a flaw.
    #[expect(clippy::option_option, reason = "nowhere, to people, or to a policy")]
    fn leads_to(&mut self, target: &Target, field: &str) -> Option<Option<(Id, Policy)>> {
        let is_there = match target {
            Target::User { id } => self.directory.reaches(*id) != Err(Unreached::Gone),
            Target::Schedule { id } => self.directory.on_call(*id, Time::MIN).is_some(),
            Target::Receiver { name } => self.directory.reaches_receiver(name) != Err(Unreached::Gone),
            Target::Team { id } => match self.directory.team(*id) {
                Some(Team { policy: Some(policy), .. }) => return self.policy(policy, field).map(Some),
                team => team.is_some(),
            },
            Target::Policy { id } => return self.policy(*id, field).map(Some),
        };
        if !is_there {
            let what = match target {
                Target::User { .. } => "user",
                Target::Schedule { .. } => "schedule",
                Target::Receiver { .. } => "receiver",
                _ => "team",
            };
            self.refuse(field.to_owned(), &format!("there is no such {what}"));
        }
        // who is gone stays a target, so that the page that reaches nobody is told of
        Some(None)
    }

    fn policy(&mut self, id: Id, field: &str) -> Option<(Id, Policy)> {
        let policy = self.directory.policy(id);
        let flaw = match policy {
            None => "there is no such policy".to_owned(),
            Some(_) if self.path.contains(&id) => "leads back to a policy that leads here".to_owned(),
            Some(_) if self.path.len() > MAX_DEPTH => format!("is more than {MAX_DEPTH} policies away"),
            Some(policy) => return Some((id, policy)),
        };
        self.refuse(field.to_owned(), &flaw);
        None
    }
}

impl Planned {
    /// Whether it is done at this time.
    pub fn is_open(&self, severity: Severity, at: Time) -> bool {
        self.gates.iter().all(|gate| gate.lets_pass(severity, at))
    }
}

/// Whom a target reaches now: nobody, with the reason, or at least one.
pub(super) fn reach(
    target: &Target,
    directory: &dyn Directory,
    at: Time,
) -> Result<Vec<Recipient>, Unreached> {
    let people = match target {
        Target::Receiver { name } => {
            directory.reaches_receiver(name)?;
            return Ok(vec![Recipient::Receiver { name: name.clone() }]);
        }
        Target::Policy { .. } => return Err(Unreached::Gone),
        Target::User { id } => vec![*id],
        Target::Schedule { id } => match directory.on_call(*id, at) {
            Some(people) if people.is_empty() => return Err(Unreached::NobodyOnCall),
            Some(people) => people,
            None => return Err(Unreached::Gone),
        },
        Target::Team { id } => match directory.team(*id) {
            Some(team) if team.members.is_empty() => return Err(Unreached::NoMembers),
            Some(team) => team.members,
            None => return Err(Unreached::Gone),
        },
    };
    let mut reached = Vec::new();
    let mut why = Unreached::Gone;
    for id in people {
        match directory.reaches(id) {
            Ok(()) => reached.push(Recipient::User { id }),
            // of several reasons the one that is the least final
            Err(other) => why = why.max(other),
        }
    }
    if reached.is_empty() { Err(why) } else { Ok(reached) }
}
