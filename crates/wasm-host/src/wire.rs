//! The body of a component: what comes over its wire is asked of an instance, and what a process would do for itself
//! is done here.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use plugin_host::body::{Body, End, Mortal};
use plugin_host::{Journal, Level, Peer};
use plugin_protocol::calls::{CANCEL, Call as _, CancelParams, Drain, Health, Shutdown, Start};
use plugin_protocol::wire::{CANCELLED, INTERNAL_ERROR};
use plugin_protocol::{Fault, Frame, RpcId};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pool::Pool;

/// How long a component may compute at once, before it waits for something or has answered, to be called quick.
const QUICK: Duration = Duration::from_millis(1);
/// How many quick calls, one after the other, make a component one that computes on the hub's own threads.
const MANY: u32 = 8;

type Answer = Result<Box<RawValue>, Fault>;

/// One end of a wire.
struct Wire {
    pool: Pool,
    peer: Arc<Peer>,
    journal: Arc<Journal>,
    /// where instances compute
    threads: Handle,
    under_way: Mutex<HashMap<RpcId, (String, AbortHandle)>>,
    /// calls that were quick since the last that was not
    quick: AtomicU32,
    /// rung when something is answered
    answered: Notify,
    tasks: TaskTracker,
}

/// A body for a component. Its tasks run on `tasks` until it has ended.
pub fn body(pool: Pool, threads: Handle, journal: Arc<Journal>, tasks: &TaskTracker) -> Body {
    let (peer, lines) = Peer::new();
    let peer = Arc::new(peer);
    let wire = Wire {
        pool,
        peer: peer.clone(),
        journal,
        threads,
        under_way: Mutex::default(),
        quick: AtomicU32::new(0),
        answered: Notify::new(),
        tasks: tasks.clone(),
    };
    let (end, ended) = watch::channel(None);
    let over = CancellationToken::new();
    let stopped = over.clone();
    tasks.spawn(async move {
        let wire = Arc::new(wire);
        tokio::select! {
            () = wire.serve(lines) => {}
            () = wire.pool.let_go() => {}
            () = stopped.cancelled() => {}
        }
        wire.close();
        // nobody may wait for it any more
        let _ = end.send(Some(End { why: "it was ended".to_owned(), misconfigured: false }));
    });
    Body::new(peer, None, Ending { over, ended })
}

impl Wire {
    async fn serve(self: &Arc<Self>, mut lines: mpsc::Receiver<String>) {
        while let Some(line) = lines.recv().await {
            match Frame::read(line.trim_end().as_bytes()) {
                Ok(Frame::Request { id, method, params }) => self.asked(id, method, params),
                Ok(Frame::Notification { method, params }) if method == CANCEL => {
                    let params = params.and_then(|raw| serde_json::from_str(raw.get()).ok());
                    if let Some(CancelParams { id }) = params {
                        self.cancel(&id);
                    }
                }
                // the host answers components where they ask
                Ok(_) | Err(_) => {}
            }
        }
    }

    fn asked(self: &Arc<Self>, id: RpcId, method: String, params: Option<Box<RawValue>>) {
        match method.as_str() {
            // a component that computes too long is stopped, so it is always well
            Health::METHOD => self.say(&id, r#"{"status":"ok"}"#),
            // it has no work of its own that could begin or end
            Start::METHOD | Shutdown::METHOD => self.say(&id, "{}"),
            Drain::METHOD => {
                let wire = self.clone();
                self.tasks.spawn(async move {
                    wire.drained().await;
                    wire.say(&id, "{}");
                });
            }
            _ => self.begin(id, method, params.unwrap_or_else(|| RawValue::NULL.to_owned())),
        }
    }

    /// Asks an instance. One that was quick of late begins right here, which saves two threads from being woken; what
    /// does not end at once goes on where nothing of the hub's waits for it.
    fn begin(self: &Arc<Self>, id: RpcId, method: String, params: Box<RawValue>) {
        let (wire, name, chain) = (self.clone(), method.clone(), self.peer.chain(&id));
        let asked = async move { wire.pool.ask(&method, params.get(), chain).await };
        let failed = |_| Fault::new(INTERNAL_ERROR, "the host failed, which its own log tells of");
        let asked = AssertUnwindSafe(asked).catch_unwind();
        let mut asked = async move { asked.await.map_err(failed)? }.boxed();
        if self.quick.load(Ordering::Relaxed) >= MANY {
            // whoever takes it over looks at once how far it is: nobody has to be woken for this
            let begun = self.timed(|| asked.poll_unpin(&mut Context::from_waker(Waker::noop())));
            if let Poll::Ready(answer) = begun {
                return self.answer(&id, answer);
            }
        }
        let mut under_way = self.under_way();
        let (wire, its) = (self.clone(), id.clone());
        let goes_on = async move {
            let begun = std::future::poll_fn(|context| Poll::Ready(wire.timed(|| asked.poll_unpin(context))));
            let answer = match begun.await {
                Poll::Ready(answer) => answer,
                Poll::Pending => asked.await,
            };
            // only one of two answers: whoever finds it under way
            if wire.under_way().remove(&its).is_some() {
                wire.answer(&its, answer);
            }
        };
        let task = self.tasks.spawn_on(goes_on, &self.threads);
        under_way.insert(id, (name, task.abort_handle()));
    }

    /// Looks how long a call computes before it waits for something or has answered.
    fn timed(&self, compute: impl FnOnce() -> Poll<Answer>) -> Poll<Answer> {
        let began = Instant::now();
        let state = compute();
        if began.elapsed() < QUICK {
            self.quick.fetch_add(1, Ordering::Relaxed);
        } else {
            self.quick.store(0, Ordering::Relaxed);
        }
        state
    }

    /// Nobody waits for this any more: it is stopped.
    fn cancel(&self, id: &RpcId) {
        let Some((method, task)) = self.under_way().remove(id) else { return };
        task.abort();
        self.journal.write(Level::Warning, &format!("{method}: it was stopped, since its time was over"));
        self.answer(id, Err(Fault::new(CANCELLED, "it was stopped, since its time was over")));
    }

    async fn drained(&self) {
        loop {
            let answered = self.answered.notified();
            if self.under_way().is_empty() {
                return;
            }
            answered.await;
        }
    }

    fn say(&self, id: &RpcId, json: &str) {
        let json = RawValue::from_string(json.to_owned());
        self.answer(id, json.map_err(|error| Fault::new(CANCELLED, error.to_string())));
    }

    fn answer(&self, id: &RpcId, answer: Answer) {
        self.peer.answered(id, answer);
        self.answered.notify_waiters();
    }

    /// Everything is stopped, and everybody who waits is told.
    fn close(&self) {
        self.peer.close("it was ended");
        for (_, task) in self.under_way().drain().map(|(_, it)| it) {
            task.abort();
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<RpcId, (String, AbortHandle)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the body of a component ends.
struct Ending {
    over: CancellationToken,
    ended: watch::Receiver<Option<End>>,
}

impl Ending {
    async fn has_ended(&self) -> End {
        let mut ended = self.ended.clone();
        let end = ended.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        end.unwrap_or(End { why: "nobody knows".to_owned(), misconfigured: false })
    }
}

impl Mortal for Ending {
    fn ended(&self) -> BoxFuture<'_, End> {
        self.has_ended().boxed()
    }

    fn end(&self) -> BoxFuture<'_, End> {
        self.kill()
    }

    fn kill(&self) -> BoxFuture<'_, End> {
        self.over.cancel();
        self.ended()
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.over.cancel();
    }
}
