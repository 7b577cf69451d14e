//! Couriers, a task for each subscriber: they tell what its rows say, in order, again and again until it was heard.

use std::time::Duration;

use model::{Id, Notice, Time, Topic};
use sdk::Subscriber;
use serde_json::Value;
use store::notices::Taking;
use store::{Durability, Result, StoreError, Tx};

use super::Hub;

/// Notices of one subscriber that wait, at the most: beyond, the oldest go, and are counted.
pub const MAX_WAITING: i64 = 100_000;
/// Bytes of them, at the most: 256 MiB.
const MAX_WAITING_BYTES: i64 = 256 * 1024 * 1024;
/// How often a courier looks for rows, whether rung or not.
const LOOK: Duration = Duration::from_secs(3);
/// How soon a batch that was not heard is told again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How late it is at the most.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long a listener may take.
const LONGEST_HEARING: Duration = Duration::from_secs(45);
/// How long no other node tells a subscriber that one is telling: longer than that may take.
const LEASE: Duration = Duration::from_secs(60);
/// How long a listener may go on when the hub stops.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often it is looked whether too much waits.
const TRIM: Duration = Duration::from_secs(10);
/// How often subscribers that are wanted are noted, and others forgotten.
const TEND: Duration = Duration::from_secs(60);
/// How long one that nobody wants is remembered, with what it was to be told.
const FORGET_AFTER: Duration = Duration::from_secs(86_400);
/// Notices of one subscriber that are forgotten in one step.
const FORGET_STEP: i64 = 1_000;

/// How a subscriber is getting on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// What it is called.
    pub name: String,
    /// What it hears of.
    pub topics: Vec<Topic>,
    /// Notices that wait for it.
    pub waiting: u64,
    /// Notices that were dropped, since too many waited.
    pub dropped: u64,
}

/// What a courier did.
enum Brought {
    /// There was something, and it was heard.
    Some,
    /// There was nothing to tell, or another node is at it.
    Nothing,
    /// It was not heard.
    NotHeard,
}

impl Hub {
    /// Tells subscribers of something in passing: it is kept in memory only. Nothing is worked out when nobody
    /// listens.
    pub fn in_passing(&self, topic: Topic, at: Time, data: impl FnOnce() -> Value) {
        let live = self.core.live();
        if live.is_heard(topic) {
            let notice = Notice { id: self.core.id(at), topic, at, data: data().to_string() };
            self.core.couriers.keep(&live, &notice);
        }
    }

    /// Sends a courier to each subscriber that has none.
    pub(crate) fn attend(&self) {
        for it in self.core.live().subscribers.iter() {
            if self.core.couriers.begins(&it.name) {
                self.tracker.spawn(self.clone().courier(it.name.clone()));
            }
        }
    }

    /// How the subscribers of this node whose names begin so are getting on.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn subscribed(&self, prefix: &str) -> Result<Vec<Subscribed>> {
        let mut all = Vec::new();
        let live = self.core.live();
        for it in live.subscribers.iter().filter(|it| it.name.starts_with(prefix)) {
            let name = it.name.clone();
            let (waiting, dropped) = self.store.read(move |tx| store::notices::backlog(tx, &name)).await?;
            let passing = self.core.couriers.backlog(&it.name);
            all.push(Subscribed {
                name: it.name.clone(),
                topics: it.topics.clone(),
                waiting: waiting.unsigned_abs() + passing.0,
                dropped: dropped.unsigned_abs() + passing.1,
            });
        }
        Ok(all)
    }

    async fn courier(self, name: String) {
        let mut bell = self.core.couriers.bell();
        let (mut pause, mut trimmed) = (FIRST_PAUSE, None);
        while !self.stop.is_cancelled() {
            // what is rung for from here on is not in the rows that are read now
            bell.mark_unchanged();
            let Some(subscriber) = self.core.live().subscriber(&name).cloned() else {
                let is_wanted = || self.core.live().subscriber(&name).is_some();
                if self.core.couriers.leaves(&name, is_wanted) {
                    return;
                }
                continue;
            };
            let brought = self.bring(&subscriber, &mut trimmed).await.unwrap_or_else(|error| {
                self.core.counters.failures.add("courier", 1);
                tracing::warn!(%error, subscriber = name, "what it is to be told cannot be read");
                Brought::NotHeard
            });
            let (wait, hears) = match brought {
                Brought::Some => {
                    pause = FIRST_PAUSE;
                    continue;
                }
                Brought::Nothing => (LOOK, true),
                Brought::NotHeard => (pause, false),
            };
            if !hears {
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(wait) => {}
                _ = bell.changed(), if hears => {}
            }
        }
    }

    /// Tells one batch of rows, and one of what waits in memory.
    async fn bring(&self, subscriber: &Subscriber, trimmed: &mut Option<Time>) -> Result<Brought> {
        let rows = self.bring_rows(subscriber, trimmed).await?;
        let (passing, lost) = self.core.couriers.batch(subscriber);
        if lost > 0 {
            subscriber.listener.lost(lost);
        }
        if passing.is_empty() || matches!(rows, Brought::NotHeard) {
            return Ok(rows);
        }
        let heard = self.taken_of(subscriber, &passing).await;
        let Some(last) = heard.checked_sub(1).and_then(|last| passing.get(last)) else {
            return Ok(Brought::NotHeard);
        };
        self.core.couriers.heard(&subscriber.name, last.id);
        Ok(Brought::Some)
    }

    async fn bring_rows(&self, subscriber: &Subscriber, trimmed: &mut Option<Time>) -> Result<Brought> {
        let name = subscriber.name.clone();
        if !self.store.read(move |tx| store::notices::is_waiting(tx, &name)).await? {
            return Ok(Brought::Nothing);
        }
        let now = self.clock.now();
        if trimmed.is_none_or(|at| now < at || now.since(at) >= TRIM) {
            *trimmed = Some(now);
            self.trim(subscriber).await?;
        }
        let (it, node) = (subscriber.clone(), self.store.node());
        let take = self.store.write(Durability::Lazy, move |tx| {
            let (subscriber, batch, bytes) = (it.name.as_str(), it.batch, it.batch_bytes);
            let lease_until = now + LEASE;
            store::notices::take(tx, &Taking { subscriber, node, at: now, lease_until, batch, bytes })
        });
        let batch = take.await?;
        if batch.is_empty() {
            return Ok(Brought::Nothing);
        }
        let heard = self.taken_of(subscriber, &batch).await;
        let ids: Vec<Id> = batch.iter().take(heard).map(|it| it.id).collect();
        let name = subscriber.name.clone();
        if heard > 0 {
            self.note_heard(name, ids).await?;
            return Ok(Brought::Some);
        }
        let give = self.store.write(Durability::Lazy, move |tx| store::notices::give_back(tx, &name, node));
        give.await?;
        Ok(Brought::NotHeard)
    }

    /// Drops what is too much.
    async fn trim(&self, subscriber: &Subscriber) -> Result<()> {
        let name = subscriber.name.clone();
        let excess = move |tx: &mut Tx<'_>| store::notices::excess(tx, &name, MAX_WAITING, MAX_WAITING_BYTES);
        let Some(last) = self.store.read(excess).await? else { return Ok(()) };
        let name = subscriber.name.clone();
        let drop = move |tx: &mut Tx<'_>| store::notices::drop_until(tx, &name, last);
        let lost = self.store.write(Durability::Lazy, drop).await?;
        if lost > 0 {
            subscriber.listener.lost(lost);
        }
        Ok(())
    }

    /// What was heard must not come again, however long the database is away.
    async fn note_heard(&self, name: String, ids: Vec<Id>) -> Result<()> {
        loop {
            let (of, heard, node) = (name.clone(), ids.clone(), self.store.node());
            let noted =
                self.store.write(Durability::Disk, move |tx| store::notices::heard(tx, &of, node, &heard));
            match noted.await {
                Err(StoreError::Unavailable(_)) if !self.stop.is_cancelled() => {
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// How many of a batch, from the first on, a listener took.
    async fn taken_of(&self, subscriber: &Subscriber, batch: &[Notice]) -> usize {
        let stopped = async {
            self.stop.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let heard = tokio::time::timeout(LONGEST_HEARING, subscriber.listener.hear(batch));
        tokio::select! {
            heard = heard => match heard {
                Ok(Ok(count)) => count,
                Ok(Err(why)) => {
                    tracing::debug!(subscriber = subscriber.name, why, "notices were not heard");
                    0
                }
                Err(_) => {
                    tracing::debug!(subscriber = subscriber.name, "notices were not heard in time");
                    0
                }
            },
            () = stopped => 0,
        }
    }

    /// Notes which subscribers are wanted, and forgets those that nobody has wanted for long.
    pub(crate) async fn tends_subscribers(self) {
        let mut beat = tokio::time::interval(TEND);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = beat.tick() => {}
            }
            let (live, now) = (self.core.live(), self.clock.now());
            let tended = self.store.write(Durability::Lazy, move |tx| {
                store::notices::see(tx, &live.subscriber_names(), now)?;
                store::notices::sweep(tx, now - FORGET_AFTER, FORGET_STEP)
            });
            if let Err(error) = tended.await {
                tracing::warn!(%error, "subscribers could not be tended");
            }
        }
    }
}
