//! The state machine of one incident's escalation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::plan::{Directory, Plan, Recipient, Unreached, reach};
use super::{Leave, MIN_ROUND_WAIT, Target};
use crate::severity::Severity;
use crate::time::Time;

/// Whether an escalation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It goes on at its due time.
    Running,
    /// Somebody has the incident, or nobody is to be told for a while.
    Resting,
    /// All rounds are done, and nobody took the incident.
    Exhausted,
    /// The incident is over.
    Ended,
}

/// Where an incident stands in its plan. A row of it has all that is needed to go on after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Whether it goes on.
    pub stage: Stage,
    /// How often it began again.
    pub round: u16,
    /// The next step of the plan, counted from zero; one after the last: the end of the round.
    pub next: usize,
    /// When that is; there exactly while it runs.
    pub due: Option<Time>,
    /// The step that was done last: the one that is done again when somebody gives the incident back.
    pub last: usize,
    /// Pages that went to somebody so far.
    pub reached: u32,
    /// Whether the incident was too mild for some step of this round.
    pub too_mild: bool,
}

/// What can happen to an escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The clock passed something.
    Deadline,
    /// Somebody has taken the incident, or it is snoozed.
    Taken,
    /// They have given it back, their time is over, or that of the snooze is.
    GivenBack,
    /// The incident got worse.
    Worsened,
    /// The incident is over.
    Resolved,
    /// It is wrong again.
    Reopened,
}

/// Somebody who is paged now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Who.
    pub to: Recipient,
    /// The target that stands for them.
    pub through: Target,
    /// The step of the policy, counted from zero; `None`: the fall-back.
    pub step: Option<usize>,
    /// The round, counted from zero.
    pub round: u16,
}

/// Something that somebody must hear of beside the pages: an incident of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Alarm {
    /// A step reached nobody.
    NobodyReached {
        /// The step of the policy, counted from zero.
        step: usize,
        /// The round, counted from zero.
        round: u16,
        /// Its targets, with why each of them reaches nobody.
        targets: Vec<(Target, Unreached)>,
        /// Whether the fall-back reached somebody instead.
        fallback: bool,
    },
    /// All rounds are done, and nobody took the incident.
    Exhausted {
        /// Pages that went to somebody; none: nobody was ever reached.
        reached: u32,
        /// Whether the fall-back reached somebody now.
        fallback: bool,
    },
}

/// What comes of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Where the escalation stands then.
    pub next: Escalation,
    /// Who is paged now, each once.
    pub pages: Vec<Page>,
    /// What somebody must hear of.
    pub alarms: Vec<Alarm>,
}

impl Escalation {
    /// The escalation of an incident that opens now. Its first step is done by [`Input::Deadline`], maybe at once.
    pub fn start(plan: &Plan, at: Time) -> Escalation {
        let after = plan.steps.first().map_or(Duration::ZERO, |step| step.after);
        Escalation {
            stage: Stage::Running,
            round: 0,
            next: 0,
            due: Some(at + after),
            last: 0,
            reached: 0,
            too_mild: false,
        }
    }

    /// One that nothing comes of, since there is no policy.
    pub fn none() -> Escalation {
        let none = Escalation::start(&Plan::default(), Time::MIN);
        Escalation { stage: Stage::Resting, due: None, ..none }
    }

    /// What becomes of it. Total: every input in every state has an answer, also when the plan is not any more what it
    /// was; and the same input given twice changes nothing the second time.
    ///
    /// When it is late, since nothing ran for a while, it goes on from now: steps never come all at once. Whatever the
    /// input, nobody is paged without leave: what is kept back stays due, and what somebody has rests.
    pub fn apply(
        &self,
        input: Input,
        leave: &Leave,
        plan: &Plan,
        severity: Severity,
        directory: &dyn Directory,
        at: Time,
    ) -> Applied {
        let next = self.turn(input, plan, at);
        let mut applied = Applied { next, pages: Vec::new(), alarms: Vec::new() };
        match leave {
            Leave::Given => Run { applied: &mut applied, plan, severity, directory, at }.go_on(),
            Leave::Held(_) => {}
            Leave::Rests => applied.next = next.turn(Input::Taken, plan, at),
            Leave::Over => applied.next = next.turn(Input::Resolved, plan, at),
        }
        applied
    }

    /// Where an input alone leads, before anything is done that is due then.
    fn turn(&self, input: Input, plan: &Plan, at: Time) -> Escalation {
        let mut next = *self;
        match (input, self.stage) {
            (Input::Resolved, _) => (next.stage, next.due) = (Stage::Ended, None),
            (Input::Reopened, Stage::Ended) => next = Escalation::start(plan, at),
            (Input::Taken, Stage::Running) => (next.stage, next.due) = (Stage::Resting, None),
            // who gives back what nobody took in all rounds finds it at the start
            (Input::Taken, Stage::Exhausted) => {
                (next.stage, next.round, next.next, next.last) = (Stage::Resting, 0, 0, 0);
            }
            (Input::GivenBack, Stage::Resting) => {
                (next.stage, next.next, next.due) = (Stage::Running, self.last, Some(at));
            }
            (Input::Worsened, Stage::Running | Stage::Exhausted) if self.too_mild => {
                (next.stage, next.next, next.due) = (Stage::Running, 0, Some(at));
                next.too_mild = false;
            }
            _ => {}
        }
        next
    }
}

struct Run<'a> {
    applied: &'a mut Applied,
    plan: &'a Plan,
    severity: Severity,
    directory: &'a dyn Directory,
    at: Time,
}

impl Run<'_> {
    /// Does all that is due. It ends, since after each round there is a wait.
    fn go_on(&mut self) {
        while let Stage::Running = self.applied.next.stage {
            if self.applied.next.due.is_some_and(|due| due > self.at) {
                break;
            }
            if self.applied.next.next < self.plan.steps.len() { self.step() } else { self.end_round() }
        }
    }

    fn step(&mut self) {
        let at = self.applied.next.next;
        let planned = &self.plan.steps[at];
        if planned.is_open(self.severity, self.at) {
            self.applied.next.last = at;
            let round = self.applied.next.round;
            if let Err(targets) = self.page(&planned.targets, Some(planned.step)) {
                let fallback = self.page(&self.plan.fallback, None).is_ok();
                let step = planned.step;
                self.applied.alarms.push(Alarm::NobodyReached { step, round, targets, fallback });
            }
        } else if planned.gates.iter().any(|gate| gate.severity.is_some_and(|least| self.severity < least)) {
            self.applied.next.too_mild = true;
        }
        let wait = match self.plan.steps.get(at + 1) {
            Some(following) => following.after.saturating_sub(planned.after),
            None => self.plan.wait.max(MIN_ROUND_WAIT),
        };
        self.applied.next.next = at + 1;
        self.applied.next.due = Some(self.at + wait);
    }

    fn end_round(&mut self) {
        let next = &mut self.applied.next;
        if next.round < self.plan.repeat && !self.plan.steps.is_empty() {
            (next.round, next.next, next.due, next.too_mild) = (next.round + 1, 0, Some(self.at), false);
            return;
        }
        (next.stage, next.due) = (Stage::Exhausted, None);
        let reached = next.reached;
        let fallback = self.page(&self.plan.fallback, None).is_ok();
        self.applied.alarms.push(Alarm::Exhausted { reached, fallback });
    }

    /// Pages all targets, or says of each why it reaches nobody.
    fn page(&mut self, targets: &[Target], step: Option<usize>) -> Result<(), Vec<(Target, Unreached)>> {
        let (mut unreached, mut any) = (Vec::new(), false);
        for target in targets {
            match reach(target, self.directory, self.at) {
                Err(why) => unreached.push((target.clone(), why)),
                Ok(recipients) => {
                    any = true;
                    for to in recipients {
                        if self.applied.pages.iter().all(|page| page.to != to) {
                            let round = self.applied.next.round;
                            self.applied.pages.push(Page { to, through: target.clone(), step, round });
                            self.applied.next.reached = self.applied.next.reached.saturating_add(1);
                        }
                    }
                }
            }
        }
        if any { Ok(()) } else { Err(unreached) }
    }
}
