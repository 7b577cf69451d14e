//! The driver: runs the steps when rung and periodically, and gives doors their way in.
//!
//! A bell is a hint. What a lost ring would have started is found at the next look, at most a second later.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use model::account::Actor;
use model::{Incident, NewEvent, Time};
use sdk::registry::Ready;
use sdk::{Answer, Context, Inbox, Message, http::Http};
use store::retention::Keep;
use store::{Durability, Result, Store, StoreError};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::core::Core;
use crate::deliver::note::Note;
use crate::deliver::recorder::{self, MAX_UNRECORDED};
use crate::deliver::service::{Service, one_try};
use crate::ingest::{self, Accepted, Arrivals, Done};
use crate::live::Live;
use crate::tracked::report::Report;

mod act;
mod answers;
mod bells;
mod couriers;
mod hear;
pub(crate) mod intake;
mod once;

pub use act::Act;
pub use couriers::{MAX_WAITING, Subscribed};
pub use once::{Once, Taken};

/// How often the steps run, whether rung or not.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long after a failure the steps are run again.
const RETRY: Duration = Duration::from_millis(500);
/// Live updates that a slow listener may fall behind before it misses some.
const UPDATES: usize = 1024;
/// Requests that may be inside [`Hub::accept`] at once; more are turned away.
pub const MAX_ACCEPTING: usize = 4096;
/// How often retention sweeps.
const SWEEP: Duration = Duration::from_secs(60);
/// Incidents that go in one step of a sweep.
const SWEEP_STEP: i64 = 200;

/// Configurations that are kept whether anything refers to them or not, to be gone back to.
const KEPT_CONFIGURATIONS: i64 = 50;

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Resolved incidents with all that belongs to them.
    pub resolved: Duration,
    /// Events that only repeated what was known.
    pub repeats: Duration,
    /// Resolved incidents at the most; zero: any number.
    pub most_incidents: i64,
    /// Bytes that the embedded database may take; zero: any number.
    pub most_bytes: i64,
    /// Lines of the audit log.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Retention { resolved: day * 90, repeats: day, most_incidents: 0, most_bytes: 0, audit: day * 365 }
    }
}

/// Something that moved, for those who watch.
#[derive(Clone, Debug)]
pub struct Update {
    /// The incident as it is now.
    pub incident: Incident,
    /// What happened to it, in words.
    pub changes: Vec<&'static str>,
}

/// A running hub: the flow on one node. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    /// What the steps share.
    pub core: Arc<Core>,
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    http: Http,
    bell: Arc<Notify>,
    /// When the steps look next by themselves, as [`Time`]; the greatest number while they are looking
    looks_at: Arc<AtomicI64>,
    notes: mpsc::UnboundedSender<Note>,
    updates: broadcast::Sender<Update>,
    accepting: Arc<tokio::sync::Semaphore>,
    intake: intake::Intake<Arrivals>,
    /// Errors that wait to be written.
    pub(crate) reports: intake::Intake<Arc<Report>>,
    tracker: TaskTracker,
    stop: CancellationToken,
    /// In whose name things are done
    actor: Arc<Actor>,
    /// At the end of how long a chain of what plugins do
    chain: u32,
}

/// What is done when a heartbeat is heard of.
type Heard = fn(&Core, &mut store::Tx<'_>, &str, Time) -> Result<Done>;

/// Why events were not taken in.
#[derive(Debug, thiserror::Error)]
pub enum NotAccepted {
    /// Too many requests are waiting for the database.
    #[error("too many requests are waiting, try again in a moment")]
    Busy,
    /// The database is gone or full.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Hub {
    /// Puts the rules in force and starts the steps.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn start(
        store: Store,
        live: Live,
        http: Http,
        clock: Arc<dyn Clock>,
        retention: Retention,
    ) -> Result<Hub> {
        let core = Arc::new(Core::new(store.node(), live));
        let (notes, inbox_of_notes) = mpsc::unbounded_channel();
        let (records, to_record) = mpsc::channel(MAX_UNRECORDED * 2);
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let hub = Hub {
            core: core.clone(),
            store: store.clone(),
            clock: clock.clone(),
            http: http.clone(),
            bell: Arc::new(Notify::new()),
            looks_at: Arc::new(AtomicI64::new(i64::MAX)),
            notes: notes.clone(),
            updates: broadcast::channel(UPDATES).0,
            accepting: Arc::new(tokio::sync::Semaphore::new(MAX_ACCEPTING)),
            intake: intake::Intake::default(),
            reports: intake::Intake::default(),
            tracker: tracker.clone(),
            stop: stop.clone(),
            actor: Arc::new(Actor::default()),
            chain: 0,
        };
        hub.begin().await?;
        hub.know_projects().await?;
        let inbox = Arc::new(StoreInbox { store: store.clone(), core: core.clone() });
        tracker.spawn(recorder::run(core.clone(), store.clone(), to_record, notes.downgrade()));
        let (way_out, tasks) = (http.clone(), tracker.clone());
        let service =
            Service { core, store, clock, http: way_out, inbox, tracker: tasks, notes, records, stop };
        tracker.spawn(service.run(inbox_of_notes));
        tracker.spawn(hub.clone().steps());
        tracker.spawn(hub.clone().sweeps(retention));
        tracker.spawn(hub.clone().follow_calendars(http.clone()));
        tracker.spawn(hub.clone().watch_self(http));
        tracker.spawn(hub.clone().tends_subscribers());
        hub.attend();
        if hub.store.engine() == store::Engine::Postgres {
            tracker.spawn(hub.clone().listens());
        }
        Ok(hub)
    }

    /// Takes events in: when this returns, they are on disk.
    ///
    /// # Errors
    /// When too many are waiting already, or the database is gone or full: then none of them is kept.
    pub async fn accept(&self, events: Vec<NewEvent>) -> std::result::Result<Vec<Accepted>, NotAccepted> {
        let _place = self.place_to_accept()?;
        Ok(self.take_in(events).await?)
    }

    /// A place among those that are taken in at once.
    pub(crate) fn place_to_accept(
        &self,
    ) -> std::result::Result<tokio::sync::SemaphorePermit<'_>, NotAccepted> {
        self.accepting.try_acquire().map_err(|_| NotAccepted::Busy)
    }

    /// Reads the projects again if one has changed, so that what was just done to one holds here at once.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn know_projects(&self) -> Result<()> {
        let core = self.core.clone();
        self.store.read(move |tx| core.projects(tx).map(drop)).await
    }

    /// Takes a ping of a heartbeat in; `false`: there is none of this name.
    ///
    /// # Errors
    /// As [`Hub::accept`].
    pub async fn beat(&self, name: &str) -> std::result::Result<bool, NotAccepted> {
        self.heard_of(name, ingest::beat).await
    }

    /// Takes in that the job of a heartbeat failed; `false`: there is none of this name.
    ///
    /// # Errors
    /// As [`Hub::accept`].
    pub async fn fail(&self, name: &str) -> std::result::Result<bool, NotAccepted> {
        self.heard_of(name, ingest::fail).await
    }

    async fn heard_of(&self, name: &str, take: Heard) -> std::result::Result<bool, NotAccepted> {
        if !self.core.live().heartbeats.iter().any(|it| it.name == name) {
            return Ok(false);
        }
        let (core, now, name) = (self.core.clone(), self.clock.now(), name.to_owned());
        let result = self.store.write(Durability::Disk, move |tx| take(&core, tx, &name, now)).await;
        let done = self.noted(result)?;
        self.follow(done);
        Ok(true)
    }

    /// One try of a message at a place that need not be configured, at once and beside all deliveries: nothing of it is
    /// kept, and it is not tried again.
    pub async fn try_once(
        &self,
        ready: Arc<dyn Ready>,
        message: Message,
        options: serde_json::Value,
        limit: Duration,
        destination: &str,
    ) -> Answer {
        let context = Context {
            http: self.http.clone(),
            inbox: Arc::new(StoreInbox { store: self.store.clone(), core: self.core.clone() }),
            now: self.clock.now(),
            timeout: limit,
            destination: destination.to_owned(),
            people: Arc::default(),
        };
        one_try(ready.test(&context, &message, &options), limit).await
    }

    /// What moves from now on.
    pub fn updates(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }

    /// Makes the steps look now.
    pub fn ring(&self) {
        self.bell.notify_one();
    }

    /// Stops the steps and waits for what is under way, at most this long; says whether all of it ended.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }

    /// Has something done that shutdown waits for.
    pub(crate) fn spawned<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tracker.spawn(work)
    }

    /// Waits until the hub is told to stop.
    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// What was read in a transaction that was undone must not be remembered.
    pub(crate) fn noted<T>(&self, result: Result<T>) -> Result<T> {
        result.inspect_err(|_| self.core.forget())
    }

    pub(crate) fn follow(&self, done: Done) {
        self.core.ring_couriers();
        // the service may have stopped: the rows stay, and their leases end
        if !done.handed.is_empty() {
            let _ = self.notes.send(Note::Handed(done.handed));
        }
        if !done.rung.is_empty() {
            let _ = self.notes.send(Note::Ring(done.rung));
        }
        // the steps look by themselves soon enough, unless something is due before that
        if done.due.is_some_and(|due| due.0 < self.looks_at.load(Ordering::SeqCst)) {
            self.bell.notify_one();
        }
        if self.core.traces.are_wanted() {
            let now = self.clock.now();
            for it in &done.moved {
                let is_new = it.before.is_none();
                self.core.traces.changed(&it.after, is_new, &it.changes, done.at.unwrap_or(now), now);
            }
        }
        if self.updates.receiver_count() > 0 {
            for it in done.moved {
                let changes = it.changes.iter().map(|change| change.kind.name()).collect();
                // nobody listening any more is no failure
                let _ = self.updates.send(Update { incident: it.after, changes });
            }
        }
    }

    async fn steps(self) {
        let mut sleep = Duration::ZERO;
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.bell.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
            self.looks_at.store(i64::MAX, Ordering::SeqCst);
            if let Err(error) = self.write_tally().await {
                tracing::warn!(%error, "what projects sent could not be counted");
            }
            sleep = match self.look().await {
                Ok(sleep) => {
                    self.core.ran(self.clock.now());
                    sleep
                }
                Err(error) => {
                    self.core.forget();
                    self.core.counters.failures.add("run", 1);
                    tracing::warn!(%error, "the steps could not run");
                    RETRY
                }
            };
            self.looks_at.store((self.clock.now() + sleep).0, Ordering::SeqCst);
        }
    }

    /// Runs the steps if anything is due; returns how long nothing will be.
    async fn look(&self) -> Result<Duration> {
        // goes on where a reload was cut off
        self.reroute_if_needed(self.core.live().version).await?;
        let (core, now) = (self.core.clone(), self.clock.now());
        let due = self.store.read(move |tx| {
            // deliveries to what people have just set up on another node may come to this one
            core.people(tx)?;
            core.see_access(store::users::access(tx)?);
            core.projects(tx)?;
            let waiting = !store::events::waiting(tx, 1)?.is_empty();
            Ok(if waiting { Some(Time::MIN) } else { ingest::next_due(&core, tx)? })
        });
        let set_back = self.core.set_back(now).is_some();
        match due.await? {
            _ if set_back => {}
            Some(due) if due <= now => {}
            due => return Ok(due.map_or(LONGEST_SLEEP, |due| due.since(now).min(LONGEST_SLEEP))),
        }
        let core = self.core.clone();
        // planned again after a loss of power, it would go out under another key: so it waits for the disk
        let done = self.store.write(Durability::Disk, move |tx| ingest::run(&core, tx, now)).await?;
        self.follow(done);
        Ok(Duration::ZERO)
    }

    async fn sweeps(self, retention: Retention) {
        let mut beat = tokio::time::interval(SWEEP);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                _ = beat.tick() => {}
            }
            let now = self.clock.now();
            let keep = Keep {
                resolved_since: now - retention.resolved,
                repeats_since: now - retention.repeats,
                audit_since: now - retention.audit,
                most_incidents: retention.most_incidents,
                most_bytes: retention.most_bytes,
                configurations: KEPT_CONFIGURATIONS,
            };
            self.sweep_errors(now).await;
            loop {
                let began = self.clock.now();
                let swept = self.store.write(Durability::Lazy, move |tx| sweep_step(tx, &keep)).await;
                match swept {
                    // there is time for this; senders have none
                    Ok(gone) if gone > 0 && !self.stop.is_cancelled() => {
                        let took = self.clock.now().since(began).min(LONGEST_STEP);
                        tokio::select! {
                            () = self.stop.cancelled() => return,
                            () = tokio::time::sleep(took * RESTS) => {}
                        }
                    }
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(%error, "what is old could not be swept");
                        break;
                    }
                }
            }
        }
    }
}

/// How much longer than a step of it the sweep rests after each.
const RESTS: u32 = 4;
/// What a step counts for at the most.
const LONGEST_STEP: Duration = Duration::from_secs(1);

fn sweep_step(tx: &mut store::Tx<'_>, keep: &Keep) -> Result<u64> {
    Ok(store::retention::sweep(tx, keep, SWEEP_STEP)? + store::retention::shrink(tx)?)
}

struct StoreInbox {
    store: Store,
    core: Arc<Core>,
}

impl Inbox for StoreInbox {
    fn keep(
        &self,
        destination: &str,
        message: &Message,
        at: Time,
    ) -> BoxFuture<'_, std::result::Result<(), String>> {
        let id = self.core.id(at);
        let (destination, key) = (destination.to_owned(), message.idempotency_key.clone());
        let text = serde_json::to_string(&message.clone().unanswerable());
        Box::pin(async move {
            let text = text.map_err(|error| error.to_string())?;
            let kept = self
                .store
                .write(Durability::Disk, move |tx| store::inbox::keep(tx, id, &destination, &key, at, &text));
            kept.await.map_err(|error| error.to_string())
        })
    }
}
