//! Somebody who is on call.

use serde::{Deserialize, Serialize};

use crate::id::Id;

/// Why somebody is on call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Why {
    /// A layer says so.
    Layer {
        /// Which, counted from zero.
        layer: usize,
        /// The turn of its rotation, where the first hand-over begins turn zero; or the place in its list; or, by a
        /// calendar, when the event begins, in seconds since 1970.
        turn: i64,
    },
    /// An override says so.
    Override {
        /// Which.
        id: Id,
        /// Who would be on call otherwise.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<Id>,
    },
}

/// Somebody who is on call at some time, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duty {
    /// Who.
    pub user: Id,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}
