//! What was recorded of a window, in the order in which it happened.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::event::{Action, Event, NewEvent};
use model::incident::ChangeKind;
use model::{Id, Incident, Silence, Time};
use store::events::Judged;
use store::ledger::Line;
use store::{Result, Tx};

use super::{MAX_EVENTS, MAX_STANDING};
use crate::driver::Act;

/// How long before the window that begins which is wrong at its beginning, at the most: time enough for groups
/// to have been told, so that the window does not begin with a burst of first words.
const LEAD: Duration = Duration::from_secs(86_400);
/// Lines of one incident's timeline that are looked at.
const LINES: i64 = 1000;
/// By how much an end is moved past what shows that it was not the end.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Happening {
    pub at: Time,
    pub what: What,
}

/// What.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// Events arrived together.
    Events(Vec<NewEvent>),
    /// Somebody did something to the incident of this key.
    Act(String, Act),
}

/// What was recorded of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tape {
    /// The beginning of the window, which is later than what was asked for when there are too many events.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// Events that arrived in it.
    pub events: usize,
    /// The silences as they were.
    pub silences: Vec<Silence>,
    /// What the replay does not know, in words.
    pub notes: Vec<String>,
    pub(super) happenings: Vec<Happening>,
}

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The beginning of the window.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// Events at the most, [`MAX_EVENTS`] and no more.
    pub events: usize,
}

impl Tape {
    /// Reads what is recorded.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn read(tx: &mut Tx<'_>, read: &Read) -> Result<Tape> {
        let most = read.events.min(MAX_EVENTS);
        let limit = i64::try_from(most + 1).unwrap_or(i64::MAX);
        let mut events = store::events::between(tx, read.from, read.until, limit)?;
        let mut tape = Tape { from: read.from, until: read.until, ..Tape::default() };
        if events.len() > most {
            events.truncate(most);
            tape.from = events.last().map_or(read.from, |it| it.event.arrived_at);
            tape.notes.push(format!(
                "cut: more than {most} events arrived since {}; the window begins at {}",
                read.from, tape.from
            ));
        }
        events.reverse();
        tape.events = events.len();
        let mut standing = store::incidents::wrong_at(tx, tape.from, MAX_STANDING as i64 + 1)?;
        if standing.len() > MAX_STANDING {
            standing.truncate(MAX_STANDING);
            let note = format!("cut: more than {MAX_STANDING} incidents were open at the beginning");
            tape.notes.push(note);
        }
        let begin = tape.from - LEAD;
        let mut all = Vec::with_capacity(standing.len() + events.len());
        for incident in &standing {
            let opening = store::events::get(tx, incident.id)?.map(|it| it.event);
            let event = opening.unwrap_or_else(|| raised(incident));
            let arrived_at = incident.first_seen.max(begin);
            let event = Event { arrived_at, ..event };
            all.push(Judged { event, incident: Some(incident.id), verdict: "opened".to_owned() });
        }
        all.sort_by_key(|it| it.event.arrived_at);
        all.extend(events);
        let incidents = incidents(tx, standing, &all)?;
        keep_alive(&mut all, &incidents);
        tape.record(tx, all, &incidents, begin)?;
        tape.silences = store::silences::ending_after(tx, begin)?;
        Ok(tape)
    }

    fn record(
        &mut self,
        tx: &mut Tx<'_>,
        events: Vec<Judged>,
        incidents: &HashMap<Id, Incident>,
        begin: Time,
    ) -> Result<()> {
        for it in events {
            let (at, event) = (it.event.arrived_at, again(it.event));
            match self.happenings.last_mut() {
                Some(Happening { at: last, what: What::Events(events) }) if *last == at => events.push(event),
                _ => self.happenings.push(Happening { at, what: What::Events(vec![event]) }),
            }
        }
        for incident in incidents.values() {
            for line in store::ledger::timeline(tx, incident.id, LINES)? {
                let at = line.at.max(begin);
                if let Some(act) = act(line).filter(|_| at < self.until) {
                    self.happenings.push(Happening { at, what: What::Act(incident.key.clone(), act) });
                }
            }
        }
        // stable: events of a moment come before what people did about them
        self.happenings.sort_by_key(|it| it.at);
        Ok(())
    }
}

/// The incidents that these events belong to.
fn incidents(tx: &mut Tx<'_>, standing: Vec<Incident>, events: &[Judged]) -> Result<HashMap<Id, Incident>> {
    let mut all: HashMap<Id, Incident> = standing.into_iter().map(|it| (it.id, it)).collect();
    let mut ids: Vec<Id> =
        events.iter().filter_map(|it| it.incident).filter(|id| !all.contains_key(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    all.extend(store::incidents::get_many(tx, &ids)?.into_iter().map(|(_, it)| (it.id, it)));
    Ok(all)
}

/// The event that opened an incident, when it is not there any more.
fn raised(incident: &Incident) -> Event {
    let new = NewEvent {
        key: incident.key.clone(),
        severity: Some(incident.severity),
        title: incident.title.clone(),
        annotations: incident.annotations.clone(),
        link: incident.link.clone(),
        started_at: Some(incident.started_at),
        ..NewEvent::raise(&incident.source, incident.labels.clone())
    };
    Event { ends_at: incident.ends_at, ..Event::arrive(new, incident.id, incident.first_seen) }
}

/// Events that only repeated what was known are forgotten early, and with them the ends that they put off. That
/// an incident went on shows in what came later: no end is earlier than that.
fn keep_alive(events: &mut [Judged], incidents: &HashMap<Id, Incident>) {
    let mut known_until: BTreeMap<Id, Time> = BTreeMap::new();
    for it in events.iter_mut().rev() {
        let Some(id) = it.incident else { continue };
        let row = || {
            let incident = incidents.get(&id)?;
            incident.resolved_at.or(incident.ends_at)
        };
        let lived_until = known_until.get(&id).copied().or_else(row);
        if let (Action::Raise, Some(end), Some(lived)) = (it.event.action, it.event.ends_at, lived_until)
            && lived > end
        {
            it.event.ends_at = Some(lived);
        }
        // what re-opened it says nothing about the time before
        let going_on = it.verdict != "reopened";
        let until = if going_on { it.event.arrived_at + A_MOMENT } else { Time::MIN };
        known_until.insert(id, until);
    }
}

/// A recorded event, to be taken in again.
fn again(event: Event) -> NewEvent {
    NewEvent {
        source: event.source,
        key: event.key,
        action: event.action,
        severity: event.severity,
        title: event.title,
        labels: event.labels,
        annotations: event.annotations,
        link: event.link,
        started_at: Some(event.started_at),
        ends_at: event.ends_at,
        resolve_after: None,
        extra: None,
        chain: 0,
    }
}

/// What a person did, as the timeline has it. When an acknowledgement was to run out is not in there: it is given
/// back when it did.
fn act(line: Line) -> Option<Act> {
    let (by, detail) = (line.change.by, line.change.detail);
    match line.change.kind {
        ChangeKind::Acknowledged => Some(Act::Acknowledge { by, until: None, note: detail }),
        ChangeKind::Unacknowledged | ChangeKind::AcknowledgementExpired => Some(Act::Unacknowledge { by }),
        ChangeKind::Resolved if !by.is_empty() => Some(Act::Resolve { by, note: detail, end: None }),
        ChangeKind::Reopened if !by.is_empty() => Some(Act::Reopen { by, note: detail }),
        ChangeKind::Snoozed => {
            let until = detail.split(": ").next()?.parse().ok()?;
            Some(Act::Snooze { by, until, note: String::new() })
        }
        _ => None,
    }
}
