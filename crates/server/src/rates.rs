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
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_COUNTED && !windows.contains_key(&key) {
            let oldest = windows.iter().min_by_key(|(_, it)| it.began).map(|(key, _)| *key);
            if let Some(key) = oldest {
                windows.remove(&key);
            }
        }
        let window = windows.entry(key).or_insert(Window { began: now, taken: 0 });
        if window.began + length <= now || now < window.began {
            *window = Window { began: now, taken: 0 };
        }
        if window.taken >= rate.events {
            let left = (window.began + length).since(now).as_secs_f64().ceil();
            return Err((left as u32).clamp(1, rate.seconds));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_send_so_much_in_so_long() {
        let (rates, rate) = (Rates::default(), Rate { events: 2, seconds: 60 });
        let at = |second: i64| Time::from_seconds(1_790_000_000 + second);
        let take = |key, second| rates.take(Id(key), rate, at(second));
        assert_eq!((take(1, 0), take(1, 1), take(1, 2)), (Ok(()), Ok(()), Err(58)));
        assert_eq!(take(2, 2), Ok(()), "another key is another's");
        assert_eq!((take(1, 59), take(1, 60)), (Err(1), Ok(())));
        assert_eq!(take(1, -500), Ok(()), "a clock that was set back");
    }
}
