//! Counters of the store, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the store has done since it was opened. All counts only grow.
#[derive(Debug, Default)]
pub struct Stats {
    /// Transactions committed.
    pub commits: AtomicU64,
    /// Jobs in them.
    pub jobs: AtomicU64,
    /// Time spent in them, in microseconds.
    pub commit_micros: AtomicU64,
    /// Syncs of the log.
    pub syncs: AtomicU64,
    /// Jobs that waited for them.
    pub synced_jobs: AtomicU64,
    /// Time spent in them, in microseconds.
    pub sync_micros: AtomicU64,
}

impl Stats {
    pub(crate) fn committed(&self, jobs: usize, took: Duration) {
        add(&self.commits, 1);
        add(&self.jobs, jobs as u64);
        add(&self.commit_micros, micros(took));
    }

    pub(crate) fn synced(&self, jobs: usize, took: Duration) {
        add(&self.syncs, 1);
        add(&self.synced_jobs, jobs as u64);
        add(&self.sync_micros, micros(took));
    }
}

fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
