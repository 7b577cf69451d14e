//! Instances of one component: made when they are needed, lent, used again, and discarded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use plugin_host::{Chain, Journal};
use plugin_protocol::Fault;
use plugin_protocol::calls::{Call as _, Configure, ConfigureAnswer, Hello};
use plugin_protocol::limits::MAX_LINE_BYTES;
use plugin_protocol::manifest::Limits;
use plugin_protocol::wire::{INTERNAL_ERROR, NO_SUCH_METHOD, TOO_MUCH};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, Semaphore};
use wasmtime::Trap;

use crate::instance::Instance;
use crate::outside::Outside;
use crate::ticker::Ticker;
use crate::world::World;

/// What an instance is asked before another takes its place: what it leaks is bounded.
const MAX_CALLS: u32 = 10_000;
/// How old one gets.
const MAX_AGE: Duration = Duration::from_secs(3600);
/// By how many bytes of memory one may grow: memory never shrinks.
const MAX_GROWTH: usize = 32 * 1024 * 1024;
/// How long one is kept that nobody needs.
const MAX_IDLE: Duration = Duration::from_secs(300);

/// All instances of a component.
pub struct Pool {
    world: World,
    outside: Arc<Outside>,
    memory: usize,
    ticker: Arc<Ticker>,
    places: Semaphore,
    idle: Mutex<Vec<Instance>>,
    /// rung when one has nothing to do any more
    rests: Notify,
    greeting: Mutex<Greeting>,
}

/// What every instance is told before its first work.
#[derive(Clone, Default)]
struct Greeting {
    hello: Option<Arc<str>>,
    settings: Option<Arc<str>>,
}

impl Pool {
    /// A pool of no more instances than deliveries may be in flight.
    pub fn new(world: World, outside: Outside, limits: &Limits, ticker: Arc<Ticker>) -> Self {
        Pool {
            world,
            outside: Arc::new(outside),
            memory: usize::try_from(limits.memory()).unwrap_or(usize::MAX),
            ticker,
            places: Semaphore::new(limits.concurrency() as usize),
            idle: Mutex::default(),
            rests: Notify::new(),
            greeting: Mutex::default(),
        }
    }

    /// Asks an instance, at the end of a chain. Whoever drops this while it computes, stops it.
    ///
    /// # Errors
    /// What the component answers, or why it does not.
    pub async fn ask(&self, method: &str, params: &str, chain: Chain) -> Result<Box<RawValue>, Fault> {
        let closed = |_| Fault::new(INTERNAL_ERROR, "it is closed");
        let _place = self.places.acquire().await.map_err(closed)?;
        let _ticking = self.ticker.computing();
        let mut instance = self.lend(method).await?;
        let answer = self.ask_one(&mut instance, method, params, chain).await?;
        let answer = answer.and_then(|text| whole(method, text));
        if let Ok(answer) = &answer {
            self.heed(&mut instance, method, params, answer);
        }
        self.take_back(instance);
        answer
    }

    /// One that is as it should be, for a question of this sort.
    async fn lend(&self, method: &str) -> Result<Instance, Fault> {
        let greeting = lock(&self.greeting).clone();
        let idle = lock(&self.idle).pop();
        let mut instance = match idle {
            Some(instance) => instance,
            None => {
                let new = Instance::new(&self.world, self.outside.clone(), self.memory).await;
                let mut instance = new.map_err(|error| self.stopped("its start", &error))?;
                if let Some(hello) = greeting.hello {
                    self.ask_one(&mut instance, Hello::METHOD, &hello, Chain::default()).await??;
                }
                instance
            }
        };
        let has =
            |settings: &Arc<str>| instance.settings.as_ref().is_some_and(|it| Arc::ptr_eq(it, settings));
        if let Some(settings) = greeting.settings.filter(|it| method != Configure::METHOD && !has(it)) {
            let asked = self.ask_one(&mut instance, Configure::METHOD, &settings, Chain::default());
            let answer = asked.await?;
            let answer = answer.and_then(|text| whole(Configure::METHOD, text))?;
            if !are_taken(&answer) {
                let why = "another instance of it refuses settings that the first one took";
                return Err(Fault::new(INTERNAL_ERROR, why));
            }
            instance.settings = Some(settings);
        }
        Ok(instance)
    }

    /// What is asked of one goes for all that come after it.
    fn heed(&self, instance: &mut Instance, method: &str, params: &str, answer: &RawValue) {
        match method {
            Hello::METHOD => lock(&self.greeting).hello = Some(params.into()),
            Configure::METHOD if are_taken(answer) && !is_dry(params) => {
                let settings: Arc<str> = params.into();
                instance.settings = Some(settings.clone());
                lock(&self.greeting).settings = Some(settings);
            }
            _ => {}
        }
    }

    fn take_back(&self, instance: Instance) {
        let worn = instance.calls >= MAX_CALLS
            || instance.born.elapsed() >= MAX_AGE
            || instance.size() - instance.small >= MAX_GROWTH;
        if !worn {
            // the last is the first that is used again, so that those that nobody needs grow old
            lock(&self.idle).push(instance);
            self.rests.notify_one();
        }
    }

    /// Lets go of those that nobody needs any more, for ever.
    pub async fn let_go(&self) {
        loop {
            let oldest = lock(&self.idle).iter().map(|instance| instance.used).min();
            match oldest {
                Some(used) => tokio::time::sleep_until(used + MAX_IDLE).await,
                None => self.rests.notified().await,
            }
            // their memory is given back beside the lock
            let gone: Vec<Instance> =
                lock(&self.idle).extract_if(.., |instance| instance.used.elapsed() >= MAX_IDLE).collect();
            drop(gone);
        }
    }

    async fn ask_one(
        &self,
        instance: &mut Instance,
        method: &str,
        params: &str,
        chain: Chain,
    ) -> Result<Result<String, Fault>, Fault> {
        match instance.ask(method, params.to_owned(), chain).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => {
                Ok(Err(Fault::new(NO_SUCH_METHOD, format!("it exports no function that answers {method:?}"))))
            }
            Err(error) => Err(self.stopped(method, &error)),
        }
    }

    /// Why one was stopped. It is not used again.
    fn stopped(&self, method: &str, error: &wasmtime::Error) -> Fault {
        let why = match error.downcast_ref::<Trap>() {
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        self.journal().note(&format!("{method}: it was stopped and discarded: {why}; {error:#}"));
        Fault::new(INTERNAL_ERROR, format!("it was stopped: {why}"))
    }

    fn journal(&self) -> &Journal {
        &self.outside.journal
    }
}

/// An answer, if it is one.
fn whole(method: &str, text: String) -> Result<Box<RawValue>, Fault> {
    if text.len() > MAX_LINE_BYTES {
        let length = text.len();
        return Err(Fault::new(
            TOO_MUCH,
            format!("its answer has {length} bytes, more than {MAX_LINE_BYTES}"),
        ));
    }
    let bad = |error| Fault::new(INTERNAL_ERROR, format!("its answer to {method:?} is not JSON: {error}"));
    RawValue::from_string(text).map_err(bad)
}

/// Whether an answer to `configure` finds nothing wrong.
fn are_taken(answer: &RawValue) -> bool {
    serde_json::from_str::<ConfigureAnswer>(answer.get()).is_ok_and(|answer| answer.errors.is_empty())
}

fn is_dry(params: &str) -> bool {
    #[derive(Deserialize)]
    struct Dry {
        #[serde(default)]
        dry_run: bool,
    }
    serde_json::from_str::<Dry>(params).is_ok_and(|it| it.dry_run)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
