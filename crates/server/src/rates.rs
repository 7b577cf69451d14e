//! How much keys of projects have sent of late: what is too much is turned away before anything is made of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::project::Rate;
use model::{Id, Time};

/// How often the database is asked at the most whether a key that nobody knows is new.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Keys whose rates are counted at once; beyond, those that were counted longest ago are forgotten.
const MAX_COUNTED: usize = 100_000;

/// What keys have sent of late.
#[derive(Default)]
pub(crate) struct Rates {
    windows: Mutex<HashMap<Id, Window>>,
    looked_at: Mutex<Option<Time>>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Time,
    taken: u32,
}

impl Rates {
    /// Counts one more by a key; when there have been too many: after how many seconds there may be more.
    pub(crate) fn take(&self, key: Id, rate: Rate, now: Time) -> Result<(), u32> {
        let length = Duration::from_secs(u64::from(rate.seconds));
        let began = beginning(key, length, now);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_COUNTED && !windows.contains_key(&key) {
            let oldest = windows.iter().min_by_key(|(_, it)| it.began).map(|(key, _)| *key);
            if let Some(key) = oldest {
                windows.remove(&key);
            }
        }
        let window = windows.entry(key).or_insert(Window { began, taken: 0 });
        if window.began != began {
            *window = Window { began, taken: 0 };
        }
        if window.taken >= rate.events {
            return Err(left(began + length, rate, now));
        }
        window.taken += 1;
        Ok(())
    }

    /// Whether it is time to ask the database for keys that are new.
    pub(crate) fn may_look(&self, now: Time) -> bool {
        let mut looked = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| at <= now && now < at + LOOK_AGAIN) {
            return false;
        }
        *looked = Some(now);
        true
    }
}

/// Seconds until a window ends.
fn left(end: Time, rate: Rate, now: Time) -> u32 {
    (end.since(now).as_secs_f64().ceil() as u32).clamp(1, rate.seconds)
}

/// When the window of a key that holds now began. Each key has hours of its own: if all began a window at the same
/// time, all that they may send would come at once.
fn beginning(key: Id, length: Duration, now: Time) -> Time {
    /// Odd, and with bits everywhere, so that keys made one after the other lie far apart.
    const SPREAD: i64 = 0x9e37_79b9_7f4a_7c15_u64.cast_signed();
    let length = i64::try_from(length.as_micros()).unwrap_or(i64::MAX).max(1);
    let phase = key.0.wrapping_mul(SPREAD).rem_euclid(length);
    Time(now.0 - (now.0 - phase).rem_euclid(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_key_may_send_so_much_in_so_long() {
        let (rates, rate) = (Rates::default(), Rate { events: 2, seconds: 60 });
        let at = |key, second: i64| {
            Time(beginning(Id(key), MINUTE, Time::from_seconds(1_790_000_000)).0 + second * 1_000_000)
        };
        let take = |key, second| rates.take(Id(key), rate, at(key, second));
        assert_eq!((take(1, 0), take(1, 1), take(1, 2)), (Ok(()), Ok(()), Err(58)));
        assert_eq!(take(2, 2), Ok(()), "another key is another's");
        assert_eq!((take(1, 59), take(1, 60)), (Err(1), Ok(())));
        assert_eq!(take(1, -500), Ok(()), "a clock that was set back");
    }

    #[test]
    fn windows_of_keys_that_were_made_together_do_not_begin_together() {
        let now = Time::from_seconds(1_790_000_000);
        let mut tenths = [0; 10];
        for key in 0..1_000 {
            let began = beginning(Id(7_300_000_000_000_000 + key * 4096), MINUTE, now);
            assert!(began <= now && now < began + MINUTE);
            tenths[(now.since(began).as_secs() / 6) as usize] += 1;
        }
        assert!(tenths.iter().all(|it| (50..=150).contains(it)), "{tenths:?}");
    }
}
