//! What couriers share: each of them tells one subscriber what its rows say, a batch at a time and in order, until it
//! has heard it (see the driver). What is only said in passing waits here, in memory, and goes the same way.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{Id, Notice};
use sdk::Subscriber;
use tokio::sync::watch;

use crate::live::Live;

/// Notices in passing, which are in memory only, that wait for one subscriber, at the most: beyond, the oldest go, and
/// are counted.
pub const MAX_IN_PASSING: usize = 1_000;

/// What waits in memory for one subscriber.
#[derive(Default)]
struct Passing {
    waiting: VecDeque<Notice>,
    dropped: u64,
    /// those of them that it was not told of
    untold: u64,
}

/// What couriers share.
#[derive(Default)]
pub struct Couriers {
    bell: watch::Sender<()>,
    at_work: Mutex<BTreeSet<String>>,
    passing: Mutex<HashMap<String, Passing>>,
}

impl Couriers {
    /// Rings all of them: there may be something to tell.
    pub(crate) fn ring(&self) {
        self.bell.send_replace(());
    }

    /// What is rung from now on.
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// Whether a subscriber needs a courier; from here on it has one.
    pub(crate) fn begins(&self, name: &str) -> bool {
        lock(&self.at_work).insert(name.to_owned())
    }

    /// Whether a courier may go home, since nobody wants its subscriber any more; from here on it has none.
    pub(crate) fn leaves(&self, name: &str, is_wanted: impl FnOnce() -> bool) -> bool {
        let mut at_work = lock(&self.at_work);
        // whoever comes to want it looks here for a courier afterwards
        if is_wanted() {
            return false;
        }
        at_work.remove(name);
        lock(&self.passing).remove(name);
        true
    }

    /// Keeps a notice in memory for all who want to hear it.
    pub(crate) fn keep(&self, live: &Live, notice: &Notice) {
        let mut passing = lock(&self.passing);
        for it in live.subscribers.iter().filter(|it| it.topics.contains(&notice.topic)) {
            let place = passing.entry(it.name.clone()).or_default();
            place.waiting.push_back(notice.clone());
            if place.waiting.len() > MAX_IN_PASSING {
                place.waiting.pop_front();
                place.dropped += 1;
                place.untold += 1;
            }
        }
        drop(passing);
        self.ring();
    }

    /// The oldest that waits in memory, and how many were dropped before it. It stays until [`Couriers::heard`].
    pub(crate) fn batch(&self, subscriber: &Subscriber) -> (Vec<Notice>, u64) {
        let mut passing = lock(&self.passing);
        let Some(place) = passing.get_mut(&subscriber.name) else { return (Vec::new(), 0) };
        let batch = place.waiting.iter().take(subscriber.batch).cloned().collect();
        (batch, std::mem::take(&mut place.untold))
    }

    /// What waited in memory was heard up to this.
    pub(crate) fn heard(&self, subscriber: &str, last: Id) {
        if let Some(place) = lock(&self.passing).get_mut(subscriber) {
            while place.waiting.front().is_some_and(|it| it.id <= last) {
                place.waiting.pop_front();
            }
        }
    }

    /// How many wait in memory for a subscriber, and how many were dropped.
    pub(crate) fn backlog(&self, subscriber: &str) -> (u64, u64) {
        let passing = lock(&self.passing);
        passing.get(subscriber).map_or((0, 0), |place| (place.waiting.len() as u64, place.dropped))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
