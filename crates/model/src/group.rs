//! Groups: when the incidents that belong together are told, and what of them.
//!
//! A group is told for the first time one group wait after it began, of what is new at every tick of its
//! group interval after that, and again when the repeat interval has passed. [`Group::flush`] decides one
//! such tick, purely: what to tell, why, what is kept back by what, and when to look again.

use serde::{Deserialize, Serialize};

use crate::flap::OnFlapping;
use crate::id::Id;
use crate::incident::{Incident, State};
use crate::notification::Reason;
use crate::route::Timing;
use crate::time::Time;

/// What is remembered of a group between its ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Group {
    /// The last tick; `None`: there was none yet. Later ones are counted from it.
    pub ticked_at: Option<Time>,
    /// When it was last told of, for repeats.
    pub told_at: Option<Time>,
}

/// What the receivers of a group were last told of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Told {
    /// Nothing yet.
    #[default]
    Nothing = 0,
    /// That it is wrong.
    Firing = 1,
    /// That somebody took it.
    Acknowledged = 2,
    /// That it is over.
    Resolved = 3,
    /// That it is wrong; but it has changed since and belongs elsewhere: here only its end is told.
    Moved = 4,
    /// That it is wrong; but a later message did not show it, since something kept it back: that it is still
    /// wrong is news again.
    Hidden = 5,
    /// That it flaps; nothing more is told until it is calm.
    Flapping = 6,
}

impl Told {
    /// From its column.
    pub fn from_column(value: i64) -> Self {
        match value {
            1 => Told::Firing,
            2 => Told::Acknowledged,
            3 => Told::Resolved,
            4 => Told::Moved,
            5 => Told::Hidden,
            6 => Told::Flapping,
            _ => Told::Nothing,
        }
    }
}

/// Why a member is not told although there is something to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Hold {
    /// Silences match it.
    Silence {
        /// Their ids.
        ids: Vec<String>,
    },
    /// Other incidents inhibit it.
    Inhibition {
        /// The rule's name.
        rule: String,
        /// One of those incidents.
        source: Id,
    },
    /// Somebody snoozed it.
    Snooze {
        /// Until when.
        until: Time,
    },
    /// Its route is muted at this time.
    Mute {
        /// The interval's name, or `outside …` for active intervals.
        interval: String,
    },
    /// It flaps.
    Flapping {
        /// Since when.
        since: Time,
    },
    /// Planned maintenance covers it.
    Maintenance {
        /// What that is called.
        name: String,
    },
}

impl Hold {
    /// Whether it is planned maintenance, after which all of it is looked at again.
    pub fn is_maintenance(&self) -> bool {
        matches!(self, Hold::Maintenance { .. })
    }

    /// What a route that does this about incidents that flap has to say of one whose readers were told `told`.
    pub fn of_flapping(incident: &Incident, policy: OnFlapping, told: Told) -> Option<Hold> {
        let since = incident.flap.since?;
        let holds = match policy {
            OnFlapping::Notify => false,
            OnFlapping::Hold => true,
            OnFlapping::Summarise => matches!(told, Told::Flapping | Told::Moved),
        };
        holds.then_some(Hold::Flapping { since })
    }
}

impl std::fmt::Display for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Hold::Silence { ids } => write!(f, "silenced by {}", ids.join(", ")),
            Hold::Inhibition { rule, source } => write!(f, "inhibited by incident {source} (rule {rule})"),
            Hold::Snooze { until } => write!(f, "snoozed until {until}"),
            Hold::Mute { interval } => write!(f, "muted by time interval {interval}"),
            Hold::Flapping { since } => write!(f, "flapping since {since}"),
            Hold::Maintenance { name } => write!(f, "covered by planned maintenance {name:?}"),
        }
    }
}

/// A member of a group at a tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The incident.
    pub incident: Id,
    /// Its state now.
    pub state: State,
    /// What was told of it.
    pub told: Told,
    /// Whether it flaps, and its route makes something of that: its state says little until it is calm.
    pub flapping: bool,
    /// Whether it is told only when something new is said of it.
    pub once: bool,
    /// What keeps it back now.
    pub hold: Option<Hold>,
}

/// What a tick decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Flush {
    /// Why the receivers are told; `None`: they are not.
    pub reason: Option<Reason>,
    /// Which members the message shows, as places in the input. Empty without a reason.
    pub shown: Vec<usize>,
    /// What is true of every member after it, in the order of the input; `None`: it has left the group.
    pub told: Vec<Option<Told>>,
    /// When to look again; `None`: not before something happens.
    pub due_at: Option<Time>,
}

impl Group {
    /// When a group must be looked at because of something new, whatever else is due.
    ///
    /// `began` is when the new thing began: a group that is new, with something that is older than the
    /// group wait, does not wait any more (Alertmanager: `StartsAt + group_wait < now` flushes at once).
    pub fn due_for_news(&self, timing: &Timing, began: Time, now: Time) -> Time {
        match self.ticked_at {
            None if began + timing.group_wait <= now => now,
            None => now + timing.group_wait,
            Some(last) => next_tick(last, timing, now),
        }
    }

    /// Decides what a tick at `now` tells.
    pub fn flush(&self, members: &[Member], timing: &Timing, now: Time) -> Flush {
        let free = |member: &&Member| member.hold.is_none();
        let any = |question: fn(&Member) -> bool| members.iter().filter(free).any(question);
        let firing_left = any(|m| (m.state != State::Resolved || m.flapping) && m.told != Told::Moved);
        let reason = if any(is_new) {
            Some(if self.told_at.is_none() { Reason::First } else { Reason::NewAlerts })
        } else if firing_left && self.told_at.is_some() && any(is_over) {
            // one that began and ended between two ticks is shown, too (Alertmanager: `IsResolvedSubset`)
            Some(Reason::SomeResolved)
        } else if any(is_news_of_end) {
            Some(Reason::AllResolved)
        } else if any(is_news_of_flapping) {
            Some(Reason::Flapping)
        } else if any(is_news_of_calm) {
            Some(Reason::Calmed)
        } else if any(is_news_of_acknowledgement) {
            Some(Reason::Acknowledged)
        } else if any(needs_repeating) && self.repeat_at(timing).is_some_and(|due| due <= now) {
            Some(Reason::Repeat)
        } else {
            None
        };
        let shown = match reason {
            None => Vec::new(),
            Some(_) => (0..members.len()).filter(|&n| is_shown(&members[n])).collect(),
        };
        let told: Vec<_> = members.iter().map(|m| told_after(m, reason.is_some())).collect();
        let told_at = if reason.is_some() { Some(now) } else { self.told_at };
        let due_at = Group { ticked_at: Some(now), told_at }.due_after(members, timing, now);
        Flush { reason, shown, told, due_at }
    }

    fn repeat_at(&self, timing: &Timing) -> Option<Time> {
        self.told_at.or(self.ticked_at).map(|at| at + timing.repeat_interval)
    }

    /// When to look again after a tick whose news nobody wanted to hear.
    pub fn due_after_silence(&self, members: &[Member], timing: &Timing, now: Time) -> Option<Time> {
        self.due_after(members, timing, now)
    }

    /// What is kept back is asked again at every tick, since nothing rings when a silence or a mute ends.
    fn due_after(&self, members: &[Member], timing: &Timing, now: Time) -> Option<Time> {
        let held = members.iter().any(|m| m.hold.is_some());
        let repeats = members.iter().any(|m| m.hold.is_none() && needs_repeating(m));
        let tick = held.then(|| next_tick(now, timing, now));
        // a repeat waits for a tick of the group, as everything that is told does
        let repeat = self.repeat_at(timing).filter(|_| repeats).map(|at| tick_from(now, timing, at));
        [tick, repeat].into_iter().flatten().min()
    }
}

/// The first tick after `now` on the grid that starts at `last` with steps of the group interval.
fn next_tick(last: Time, timing: &Timing, now: Time) -> Time {
    let step = timing.group_interval.as_micros().clamp(1, i64::MAX as u128) as i64;
    // a tick that lies ahead was made before the clock was set back
    let last = last.min(now);
    let steps = now.0.saturating_sub(last.0) / step + 1;
    Time(last.0.saturating_add(steps.saturating_mul(step)))
}

/// The first tick after `last`, on the grid that starts there, that is not before `at`.
fn tick_from(last: Time, timing: &Timing, at: Time) -> Time {
    next_tick(last, timing, Time(at.0.saturating_sub(1)).max(last))
}

fn is_new(member: &Member) -> bool {
    let untold = matches!(member.told, Told::Nothing | Told::Resolved | Told::Acknowledged | Told::Hidden);
    member.state == State::Open && untold && !member.flapping
}

/// Whether its readers have heard that it began, and not that it is over.
fn is_news_of_end(member: &Member) -> bool {
    let heard = matches!(member.told, Told::Firing | Told::Acknowledged | Told::Moved | Told::Hidden);
    is_over(member) && heard
}

/// Whether it is over; what flaps may be over only for the moment.
fn is_over(member: &Member) -> bool {
    member.state == State::Resolved && !member.flapping
}

fn is_news_of_flapping(member: &Member) -> bool {
    member.flapping && !matches!(member.told, Told::Flapping | Told::Moved)
}

fn is_news_of_calm(member: &Member) -> bool {
    member.told == Told::Flapping && !member.flapping
}

fn is_news_of_acknowledgement(member: &Member) -> bool {
    member.state == State::Acknowledged && member.told == Told::Firing && !member.flapping
}

/// Only what nobody has taken is worth saying twice.
fn needs_repeating(member: &Member) -> bool {
    member.state == State::Open && member.told != Told::Moved && !member.flapping && !member.once
}

/// A message shows all that nothing keeps back, but for what fires elsewhere by now. As in Alertmanager, what
/// is over is shown even if nobody was told that it had begun: it was kept back, or over too soon. What is told only
/// once is not shown beside what is new.
fn is_shown(member: &Member) -> bool {
    let known = member.once && !is_news(member);
    member.hold.is_none() && !known && (member.state == State::Resolved || member.told != Told::Moved)
}

/// Whether there is something to tell of it.
pub fn is_news(member: &Member) -> bool {
    let flap = is_news_of_flapping(member) || is_news_of_calm(member);
    is_new(member) || is_over(member) || is_news_of_acknowledgement(member) || flap
}

/// What is true of a member after a tick. What is over leaves: told, or not worth a message of its own since
/// nobody heard that it had begun, or kept back when it ended (Alertmanager drops it there, too). What fires
/// and was left out of a message is news once nothing keeps it back any more.
fn told_after(member: &Member, told_now: bool) -> Option<Told> {
    match (member.state, told_now) {
        _ if is_over(member) => None,
        _ if member.told == Told::Moved => Some(Told::Moved),
        (_, false) => Some(member.told),
        _ if member.once && !is_news(member) => Some(member.told),
        _ if member.hold.is_some() => match member.told {
            Told::Firing => Some(Told::Hidden),
            told => Some(told),
        },
        _ if member.flapping => Some(Told::Flapping),
        (State::Resolved, true) => None,
        (State::Open, true) => Some(Told::Firing),
        (State::Acknowledged, true) => Some(Told::Acknowledged),
    }
}

#[cfg(test)]
mod tests;
