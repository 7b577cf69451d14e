//! Turns to be worked on beside the database, which takes processors. Whoever keeps to what they may send goes before
//! those who are turned away: the first moment of a flood, while all of it may still come in, delays nobody for long.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Time;
use tokio::sync::oneshot;

/// How long after it was turned away a sender waits for those who were not.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How somebody who sends behaves.
#[derive(Default)]
pub struct Conduct {
    refusals: AtomicU64,
    /// when it was turned away last, in microseconds since 1970; 0: never
    last: AtomicI64,
}

impl Conduct {
    /// Notes that it sent more than it may.
    pub fn note_refused(&self, now: Time) {
        self.last.store(now.0, Ordering::Relaxed);
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    fn is_loud(&self, now: Time) -> bool {
        let last = self.last.load(Ordering::Relaxed);
        last != 0 && now < Time(last) + REMEMBERED
    }
}

/// Who has a turn, and who waits for one.
pub struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    of: Arc<Conduct>,
    was_loud: bool,
    refusals: u64,
    call: oneshot::Sender<Turn>,
}

impl Waiting {
    /// Whether it was turned away, before or since it came.
    fn is_loud(&self) -> bool {
        self.was_loud || self.of.refusals.load(Ordering::Relaxed) != self.refusals
    }
}

/// A turn, until it is dropped: then it is somebody else's.
pub struct Turn(Arc<Mutex<State>>);

impl Turns {
    /// So many at once.
    pub fn of(count: usize) -> Self {
        Turns(Arc::new(Mutex::new(State { free: count, waiting: VecDeque::new() })))
    }

    /// Waits for a turn.
    pub async fn take(&self, of: &Arc<Conduct>, now: Time) -> Turn {
        let waits = {
            let mut state = lock(&self.0);
            if state.free > 0 {
                state.free -= 1;
                return Turn(self.0.clone());
            }
            let (call, waits) = oneshot::channel();
            let refusals = of.refusals.load(Ordering::Relaxed);
            state.waiting.push_back(Waiting { of: of.clone(), was_loud: of.is_loud(now), refusals, call });
            waits
        };
        match waits.await {
            Ok(turn) => turn,
            // nobody lets go of who waits: a turn that is too many is better than none for ever
            Err(_) => Turn(self.0.clone()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        loop {
            let next = state.waiting.iter().position(|it| !it.is_loud()).unwrap_or(0);
            let Some(next) = state.waiting.remove(next) else {
                state.free += 1;
                return;
            };
            // whoever waits no more drops what it is given, which needs the lock
            if next.call.is_closed() {
                continue;
            }
            drop(state);
            let _ = next.call.send(Turn(self.0.clone()));
            return;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const NOW: Time = Time(1_790_000_000_000_000);

    #[tokio::test]
    async fn who_keeps_to_its_limit_goes_before_who_was_turned_away_and_nobody_is_forgotten() {
        let turns = Turns::of(1);
        let [loud, other, quiet] = [(); 3].map(|()| Arc::new(Conduct::default()));
        let works = turns.take(&loud, NOW).now_or_never().unwrap();
        let mut first = Box::pin(turns.take(&loud, NOW));
        let mut second = Box::pin(turns.take(&other, NOW));
        let mut third = Box::pin(turns.take(&quiet, NOW));
        assert!([&mut first, &mut second, &mut third].iter_mut().all(|it| it.now_or_never().is_none()));
        // the first is turned away while it waits
        loud.note_refused(NOW);
        drop(works);
        let works = second.now_or_never().unwrap();
        drop(works);
        let works = third.now_or_never().unwrap();
        assert!(first.as_mut().now_or_never().is_none());
        // who was turned away a minute ago is not turned away any more
        let mut later = Box::pin(turns.take(&loud, NOW + REMEMBERED));
        assert!(later.as_mut().now_or_never().is_none());
        drop(works);
        let works = later.now_or_never().unwrap();
        drop(works);
        drop(first.now_or_never().unwrap());
        assert_eq!(lock(&turns.0).free, 1);
    }

    #[tokio::test]
    async fn a_turn_of_who_waits_no_more_is_the_next_ones() {
        let turns = Turns::of(1);
        let who = Arc::new(Conduct::default());
        let works = turns.take(&who, NOW).await;
        let mut gone = Box::pin(turns.take(&who, NOW));
        let mut called = Box::pin(turns.take(&who, NOW));
        let mut last = Box::pin(turns.take(&who, NOW));
        assert!([&mut gone, &mut called, &mut last].iter_mut().all(|it| it.now_or_never().is_none()));
        drop(gone);
        drop(works);
        // it has been given its turn and goes before it looks
        drop(called);
        drop(last.now_or_never().unwrap());
        assert_eq!(lock(&turns.0).free, 1);
    }
}
