//! The other end of a wire: what was asked of a plugin and not answered yet.
//!
//! A question has a waiter, who may give up, and holds a place among those that may be asked at once until it is
//! *answered*: whoever does not answer is not asked more. How many questions nobody waits for any more is how sick a
//! plugin
//! is, whatever it says of its health.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plugin_protocol::calls::{CANCEL, Call, CancelParams, Drain, Health, Hello, Shutdown};
use plugin_protocol::{Fault, RpcId, wire};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use crate::chain::Chain;

/// Messages that may wait to be written.
pub const MAX_UNWRITTEN: usize = 256;
/// Whoever had less time than this is not measured by it: asked for something at the last moment, a plugin is late, and
/// not sick.
const SHORTEST_MEASURE: Duration = Duration::from_secs(1);
/// Chains that are remembered after the plugin has answered: it may do something about what it heard a little later.
const MAX_REMEMBERED: usize = 256;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The plugin answered with an error.
    #[error("{0}")]
    Fault(Fault),
    /// It did not answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// It has ended.
    #[error("the plugin has ended: {0}")]
    Gone(String),
    /// Its answer is not what was asked for.
    #[error("its answer cannot be read: {0}")]
    Unreadable(String),
}

type Waiter = oneshot::Sender<Result<Box<RawValue>, Unanswered>>;

struct Pending {
    waiter: Waiter,
    /// its place among those that may be asked at once
    _permit: Option<OwnedSemaphorePermit>,
    method: &'static str,
    asked_at: Instant,
    limit: Duration,
    /// how many deliveries it is about
    deliveries: u32,
    abandoned: bool,
    chain: Chain,
}

impl Pending {
    /// Whether it is work, by which progress is seen: everything but what begins, ends and measures a life.
    fn is_work(&self) -> bool {
        ![Hello::METHOD, Health::METHOD, Drain::METHOD, Shutdown::METHOD].contains(&self.method)
    }
}

#[derive(Default)]
struct Table {
    pending: HashMap<i64, Pending>,
    /// chains of what was answered, of those that have any links, the oldest first
    answered: VecDeque<(i64, Chain)>,
    /// why nothing can be asked any more
    closed: Option<String>,
}

/// How a plugin is getting on with what it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How much of its work nobody waits for any more.
    pub given_up: u32,
    /// Deliveries among that, for which the time is over.
    pub overdue: u32,
    /// By how many times its limit the latest of its work is late.
    pub late: u32,
    /// What that is.
    pub latest: &'static str,
}

/// One wire.
pub struct Peer {
    table: Mutex<Table>,
    next: AtomicI64,
    unwritten: mpsc::Sender<String>,
    /// rung when somebody gives up waiting
    pub given_up: Notify,
    /// answers that nobody asked for
    pub strays: AtomicU64,
}

/// What is asked, beside its words.
#[derive(Default)]
pub struct Terms {
    /// How long it may take.
    pub limit: Duration,
    /// Its place among those that may be asked at once.
    pub permit: Option<OwnedSemaphorePermit>,
    /// How many deliveries it is about.
    pub deliveries: u32,
    /// At the end of which chain it is asked.
    pub chain: Chain,
}

impl Terms {
    /// So long.
    pub fn within(limit: Duration) -> Self {
        Terms { limit, ..Terms::default() }
    }
}

impl Peer {
    /// A wire, and what is to be written to it.
    pub fn new() -> (Self, mpsc::Receiver<String>) {
        let (unwritten, lines) = mpsc::channel(MAX_UNWRITTEN);
        let peer = Peer {
            table: Mutex::default(),
            next: AtomicI64::new(1),
            unwritten,
            given_up: Notify::new(),
            strays: AtomicU64::new(0),
        };
        (peer, lines)
    }

    /// Asks.
    ///
    /// # Errors
    /// When there is no answer, or one that is an error.
    pub async fn ask<C: Call>(&self, params: &C::Params, limit: Duration) -> Result<C::Answer, Unanswered> {
        self.ask_on::<C>(params, Terms::within(limit)).await
    }

    /// The same on other terms than a limit.
    ///
    /// # Errors
    /// As [`Peer::ask`].
    pub async fn ask_on<C: Call>(&self, params: &C::Params, terms: Terms) -> Result<C::Answer, Unanswered> {
        let answer = self.ask_raw(C::METHOD, params, terms).await?;
        serde_json::from_str(answer.get()).map_err(|error| Unanswered::Unreadable(error.to_string()))
    }

    /// Whether it has something to do, be it that nobody waits for it any more.
    pub fn is_busy(&self) -> bool {
        self.lock().pending.values().any(Pending::is_work)
    }

    /// The same for what has no type.
    ///
    /// # Errors
    /// As [`Peer::ask`].
    pub async fn ask_raw(
        &self,
        method: &'static str,
        params: &impl Serialize,
        terms: Terms,
    ) -> Result<Box<RawValue>, Unanswered> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let line = wire::request(&RpcId::Number(id), method, params).map_err(Unanswered::Fault)?;
        let limit = terms.limit;
        let (waiter, mut answer) = oneshot::channel();
        self.enter(id, method, waiter, terms)?;
        // also when whoever waits is dropped
        let mut giving_up = GivingUp { peer: self, id, now: Step::Unsaid };
        let waiting = async {
            if self.unwritten.send(line).await.is_err() {
                self.close("its input is closed");
            }
            giving_up.now = Step::Said;
            (&mut answer).await
        };
        let waited = tokio::time::timeout(limit, waiting).await;
        match waited {
            Ok(answered) => {
                giving_up.now = Step::Over;
                answered.unwrap_or_else(|_| Err(Unanswered::Gone("the wire is closed".to_owned())))
            }
            Err(_) => Err(Unanswered::TimedOut(limit)),
        }
    }

    fn enter(&self, id: i64, method: &'static str, waiter: Waiter, terms: Terms) -> Result<(), Unanswered> {
        let mut table = self.lock();
        if let Some(why) = &table.closed {
            return Err(Unanswered::Gone(why.clone()));
        }
        let Terms { limit, permit, deliveries, chain } = terms;
        let asked_at = Instant::now();
        let abandoned = false;
        let pending =
            Pending { waiter, _permit: permit, method, asked_at, limit, deliveries, abandoned, chain };
        table.pending.insert(id, pending);
        Ok(())
    }

    /// An answer has come.
    pub fn answered(&self, id: &RpcId, result: Result<Box<RawValue>, Fault>) {
        let found = match id {
            RpcId::Number(number) => {
                let mut table = self.lock();
                let found = table.pending.remove(number);
                if let Some(pending) = found.as_ref().filter(|it| it.chain.length() > 0) {
                    if table.answered.len() == MAX_REMEMBERED {
                        table.answered.pop_front();
                    }
                    table.answered.push_back((*number, pending.chain.clone()));
                }
                found
            }
            RpcId::Text(_) => None,
        };
        match found {
            // nobody waits for it any more: so it came late
            Some(pending) => drop(pending.waiter.send(result.map_err(Unanswered::Fault))),
            None => drop(self.strays.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The chain at whose end something was asked; what is not known, or is forgotten, is at the end of none.
    pub fn chain(&self, id: &RpcId) -> Chain {
        let RpcId::Number(number) = id else { return Chain::default() };
        let table = self.lock();
        let answered = || table.answered.iter().find(|(it, _)| it == number).map(|(_, chain)| chain);
        table.pending.get(number).map(|it| &it.chain).or_else(answered).cloned().unwrap_or_default()
    }

    /// Says a line, if there is room.
    pub async fn say(&self, line: String) {
        // when the wire is closed, nobody is left to hear it
        let _ = self.unwritten.send(line).await;
    }

    /// Says a line if there is room for it now.
    pub fn try_say(&self, line: String) {
        // one that does not read does not hear
        let _ = self.unwritten.try_send(line);
    }

    /// Nothing will be answered any more: everybody who waits is told why.
    pub fn close(&self, why: &str) {
        let mut table = self.lock();
        table.closed.get_or_insert_with(|| why.to_owned());
        let pending = std::mem::take(&mut table.pending);
        drop(table);
        for pending in pending.into_values() {
            // one that has given up does not hear it
            let _ = pending.waiter.send(Err(Unanswered::Gone(why.to_owned())));
        }
    }

    /// How it is getting on.
    pub fn progress(&self) -> Progress {
        let table = self.lock();
        let now = Instant::now();
        let mut progress = Progress::default();
        for pending in table.pending.values().filter(|pending| pending.abandoned && pending.is_work()) {
            progress.given_up += 1;
            let limit = pending.limit.max(SHORTEST_MEASURE).as_millis();
            let times = now.duration_since(pending.asked_at).as_millis() / limit;
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            if times > 0 {
                progress.overdue += pending.deliveries;
            }
            if times > progress.late {
                (progress.late, progress.latest) = (times, pending.method);
            }
        }
        progress
    }

    fn give_up(&self, id: i64) {
        {
            let mut table = self.lock();
            let Some(pending) = table.pending.get_mut(&id) else { return };
            pending.abandoned = true;
        }
        self.given_up.notify_one();
        if let Ok(line) = wire::notification(CANCEL, &CancelParams { id: RpcId::Number(id) }) {
            // a plugin that reads nothing is not helped by being told more
            let _ = self.unwritten.try_send(line);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct GivingUp<'a> {
    peer: &'a Peer,
    id: i64,
    now: Step,
}

/// How far a question has come.
enum Step {
    /// There was no room for it yet.
    Unsaid,
    /// It is asked.
    Said,
    /// It is answered, or never will be.
    Over,
}

impl Drop for GivingUp<'_> {
    fn drop(&mut self) {
        match self.now {
            // what nobody heard nobody will answer
            Step::Unsaid => drop(self.peer.lock().pending.remove(&self.id)),
            Step::Said => self.peer.give_up(self.id),
            Step::Over => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_protocol::calls::{Health, Nothing};
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn null() -> Box<RawValue> {
        RawValue::NULL.to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_reaches_whoever_asked_and_no_other() {
        let (peer, mut lines) = Peer::new();
        let second = Duration::from_secs(1);
        let asked = async {
            tokio::join!(peer.ask::<Health>(&Nothing {}, second), peer.ask::<Health>(&Nothing {}, second))
        };
        let answers = async {
            lines.recv().await;
            lines.recv().await;
            // the other way round, and one that nobody asked for
            for (id, status) in [(7, "stray"), (2, "two"), (1, "one")] {
                let health = RawValue::from_string(format!(r#"{{"status": "{status}"}}"#)).unwrap();
                peer.answered(&RpcId::Number(id), Ok(health));
            }
        };
        let ((one, two), ()) = tokio::join!(asked, answers);
        assert_eq!((one.unwrap().status, two.unwrap().status), ("one".to_owned(), "two".to_owned()));
        assert_eq!(peer.strays.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_held_until_the_answer_comes_however_late() {
        let (peer, mut lines) = Peer::new();
        let places = Arc::new(Semaphore::new(1));
        let permit = places.clone().try_acquire_owned().ok();
        let terms = Terms { limit: Duration::from_secs(1), permit, deliveries: 1, ..Terms::default() };
        let answer = peer.ask_raw("deliver", &Nothing {}, terms).await;
        assert_eq!(answer.err(), Some(Unanswered::TimedOut(Duration::from_secs(1))));
        assert!(lines.recv().await.is_some_and(|line| line.contains("deliver")));
        assert!(lines.recv().await.is_some_and(|line| line.contains(CANCEL)));
        tokio::time::advance(Duration::from_secs(2)).await;
        let late = Progress { given_up: 1, overdue: 1, late: 3, latest: "deliver" };
        assert_eq!(peer.progress(), late);
        assert_eq!(places.available_permits(), 0);
        peer.answered(&RpcId::Number(1), Ok(null()));
        assert_eq!(peer.progress(), Progress::default());
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_is_no_delivery_is_late_too_and_a_question_for_health_is_not() {
        let second = || Terms::within(Duration::from_secs(1));
        for method in ["events", "request", "check", "test", "ticket", "validate", "configure"] {
            let (peer, _lines) = Peer::new();
            assert!(peer.ask::<Health>(&Nothing {}, Duration::from_secs(1)).await.is_err());
            assert_eq!((peer.progress(), peer.is_busy()), (Progress::default(), false));
            assert!(peer.ask_raw(method, &Nothing {}, second()).await.is_err());
            tokio::time::advance(Duration::from_secs(2)).await;
            let late = Progress { given_up: 1, overdue: 0, late: 3, latest: method };
            assert_eq!((peer.progress(), peer.is_busy()), (late, true));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_at_the_last_moment_is_no_sickness_before_it_had_time() {
        let (peer, _lines) = Peer::new();
        let terms = Terms { deliveries: 1, ..Terms::within(Duration::from_millis(10)) };
        assert!(peer.ask_raw("deliver", &Nothing {}, terms).await.is_err());
        tokio::time::advance(Duration::from_millis(900)).await;
        assert_eq!(peer.progress(), Progress { given_up: 1, ..Progress::default() });
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!((peer.progress().overdue, peer.progress().late), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn the_chain_of_what_was_asked_is_known_also_a_while_after_its_answer() {
        let (peer, mut lines) = Peer::new();
        let last = i64::try_from(MAX_REMEMBERED).unwrap() + 3;
        for id in 1..=last {
            let length = if id == 2 { 0 } else { 3 };
            let terms = Terms { chain: Chain::of(length), ..Terms::within(Duration::from_secs(1)) };
            let id = RpcId::Number(id);
            let answers = async {
                lines.recv().await;
                assert_eq!(peer.chain(&id).length(), length);
                peer.answered(&id, Ok(null()));
            };
            let (answer, ()) = tokio::join!(peer.ask_raw("events", &Nothing {}, terms), answers);
            assert!(answer.is_ok());
        }
        let length = |id: i64| peer.chain(&RpcId::Number(id)).length();
        assert_eq!([length(1), length(2), length(4), length(last), length(last + 1)], [0, 0, 3, 3, 0]);
        assert_eq!(peer.chain(&RpcId::Text("4".to_owned())).length(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_everybody_is_told_at_once() {
        let (peer, _lines) = Peer::new();
        let asked = peer.ask::<Health>(&Nothing {}, Duration::from_secs(60));
        let (answer, ()) = tokio::join!(asked, async { peer.close("killed by signal 9") });
        assert_eq!(answer, Err(Unanswered::Gone("killed by signal 9".to_owned())));
        let answer = peer.ask::<Health>(&Nothing {}, Duration::from_secs(60)).await;
        assert_eq!(answer, Err(Unanswered::Gone("killed by signal 9".to_owned())));
    }
}
