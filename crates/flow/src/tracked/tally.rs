//! What projects send that is not kept: counted in memory, and written down every now and then. A crash loses a second
//! of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Different things that are counted between two times of writing; more count as `other`.
const MAX_COUNTED: usize = 10_000;

/// What was sent, by project.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<(i64, String), i64>>);

impl Tally {
    /// Counts something that a project sent.
    pub fn add(&self, project: i64, what: &str, times: i64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counts.len() >= MAX_COUNTED;
        let known = counts.get_mut(&(project, what.to_owned()));
        match known {
            Some(count) => *count = count.saturating_add(times),
            None if full => *counts.entry((project, "other".to_owned())).or_default() += times,
            None => drop(counts.insert((project, what.to_owned()), times)),
        }
    }

    /// Everything that was counted since the last time.
    pub(crate) fn take(&self) -> BTreeMap<(i64, String), i64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
