//! Storms: a receiver is sent so many messages that its people could not read them.
//!
//! While there is one, people get a summary when it begins, others as long as there is more to tell, and one
//! when it is over; machines get everything. [`Storm`] is the state machine of one receiver; its
//! deadlines are inputs like any other.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// When there is a storm. With zero `messages`, there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StormRule {
    /// More messages than this within the window are a storm; at most [`MAX_MESSAGES`].
    pub messages: u32,
    /// The window.
    #[serde(with = "crate::time::span")]
    pub within: Duration,
    /// How long the first summary gathers what it tells of.
    #[serde(with = "crate::time::span")]
    pub gather: Duration,
    /// How long after a summary the next one comes, if there is more to tell by then.
    #[serde(with = "crate::time::span")]
    pub again_after: Duration,
    /// It is over when there were not as many messages for so long.
    #[serde(with = "crate::time::span")]
    pub over_after: Duration,
}

/// The most messages that a storm may be counted by.
pub const MAX_MESSAGES: u32 = 1000;

impl Default for StormRule {
    fn default() -> Self {
        StormRule {
            messages: 0,
            within: Duration::from_secs(60),
            gather: Duration::from_secs(10),
            again_after: Duration::from_secs(300),
            over_after: Duration::from_secs(300),
        }
    }
}

/// When there is a storm at which receiver.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct StormRules {
    /// At those that are not named.
    pub all: StormRule,
    /// At these.
    pub receivers: BTreeMap<String, StormRule>,
}

impl StormRules {
    /// The rule of a receiver, if there can be a storm at all.
    pub fn of(&self, receiver: &str) -> Option<&StormRule> {
        Some(self.receivers.get(receiver).unwrap_or(&self.all)).filter(|rule| rule.messages > 0)
    }
}

/// How much one receiver is told.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Storm {
    /// When it was last told, oldest first.
    told: Vec<Time>,
    /// Since when there is a storm.
    pub since: Option<Time>,
    /// When its next summary is due; nothing: the last one told everything, or there is no storm.
    pub summary_at: Option<Time>,
    /// When it was last summed up.
    pub summed_up_at: Option<Time>,
    /// When it is over unless there are too many messages again before.
    pub over_at: Option<Time>,
    /// Messages that people did not get because of it.
    pub held: u32,
}

/// Which summary is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// It goes on.
    Lasts,
    /// It is over.
    Over,
}

impl Storm {
    /// There is a message for the receiver. Says whether people hear of it in a summary only.
    pub fn message(&mut self, rule: &StormRule, at: Time) -> bool {
        // what lies ahead was noted before the clock was set back
        self.told.retain(|told| *told <= at);
        self.over_at = self.over_at.map(|over| over.min(at + rule.over_after));
        self.summary_at = self.summary_at.map(|due| due.min(at + rule.again_after.max(rule.gather)));
        self.told.push(at);
        let most = rule.messages.min(MAX_MESSAGES) as usize + 1;
        self.told.drain(..self.told.len().saturating_sub(most));
        let too_many = self.told.len() == most && at.since(self.told[0]) <= rule.within;
        if too_many {
            self.over_at = Some(at + rule.over_after);
            self.since.get_or_insert(at);
        }
        if self.since.is_none() {
            return false;
        }
        self.held = self.held.saturating_add(1);
        let next = self.summed_up_at.map_or(at + rule.gather, |last| at.max(last + rule.again_after));
        self.summary_at.get_or_insert(next);
        true
    }

    /// The clock was set back.
    pub fn set_back(&mut self, by: Duration) {
        self.told.iter_mut().for_each(|at| *at = *at - by);
        for deadline in [&mut self.since, &mut self.summary_at, &mut self.summed_up_at, &mut self.over_at] {
            *deadline = deadline.map(|at| at - by);
        }
    }

    /// The next moment at which [`Storm::pass`] has something to say.
    pub fn due_at(&self) -> Option<Time> {
        [self.summary_at, self.over_at].into_iter().flatten().min()
    }

    /// Passes the deadlines. What is over before it was told of is told as over.
    pub fn pass(&mut self, at: Time) -> Option<Summary> {
        let passed = |deadline: Option<Time>| deadline.is_some_and(|due| due <= at);
        if passed(self.over_at) {
            *self = Storm::default();
            return Some(Summary::Over);
        }
        if passed(self.summary_at) {
            (self.summary_at, self.summed_up_at) = (None, Some(at));
            return Some(Summary::Lasts);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Time {
        Time::from_seconds(seconds)
    }

    fn rule(messages: u32) -> StormRule {
        let span = Duration::from_secs;
        StormRule {
            messages,
            within: span(60),
            gather: span(10),
            again_after: span(100),
            over_after: span(300),
        }
    }

    #[test]
    fn the_first_message_over_the_limit_begins_it() {
        let mut storm = Storm::default();
        let held: Vec<bool> = (0..5).map(|second| storm.message(&rule(3), at(second))).collect();
        assert_eq!(held, [false, false, false, true, true]);
        assert_eq!((storm.since, storm.due_at()), (Some(at(3)), Some(at(13))));
    }

    #[test]
    fn messages_that_are_far_enough_apart_are_none() {
        let mut storm = Storm::default();
        assert!((0..100).all(|n| !storm.message(&rule(3), at(n * 21))));
    }

    #[test]
    fn while_it_lasts_there_is_a_summary_now_and_then_if_there_is_more_to_tell() {
        let mut storm = Storm::default();
        (0..4).for_each(|second| assert_eq!(storm.message(&rule(3), at(second)), second == 3));
        assert_eq!(storm.pass(at(12)), None);
        assert_eq!(storm.pass(at(13)), Some(Summary::Lasts));
        assert_eq!(storm.due_at(), Some(at(303)), "nothing is new until it is over");
        assert!(storm.message(&rule(3), at(20)));
        assert_eq!(storm.due_at(), Some(at(113)));
        assert_eq!(storm.pass(at(113)), Some(Summary::Lasts));
        assert_eq!((storm.held, storm.pass(at(319)), storm.pass(at(320))), (2, None, Some(Summary::Over)));
        assert_eq!(storm, Storm::default());
    }

    proptest! {
        #[test]
        fn whatever_the_clock_does_no_message_waits_longer_than_it_is_said(
            times in proptest::collection::vec(0..5000i64, 1..80),
        ) {
            let rule = rule(3);
            let mut storm = Storm::default();
            for now in times {
                storm.pass(at(now));
                if storm.message(&rule, at(now)) {
                    let due = storm.due_at().expect("what is held is told some time");
                    prop_assert!(due <= at(now) + rule.again_after);
                }
            }
        }
    }
}
