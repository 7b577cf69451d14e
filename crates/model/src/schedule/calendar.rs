//! Layers that go by a calendar.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Listed;
use crate::refusal::Refusal;
use crate::time::span;

/// How often a calendar is fetched at the most.
pub const MIN_POLL: Duration = Duration::from_secs(60);
/// How rarely a calendar is fetched.
pub const MAX_POLL: Duration = Duration::from_secs(86_400);
/// Bytes of a calendar's address.
const MAX_URL_BYTES: usize = 2048;

/// A calendar whose events say who is on call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Where the hub fetches it; without one, somebody uploads it. Often whoever knows it may read it, so `Debug` does
    /// not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How often it is fetched.
    #[serde(default = "half_an_hour", with = "span")]
    pub every: Duration,
    /// What it said last: nothing that people write, and kept apart.
    #[serde(skip)]
    pub shifts: Vec<Listed>,
}

fn half_an_hour() -> Duration {
    Duration::from_secs(1800)
}

impl Calendar {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if !(MIN_POLL..=MAX_POLL).contains(&self.every) {
            let [given, least, most] = [self.every, MIN_POLL, MAX_POLL].map(span::format);
            return Err(Refusal::new("every", format!("is {given}; write {least} to {most}")));
        }
        let Some(url) = &self.url else { return Ok(()) };
        let known = ["https://", "http://", "webcal://"].iter().any(|scheme| url.starts_with(scheme));
        let odd = url.len() > MAX_URL_BYTES || url.chars().any(|c| c.is_whitespace() || c.is_control());
        if !known || odd {
            let why = "is no address of a calendar; write one such as https://calendar.example.org/rota.ics";
            return Err(Refusal::new("url", why));
        }
        Ok(())
    }

    /// Where it is fetched, as HTTP has it: `webcal` is a word for calendars that lie on web servers.
    pub fn address(&self) -> Option<String> {
        let url = self.url.as_ref()?;
        Some(url.strip_prefix("webcal://").map_or_else(|| url.clone(), |rest| format!("https://{rest}")))
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.as_ref().map(|_| "hidden");
        f.debug_struct("Calendar").field("url", &url).field("every", &self.every).finish_non_exhaustive()
    }
}
