//! Rotations: people who take turns.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::{MAX_PARTICIPANTS, MAX_TURN_HOURS};
use crate::id::Id;
use crate::period::Period;
use crate::refusal::{self, Refusal};
use crate::zone::{Stretch, Wall};

const HOUR: i64 = 3_600_000_000;

/// People who take turns, each as long as the others.
///
/// Hand-overs go by the clock on the wall, those of hourly turns too: who hands over at 09:00 does so in summer and in
/// winter, and of two turns of twelve hours at that change one has eleven or thirteen. A hand-over takes place the
/// first time that the clock shows its time or a later one. So when clocks are put forward over it, it is at that
/// moment, and a turn that would lie wholly within what is skipped is left out; when they are put back over it, it is
/// not repeated, and a turn during which they are put back is longer by that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// When the first of the participants takes over, by the clock on the wall, such as `2026-11-23T09:00:00`. Its time
    /// of day is that of all hand-overs of turns of days, and its weekday that of turns of weeks.
    pub first_handover: DateTime,
    /// How many units a turn has.
    #[serde(default = "one")]
    pub every: u32,
    /// What a turn is measured in.
    pub unit: Unit,
    /// Who takes turns, in this order. Somebody may be in it several times.
    pub participants: Vec<Id>,
}

fn one() -> u32 {
    1
}

/// What a turn is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Hours by the clock on the wall.
    Hours,
    /// Days, from one hand-over time to the same of another day.
    Days,
    /// Weeks, from one weekday to the same of another week.
    Weeks,
}

impl Unit {
    fn hours(self) -> u32 {
        match self {
            Unit::Hours => 1,
            Unit::Days => 24,
            Unit::Weeks => 7 * 24,
        }
    }
}

/// A turn: whose it is, and which one, counted from the first hand-over at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) user: Id,
    pub(super) number: i64,
    pub(super) period: Period,
}

impl Rotation {
    pub(super) fn check(&self) -> Result<(), Refusal> {
        refusal::at_most("participants", self.participants.len(), MAX_PARTICIPANTS)?;
        if self.participants.is_empty() {
            return Err(Refusal::new("participants", "is empty; name at least one user"));
        }
        let most = MAX_TURN_HOURS / self.unit.hours();
        if !(1..=most).contains(&self.every) {
            return Err(Refusal::new("every", format!("is {}; write 1 to {most}", self.every)));
        }
        if !(1970..=9000).contains(&self.first_handover.year()) {
            return Err(Refusal::new("first_handover", "is not in the years 1970 to 9000"));
        }
        Ok(())
    }

    /// How long a turn is by the clock on the wall.
    fn length(&self) -> i64 {
        i64::from(self.every.clamp(1, MAX_TURN_HOURS)) * i64::from(self.unit.hours()) * HOUR
    }

    /// The turns of a period, in order. The stretches are those of the period with what was before
    /// ([`crate::zone::Zone::stretches_with_past`]). Takes one step for each turn.
    pub(super) fn turns(&self, stretches: &[Stretch], within: Period) -> Vec<Turn> {
        let (Some(first), false) = (stretches.first(), self.participants.is_empty()) else {
            return Vec::new();
        };
        let (length, anchor) = (self.length(), Wall::from(self.first_handover).0);
        // the turn in which the clock is at first; every later one begins when its hand-over is first reached
        let mut number = (first.wall_from().0 - anchor).div_euclid(length);
        let (mut begins, mut turns) = (first.from, Vec::new());
        let mut push = |number: i64, begins, ends| {
            let period = Period::new(begins, ends).intersect(within);
            if !period.is_empty() {
                let place = number.rem_euclid(self.participants.len() as i64) as usize;
                turns.push(Turn { user: self.participants[place], number, period });
            }
        };
        for stretch in stretches {
            while let handover = anchor + (number + 1) * length
                && handover < stretch.wall_until().0
            {
                let at = stretch.time(Wall(handover)).max(stretch.from);
                push(number, begins, at);
                (number, begins) = (number + 1, at);
            }
        }
        push(number, begins, within.until);
        turns
    }
}
