//! What the log says of requests that are refused for want of a token: somebody who has just put this server in
//! another's place finds there why no alerts come.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use model::Time;

use crate::limits::{MAX_REFUSAL_CHARS, REFUSALS_EVERY};

/// Counts refusals between two lines of the log.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Since>);

#[derive(Default)]
struct Since {
    told: Option<Time>,
    untold: u64,
}

impl Refusals {
    /// One was refused. The log has a line for the first, and then at most one a minute.
    pub(crate) fn note(&self, what: &str, from: Option<IpAddr>, why: &str, now: Time) {
        let Some(untold) = self.is_time(now) else { return };
        let from = from.map_or_else(|| "somewhere".to_owned(), |peer| peer.to_canonical().to_string());
        let why: String = why.chars().take(MAX_REFUSAL_CHARS).collect();
        let more = if untold > 0 {
            format!(" ({untold} more were refused since the last such line)")
        } else {
            String::new()
        };
        let how = "make a token with `nightbell token create NAME`, or see docs/alertmanager.md";
        tracing::warn!("refused {what} from {from}: {why}; {how}{more}");
    }

    /// Whether there is a line now, and how many refusals had none before it.
    fn is_time(&self, now: Time) -> Option<u64> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.told.is_some_and(|told| now.since(told) < REFUSALS_EVERY) {
            since.untold += 1;
            return None;
        }
        since.told = Some(now);
        Some(std::mem::take(&mut since.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_a_line_a_minute_that_counts_the_others() {
        let (refusals, start) = (Refusals::default(), Time::from_seconds(1_000_000));
        assert_eq!(refusals.is_time(start), Some(0));
        for second in 1..60 {
            assert_eq!(refusals.is_time(start + std::time::Duration::from_secs(second)), None);
        }
        assert_eq!(refusals.is_time(start + REFUSALS_EVERY), Some(59));
        assert_eq!(refusals.is_time(start + REFUSALS_EVERY), None);
    }
}
