//! On-call schedules: who is on call when, and why.
//!
//! A [`Schedule`] has [`Layer`]s. Each says for itself who is on call when, by a [`Rotation`] or by shifts that are
//! listed one by one, within its restrictions; where several do, the last of them has the say. [`Override`]s change
//! that for a while: somebody stands in, comes in addition, is away, or swaps with somebody. [`Roster`] works out what
//! follows: who is on call at a time, the shifts and gaps of a period, and when that changes next.
//!
//! All hours go by the clock of the schedule's zone; [`rotation`](Rotation) says what happens when it is put forward
//! or back. Nothing goes through time step by step: the work grows with the shifts, the windows of restrictions and
//! the overrides of the period asked about, `n`, as `n log n`.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::period::Period;
use crate::refusal::{self, Refusal};
use crate::time::Time;
use crate::weekly::Weekly;
use crate::zone::Zone;

mod calendar;
mod duty;
mod notices;
mod overrides;
mod roster;
mod rotation;
#[cfg(test)]
mod tests;

pub use calendar::{Calendar, MAX_POLL, MIN_POLL};
pub use duty::{Duty, Why};
pub use notices::{MAX_NOTICE, Notices};
pub use overrides::{Act, Override};
pub use roster::{OnCall, Resolved, Roster, Shift};
pub use rotation::{Rotation, Unit};

/// Layers of one schedule.
pub const MAX_LAYERS: usize = 32;
/// People who take turns in one layer.
pub const MAX_PARTICIPANTS: usize = 256;
/// Shifts of one layer that are listed one by one.
pub const MAX_LISTED: usize = 4096;
/// Overrides of one schedule that are not over.
pub const MAX_OVERRIDES: usize = 1024;
/// The longest turn, in hours: a leap year.
pub const MAX_TURN_HOURS: u32 = 366 * 24;
/// How long a period may be that is asked about, in days; what is later is left out.
pub const LOOK_AHEAD_DAYS: u64 = 400;

/// Who is on call when, as people wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// What it is called.
    pub name: String,
    /// By which clock its hours go.
    #[serde(default)]
    pub zone: Zone,
    /// Where several say who is on call, the last of them has the say. Where none does, there is a gap.
    #[serde(default)]
    pub layers: Vec<Layer>,
    /// Who is told of what ahead of time.
    #[serde(default, skip_serializing_if = "Notices::are_usual")]
    pub notices: Notices,
}

/// A schedule with what is otherwise for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rota {
    /// Who is on call when.
    pub schedule: Schedule,
    /// What is otherwise, in the order in which it was said.
    #[serde(default)]
    pub overrides: Vec<Override>,
}

impl Rota {
    /// To be asked who is on call.
    pub fn roster(&self) -> Roster<'_> {
        Roster { schedule: &self.schedule, overrides: &self.overrides }
    }

    /// Everybody whom it names, each once.
    pub fn people(&self) -> Vec<Id> {
        let overriding = self.overrides.iter().flat_map(|it| it.act.people()).map(|(_, user)| user);
        let mut all: Vec<Id> = self.schedule.people().into_iter().chain(overriding).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// One layer of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// What it is called, such as `nights`.
    pub name: String,
    /// Who takes which turn.
    pub turns: Turns,
    /// It says something within these hours only; at any hour when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<Weekly>,
    /// It says nothing before. When not given, a rotation starts with its first hand-over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Time>,
    /// It says nothing from then on; for good when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
}

/// Who takes which turn of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turns {
    /// One after another.
    Rotation(Rotation),
    /// As listed: a temporary schedule. Several people may be on call at once.
    Shifts(Vec<Listed>),
    /// As a calendar says, whose events have the names of users as their titles.
    Calendar(Calendar),
}

impl Turns {
    /// The shifts that are listed one by one, if they are.
    pub(crate) fn listed(&self) -> &[Listed] {
        match self {
            Turns::Rotation(_) => &[],
            Turns::Shifts(shifts) => shifts,
            Turns::Calendar(calendar) => &calendar.shifts,
        }
    }
}

/// A shift that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Who.
    pub user: Id,
    /// From when.
    pub from: Time,
    /// Until when.
    pub until: Time,
}

impl Schedule {
    /// Whether it can be used; `exists` knows who is there.
    ///
    /// # Errors
    /// The first thing that is wrong, naming the field.
    pub fn check(&self, exists: &dyn Fn(Id) -> bool) -> Result<(), Refusal> {
        refusal::name("name", &self.name)?;
        refusal::at_most("layers", self.layers.len(), MAX_LAYERS)?;
        for (n, layer) in self.layers.iter().enumerate() {
            layer.check(exists).map_err(|bad| bad.within(&format!("layers[{n}]")))?;
            let is_calendar = matches!(layer.turns, Turns::Calendar(_));
            if is_calendar && self.layers[..n].iter().any(|before| before.name == layer.name) {
                let why = "is the name of another layer; what a calendar says is kept by its layer's name";
                return Err(Refusal::new(format!("layers[{n}].name"), why));
            }
        }
        self.notices.check().map_err(|bad| bad.within("notices"))
    }

    /// The layers that go by a calendar.
    pub fn calendars(&self) -> impl Iterator<Item = (&str, &Calendar)> {
        self.layers.iter().filter_map(|layer| match &layer.turns {
            Turns::Calendar(calendar) => Some((layer.name.as_str(), calendar)),
            _ => None,
        })
    }

    /// Everybody whom a layer names, each once.
    pub fn people(&self) -> Vec<Id> {
        let mut all: Vec<Id> = self.layers.iter().flat_map(Layer::people).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

impl Layer {
    fn check(&self, exists: &dyn Fn(Id) -> bool) -> Result<(), Refusal> {
        refusal::name("name", &self.name)?;
        if let (Some(start), Some(end)) = (self.starts_at, self.ends_at)
            && end <= start
        {
            return Err(Refusal::new("ends_at", format!("is {end}, which is not after starts_at, {start}")));
        }
        if let Some(hours) = &self.restrictions {
            hours.check().map_err(|bad| bad.within("restrictions"))?;
            if hours.0.is_empty() {
                return Err(Refusal::new("restrictions", "is empty; leave it out for a layer at any hour"));
            }
        }
        let field = match &self.turns {
            Turns::Rotation(rotation) => {
                rotation.check().map_err(|bad| bad.within("turns.rotation"))?;
                "turns.rotation.participants"
            }
            Turns::Shifts(shifts) => {
                refusal::at_most("turns.shifts", shifts.len(), MAX_LISTED)?;
                if let Some(n) = shifts.iter().position(|shift| shift.until <= shift.from) {
                    return Err(Refusal::new(format!("turns.shifts[{n}].until"), "is not after from"));
                }
                "turns.shifts"
            }
            Turns::Calendar(calendar) => {
                // whom it names is nothing that anybody can write here
                return calendar.check().map_err(|bad| bad.within("turns.calendar"));
            }
        };
        match self.people().position(|user| !exists(user)) {
            Some(n) => Err(Refusal::new(format!("{field}[{n}]"), "there is no such user")),
            None => Ok(()),
        }
    }

    fn people(&self) -> impl Iterator<Item = Id> + '_ {
        let rotating: &[Id] = match &self.turns {
            Turns::Rotation(rotation) => &rotation.participants,
            Turns::Shifts(_) | Turns::Calendar(_) => &[],
        };
        rotating.iter().copied().chain(self.turns.listed().iter().map(|shift| shift.user))
    }

    /// When it may say anything at all.
    fn active(&self, zone: &Zone) -> Period {
        let first = || match &self.turns {
            Turns::Rotation(rotation) => zone.first_at(rotation.first_handover.into()),
            Turns::Shifts(_) | Turns::Calendar(_) => Time(i64::MIN),
        };
        Period::new(self.starts_at.unwrap_or_else(first), self.ends_at.unwrap_or(Time(i64::MAX)))
    }
}
