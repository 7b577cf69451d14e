//! The accept path: events become rows, and as much of the flow as is not waiting for anything rides in
//! the same transaction, so that one sync of the disk is all that stands between a POST and its webhook.

use model::event::{Action, Event, NewEvent};
use model::{Delivery, Id, Notification, Time};
use store::{Engine, Result, Tx};

use crate::core::Core;
use crate::incident::{Arrived, Arriving, Moved, apply_events, arriving};
use crate::live::Expected;
use crate::{detect, notices, route, set_back, sources, tell};

/// What became of an accepted event, for the answer to its sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The event's id.
    pub event: Id,
    /// The incident that it belongs to, if any.
    pub incident: Option<Id>,
    /// In a word: `opened`, `repeated`, `resolved`, …
    pub verdict: String,
}

/// What a run of the flow did.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Deliveries that this node's desks have now, leased to them.
    pub handed: Vec<(Delivery, Notification)>,
    /// Destinations that have something new to do.
    pub rung: Vec<String>,
    /// Incidents that have moved, for live updates.
    pub moved: Vec<Moved>,
    /// Which time it was when it ran.
    pub at: Option<Time>,
    /// When the steps have to look because of this; nothing: whenever they do anyway.
    pub due: Option<Time>,
    /// What the hub itself has to say of pages, as events that are not taken in yet.
    pub(crate) alarms: Vec<NewEvent>,
}

impl Done {
    /// What another run did, besides.
    pub(crate) fn join(&mut self, other: Done) {
        self.handed.extend(other.handed);
        self.rung.extend(other.rung);
        self.moved.extend(other.moved);
        self.alarms.extend(other.alarms);
        self.then_look_at(other.due);
    }

    fn then_look_at(&mut self, due: Option<Time>) {
        self.due = [self.due, due].into_iter().flatten().min();
    }

    pub(crate) fn told(&mut self, told: tell::Tick) {
        self.handed.extend(told.handed);
        self.rung.extend(told.rung);
        self.then_look_at(told.due);
    }
}

/// Events on their way in: with ids, and made ready to be written. What needs no transaction is done here.
#[derive(Clone, Default)]
pub struct Arrivals(Vec<Arriving>);

impl Arrivals {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One after the other.
impl FromIterator<Arrivals> for Arrivals {
    fn from_iter<I: IntoIterator<Item = Arrivals>>(parts: I) -> Self {
        Arrivals(parts.into_iter().flat_map(|it| it.0).collect())
    }
}

/// Makes events ready to be taken in.
pub fn arrive(core: &Core, new: Vec<NewEvent>, now: Time) -> Arrivals {
    let arrive = |event: NewEvent| {
        core.counters.accepted.add(&event.source, 1);
        arriving(Event::arrive(event, core.id(now), now))
    };
    Arrivals(new.into_iter().map(arrive).collect())
}

/// Takes events in and moves the flow on.
///
/// # Errors
/// When the database is gone or full: then nothing of this is kept.
pub fn accept(core: &Core, tx: &mut Tx<'_>, arrivals: Arrivals, now: Time) -> Result<(Vec<Accepted>, Done)> {
    tx.lock_flow()?;
    let mut done = Done { at: Some(now), ..Done::default() };
    core.plans_at(now);
    let back = beats_among(core, tx, &arrivals, now)?;
    let (judged, moved) = apply_events(core, tx, arrivals.0, now)?;
    store::events::insert(tx, &judged)?;
    notices::of_events(core, tx, &judged, now)?;
    let mut begun = Vec::new();
    place(core, tx, moved, Some(&mut begun), &mut done, now)?;
    if !back.is_empty() {
        let (judged, moved) = apply_events(core, tx, back, now)?;
        store::events::insert(tx, &judged)?;
        notices::of_events(core, tx, &judged, now)?;
        place(core, tx, moved, None, &mut done, now)?;
    }
    tell_what_is_due(core, tx, begun, &mut done, now)?;
    let accepted = judged.into_iter().map(|(it, _)| Accepted {
        event: it.event.id,
        incident: it.incident,
        verdict: it.verdict,
    });
    Ok((accepted.collect(), done))
}

/// Tells what need not wait for anything, in the transaction that brought it.
pub(crate) fn tell_what_is_due(
    core: &Core,
    tx: &mut Tx<'_>,
    begun: Vec<route::Begun>,
    done: &mut Done,
    now: Time,
) -> Result<()> {
    take_alarms(core, tx, done, now)?;
    done.told(tell::tell_begun(core, tx, begun, now)?);
    done.told(tell::tick(core, tx, tell::Room::Little, now)?);
    Ok(())
}

/// Alerts that are pings of heartbeats, too, such as one that always fires; returns the events that end absences.
fn beats_among(core: &Core, tx: &mut Tx<'_>, arrivals: &Arrivals, now: Time) -> Result<Vec<Arriving>> {
    let live = core.live();
    let mut back = Vec::new();
    for expected in live.heartbeats.iter().filter(|it| !it.alerts.0.is_empty()) {
        let beats = |event: &Event| event.action == Action::Raise && expected.alerts.matches(&event.labels);
        if arrivals.0.iter().any(|(event, _)| beats(event)) {
            let event = detect::beat(tx, expected, now)?;
            back.extend(event.map(|it| arriving(Event::arrive(it, core.id(now), now))));
        }
    }
    Ok(back)
}

/// Takes a ping of a heartbeat in.
///
/// # Errors
/// As [`accept`].
pub fn beat(core: &Core, tx: &mut Tx<'_>, name: &str, now: Time) -> Result<Done> {
    heard(core, tx, name, now, detect::beat)
}

/// Takes in that the job of a heartbeat failed.
///
/// # Errors
/// As [`accept`].
pub fn fail(core: &Core, tx: &mut Tx<'_>, name: &str, now: Time) -> Result<Done> {
    heard(core, tx, name, now, detect::fail)
}

/// What follows when a heartbeat is heard of.
type Follows = fn(&mut Tx<'_>, &Expected, Time) -> Result<Option<NewEvent>>;

fn heard(core: &Core, tx: &mut Tx<'_>, name: &str, now: Time, follows: Follows) -> Result<Done> {
    let live = core.live();
    let Some(expected) = live.heartbeats.iter().find(|it| it.name == name) else {
        return Ok(Done::default());
    };
    tx.lock_flow()?;
    Ok(match follows(tx, expected, now)? {
        Some(event) => accept(core, tx, arrive(core, vec![event], now), now)?.1,
        None => Done::default(),
    })
}

/// A registered source was heard of.
///
/// # Errors
/// As [`accept`].
pub fn hear(core: &Core, tx: &mut Tx<'_>, source: Id, now: Time) -> Result<Done> {
    tx.lock_flow()?;
    let (due, back) = sources::heard(tx, source, now)?;
    Ok(match back {
        Some(event) => accept(core, tx, arrive(core, vec![event], now), now)?.1,
        None => Done { due, ..Done::default() },
    })
}

/// How events are written with their verdicts: those that were there already, or new ones.
type Keep = fn(&mut Tx<'_>, &[Arrived]) -> Result<()>;

fn take(
    core: &Core,
    tx: &mut Tx<'_>,
    events: Vec<Event>,
    keep: Keep,
    done: &mut Done,
    now: Time,
) -> Result<()> {
    let events = events.into_iter().map(arriving).collect();
    let (judged, moved) = apply_events(core, tx, events, now)?;
    keep(tx, &judged)?;
    notices::of_events(core, tx, &judged, now)?;
    place(core, tx, moved, None, done, now)
}

/// Takes in what the hub itself has to say of pages. What comes of that raises no further alarm.
pub(crate) fn take_alarms(core: &Core, tx: &mut Tx<'_>, done: &mut Done, now: Time) -> Result<()> {
    let alarms = std::mem::take(&mut done.alarms);
    if alarms.is_empty() {
        return Ok(());
    }
    let events = alarms.into_iter().map(|it| Event::arrive(it, core.id(now), now)).collect();
    take(core, tx, events, store::events::insert, done, now)
}

/// Puts what has moved into its groups, and notes when the steps have to look again for its sake.
pub(crate) fn place(
    core: &Core,
    tx: &mut Tx<'_>,
    moved: Vec<Moved>,
    begun: Option<&mut Vec<route::Begun>>,
    done: &mut Done,
    now: Time,
) -> Result<()> {
    notices::of_moved(core, tx, &moved, now)?;
    done.then_look_at(moved.iter().filter_map(|it| it.after.due_at()).min());
    let (quiet, moved): (Vec<Moved>, Vec<Moved>) = moved.into_iter().partition(|it| it.after.is_quiet());
    done.then_look_at(route::place(core, tx, &moved, begun, now)?);
    done.then_look_at(tell::note_maintained(core, tx, moved.iter().map(|it| &it.after), now)?);
    done.told(tell::tell_people(core, tx, &moved, now)?);
    let paged = tell::follow_escalations(core, tx, &moved, &mut done.alarms, now)?;
    done.told(paged);
    done.moved.extend(moved);
    done.moved.extend(quiet);
    Ok(())
}

/// One run of everything that is due: events without a verdict, deadlines, heartbeats, groups. Idempotent,
/// bounded, and the same on every node.
///
/// # Errors
/// When the database is gone or full: then nothing of this is kept.
pub fn run(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Done> {
    tx.lock_flow()?;
    // of several nodes' clocks none is the right one to go by; a single one that was set back takes its
    // deadlines with it
    if let Some(back) = core.set_back(now).filter(|_| tx.engine() == Engine::Sqlite) {
        set_back::follow(tx, back, now)?;
    }
    core.runs_at(now);
    core.people(tx)?;
    let mut done = Done { at: Some(now), ..Done::default() };
    let passed = detect::pass_deadlines(core, tx, now)?;
    let waiting = store::events::waiting(tx, EVENTS_PER_TICK)?;
    if passed.len() as i64 >= detect::DEADLINES_PER_TICK || waiting.len() as i64 == EVENTS_PER_TICK {
        done.due = Some(now);
    }
    place(core, tx, passed, None, &mut done, now)?;
    take(core, tx, waiting, store::events::judge, &mut done, now)?;
    let mut missed = detect::missed_heartbeats(core, tx, now)?;
    missed.extend(sources::missed(core, tx, now)?);
    take(core, tx, missed, store::events::insert, &mut done, now)?;
    done.told(tell::pass_maintenance(core, tx, now)?);
    done.told(tell::tick(core, tx, tell::Room::Much, now)?);
    done.told(tell::pass_storms(core, tx, now)?);
    done.told(tell::pass_digests(core, tx, now)?);
    done.told(tell::pass_failovers(core, tx, now)?);
    let paged = tell::pass_escalations(core, tx, &mut done.alarms, now)?;
    done.told(paged);
    let told = tell::pass_duty(core, tx, &mut done.alarms, now)?;
    done.told(told);
    take_alarms(core, tx, &mut done, now)?;
    Ok(done)
}

/// Events without a verdict that one run looks at, at the most.
const EVENTS_PER_TICK: i64 = 512;

/// When [`run`] has something to do next, if nothing happens before.
///
/// # Errors
/// When the database is gone.
pub fn next_due(core: &Core, tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let (incidents, groups) = (store::incidents::next_due(tx)?, store::groups::next_due(tx)?);
    let (storms, sources) = (store::storms::next_due(tx)?, store::sources::next_due(tx)?);
    let (digests, pages) = (store::digests::next_due(tx)?, store::escalations::next_due(tx)?);
    let (duty, failovers) = (tell::next_duty(tx)?, store::failovers::next_due(tx)?);
    let maintained = store::maintained::next_due(tx)?;
    let dues = [incidents, groups, storms, sources, digests, pages, duty, failovers, maintained];
    let mut due = dues.into_iter().flatten().min();
    let live = core.live();
    if !live.heartbeats.is_empty() {
        let ours = |name: &str| live.heartbeats.iter().any(|it| it.name == name);
        let beats = store::heartbeats::all(tx)?.into_iter().filter(|it| !it.overdue && ours(&it.name));
        let beats = beats.map(|it| it.due_at);
        due = due.into_iter().chain(beats).min();
    }
    Ok(due)
}
