//! Who is told ahead of time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::time::span;

/// How long ahead anybody is told at the most: four weeks.
pub const MAX_NOTICE: Duration = Duration::from_secs(28 * 86_400);

/// What a schedule tells ahead of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notices {
    /// So long before a hand-over those are told who come on and who go off; nobody is when not given.
    #[serde(skip_serializing_if = "Option::is_none", with = "span::option")]
    pub handover: Option<Duration>,
    /// So long before nobody is on call the hub warns of it, if a policy uses the schedule; zero: gaps are meant.
    #[serde(with = "span")]
    pub gap: Duration,
}

impl Default for Notices {
    fn default() -> Self {
        Notices { handover: None, gap: Duration::from_secs(86_400) }
    }
}

impl Notices {
    pub(super) fn are_usual(&self) -> bool {
        *self == Notices::default()
    }

    pub(super) fn check(&self) -> Result<(), Refusal> {
        let fields = [("handover", self.handover.unwrap_or_default()), ("gap", self.gap)];
        match fields.into_iter().find(|(_, span)| *span > MAX_NOTICE) {
            Some((field, given)) => {
                let [given, most] = [given, MAX_NOTICE].map(span::format);
                Err(Refusal::new(field, format!("is {given}; the longest is {most}")))
            }
            None => Ok(()),
        }
    }
}
