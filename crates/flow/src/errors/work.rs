//! What one transaction makes of an issue.

use model::extra::Telling;
use store::errors::Head;

use super::life::Life;

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
}

/// How an incident moves by a report.
pub(super) struct Move {
    /// which report
    pub(super) place: usize,
    pub(super) telling: Telling,
    pub(super) why: String,
}
