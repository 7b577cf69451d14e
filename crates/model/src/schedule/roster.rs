//! What follows from a schedule and its overrides.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duty::{Duty, Why};
use super::{LOOK_AHEAD_DAYS, Layer, Override, Schedule, Turns};
use crate::id::Id;
use crate::period::{self, Period};
use crate::time::Time;
use crate::zone::Stretch;

/// How far one looks, and how far when that was not enough: most answers are near, and the last look is
/// [`LOOK_AHEAD_DAYS`].
fn looks() -> impl Iterator<Item = Duration> {
    [2, 16, 128, LOOK_AHEAD_DAYS].into_iter().map(|days| Duration::from_secs(days * 86_400))
}

/// A schedule with its overrides, to be asked who is on call.
#[derive(Clone, Copy, Debug)]
pub struct Roster<'a> {
    /// The schedule.
    pub schedule: &'a Schedule,
    /// What is otherwise, in the order in which it was said: the last word counts. Those that are over may be left out.
    pub overrides: &'a [Override],
}

/// A time during which somebody is on call for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Who.
    pub user: Id,
    /// From when; the start of the period asked about when it began before that.
    pub from: Time,
    /// Until when; the end of the period asked about when it goes on after that.
    pub until: Time,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// What becomes of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// The period that was looked at: what was asked for, at the most [`LOOK_AHEAD_DAYS`] of it.
    pub period: Period,
    /// Who is on call when, by when they begin.
    pub shifts: Vec<Shift>,
    /// When nobody is.
    pub gaps: Vec<Period>,
}

/// Who is on call at one moment, and what comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnCall {
    /// Who is on call; nobody in a gap.
    pub now: Vec<Duty>,
    /// When others are, or nobody; `None`: not for [`LOOK_AHEAD_DAYS`].
    pub next_change: Option<Time>,
    /// When somebody takes over next who is not on call now.
    pub next_handover: Option<Time>,
    /// Who is on call after that hand-over.
    pub next: Vec<Duty>,
}

/// A time during which the same people are on call for the same reasons.
struct Segment {
    period: Period,
    people: Vec<Duty>,
}

/// What one layer says of a time.
struct Piece {
    period: Period,
    duty: Duty,
    layer: usize,
    turn: i64,
}

impl Roster<'_> {
    /// Who is on call at this moment, and why.
    pub fn on_call(&self, at: Time) -> Vec<Duty> {
        let moment = Period::new(at, Time(at.0.saturating_add(1)));
        self.segments(moment).into_iter().next().map(|segment| segment.people).unwrap_or_default()
    }

    /// Who is on call at this moment, and what comes next.
    pub fn outlook(&self, at: Time) -> OnCall {
        let mut outlook =
            OnCall { now: Vec::new(), next_change: None, next_handover: None, next: Vec::new() };
        for look in looks() {
            let segments = self.segments(Period::new(at, at + look));
            let now: &[Duty] = segments.first().map_or(&[], |segment| &segment.people);
            let is_on = |duty: &Duty| now.iter().any(|it| it.user == duty.user);
            let differs = |it: &&Segment| it.people.len() != now.len() || !it.people.iter().all(is_on);
            outlook.now = now.to_vec();
            outlook.next_change = segments.iter().find(differs).map(|it| it.period.from);
            if let Some(handover) = segments.iter().find(|it| !it.people.iter().all(is_on)) {
                outlook.next_handover = Some(handover.period.from);
                outlook.next.clone_from(&handover.people);
                break;
            }
        }
        outlook
    }

    /// When somebody who is on call at this moment is not any more; `None`: not for [`LOOK_AHEAD_DAYS`].
    pub fn ends(&self, user: Id, at: Time) -> Option<Time> {
        let is_off = |it: &&Segment| !it.people.iter().any(|duty| duty.user == user);
        looks().find_map(|look| {
            let segments = self.segments(Period::new(at, at + look));
            segments.iter().find(is_off).map(|it| it.period.from)
        })
    }

    /// The shifts and gaps of a period.
    pub fn resolve(&self, period: Period) -> Resolved {
        let longest = Duration::from_secs(LOOK_AHEAD_DAYS * 86_400);
        let period = Period::new(period.from, period.until.min(period.from + longest));
        let mut shifts: Vec<Shift> = Vec::new();
        let mut gaps = Vec::new();
        // the shifts that may go on
        let mut open: Vec<usize> = Vec::new();
        for Segment { period: Period { from, until }, people } in self.segments(period) {
            if people.is_empty() {
                period::append(&mut gaps, Period::new(from, until));
            }
            let mut still_open = Vec::with_capacity(people.len());
            for Duty { user, why } in people {
                let is_it =
                    |n: &usize| shifts[*n].until == from && (shifts[*n].user, shifts[*n].why) == (user, why);
                let at = open.iter().copied().find(is_it).unwrap_or_else(|| {
                    shifts.push(Shift { user, from, until, why });
                    shifts.len() - 1
                });
                shifts[at].until = until;
                still_open.push(at);
            }
            open = still_open;
        }
        Resolved { period, shifts, gaps }
    }

    /// The whole of a shift that the period asked about cut off at its start or end, as far as [`LOOK_AHEAD_DAYS`] go.
    /// So a shift is the same whenever one asks.
    pub fn whole(&self, shift: Shift) -> Shift {
        let same = |it: &&Shift| (it.user, it.why) == (shift.user, shift.why);
        let mut whole = shift;
        for look in looks() {
            let edge = shift.from - look;
            let before = self.resolve(Period::new(edge, shift.from)).shifts;
            let before = before.iter().filter(same).find(|it| it.until == shift.from);
            whole.from = before.map_or(shift.from, |it| it.from);
            if whole.from > edge {
                break;
            }
        }
        for look in looks() {
            let edge = shift.until + look;
            let after = self.resolve(Period::new(shift.until, edge)).shifts;
            let after = after.iter().filter(same).find(|it| it.from == shift.until);
            whole.until = after.map_or(shift.until, |it| it.until);
            if whole.until < edge {
                break;
            }
        }
        whole
    }

    /// Who is on call in a period, one time after another.
    fn segments(&self, within: Period) -> Vec<Segment> {
        if within.is_empty() {
            return Vec::new();
        }
        let zone = &self.schedule.zone;
        let stretches: Vec<Stretch> = zone.stretches_with_past(within.from, within.until).collect();
        let mut pieces = Vec::new();
        for (n, layer) in self.schedule.layers.iter().enumerate() {
            let within = within.intersect(layer.active(zone));
            if !within.is_empty() {
                layer.pieces(n, &stretches, within, &mut pieces);
            }
        }
        pieces.sort_by_key(|piece| piece.period.from);
        let mut overrides: Vec<(usize, Period)> =
            self.overrides.iter().map(|it| within.intersect(it.period())).enumerate().collect();
        overrides.retain(|(_, period)| !period.is_empty());

        let edges =
            pieces.iter().map(|piece| piece.period).chain(overrides.iter().map(|(_, period)| *period));
        let mut cuts: Vec<Time> = edges.flat_map(|period| [period.from, period.until]).collect();
        cuts.extend([within.from, within.until]);
        cuts.sort_unstable();
        cuts.dedup();

        overrides.sort_by_key(|(_, period)| period.from);
        let (mut next_piece, mut next_override) = (0, 0);
        let (mut active, mut in_force): (Vec<usize>, Vec<(usize, Time)>) = (Vec::new(), Vec::new());
        let mut segments = Vec::with_capacity(cuts.len());
        for two in cuts.windows(2) {
            let period = Period::new(two[0], two[1]);
            active.retain(|n| pieces[*n].period.until > period.from);
            while pieces.get(next_piece).is_some_and(|piece| piece.period.from <= period.from) {
                // in the order of the layer's own list, whatever part of it the period shows
                let turn = pieces[next_piece].turn;
                let place = active.partition_point(|n| pieces[*n].turn <= turn);
                active.insert(place, next_piece);
                next_piece += 1;
            }
            in_force.retain(|(_, until)| *until > period.from);
            while let Some((n, own)) = overrides.get(next_override).filter(|(_, own)| own.from <= period.from)
            {
                let place = in_force.partition_point(|(before, _)| before < n);
                in_force.insert(place, (*n, own.until));
                next_override += 1;
            }
            let top = active.iter().map(|n| pieces[*n].layer).max();
            let mut people: Vec<Duty> = Vec::new();
            for piece in active.iter().map(|n| &pieces[*n]).filter(|piece| Some(piece.layer) == top) {
                if !people.iter().any(|it| it.user == piece.duty.user) {
                    people.push(piece.duty);
                }
            }
            in_force.iter().for_each(|(n, _)| self.overrides[*n].apply(&mut people));
            segments.push(Segment { period, people });
        }
        segments
    }
}

impl Layer {
    /// What it says of a period within which it is active.
    fn pieces(&self, layer: usize, stretches: &[Stretch], within: Period, pieces: &mut Vec<Piece>) {
        let hours = self.restrictions.as_ref().map(|hours| hours.periods_in(stretches, within));
        let mut push = |user, turn, period: Period| {
            let duty = Duty { user, why: Why::Layer { layer, turn } };
            let mut add = |period: Period| {
                if !period.is_empty() {
                    pieces.push(Piece { period, duty, layer, turn });
                }
            };
            match &hours {
                None => add(period),
                Some(hours) => {
                    let first = hours.partition_point(|it| it.until <= period.from);
                    let some = hours[first..].iter().take_while(|it| it.from < period.until);
                    some.for_each(|it| add(it.intersect(period)));
                }
            }
        };
        match &self.turns {
            Turns::Rotation(rotation) => {
                rotation
                    .turns(stretches, within)
                    .into_iter()
                    .for_each(|it| push(it.user, it.number, it.period));
            }
            Turns::Shifts(_) | Turns::Calendar(_) => {
                let by_start = matches!(self.turns, Turns::Calendar(_));
                for (n, shift) in self.turns.listed().iter().enumerate() {
                    // a calendar's list is another one each day
                    let turn = if by_start { shift.from.as_seconds() } else { n as i64 };
                    push(shift.user, turn, Period::new(shift.from, shift.until).intersect(within));
                }
            }
        }
    }
}
