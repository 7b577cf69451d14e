//! Time for components: without ticks, one that computes would never let others have their turn.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::Engine;

/// How long a component computes before others have their turn, and until it is noticed that nobody waits for it.
const TICK: Duration = Duration::from_millis(5);

/// Counts time for components, as long as one computes.
pub struct Ticker {
    ticking: Mutex<Ticking>,
    bell: Condvar,
}

#[derive(Default)]
struct Ticking {
    computing: usize,
    /// whether the thread sleeps until somebody computes
    rests: bool,
    over: bool,
}

impl Ticker {
    /// A thread of its own counts: what computes may hold all others.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start(engine: Engine) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Ticker { ticking: Mutex::default(), bell: Condvar::new() });
        let its = ticker.clone();
        std::thread::Builder::new().name("component tick".to_owned()).spawn(move || its.run(&engine))?;
        Ok(ticker)
    }

    fn run(&self, engine: &Engine) {
        let mut ticking = self.lock();
        while !ticking.over {
            // a tick too early would take its turn from whoever has just begun
            let waited = self.bell.wait_timeout(ticking, TICK).unwrap_or_else(PoisonError::into_inner);
            engine.increment_epoch();
            ticking = waited.0;
            // while one call follows another it ticks on, so that none has to wake it
            ticking.rests = ticking.computing == 0;
            while ticking.rests && !ticking.over {
                ticking = self.bell.wait(ticking).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Ticks until what is given is dropped.
    pub fn computing(self: &Arc<Self>) -> Computing {
        let mut ticking = self.lock();
        ticking.computing += 1;
        if std::mem::take(&mut ticking.rests) {
            self.bell.notify_all();
        }
        Computing(self.clone())
    }

    /// Counts no more.
    pub fn end(&self) {
        self.lock().over = true;
        self.bell.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Ticking> {
        self.ticking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody computes.
pub struct Computing(Arc<Ticker>);

impl Drop for Computing {
    fn drop(&mut self) {
        self.0.lock().computing -= 1;
    }
}
