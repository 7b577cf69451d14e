//! What one transaction makes of an issue.

use model::Time;
use model::alert_rule::MAX_COUNTED;
use model::extra::Telling;
use store::errors::{self, Head};
use store::{Result, Tx};

use crate::life::{Lately, Life};

/// An issue that this transaction works on, as it becomes.
pub(super) struct Work {
    pub(super) head: Head,
    pub(super) is_new: bool,
    pub(super) life: Life,
    /// events of this transaction so far
    pub(super) times: i64,
    /// how its incident moves
    pub(super) moves: Option<Move>,
    pub(super) row_changed: bool,
    /// what the ledger has to say of it
    pub(super) lines: Vec<String>,
}

impl Work {
    pub(super) fn on(head: Head, is_new: bool) -> Self {
        let life = Life::from_column(&head.issue.life);
        Work { head, is_new, life, times: 0, moves: None, row_changed: false, lines: Vec::new() }
    }

    /// How much there was of it within the spans that those who ignore it have named.
    pub(super) fn lately(&self, tx: &mut Tx<'_>, now: Time) -> Result<Lately> {
        let mut lately = Lately::default();
        let Some(mute) = &self.life.mute else { return Ok(lately) };
        if mute.times_within.is_none() && mute.users_within.is_none() {
            return Ok(lately);
        }
        let family = errors::family(tx, self.head.issue.id)?;
        if let Some(it) = &mute.times_within {
            lately.times = errors::count_since(tx, &family, it.begins(now), it.count)?;
        }
        if let Some(it) = &mute.users_within {
            lately.users = errors::count_users_since(tx, &family, it.begins(now), MAX_COUNTED.into())?;
        }
        Ok(lately)
    }
}

/// How an incident moves by a report.
pub(super) struct Move {
    /// which report
    pub(super) place: usize,
    pub(super) telling: Telling,
    pub(super) why: String,
}
