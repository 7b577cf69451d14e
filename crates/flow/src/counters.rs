//! What the flow has done since it started, for `/metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts that only grow.
#[derive(Debug, Default)]
pub struct Counters {
    /// Events accepted, by source.
    pub accepted: Family,
    /// Events refused at a door, by source.
    pub refused: Family,
    /// Changes of incidents, by kind.
    pub changes: Family,
    /// Deliveries planned, by reason.
    pub planned: Family,
    /// Tries, by kind of destination and outcome.
    pub attempts: Family,
    /// Time that tries took, in microseconds, by kind of destination.
    pub attempt_micros: Family,
    /// Runs of steps that failed and were left for the next time, by step.
    pub failures: Family,
    /// Pings of the self-watch, by what became of them: `sent`, `failed`, `withheld`.
    pub pings: Family,
    /// Canaries, by destination and what became of them: `arrived`, `failed`.
    pub canaries: Family,
    /// How late the last due group was told, in microseconds.
    pub tell_lag_micros: AtomicU64,
}

/// Counts under names.
#[derive(Debug, Default)]
pub struct Family(Mutex<BTreeMap<String, u64>>);

impl Family {
    /// Counts.
    pub fn add(&self, name: &str, by: u64) {
        if by == 0 {
            return;
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(name) {
            Some(count) => *count += by,
            None => drop(counts.insert(name.to_owned(), by)),
        }
    }

    /// All counts, by name.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Counters {
    /// Notes how late a group was told.
    pub fn tell_lag(&self, micros: u64) {
        self.tell_lag_micros.store(micros, Ordering::Relaxed);
    }
}
