//! A desk: all that is known about one destination's deliveries on this node. Pure: time is a parameter.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use model::delivery::{Attempt, Delivery, DeliveryState, Health, Next, Permit, after_attempt};
use model::receiver::Manners;
use model::{Id, Notification, Time};
use sdk::Answer;
use store::deliveries::Tried;

/// Deliveries that a desk holds claimed at the most.
const MAX_CLAIMED: usize = 256;
/// Deliveries that are claimed at once even for a destination that takes one at a time.
const MIN_CLAIMED: usize = 16;
/// What a send may take beyond its own time-out before it is given up from outside.
pub const OVERTIME: Duration = Duration::from_secs(3);
/// What a lease leaves for recording an answer, beside the time for sending.
const LEASE_SLACK: Duration = Duration::from_secs(30);

/// What a desk knows.
#[derive(Debug, Default)]
pub struct Desk {
    health: Health,
    claimed: VecDeque<(Delivery, Notification)>,
    under_way: usize,
    /// which those are
    out: HashSet<Id>,
    claiming: bool,
    /// a ring came while a claim was under way, which may not have seen what it was for
    rung: bool,
    /// when the next pending row is due, as far as is known
    next_row: Option<Time>,
    /// when the budget has room for the next message
    budget_free: Time,
}

/// A claim to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// How many rows at the most.
    pub limit: i64,
    /// Until when they are leased.
    pub lease_until: Time,
}

impl Desk {
    /// A desk for a destination that was doing like this when last heard of.
    pub fn new(health: Health) -> Self {
        Desk { health, next_row: Some(Time::MIN), ..Desk::default() }
    }

    /// How the destination is doing.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Messages under way.
    pub fn under_way(&self) -> usize {
        self.under_way
    }

    /// Whether it has nothing to do and nothing to remember.
    pub fn is_idle(&self) -> bool {
        self.under_way == 0 && self.claimed.is_empty() && !self.claiming && self.health == Health::default()
    }

    /// Something new is pending.
    pub fn ring(&mut self) {
        self.next_row = Some(Time::MIN);
        self.rung = self.claiming;
    }

    /// Whether a claim is under way.
    pub fn is_claiming(&self) -> bool {
        self.claiming
    }

    /// What to claim now, if anything. The claim is under way until [`Desk::claimed`] or
    /// [`Desk::claim_failed`].
    pub fn want(&mut self, manners: &Manners, now: Time) -> Option<Claim> {
        let due = self.next_row.is_some_and(|at| at <= now);
        let low = self.claimed.len() < manners.concurrency;
        if self.claiming || !due || !low {
            return None;
        }
        let limit = match self.health.permit(self.under_way, now) {
            Permit::Go => most_claimed(manners).saturating_sub(self.claimed.len()).max(1),
            Permit::Probe if self.claimed.is_empty() => 1,
            _ => return None,
        };
        self.claiming = true;
        Some(Claim { limit: limit as i64, lease_until: now + lease(manners) })
    }

    /// How many deliveries may be handed over to this desk now, beside what it has.
    pub fn room(&self, manners: &Manners, now: Time) -> i64 {
        if self.budget_free(manners, now) > now || self.health.permit(self.under_way, now) != Permit::Go {
            return 0;
        }
        most_claimed(manners) as i64 - (self.claimed.len() + self.under_way) as i64
    }

    /// When the budget has room. What lies further ahead than one message takes was worked out before the clock
    /// was set back.
    fn budget_free(&self, manners: &Manners, now: Time) -> Time {
        let within = step(manners).filter(|step| self.budget_free <= now + *step);
        within.map_or(Time::MIN, |_| self.budget_free)
    }

    /// Takes what was handed over.
    pub fn handed(&mut self, delivery: Delivery, notification: Notification) {
        self.claimed.push_back((delivery, notification));
    }

    /// What was claimed, and when the next row is due after that.
    pub fn claimed(&mut self, found: Vec<(Delivery, Notification)>, next_row: Option<Time>) {
        self.claiming = false;
        self.next_row = if std::mem::take(&mut self.rung) { Some(Time::MIN) } else { next_row };
        // a lease that ended while its delivery was still in these hands (a clock that jumped, a machine that
        // slept) may have been taken again, by this very desk
        let held: HashSet<Id> = self.claimed.iter().map(|(it, _)| it.id).collect();
        let new = found.into_iter().filter(|(it, _)| !held.contains(&it.id) && !self.out.contains(&it.id));
        let new: Vec<_> = new.collect();
        self.claimed.extend(new);
    }

    /// The claim failed: the database is gone. It is tried again later.
    pub fn claim_failed(&mut self, again_at: Time) {
        self.claiming = false;
        self.next_row = Some(again_at);
    }

    /// The next message that may go now. It is under way until [`Desk::answered`].
    pub fn next(&mut self, manners: &Manners, now: Time) -> Option<(Delivery, Notification)> {
        if self.under_way >= manners.concurrency.max(1) || self.budget_free(manners, now) > now {
            return None;
        }
        if matches!(self.health.permit(self.under_way, now), Permit::NotBefore(_)) {
            return None;
        }
        let next = self.next_in_lease(manners, now)?;
        self.under_way += 1;
        self.out.insert(next.0.id);
        if let Some(step) = step(manners) {
            // a second's worth may go in a burst
            self.budget_free = self.budget_free(manners, now).max(now - Duration::from_secs(1)) + step;
        }
        Some(next)
    }

    /// The next one that is still ours. Of what waited here beyond its lease another node may have taken
    /// hold: it is left to its row, and claimed again from there.
    fn next_in_lease(&mut self, manners: &Manners, now: Time) -> Option<(Delivery, Notification)> {
        while let Some(next) = self.claimed.pop_front() {
            // it must last until the answer is there
            if next.0.due_at > now + manners.timeout + OVERTIME {
                return Some(next);
            }
            self.ring();
        }
        None
    }

    /// Everything that was claimed and not tried, with its leases, whatever the destination's health: for a
    /// node that stops.
    pub fn clear_away(&mut self) -> Vec<(Id, Time)> {
        self.claimed.drain(..).map(|(delivery, _)| (delivery.id, delivery.due_at)).collect()
    }

    /// What was claimed and may not go now: to be given back, so that no lease runs out meanwhile.
    pub fn give_back(&mut self, now: Time) -> Vec<(Id, Time)> {
        match self.health.permit(self.under_way, now) {
            Permit::NotBefore(_) => {
                if !self.claimed.is_empty() {
                    self.ring();
                }
                self.clear_away()
            }
            _ => Vec::new(),
        }
    }

    /// A message that was to go is not sent after all.
    pub fn withdrawn(&mut self, id: Id) {
        self.out.remove(&id);
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Takes an answer in: what is to be recorded of it.
    pub fn answered(
        &mut self,
        mut delivery: Delivery,
        began: Time,
        answer: Answer,
        manners: &Manners,
        random: f64,
        now: Time,
    ) -> Tried {
        let lease_until = delivery.due_at;
        self.out.remove(&delivery.id);
        self.under_way = self.under_way.saturating_sub(1);
        self.health.record(&answer.outcome, now);
        delivery.attempts += 1;
        let attempt = Attempt {
            delivery: delivery.id,
            number: delivery.attempts,
            at: began,
            latency_micros: i64::try_from(now.since(began).as_micros()).unwrap_or(i64::MAX),
            outcome: answer.outcome,
            status: answer.status,
            answer: answer.text,
        };
        delivery.note = attempt.outcome.words().chars().take(500).collect();
        match after_attempt(&attempt.outcome, &delivery, manners.give_up_after, &self.health, random, now) {
            Next::Settled(state) => {
                delivery.state = state;
                delivery.settled_at = Some(now);
            }
            Next::At(at) => {
                delivery.due_at = at;
                self.next_row = Some(self.next_row.map_or(at, |have| have.min(at)));
            }
        }
        Tried { delivery, attempt, lease_until }
    }

    /// When this desk can do something that it cannot do now, if nothing happens before.
    pub fn wake_at(&self, manners: &Manners, now: Time) -> Option<Time> {
        if self.claiming {
            return None;
        }
        let row = if self.claimed.is_empty() { self.next_row? } else { now };
        if self.under_way >= manners.concurrency.max(1) {
            return None;
        }
        let permitted = match self.health.permit(self.under_way, now) {
            Permit::NotBefore(at) => at,
            _ => now,
        };
        Some(row.max(permitted).max(self.budget_free(manners, now)))
    }
}

/// How long one message uses the budget up; `None`: there is none.
fn step(manners: &Manners) -> Option<Duration> {
    let limited = manners.per_second > 0.0;
    limited.then(|| Duration::from_secs_f64((1.0 / manners.per_second).min(3600.0)))
}

/// What a desk holds at the most: enough to go on with while more is claimed.
fn most_claimed(manners: &Manners) -> usize {
    (manners.concurrency * 2).clamp(MIN_CLAIMED, MAX_CLAIMED)
}

/// How long a desk may keep what it has, before others take it for lost: the last of a full desk waits for
/// all before it.
pub fn lease(manners: &Manners) -> Duration {
    let rounds = most_claimed(manners).div_ceil(manners.concurrency.max(1)) as u32;
    manners.timeout * (rounds + 1) + LEASE_SLACK
}

/// A delivery that is too old to be worth a try, as it goes to the dead letters.
pub fn too_old(delivery: &Delivery, manners: &Manners, now: Time) -> Option<Delivery> {
    if now.since(delivery.created_at) < manners.give_up_after {
        return None;
    }
    let note =
        format!("not taken within {}: {}", model::time::span::format(manners.give_up_after), delivery.note);
    Some(Delivery { state: DeliveryState::Dead, settled_at: Some(now), note, ..delivery.clone() })
}
