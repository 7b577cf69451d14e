//! What is not as it was sent.

use serde::{Deserialize, Serialize};

/// Notes that one event keeps; those beyond are only counted.
pub const MAX_NOTES: usize = 100;

/// What is not as it was sent. Nothing is cut or left out without a line here, up to [`MAX_NOTES`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notes {
    /// The places and what was done there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Note>,
    /// Places beyond those in the list.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Notes {
    /// Everything is as it was sent.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.more == 0
    }

    /// Notes one more, if there is room.
    pub fn push(&mut self, note: impl FnOnce() -> Note) {
        if self.list.len() < MAX_NOTES {
            self.list.push(note());
        } else {
            self.more += 1;
        }
    }
}

/// One place that is not as it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where: `exceptions.0.stacktrace.frames.3.vars.request`.
    pub path: String,
    /// What was done.
    pub what: Change,
    /// How much was sent: characters of a text, members of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<usize>,
}

/// What was done with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A text was shortened.
    Shortened,
    /// Members of a list or map were left out.
    LeftOut,
    /// It was nested too deep.
    TooDeep,
    /// It was not what belongs there.
    Invalid,
    /// It looked like a secret.
    Scrubbed,
    /// It was a time that cannot be, and the arrival stands for it.
    ClockOff,
}
