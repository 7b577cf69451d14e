//! One plugin and its lives: started, greeted, configured, watched over, ended, and started again.

mod change;
mod idle;
mod running;
mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::delivery::{Fault, Outcome};
use plugin_protocol::calls::{Call as _, Deliver, Drain, Health, HelloAnswer, Nothing, Shutdown};
use plugin_protocol::limits::{HEALTH_EVERY, HEALTH_TIME, MAX_HOST_CALLS, STOP_TIME};
use plugin_protocol::provides::Route;
use sdk::Answer;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::{Around, Body, Ear, End, Engine};
use crate::deliver::{Job, MAX_JOBS, hand_over};
use crate::footprint;
use crate::greeting::{NotTaken, configure, greet};
use crate::journal::Journal;
use crate::life::{Life, Next};
use crate::memory;
use crate::peer::Unanswered;
use crate::places::Places;
use crate::spec::Spec;
use crate::start;

pub use running::Running;
pub use state::State;

/// How often progress is looked at while something is overdue.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// By how many times its limit a delivery may be late.
const MOST_LATE: u32 = 3;

/// A plugin.
pub struct Plugin {
    /// What it is called.
    pub id: String,
    /// Its log.
    pub journal: Arc<Journal>,
    spec: Mutex<Arc<Spec>>,
    state: watch::Sender<State>,
    running: Mutex<Option<Arc<Running>>>,
    /// What it said last that it can do.
    features: Mutex<Vec<String>>,
    /// What it says is not well with it.
    ails: Mutex<Option<String>>,
    starts: Mutex<u64>,
    /// When something was last wanted of it.
    wanted: Mutex<Instant>,
    wishes: watch::Sender<Wishes>,
    stop: CancellationToken,
}

/// What was wished of a plugin so far, counted. A life compares with what was wished when it began, so that no wish
/// is heeded
/// twice, and none is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wishes {
    /// to be started anew
    restarts: u64,
    /// to have other settings
    settings: u64,
    /// to run, although it is idle
    demands: u64,
}

/// How one life ended.
enum Ended {
    /// Nobody asked for it.
    Badly(End),
    /// It is to be started anew at once.
    Replaced,
    /// It had nothing to do.
    Idle,
    /// It is not to run any more.
    Stopped,
}

/// Makes an ear for a life of a plugin.
pub type Ears = Arc<dyn Fn(&Arc<Plugin>) -> Arc<dyn Ear> + Send + Sync>;

/// What the lives of all plugins have around them.
#[derive(Clone)]
pub struct World {
    /// Where things are.
    pub places: Arc<Places>,
    /// What runs components.
    pub engine: Option<Arc<dyn Engine>>,
    /// Where tasks run.
    pub tasks: TaskTracker,
    /// Who hears what plugins ask of the host.
    pub ears: Ears,
}

impl Plugin {
    /// A plugin that does not run yet.
    pub fn new(spec: Spec) -> Self {
        let journal = Journal::new(spec.found.id(), spec.limits.log_rate());
        journal.hide(&spec.secrets);
        Plugin {
            id: spec.found.id().to_owned(),
            journal: Arc::new(journal),
            spec: Mutex::new(Arc::new(spec)),
            state: watch::Sender::new(State::Starting),
            running: Mutex::default(),
            features: Mutex::default(),
            ails: Mutex::default(),
            starts: Mutex::default(),
            wanted: Mutex::new(Instant::now()),
            wishes: watch::Sender::default(),
            stop: CancellationToken::new(),
        }
    }

    /// What it is at this moment.
    pub fn spec(&self) -> Arc<Spec> {
        lock(&self.spec).clone()
    }

    /// How it is.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// How it is, from now on.
    pub fn states(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// What runs, if something does.
    pub fn running(&self) -> Option<Arc<Running>> {
        lock(&self.running).clone()
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        *lock(&self.starts)
    }

    /// It is not to run any more.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Until it has ended for good.
    pub async fn ended(&self) {
        // it cannot fail: the sender is ours
        let _ = self.state.subscribe().wait_for(|state| matches!(state, State::Stopped)).await;
    }

    /// It is to be started anew, in an orderly way.
    pub fn restart(&self) {
        self.wishes.send_modify(|wishes| wishes.restarts += 1);
    }

    /// Waits until it is ready, as long as it is being started, and no longer than `limit`.
    ///
    /// # Errors
    /// Why it is not, in words.
    pub async fn ready(&self, limit: Duration) -> Result<Arc<Running>, String> {
        self.is_wanted();
        // when the time is over, the state says why
        let _ = tokio::time::timeout(limit, self.settled()).await;
        match (self.running(), self.state()) {
            (Some(running), State::Ready) => Ok(running),
            (_, state) => match state.why() {
                Some(why) => Err(format!("the plugin {} is {}: {why}", self.id, state.name())),
                None => Err(format!("the plugin {} is {}", self.id, state.name())),
            },
        }
    }

    /// Hands a delivery over, and waits for what comes of it. One that it was never asked for, for want of a place or
    /// of time, is no fault of what it was for.
    pub async fn deliver(
        &self,
        (id, json): (&str, Box<RawValue>),
        batch: usize,
        chain: u32,
        limit: Duration,
    ) -> Answer {
        let limit = self.spec().limits.at_most(limit);
        let deadline = Instant::now() + limit;
        let asked = Arc::new(AtomicBool::new(false));
        let told = async {
            let running = match self.ready(limit).await {
                Ok(running) => running,
                Err(why) => return Answer::bare(Outcome::down(why)),
            };
            let (reply, answer) = oneshot::channel();
            let job = Job { id: id.to_owned(), json, batch, chain, deadline, reply, asked: asked.clone() };
            let gone = || not_asked(format!("the plugin {} has just ended", self.id));
            if running.jobs.send(job).await.is_err() {
                return gone();
            }
            answer.await.unwrap_or_else(|_| gone())
        };
        let waited = tokio::time::timeout_at(deadline, told).await;
        waited.unwrap_or_else(|_| match asked.load(Ordering::Acquire) {
            true => Answer::bare(Outcome::down(format!(
                "the plugin {} did not answer within {limit:?}; it may send this yet",
                self.id
            ))),
            false => not_asked(format!("the plugin {} had no place for it within {limit:?}", self.id)),
        })
    }

    fn set(&self, state: State) {
        if *self.state.borrow() != state {
            let words = match state.why() {
                Some(why) => format!("{}: {why}", state.name()),
                None => state.name().to_owned(),
            };
            self.journal.note(&words);
        }
        self.state.send_replace(state);
    }

    /// All its lives, until it is told to stop.
    pub async fn live(self: Arc<Self>, world: World) {
        let began = Instant::now();
        let mut life = Life::default();
        while !self.stop.is_cancelled() {
            let heeded = *self.wishes.borrow();
            self.set(State::Starting);
            *lock(&self.starts) += 1;
            let ended = self.one_life(&world, &mut life, began, heeded).await;
            *lock(&self.running) = None;
            *lock(&self.ails) = None;
            let end = match ended {
                Ended::Stopped => break,
                Ended::Replaced => continue,
                Ended::Idle => {
                    self.rests_idly(heeded).await;
                    continue;
                }
                Ended::Badly(end) => End { why: self.journal.hidden(end.why), ..end },
            };
            // settings that it took while it ran are no reason to try again
            let settings = self.wishes.borrow().settings;
            let rest = self.rest(end, &mut life, began);
            tokio::select! {
                () = rest => {}
                () = self.wished(|it| it.restarts != heeded.restarts || it.settings != settings) => {}
                () = self.stop.cancelled() => {}
            }
        }
        self.set(State::Stopped);
    }

    /// Notes a bad end, and rests as long as one is to rest after it.
    fn rest(&self, end: End, life: &mut Life, began: Instant) -> impl Future<Output = ()> + use<> {
        let why = end.why;
        let wait = match (end.misconfigured, life.ended(began.elapsed(), rand::random())) {
            (true, _) => {
                self.set(State::Misconfigured { why });
                None
            }
            (false, Next::Again(wait)) => {
                self.set(State::Waiting { why });
                Some(wait)
            }
            (false, Next::Failed(wait)) => {
                self.set(State::Failed { why });
                Some(wait)
            }
        };
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Until something is wished.
    async fn wished(&self, what: impl Fn(Wishes) -> bool) {
        // it cannot fail: the sender is ours
        let _ = self.wishes.subscribe().wait_for(|wishes| what(*wishes)).await;
    }

    async fn one_life(
        self: &Arc<Self>,
        world: &World,
        life: &mut Life,
        began: Instant,
        heeded: Wishes,
    ) -> Ended {
        let (spec, begun) = (self.spec(), Instant::now());
        if let Some(why) = spec.broken.clone() {
            return Ended::Badly(End { why, misconfigured: true });
        }
        let started = tokio::select! {
            started = start(self, &spec, world) => started,
            // a component may take long to compile
            () = self.stop.cancelled() => return Ended::Stopped,
        };
        let process = match started {
            Ok(process) => process,
            Err(why) => return Ended::Badly(End { why, misconfigured: false }),
        };
        let greeted = tokio::select! {
            greeted = greet(&process, &spec, &world.places) => greeted,
            () = self.stop.cancelled() => {
                process.end().await;
                return Ended::Stopped;
            }
        };
        let (hello, routes) = match greeted {
            Ok((hello, routes)) => (hello, self.permitted(&spec, routes)),
            Err(bad) => {
                // it may have ended by itself, and then that is why
                let killed = process.kill().await;
                let End { misconfigured, .. } = killed;
                let misconfigured = misconfigured || bad.misconfigured;
                return Ended::Badly(End { why: bad.why, misconfigured });
            }
        };
        self.learn(&spec, &hello, &world.places);
        let places = Arc::new(Semaphore::new(spec.limits.concurrency() as usize));
        let (jobs, waiting) = mpsc::channel(MAX_JOBS);
        let handing = CancellationToken::new();
        let (peer, tasks, stopped) = (process.peer.clone(), world.tasks.clone(), handing.clone());
        world.tasks.spawn(async move {
            tokio::select! {
                () = hand_over(peer, waiting, places, tasks) => {}
                () = stopped.cancelled() => {}
            }
        });
        let (peer, took, hearing) = (process.peer.clone(), begun.elapsed(), Mutex::default());
        let calls = Arc::new(Semaphore::new(MAX_HOST_CALLS));
        *lock(&self.features) = hello.features.clone();
        let (pid, limits) = (process.pid, spec.limits.clone());
        let running = Running { peer, pid, hello, routes, took, limits, calls, jobs, hearing };
        *lock(&self.running) = Some(Arc::new(running));
        // settings may have changed while it was greeted; from here on, who changes them sees it
        let now = self.spec();
        if now.generation != spec.generation
            && let Err(why) = configure(&process.peer, &now, false).await
        {
            handing.cancel();
            process.end().await;
            let misconfigured = matches!(why, NotTaken::Refused(_));
            return Ended::Badly(End { why: why.to_string(), misconfigured });
        }
        life.ready(began.elapsed());
        self.set(State::Ready);
        let ended = self.watch_over(&process, spec.limits.concurrency(), heeded, &handing).await;
        handing.cancel();
        ended
    }

    /// Its routes, if it may have any.
    fn permitted(&self, spec: &Spec, routes: Vec<Route>) -> Vec<Route> {
        if routes.is_empty() || spec.found.manifest.permissions.serve {
            return routes;
        }
        self.journal.note("it has routes, which are not served: permissions.serve is not in its manifest");
        Vec::new()
    }

    /// What it said goes for the next time that it is asked for.
    fn learn(&self, spec: &Spec, hello: &HelloAnswer, places: &Places) {
        let memory = memory::read(places, spec.found.id()).filter(|memory| memory.of == spec.identity);
        let known = memory.map(|memory| memory.provides);
        if known.as_ref() == Some(&hello.provides) {
            return;
        }
        memory::write(places, spec, &hello.provides);
        let known = known.unwrap_or_else(|| spec.found.manifest.provides());
        if known.subscriptions != hello.provides.subscriptions {
            self.journal.note("it subscribes to more than its manifest says: heard from the next reload on");
        }
    }

    /// Until it ends, is sick, or is to end.
    async fn watch_over(
        &self,
        process: &Body,
        concurrency: u32,
        heeded: Wishes,
        handing: &CancellationToken,
    ) -> Ended {
        let mut health = tokio::time::interval_at(Instant::now() + HEALTH_EVERY, HEALTH_EVERY);
        health.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look_again = false;
        loop {
            let looked = async {
                if look_again {
                    tokio::time::sleep(LOOK_AGAIN).await;
                } else {
                    process.peer.given_up.notified().await;
                }
            };
            let sick = tokio::select! {
                end = process.ended() => return Ended::Badly(end),
                () = self.stop.cancelled() => {
                    self.wind_down(process, handing).await;
                    return Ended::Stopped;
                }
                () = self.wished(|wishes| wishes.restarts != heeded.restarts) => {
                    self.wind_down(process, handing).await;
                    return Ended::Replaced;
                }
                () = self.has_nothing_to_do(process) => {
                    self.wind_down(process, handing).await;
                    return Ended::Idle;
                }
                _ = health.tick() => match process.peer.ask::<Health>(&Nothing {}, HEALTH_TIME).await {
                    Ok(said) => {
                        self.feels(&said.status, &said.detail);
                        self.fills_too_much(process.pid)
                    }
                    // one that does not know the question may be well all the same
                    Err(Unanswered::Fault(_)) => self.fills_too_much(process.pid),
                    // one that does one thing at a time answers when it is done; its progress is looked at apart
                    Err(Unanswered::TimedOut(_)) if process.peer.is_busy() => None,
                    Err(why) => Some(format!("asked how it is, it gave {why}")),
                },
                () = looked => {
                    let progress = process.peer.progress();
                    look_again = progress.given_up > 0;
                    let many = progress.overdue >= concurrency;
                    (many || progress.late >= MOST_LATE).then(|| {
                        let what = match (progress.latest, progress.overdue) {
                            (Deliver::METHOD, many) => format!("{many} deliveries are overdue"),
                            (other, _) => format!("its answer to {other} is overdue"),
                        };
                        format!("it makes no progress: {what}")
                    })
                }
            };
            if let Some(why) = sick {
                let end = process.kill().await;
                // it may have ended by itself a moment before
                return Ended::Badly(End { why: format!("{why}; it was killed"), ..end });
            }
        }
    }

    /// Says so when it fills more memory than it may, by ways that no limit of the kernel closes.
    fn fills_too_much(&self, pid: Option<u32>) -> Option<String> {
        let (filled, most) = (footprint::filled(pid?)?, self.spec().limits.memory());
        // stacks and what was changed of files are of its own, too
        (filled > most + most / 4)
            .then(|| format!("it fills {} MiB of memory, and may fill {}", filled >> 20, most >> 20))
    }

    /// An orderly end.
    async fn wind_down(&self, process: &Body, handing: &CancellationToken) {
        self.set(State::Draining);
        handing.cancel();
        *lock(&self.running) = None;
        // one that does not answer is ended all the same
        let _ = process.peer.ask::<Drain>(&Nothing {}, STOP_TIME).await;
        let _ = process.peer.ask::<Shutdown>(&Nothing {}, STOP_TIME).await;
        process.end().await;
    }
}

/// Gives it a body.
///
/// # Errors
/// In words, when it cannot be started.
pub async fn start(plugin: &Arc<Plugin>, spec: &Spec, world: &World) -> Result<Body, String> {
    let (journal, tasks) = (plugin.journal.clone(), world.tasks.clone());
    let around = Around { journal, ear: (world.ears)(plugin), tasks };
    start::start(spec, &world.places, world.engine.as_ref(), around).await
}

/// What says so is told again soon, and counts against nobody.
fn not_asked(reason: String) -> Answer {
    Answer::bare(Outcome::Retry { after: None, reason, fault: Fault::Pace })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
