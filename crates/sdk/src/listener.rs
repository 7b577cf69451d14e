//! Who listens to the hub itself: subscribers, and how they are told.

use std::sync::Arc;

use futures::future::BoxFuture;
use model::{Notice, Topic};

/// Somebody who is told what happens in the hub.
pub trait Listener: Send + Sync {
    /// Tells it of a batch, the oldest first, and says how many of them, from the first on, it took: at least one.
    /// Whoever calls brings the others again, and after an error all of them, so it may hear a notice twice, and
    /// misses none.
    ///
    /// # Errors
    /// Why it did not take the batch, in words.
    fn hear<'a>(&'a self, notices: &'a [Notice]) -> BoxFuture<'a, Result<usize, String>>;

    /// So many notices, the oldest, were dropped before it could hear them.
    fn lost(&self, count: u64);
}

/// A listener, and what it wants to hear.
#[derive(Clone)]
pub struct Subscriber {
    /// What it is called, such as `plugin/subscription`: its notices wait under this name.
    pub name: String,
    /// What it wants to hear of.
    pub topics: Vec<Topic>,
    /// Notices in one batch, at the most.
    pub batch: usize,
    /// Bytes in one batch, at the most.
    pub batch_bytes: usize,
    /// Who is told.
    pub listener: Arc<dyn Listener>,
}
