//! Periods: from one moment until just before another.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A time from one moment until just before another. Empty when they are the wrong way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Period {
    /// Its first moment.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
}

impl Period {
    /// From one moment until just before another.
    pub const fn new(from: Time, until: Time) -> Period {
        Period { from, until }
    }

    /// Whether there is no moment in it.
    pub fn is_empty(self) -> bool {
        self.until <= self.from
    }

    /// Whether this moment is in it.
    pub fn contains(self, at: Time) -> bool {
        self.from <= at && at < self.until
    }

    /// What is in both.
    pub fn intersect(self, other: Period) -> Period {
        Period { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

/// Adds a period behind others that are in order, as a part of the last one where it touches that.
pub fn append(periods: &mut Vec<Period>, next: Period) {
    match periods.last_mut() {
        Some(last) if next.from <= last.until => last.until = last.until.max(next.until),
        _ => periods.push(next),
    }
}
