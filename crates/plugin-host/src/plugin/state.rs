//! How a plugin is.

use serde::Serialize;

use super::{Plugin, lock};

/// How a plugin is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It is being started.
    Starting,
    /// It takes work.
    Ready,
    /// It ended, and is started again.
    Waiting {
        /// Why it ended.
        why: String,
    },
    /// Only a person can mend it.
    Misconfigured {
        /// What is wrong.
        why: String,
    },
    /// It ends again and again.
    Failed {
        /// Why it ended last.
        why: String,
    },
    /// It finishes what it has.
    Draining,
    /// It had nothing to do, and is started when there is something.
    Idle,
    /// It does not run, and is not to.
    Stopped,
}

impl Plugin {
    /// It says how it is: `ok`, or what is not well in spite of which it takes work.
    pub fn feels(&self, status: &str, detail: &str) {
        let ails = (status != "ok").then(|| match detail {
            "" => status.to_owned(),
            detail => detail.to_owned(),
        });
        let ails = ails.map(|words| self.journal.hidden(words));
        let before = std::mem::replace(&mut *lock(&self.ails), ails.clone());
        match ails {
            _ if before == ails => {}
            Some(words) => self.journal.note(&format!("says that it is {status}: {words}")),
            None => self.journal.note("says that it is well again"),
        }
    }

    /// What it says is not well with it.
    pub fn ails(&self) -> Option<String> {
        lock(&self.ails).clone()
    }
}

impl State {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Waiting { .. } => "waiting",
            State::Misconfigured { .. } => "misconfigured",
            State::Failed { .. } => "failed",
            State::Draining => "draining",
            State::Idle => "idle",
            State::Stopped => "stopped",
        }
    }

    /// Why it is no better, if it is not well.
    pub fn why(&self) -> Option<&str> {
        match self {
            State::Waiting { why } | State::Misconfigured { why } | State::Failed { why } => Some(why),
            _ => None,
        }
    }
}
