//! Deliveries: promises to tell one destination one thing, and the manners of keeping them.
//!
//! *Manners* are two pure state machines: [`retry_delay`] for one delivery that failed, and [`Health`] for
//! a destination as a whole: a circuit breaker that lets one probe through while it is open, and a pause
//! where the destination asked for one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::limits::MAX_ANSWER_BYTES;
use crate::notification::Reason;
use crate::time::Time;

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// Not done yet: due, leased or waiting for its next try.
    Pending = 0,
    /// The destination took it.
    Delivered = 1,
    /// It was refused for good, or not taken in time: on the dead-letter list.
    Dead = 2,
    /// A person took it off the dead-letter list, or off the queue, unsent.
    Buried = 3,
}

impl DeliveryState {
    /// All of them, in the order of their columns.
    pub const ALL: [DeliveryState; 4] =
        [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Buried];

    /// The word for it, as in JSON and metrics.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryState::Pending => "pending",
            DeliveryState::Delivered => "delivered",
            DeliveryState::Dead => "dead",
            DeliveryState::Buried => "buried",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// From its column.
    pub fn from_column(value: i64) -> Self {
        Self::ALL.into_iter().find(|state| *state as i64 == value).unwrap_or(DeliveryState::Dead)
    }
}

/// A promise to tell one destination one thing, without the thing itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: Id,
    /// The group that is told of; none for a test.
    pub group: Option<Id>,
    /// The receiver's name.
    pub receiver: String,
    /// The destination, as [`crate::receiver::Place::id`] has it.
    pub destination: String,
    /// Deliveries to one destination and of one lane are sent one after another, in the order of their ids: a
    /// destination hears of a group in the order in which things happened.
    pub lane: i64,
    /// Why the group was told.
    pub reason: Reason,
    /// Where it stands.
    pub state: DeliveryState,
    /// Tries so far.
    pub attempts: i64,
    /// When it was planned.
    pub created_at: Time,
    /// When it may be tried next.
    pub due_at: Time,
    /// When it was settled.
    pub settled_at: Option<Time>,
    /// In words: why it is where it is.
    pub note: String,
}

impl Delivery {
    /// The line that it stands in: what is sent one after another is of one lane and goes to one destination.
    pub fn line(&self) -> (i64, &str) {
        (self.lane, &self.destination)
    }
}

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The destination has it.
    Delivered {
        /// What it calls it, if it said.
        receipt: String,
    },
    /// The destination took it, but whether it arrives is to be asked later.
    Accepted {
        /// What it calls it.
        receipt: String,
        /// When to ask.
        #[serde(with = "crate::time::span")]
        ask_after: Duration,
    },
    /// Not this time.
    Retry {
        /// How long it wants to be left alone; `None`: it did not say.
        #[serde(with = "crate::time::span::option")]
        after: Option<Duration>,
        /// In words.
        reason: String,
        /// Whether the trouble is the destination's as a whole, rather than this message's.
        fault: Fault,
    },
    /// Not ever.
    Rejected {
        /// In words.
        reason: String,
    },
}

/// Whose trouble a failed try is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The destination is down or broken: counts towards its breaker.
    Destination,
    /// It is well, but wants less (429, or 503 with Retry-After): a pause, no fault.
    Pace,
}

impl Outcome {
    /// A try that failed for the destination's sake.
    pub fn down(reason: impl Into<String>) -> Self {
        Outcome::Retry { after: None, reason: reason.into(), fault: Fault::Destination }
    }

    /// A try that is never worth repeating.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Outcome::Rejected { reason: reason.into() }
    }

    /// Delivered, with nothing more to say.
    pub fn delivered() -> Self {
        Outcome::Delivered { receipt: String::new() }
    }

    /// The word for it, as in columns and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Delivered { .. } => "delivered",
            Outcome::Accepted { .. } => "accepted",
            Outcome::Retry { .. } => "retry",
            Outcome::Rejected { .. } => "rejected",
        }
    }

    /// What there is to say about it; may be empty.
    pub fn words(&self) -> &str {
        match self {
            Outcome::Delivered { receipt } | Outcome::Accepted { receipt, .. } => receipt,
            Outcome::Retry { reason, .. } | Outcome::Rejected { reason } => reason,
        }
    }
}

/// One try, as recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The delivery.
    pub delivery: Id,
    /// 1 for the first.
    pub number: i64,
    /// When it began.
    pub at: Time,
    /// How long it took, in microseconds.
    pub latency_micros: i64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The status that was answered, where the channel has such numbers.
    pub status: Option<i64>,
    /// The first kilobyte of what was answered.
    pub answer: String,
}

/// The first kilobyte of an answer, cut at a character, without control characters.
pub fn answer_head(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(MAX_ANSWER_BYTES)];
    let text = String::from_utf8_lossy(head);
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

/// How long to wait after this many failed tries: a quarter of a second, doubled each time, at most five minutes,
/// with a quarter of jitter either way. `random` is in `0.0..1.0`.
pub fn retry_delay(failures: i64, random: f64) -> Duration {
    const FIRST: f64 = 0.25;
    const LONGEST: f64 = 300.0;
    let exponent = i32::try_from(failures.clamp(1, 32) - 1).unwrap_or(31);
    let seconds = (FIRST * 2f64.powi(exponent)).min(LONGEST);
    Duration::from_secs_f64(seconds * (0.75 + 0.5 * random.clamp(0.0, 1.0)))
}

/// Faults in a row after which a destination counts as down.
pub const BREAKER_THRESHOLD: u32 = 5;
/// The shortest time between probes.
const PROBE_SHORTEST: Duration = Duration::from_millis(250);
/// The longest time between probes.
const PROBE_LONGEST: Duration = Duration::from_secs(15);
/// Probes come every fortieth of the time since the outage began, so that recovery is noticed soon in
/// proportion, and an outage of a minute costs about a hundred requests.
const PROBE_FRACTION: u32 = 40;
/// The longest pause that a destination may ask for; more is cut to this.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How a destination is doing, as far as its answers tell.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Health {
    /// Faults in a row.
    pub faults: u32,
    /// Since when the breaker is open; `None`: it is closed.
    pub open_since: Option<Time>,
    /// When the next probe may go, while open.
    pub probe_at: Option<Time>,
    /// Nothing is sent before this time, since the destination asked for it.
    pub paused_until: Option<Time>,
    /// What the last fault was; empty when all is well.
    pub last_fault: String,
}

/// Whether a message may be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Yes.
    Go,
    /// One, to see whether the destination is back.
    Probe,
    /// Not before this time.
    NotBefore(Time),
}

impl Health {
    /// Whether a message may be sent now, with this many under way already.
    ///
    /// While the breaker is open, or was and a pause has just ended, only one message is under way at a
    /// time; its answer decides about the rest.
    pub fn permit(&self, under_way: usize, now: Time) -> Permit {
        // what lies further ahead than anybody may ask for was written before the clock was set back
        let ahead = |until: &Time, most: Duration| *until > now && *until <= now + most;
        if let Some(until) = self.paused_until.filter(|until| ahead(until, LONGEST_PAUSE)) {
            return Permit::NotBefore(until);
        }
        let careful = self.open_since.is_some() || self.paused_until.is_some();
        match self.probe_at.filter(|at| ahead(at, PROBE_LONGEST)) {
            Some(at) => Permit::NotBefore(at),
            // the one that is under way will ring when it is answered
            None if careful && under_way > 0 => Permit::NotBefore(now + PROBE_LONGEST),
            None if careful => Permit::Probe,
            None => Permit::Go,
        }
    }

    /// Takes an answer into account.
    pub fn record(&mut self, outcome: &Outcome, now: Time) {
        match outcome {
            Outcome::Retry { after, reason, fault } => {
                if let Some(pause) = after {
                    let until = now + (*pause).min(LONGEST_PAUSE);
                    self.paused_until = Some(self.paused_until.map_or(until, |have| have.max(until)));
                } else if *fault == Fault::Pace {
                    self.paused_until = Some(now + Duration::from_secs(1));
                }
                if *fault == Fault::Destination {
                    self.fault(reason, now);
                }
            }
            // a destination that refuses a message is there and answers
            Outcome::Delivered { .. } | Outcome::Accepted { .. } | Outcome::Rejected { .. } => {
                // answers of messages sent before a pause was asked for do not end it
                let pause = self.paused_until.filter(|until| *until > now);
                *self = Health { paused_until: pause, ..Health::default() };
            }
        }
    }

    fn fault(&mut self, reason: &str, now: Time) {
        self.faults = self.faults.saturating_add(1);
        self.last_fault = reason.chars().take(200).collect();
        if self.faults >= BREAKER_THRESHOLD || self.open_since.is_some() {
            let since = *self.open_since.get_or_insert(now);
            let wait = (now.since(since) / PROBE_FRACTION).clamp(PROBE_SHORTEST, PROBE_LONGEST);
            self.probe_at = Some(now + wait);
        }
    }

    /// The breaker's state in a word, for metrics and status.
    pub fn word(&self, now: Time) -> &'static str {
        match () {
            () if self.open_since.is_some() => "open",
            () if self.paused_until.is_some_and(|until| until > now) => "paused",
            () => "closed",
        }
    }
}

/// What becomes of a delivery after a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is settled.
    Settled(DeliveryState),
    /// It is tried again at this time.
    At(Time),
}

/// Decides what becomes of a delivery that was tried: settled, or tried again, later each time, until it
/// is not worth sending any more. `health` is the destination's, with this outcome taken into account.
pub fn after_attempt(
    outcome: &Outcome,
    delivery: &Delivery,
    give_up_after: Duration,
    health: &Health,
    random: f64,
    now: Time,
) -> Next {
    match outcome {
        Outcome::Delivered { .. } | Outcome::Accepted { .. } => Next::Settled(DeliveryState::Delivered),
        Outcome::Rejected { .. } => Next::Settled(DeliveryState::Dead),
        Outcome::Retry { .. } if now.since(delivery.created_at) >= give_up_after => {
            Next::Settled(DeliveryState::Dead)
        }
        Outcome::Retry { after: Some(span), .. } => Next::At(now + (*span).min(LONGEST_PAUSE)),
        // while it is the destination that is down, its breaker sets the pace, not each message's own
        // back-off: all that waits may go as soon as a probe comes back, and probes take turns
        Outcome::Retry { .. } if health.open_since.is_some() => Next::At(now),
        Outcome::Retry { .. } => Next::At(now + retry_delay(delivery.attempts, random)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn delivery() -> Delivery {
        Delivery {
            id: Id(1),
            group: None,
            receiver: "ops".into(),
            destination: "ops/webhook/0".into(),
            lane: 1,
            reason: Reason::First,
            state: DeliveryState::Pending,
            attempts: 3,
            created_at: at(0),
            due_at: at(0),
            settled_at: None,
            note: String::new(),
        }
    }

    /// An outage of this many milliseconds, with one message waiting all the time: when each try went out.
    fn tries_during_outage(length: i64) -> (usize, i64) {
        let (mut health, mut now, mut tries) = (Health::default(), 0, 0);
        loop {
            match health.permit(0, at(now)) {
                Permit::NotBefore(next) => now = next.as_millis().max(now + 1),
                _ if now >= length => return (tries, now - length),
                _ => {
                    tries += 1;
                    health.record(&Outcome::down("500"), at(now));
                }
            }
        }
    }

    #[test]
    fn an_outage_of_a_minute_costs_about_a_hundred_requests_and_ends_soon() {
        let (tries, late_millis) = tries_during_outage(60_000);
        assert!(tries <= 125, "{tries} tries");
        assert!(late_millis <= 1500, "{late_millis} ms late");
        let (tries, late_millis) = tries_during_outage(12 * 3_600_000);
        assert!(tries <= 3300 && late_millis <= 15_000, "{tries} tries, {late_millis} ms late");
    }

    #[test]
    fn a_pause_that_was_asked_for_is_kept_and_one_probe_follows() {
        let mut health = Health::default();
        let after = Some(Duration::from_secs(10));
        health.record(&Outcome::Retry { after, reason: "429".into(), fault: Fault::Pace }, at(0));
        health.record(&Outcome::delivered(), at(5));
        assert_eq!(health.permit(0, at(9_999)), Permit::NotBefore(at(10_000)));
        assert_eq!(health.permit(0, at(10_000)), Permit::Probe);
        assert!(matches!(health.permit(1, at(10_000)), Permit::NotBefore(_)));
        health.record(&Outcome::delivered(), at(10_050));
        assert_eq!(health.permit(7, at(10_050)), Permit::Go);
    }

    #[test]
    fn one_success_closes_the_breaker() {
        let mut health = Health::default();
        for _ in 0..BREAKER_THRESHOLD {
            assert_eq!(health.permit(0, at(0)), Permit::Go);
            health.record(&Outcome::down("refused"), at(0));
        }
        assert_eq!((health.permit(0, at(1)), health.word(at(1))), (Permit::NotBefore(at(250)), "open"));
        assert_eq!(health.permit(0, at(250)), Permit::Probe);
        health.record(&Outcome::rejected("400"), at(251));
        assert_eq!(health, Health::default());
    }

    #[test]
    fn what_is_never_taken_ends_on_the_dead_letter_list() {
        let (day, health) = (Duration::from_secs(86_400), Health::default());
        let next = |now| after_attempt(&Outcome::down("500"), &delivery(), day, &health, 0.5, now);
        assert_eq!(next(at(1000)), Next::At(at(2000)));
        assert_eq!(next(Time::from_seconds(86_400)), Next::Settled(DeliveryState::Dead));
    }

    #[test]
    fn two_tries_that_fail_cost_less_than_a_second() {
        // whoever is slow for a moment is asked again in Alertmanager's time
        assert!(retry_delay(1, 1.0) + retry_delay(2, 1.0) < Duration::from_secs(1));
    }

    #[test]
    fn an_answer_is_kept_to_its_first_kilobyte() {
        assert_eq!(answer_head(&[b'x'; 5000]).len(), 1024);
        assert_eq!(answer_head(b"a\0b\nc\xff"), "a b\nc\u{fffd}");
    }

    proptest! {
        #[test]
        fn delays_grow_within_their_bounds(failures in 1i64..100, random in 0.0f64..1.0) {
            let delay = retry_delay(failures, random).as_secs_f64();
            prop_assert!((0.1875..=375.0).contains(&delay));
            prop_assert!(retry_delay(failures + 2, random).as_secs_f64() >= delay);
        }
    }
}
