//! Spans of time, as stories say them.

use std::time::Duration;

/// So many seconds.
pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// So many minutes.
pub const fn minutes(count: u64) -> Duration {
    seconds(count * 60)
}

/// So many hours.
pub const fn hours(count: u64) -> Duration {
    minutes(count * 60)
}
