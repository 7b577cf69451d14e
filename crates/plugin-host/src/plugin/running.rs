//! A plugin as it runs: what can be asked of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugin_protocol::calls::{Call, HelloAnswer};
use plugin_protocol::manifest::Limits;
use plugin_protocol::provides::Route;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use super::lock;
use crate::deliver::Job;
use crate::peer::{Peer, Terms, Unanswered};

/// A body that took the greeting.
pub struct Running {
    /// Its wire.
    pub peer: Arc<Peer>,
    /// The number of its process, if it has one.
    pub pid: Option<u32>,
    /// What it said of itself.
    pub hello: HelloAnswer,
    /// Where it answers over HTTP.
    pub routes: Vec<Route>,
    /// How long it took from its start until it was ready.
    pub took: Duration,
    /// What it may take.
    pub limits: Limits,
    /// Places for what is asked of it beside deliveries.
    pub calls: Arc<Semaphore>,
    pub(super) jobs: mpsc::Sender<Job>,
    pub(super) hearing: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

impl Running {
    /// Asks something beside deliveries, when there is a place for that; all of it within the limit.
    ///
    /// # Errors
    /// When there is no answer in time, or one that is an error.
    pub async fn call<C: Call>(&self, params: &C::Params, limit: Duration) -> Result<C::Answer, Unanswered> {
        let limit = self.limits.at_most(limit);
        let until = Instant::now() + limit;
        let place = tokio::time::timeout_at(until, self.calls.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = place else { return Err(Unanswered::TimedOut(limit)) };
        let left = until.duration_since(Instant::now());
        self.peer.ask_on::<C>(params, Terms { limit: left, permit: Some(permit), ..Terms::default() }).await
    }

    /// The place of a subscription: one batch of it is told at a time.
    pub fn hearing(&self, subscription: &str) -> Arc<Semaphore> {
        let mut hearing = lock(&self.hearing);
        let place = hearing.entry(subscription.to_owned());
        place.or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }
}
