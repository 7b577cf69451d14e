//! The thread on which processes of plugins are started. What one may open is looked up before, and a fork copies what
//! the hub has mapped: that takes milliseconds, for which no worker of the hub and nobody's message waits.
//!
//! It lives as long as the hub: a plugin dies with the thread that forked it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

type Start = Box<dyn FnOnce() -> Result<Child, String> + Send>;

struct Job {
    start: Start,
    runtime: Handle,
    done: oneshot::Sender<Result<Child, String>>,
}

static JOBS: LazyLock<Option<Sender<Job>>> = LazyLock::new(|| {
    let (jobs, todo) = channel();
    let thread = std::thread::Builder::new().name("plugin starter".to_owned()).spawn(move || work(&todo));
    thread.is_ok().then_some(jobs)
});

/// Has a process started; one that nobody waits for any more is killed.
///
/// # Errors
/// What `start` says, or that there is no thread for it.
pub(crate) async fn start(
    start: impl FnOnce() -> Result<Child, String> + Send + 'static,
) -> Result<Child, String> {
    let nobody = || "there is no thread to start it on".to_owned();
    let (done, waits) = oneshot::channel();
    let job = Job { start: Box::new(start), runtime: Handle::current(), done };
    let jobs = JOBS.as_ref().ok_or_else(nobody)?;
    jobs.send(job).map_err(|_| nobody())?;
    waits.await.map_err(|_| nobody())?
}

fn work(todo: &Receiver<Job>) {
    for Job { start, runtime, done } in todo {
        let _inside = runtime.enter();
        // with this thread, all plugins would end
        let started = catch_unwind(AssertUnwindSafe(start));
        let started = started.unwrap_or_else(|_| Err("a bug of the hub: please report it".to_owned()));
        // it kills what it started when it is dropped
        drop(done.send(started));
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn whatever_happens_at_a_start_the_next_one_is_tried() {
        let why = super::start(|| panic!("as a bug would")).await.unwrap_err();
        assert!(why.contains("bug"), "{why}");
        let why = super::start(|| Err("no such program".to_owned())).await.unwrap_err();
        assert_eq!(why, "no such program");
    }
}
