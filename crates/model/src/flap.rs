//! Flapping: something that begins and ends again and again.
//!
//! That can be seen only while it is one incident that comes back, so an incident remembers its beginnings,
//! and, where flapping is looked for, may be re-opened for as long as they count.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// When an incident flaps, and what is done then. With zero `times`, none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Flapping {
    /// It flaps when it begins more often than this within the window; at most [`MAX_TIMES`].
    pub times: u32,
    /// The window.
    #[serde(with = "crate::time::span")]
    pub within: Duration,
    /// It is calm again when it has neither begun nor ended for so long.
    #[serde(with = "crate::time::span")]
    pub calm_after: Duration,
    /// What routes do about it that do not say otherwise.
    pub policy: OnFlapping,
}

/// The most beginnings that an incident remembers.
pub const MAX_TIMES: u32 = 1000;

impl Default for Flapping {
    fn default() -> Self {
        let quarter = Duration::from_secs(15 * 60);
        Flapping { times: 0, within: quarter, calm_after: quarter, policy: OnFlapping::Notify }
    }
}

impl Flapping {
    /// How long after its end an incident must be open to coming back, so that it can be seen to flap and be
    /// calm.
    pub fn memory(&self) -> Duration {
        if self.times == 0 { Duration::ZERO } else { self.within.max(self.calm_after) }
    }
}

/// What a route does about incidents that flap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFlapping {
    /// Tells of them as of any other.
    #[default]
    Notify,
    /// Tells nothing until they are calm, and then what is true.
    Hold,
    /// Tells once that they flap, and once that they are calm again.
    Summarise,
}

impl OnFlapping {
    /// All of them.
    pub const ALL: [OnFlapping; 3] = [OnFlapping::Notify, OnFlapping::Hold, OnFlapping::Summarise];

    /// The word for it, as in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            OnFlapping::Notify => "notify",
            OnFlapping::Hold => "hold",
            OnFlapping::Summarise => "summarise",
        }
    }
}

/// What an incident remembers of its beginnings.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Flap {
    /// Its last beginnings, the oldest first. Empty: it has never come back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    begun: Vec<Time>,
    /// Since when it flaps: the first of the beginnings that showed it.
    pub since: Option<Time>,
    /// How often it has begun since then; kept when it is calm again, for the words about it.
    #[serde(default)]
    pub times: u32,
    /// When it is calm unless it begins or ends before; set while it flaps.
    pub calm_at: Option<Time>,
}

impl Flap {
    /// It begins again; `first` is when it began for the first time. Says whether by this it flaps.
    pub(crate) fn begins(&mut self, first: Time, rule: &Flapping, at: Time) -> bool {
        if rule.times == 0 {
            self.begun.clear();
            return false;
        }
        if self.begun.is_empty() {
            self.begun.push(first);
        }
        self.begun.push(at);
        let most = rule.times.min(MAX_TIMES) as usize + 1;
        self.begun.drain(..self.begun.len().saturating_sub(most));
        if self.since.is_some() {
            self.times = self.times.saturating_add(1);
            self.moves(rule, at);
            return false;
        }
        let oldest = self.begun[0];
        if self.begun.len() < most || at.since(oldest) > rule.within {
            return false;
        }
        *self = Flap { begun: std::mem::take(&mut self.begun), since: Some(oldest), ..Flap::default() };
        self.times = u32::try_from(most).unwrap_or(u32::MAX);
        self.moves(rule, at);
        true
    }

    /// It begins or ends: if it flaps, it goes on doing so.
    pub(crate) fn moves(&mut self, rule: &Flapping, at: Time) {
        if self.since.is_some() && rule.times > 0 {
            self.calm_at = Some(at + rule.calm_after);
        }
    }

    /// The clock was set back.
    pub fn set_back(&mut self, by: Duration) {
        self.begun.iter_mut().for_each(|at| *at = *at - by);
        (self.since, self.calm_at) = (self.since.map(|at| at - by), self.calm_at.map(|at| at - by));
    }

    /// Passes the deadline, if it has passed; says since when it flapped.
    pub(crate) fn calms(&mut self, at: Time) -> Option<Time> {
        self.calm_at.filter(|calm_at| *calm_at <= at)?;
        self.calm_at = None;
        // only what begins from now on counts against it, and the last beginning
        self.begun.drain(..self.begun.len().saturating_sub(1));
        self.since.take()
    }
}
