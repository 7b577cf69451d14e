//! How a plugin lives on after it has ended: when it is started again, and when it is said to have failed. Pure: time
//! is a
//! parameter, counted from any moment.

use std::collections::VecDeque;
use std::time::Duration;

/// How long is waited before the first new start.
pub const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How long is waited at the most.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The part by which a wait is longer or shorter by chance.
const JITTER: f64 = 0.2;
/// How long it must have been ready for its past to be forgotten.
const WELL_AGAIN: Duration = Duration::from_secs(300);
/// How many ends within [`LOOP_TIME`] are a crash loop.
const LOOP_ENDS: usize = 5;
/// See [`LOOP_ENDS`].
const LOOP_TIME: Duration = Duration::from_secs(300);
/// How often one that has failed is tried again: a destination must not stay dead for ever.
const FAILED_WAIT: Duration = Duration::from_secs(300);

/// What became of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is started again after this.
    Again(Duration),
    /// It ends again and again; it is tried once more after this.
    Failed(Duration),
}

/// The past of a plugin.
#[derive(Debug, Default)]
pub struct Life {
    ready_at: Option<Duration>,
    ends: VecDeque<Duration>,
    tries: u32,
}

impl Life {
    /// It is ready.
    pub fn ready(&mut self, now: Duration) {
        self.ready_at = Some(now);
    }

    /// It has ended although nobody asked it to, or it did not start. `chance` is within 0 and 1.
    pub fn ended(&mut self, now: Duration, chance: f64) -> Next {
        let was_well = self.ready_at.take().is_some_and(|at| now.saturating_sub(at) >= WELL_AGAIN);
        if was_well {
            self.tries = 0;
            self.ends.clear();
        }
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|at| now.saturating_sub(*at) > LOOP_TIME) {
            self.ends.pop_front();
        }
        if self.ends.len() >= LOOP_ENDS {
            // one more end is enough for the next time
            self.ends.pop_front();
            return Next::Failed(FAILED_WAIT);
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.tries.min(16)).min(LONGEST_WAIT);
        self.tries += 1;
        Next::Again(wait.mul_f64(1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn waits_grow_until_it_is_a_loop() {
        let mut life = Life::default();
        let waits: Vec<Next> = (0..5).map(|n| life.ended(seconds(n), 0.5)).collect();
        let again = |millis| Next::Again(Duration::from_millis(millis));
        assert_eq!(waits, [again(500), again(1000), again(2000), again(4000), Next::Failed(seconds(300))]);
        // it is tried again, and ends again within the time
        assert_eq!(life.ended(seconds(200), 0.5), Next::Failed(seconds(300)));
    }

    #[test]
    fn five_minutes_of_health_clear_its_name() {
        let mut life = Life::default();
        for n in 0..4 {
            life.ended(seconds(n), 0.5);
        }
        life.ready(seconds(10));
        assert_eq!(life.ended(seconds(310), 0.5), Next::Again(FIRST_WAIT));
        // a shorter life does not
        life.ready(seconds(311));
        assert_eq!(life.ended(seconds(312), 0.5), Next::Again(FIRST_WAIT * 2));
    }

    #[test]
    fn chance_moves_a_wait_by_a_fifth_and_no_wait_is_longer_than_the_longest() {
        let mut life = Life::default();
        assert_eq!(life.ended(seconds(0), 0.0), Next::Again(Duration::from_millis(400)));
        assert_eq!(life.ended(seconds(1000), 1.0), Next::Again(Duration::from_millis(1200)));
        for n in 2..40 {
            let Next::Again(wait) = life.ended(seconds(n * 1000), 0.5) else { panic!("no loop") };
            assert!(wait <= LONGEST_WAIT);
        }
    }
}
