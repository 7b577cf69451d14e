//! Turns to be worked on beside the database, which takes processors. Whoever keeps to what they may send goes before
//! those who are turned away; and of those, who was heard a moment ago and who was not have half of the turns each. So
//! the first moment of a flood, in which a thousand may each send their first, delays nobody for long who was there
//! before, and whoever reports seldom waits behind nobody who never stops. A turn of a crowd's rests before it is the
//! next one's of that crowd, as long as anybody is present: they find a processor that is not busy.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Time;
use tokio::sync::oneshot;

/// How long after it was turned away a sender waits for those who were not.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How long after something of theirs was taken in somebody is there still.
const PRESENT: Duration = Duration::from_secs(10);
/// So many who wait are a crowd.
const CROWD: usize = 32;

/// How long a turn of one of a crowd rests, which is a few times what it takes.
const REST: Duration = Duration::from_millis(2);

/// How somebody who sends behaves.
#[derive(Default)]
pub struct Conduct {
    refusals: AtomicU64,
    /// when it was turned away last, in microseconds since 1970; 0: never
    last: AtomicI64,
    /// when something of its was taken in last, in the same way
    taken: AtomicI64,
}

impl Conduct {
    /// Notes that it sent more than it may.
    pub fn note_refused(&self, now: Time) {
        self.last.store(now.0, Ordering::Relaxed);
        self.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that what came of it at this time was taken in.
    pub fn note_taken(&self, at: Time) {
        self.taken.store(at.0, Ordering::Relaxed);
    }

    fn standing(&self, now: Time) -> Standing {
        match (is_recent(&self.last, REMEMBERED, now), is_recent(&self.taken, PRESENT, now)) {
            (true, _) => Standing::Loud,
            (false, true) => Standing::Present,
            (false, false) => Standing::New,
        }
    }
}

/// Whether something was less than so long ago.
fn is_recent(at: &AtomicI64, how_long: Duration, now: Time) -> bool {
    let at = at.load(Ordering::Relaxed);
    at != 0 && now < Time(at) + how_long
}

/// Who has a turn, and who waits for one.
pub struct Turns(Arc<Mutex<State>>);

struct State {
    count: usize,
    free: usize,
    /// of the free ones, those that are for nobody but who is present; more where those took some of them
    resting: usize,
    /// turns that those have who are new
    news: usize,
    /// when somebody came last who is present
    present: Time,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    of: Arc<Conduct>,
    standing: Standing,
    refusals: u64,
    at: Time,
    call: oneshot::Sender<Turn>,
}

/// Who is before whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Something of theirs was taken in a moment ago.
    Present,
    /// They have not sent for some time.
    New,
    /// They were turned away.
    Loud,
}

impl Waiting {
    /// It may have been turned away since it came.
    fn standing(&self) -> Standing {
        match self.of.refusals.load(Ordering::Relaxed) == self.refusals {
            true => self.standing,
            false => Standing::Loud,
        }
    }
}

impl State {
    /// Whether one is free for somebody who behaves so.
    fn has_one_for(&self, standing: Standing) -> bool {
        match standing {
            Standing::Present => self.free > 0,
            Standing::New | Standing::Loud => self.free > self.resting,
        }
    }

    /// Who waits for a turn that is free.
    fn next(&mut self) -> Option<Waiting> {
        let first = |standing| match self.has_one_for(standing) {
            true => self.waiting.iter().position(|it| it.standing() == standing),
            false => None,
        };
        let (present, new) = (|| first(Standing::Present), || first(Standing::New));
        let place = match self.news < self.count / 2 {
            true => new().or_else(present),
            false => present().or_else(new),
        };
        let place = place.or_else(|| first(Standing::Loud));
        self.waiting.remove(place?)
    }

    /// Gives somebody a turn.
    fn call(&mut self, standing: Standing) {
        self.free -= 1;
        self.news += usize::from(standing == Standing::New);
    }
}

/// A turn, until it is dropped: then it is somebody else's.
pub struct Turn {
    of: Arc<Mutex<State>>,
    standing: Standing,
    /// when who has it came
    at: Time,
}

impl Turn {
    /// Whether it is one of many that are not present: then one can wait a little for the others.
    pub fn is_of_crowd(&self) -> bool {
        self.standing != Standing::Present && lock(&self.of).waiting.len() >= CROWD
    }

    /// Ends it, and rests where it was one of a crowd's and somebody is present.
    pub async fn end(self) {
        if self.is_of_crowd() && self.at < lock(&self.of).present + PRESENT {
            let _rest = Rest::begin(&self.of);
            drop(self);
            tokio::time::sleep(REST).await;
        }
    }
}

/// A turn that is for nobody but who is present, until this is dropped.
struct Rest(Arc<Mutex<State>>);

impl Rest {
    fn begin(of: &Arc<Mutex<State>>) -> Self {
        lock(of).resting += 1;
        Rest(of.clone())
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        lock(&self.0).resting -= 1;
        hand_on(&self.0);
    }
}

impl Turns {
    /// So many at once.
    pub fn of(count: usize) -> Self {
        let (present, waiting) = (Time::MIN, VecDeque::new());
        Turns(Arc::new(Mutex::new(State { count, free: count, resting: 0, news: 0, present, waiting })))
    }

    /// Waits for a turn.
    pub async fn take(&self, of: &Arc<Conduct>, now: Time) -> Turn {
        let standing = of.standing(now);
        loop {
            let waits = {
                let mut state = lock(&self.0);
                if standing == Standing::Present {
                    state.present = now;
                }
                if state.has_one_for(standing) {
                    state.call(standing);
                    return Turn { of: self.0.clone(), standing, at: now };
                }
                let (call, waits) = oneshot::channel();
                let refusals = of.refusals.load(Ordering::Relaxed);
                state.waiting.push_back(Waiting { of: of.clone(), standing, refusals, at: now, call });
                waits
            };
            // nobody lets go of who waits
            if let Ok(turn) = waits.await {
                return turn;
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = lock(&self.of);
            state.free += 1;
            state.news -= usize::from(self.standing == Standing::New);
        }
        hand_on(&self.of);
    }
}

/// Gives a free turn to who waits for one.
fn hand_on(of: &Arc<Mutex<State>>) {
    let mut state = lock(of);
    while let Some(next) = state.next() {
        // whoever waits no more drops what it is given, which needs the lock
        if next.call.is_closed() {
            continue;
        }
        let (standing, at) = (next.standing(), next.at);
        state.call(standing);
        drop(state);
        let _ = next.call.send(Turn { of: of.clone(), standing, at });
        return;
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
        assert!(all_are_free(&turns));
    }

    #[tokio::test]
    async fn who_was_heard_a_moment_ago_and_who_was_not_have_half_of_the_turns_each() {
        let turns = Turns::of(4);
        let [present, new] = [(); 2].map(|()| Arc::new(Conduct::default()));
        present.note_taken(NOW);
        let take = |who| Box::pin(turns.take(who, NOW + Duration::from_secs(9)));
        let mut worked: Vec<Turn> = (0..4).filter_map(|_| take(&new).now_or_never()).collect();
        assert_eq!(worked.len(), 4, "there is nobody else");
        let mut news: Vec<_> = (0..6).map(|_| take(&new)).collect();
        let mut presents: Vec<_> = (0..3).map(|_| take(&present)).collect();
        assert!(news.iter_mut().chain(&mut presents).all(|it| it.now_or_never().is_none()));
        // one turn ends after the other
        let mut order = Vec::new();
        for _ in 0..6 {
            drop(worked.remove(0));
            for (who, all) in [("new", &mut news), ("present", &mut presents)] {
                if let Some(turn) = called(all) {
                    worked.push(turn);
                    order.push(who);
                }
            }
        }
        assert_eq!(order, ["present", "present", "new", "new", "present", "new"]);
        drop((news, worked));
        assert!(all_are_free(&turns));
    }

    #[tokio::test]
    async fn who_was_turned_away_has_no_turns_of_their_own_while_anybody_else_waits() {
        let turns = Turns::of(2);
        let [present, loud] = [(); 2].map(|()| Arc::new(Conduct::default()));
        present.note_taken(NOW);
        loud.note_refused(NOW);
        let take = |who| Box::pin(turns.take(who, NOW));
        let mut worked: Vec<Turn> = (0..2).filter_map(|_| take(&present).now_or_never()).collect();
        let (mut last, mut first) = (take(&loud), take(&present));
        assert!(last.as_mut().now_or_never().is_none() && first.as_mut().now_or_never().is_none());
        drop(worked.pop());
        assert!(last.as_mut().now_or_never().is_none(), "somebody waits who was not turned away");
        worked.extend(first.now_or_never());
        drop(worked);
        drop(last.now_or_never().unwrap());
        assert!(all_are_free(&turns));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_of_a_crowd_rests_for_all_but_who_is_present() {
        let turns = Turns::of(1);
        let [present, new] = [(); 2].map(|()| Arc::new(Conduct::default()));
        present.note_taken(NOW);
        let take = |who| Box::pin(turns.take(who, NOW));
        let turn = take(&new).now_or_never().unwrap();
        let mut crowd: Vec<_> = (0..CROWD + 4).map(|_| take(&new)).collect();
        assert!(called(&mut crowd).is_none());
        turn.end().now_or_never().expect("with nobody present it does not rest");
        let turn = called(&mut crowd).unwrap();
        let mut first = take(&present);
        assert!(first.as_mut().now_or_never().is_none());
        let mut rest = Box::pin(turn.end());
        assert!(rest.as_mut().now_or_never().is_none());
        drop(first.now_or_never().expect("for who is present it does not rest"));
        assert!(called(&mut crowd).is_none(), "for others it does");
        drop(take(&present).now_or_never().expect("nor for who comes meanwhile"));
        rest.await;
        let turn = called(&mut crowd).expect("after a rest it is the next one's");
        let mut rest = Box::pin(turn.end());
        assert!(rest.as_mut().now_or_never().is_none() && called(&mut crowd).is_none());
        drop(rest);
        let turn = called(&mut crowd).expect("who goes away rests no more");
        drop((crowd, turn));
        assert!(all_are_free(&turns));
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
        assert!(all_are_free(&turns));
    }

    /// The first of those who wait that has been given its turn.
    fn called(all: &mut Vec<impl Future<Output = Turn> + Unpin>) -> Option<Turn> {
        let called = all.iter_mut().enumerate().find_map(|(n, it)| Some((n, it.now_or_never()?)));
        let (n, turn) = called?;
        drop(all.remove(n));
        Some(turn)
    }

    fn all_are_free(turns: &Turns) -> bool {
        let state = lock(&turns.0);
        (state.free, state.resting, state.news, state.waiting.len()) == (state.count, 0, 0, 0)
    }
}
