//! Rooms: how many more deliveries each desk of this node can take.
//!
//! A hint from the delivery service to the step that plans deliveries: what finds room goes to its desk in
//! memory, leased from the start, and is not written, read back and claimed first. A count that is wrong
//! for a moment (a transaction was undone) costs a detour by way of the rows, and the service sets it right.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Room at desks, by destination. A destination that is not here has none.
#[derive(Debug, Default)]
pub struct Rooms(RwLock<HashMap<String, Arc<AtomicI64>>>);

impl Rooms {
    /// Says how much room a desk has now.
    pub fn set(&self, destination: &str, room: i64) {
        if let Some(count) = self.find(destination) {
            count.store(room, Ordering::Relaxed);
        } else if room > 0 {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            all.insert(destination.to_owned(), Arc::new(AtomicI64::new(room)));
        }
    }

    /// Forgets all desks but these.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|name, _| keep(name));
    }

    /// Whether a desk has room.
    pub fn has_room(&self, destination: &str) -> bool {
        self.find(destination).is_some_and(|count| count.load(Ordering::Relaxed) > 0)
    }

    /// Takes a place at a desk, if there is one.
    pub fn take(&self, destination: &str) -> bool {
        let less = |count: i64| (count > 0).then_some(count - 1);
        let take =
            |count: Arc<AtomicI64>| count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        self.find(destination).is_some_and(take)
    }

    fn find(&self, destination: &str) -> Option<Arc<AtomicI64>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(destination).cloned()
    }
}
