//! Events and deadlines move incidents on, and every move is a line in the ledger.

use std::collections::HashMap;
use std::sync::Arc;

use model::event::{Action, Event};
use model::incident::{Change, ChangeKind, Incident, Input};
use model::{Id, Time};
use store::events::{Judged, Texts};
use store::ledger::Line;
use store::{Readable, Result, Tx};

use crate::core::Core;

/// An event on its way in, with its labels and annotations as columns hold them.
pub(crate) type Arriving = (Event, Arc<Texts>);

/// An event with its verdict, ready to be written.
pub(crate) type Arrived = (Judged, Arc<Texts>);

/// An event that was not written yet, made ready to be.
pub(crate) fn arriving(event: Event) -> Arriving {
    let texts = Arc::new(Texts::of(&event.labels, &event.annotations));
    (event, texts)
}

/// An incident that has moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// As it was; `None`: it is new.
    pub before: Option<Incident>,
    /// As it is.
    pub after: Incident,
    /// What happened to it.
    pub changes: Vec<Change>,
    /// Its labels and annotations as columns hold them, when an event that opened it brought them.
    pub(crate) texts: Option<Arc<Texts>>,
}

impl Moved {
    /// Whether routing must look at it.
    pub fn concerns_routing(&self) -> bool {
        self.changes.iter().any(|change| change.kind.concerns_routing())
    }
}

/// Applies events in their order; returns them with their verdicts, and the incidents that moved.
pub(crate) fn apply_events(
    core: &Core,
    tx: &mut Tx<'_>,
    events: Vec<Arriving>,
    now: Time,
) -> Result<(Vec<Arrived>, Vec<Moved>)> {
    let policy = core.live().rules.policy();
    let mut keys: Vec<&str> = events.iter().map(|(event, _)| event.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let known = store::incidents::live_by_keys(tx, &keys)?;
    let mut known = readable(core, tx, known.into_iter().map(|(_, it)| it), now)?;
    // one that is over and may still be re-opened gives way to one that is open
    known.sort_by_key(|incident| (incident.is_active(), incident.id));
    let mut places: HashMap<String, usize> = HashMap::with_capacity(keys.len());
    let mut moved: Vec<Moved> = Vec::with_capacity(keys.len());
    for incident in known {
        places.insert(incident.key.clone(), moved.len());
        moved.push(Moved {
            before: Some(incident.clone()),
            after: incident,
            changes: Vec::new(),
            texts: None,
        });
    }
    let used = used_keys(tx, &events)?;
    let mut judged = Vec::with_capacity(events.len());
    for (event, texts) in events {
        let place = places.get(&event.key).copied().filter(|place| {
            // one whose end was not told yet goes on; a re-open window that has just ended leaves the key to a
            // new incident
            let known: &Moved = &moved[*place];
            known.after.is_active() || known.after.reopens_until.is_none_or(|end| end > now)
        });
        let verdict = match place {
            // it would open an incident of its own
            Some(place) if event.extra.is_some() => (Some(moved[place].after.id), KNOWN_ALREADY),
            None if event.extra.is_some() && used.contains_key(&event.key) => {
                (used.get(&event.key).copied(), KNOWN_ALREADY)
            }
            Some(place) => {
                let it = &mut moved[place];
                let (after, changes) = it.after.apply(&Input::Event(&event), &policy, now);
                let verdict = verdict(&event, &changes);
                it.after = after;
                it.changes.extend(changes);
                (Some(it.after.id), verdict)
            }
            None if event.action == Action::Raise => {
                let (incident, opened) = Incident::open(&event);
                let id = incident.id;
                places.insert(incident.key.clone(), moved.len());
                moved.push(Moved {
                    before: None,
                    after: incident,
                    changes: vec![opened],
                    texts: Some(texts.clone()),
                });
                (Some(id), "opened")
            }
            None => (None, "nothing open has this key"),
        };
        judged.push((Judged { event, incident: verdict.0, verdict: verdict.1.to_owned() }, texts));
    }
    moved.retain(|it| it.before.as_ref() != Some(&it.after) || !it.changes.is_empty());
    write(core, tx, &moved, now)?;
    Ok((judged, moved))
}

/// The verdict on an event that was to open an incident of its own, where there is one of its key.
pub const KNOWN_ALREADY: &str = "known already";

/// The incidents that have had the keys of those events that are to open incidents of their own.
fn used_keys(tx: &mut Tx<'_>, events: &[Arriving]) -> Result<HashMap<String, Id>> {
    let own: Vec<&str> =
        events.iter().filter(|(it, _)| it.extra.is_some()).map(|(it, _)| it.key.as_str()).collect();
    let used = store::incidents::used_keys(tx, &own)?;
    Ok(used.into_iter().map(|(place, id)| (own[place].to_owned(), id)).collect())
}

/// What became of an event, in a word.
fn verdict(event: &Event, changes: &[Change]) -> &'static str {
    let last = changes.iter().rev().map(|change| change.kind).find(|kind| *kind != ChangeKind::TimedOut);
    match (event.action, last) {
        (Action::Raise, None) => "repeated",
        (Action::Clear, None) => "already over",
        (_, Some(kind)) => kind.name(),
        (Action::Note, None) => "noted",
    }
}

/// Applies one input to each of some incidents.
pub(crate) fn apply_to(
    core: &Core,
    tx: &mut Tx<'_>,
    incidents: Vec<Incident>,
    input: &Input<'_>,
    now: Time,
) -> Result<Vec<Moved>> {
    let policy = core.live().rules.policy();
    let moved = incidents.into_iter().map(|before| {
        let (after, changes) = before.apply(input, &policy, now);
        Moved { before: Some(before), after, changes, texts: None }
    });
    let moved: Vec<Moved> =
        moved.filter(|it| it.before.as_ref() != Some(&it.after) || !it.changes.is_empty()).collect();
    write(core, tx, &moved, now)?;
    Ok(moved)
}

/// Leaves out what cannot be read: that is set aside, and the ledger says so. The next event of its key opens
/// a new incident.
pub(crate) fn readable<T>(
    core: &Core,
    tx: &mut Tx<'_>,
    found: impl Iterator<Item = Readable<T>>,
    now: Time,
) -> Result<Vec<T>> {
    let (mut good, mut odd) = (Vec::new(), Vec::new());
    for it in found {
        match it {
            Ok(it) => good.push(it),
            Err(it) => odd.push(it),
        }
    }
    if odd.is_empty() {
        return Ok(good);
    }
    odd.sort_by_key(|it| it.id);
    odd.dedup_by_key(|it| it.id);
    core.counters.failures.add("read", odd.len() as u64);
    let lines = odd.iter().map(|it| {
        tracing::error!(incident = %it.id, why = it.why, "an incident cannot be read and was set aside");
        let detail = format!("set aside and not told any more, since its row cannot be read: {}", it.why);
        let change = Change { kind: ChangeKind::Suppressed, by: String::new(), detail };
        line(core, it.id, change, core.live().version, now)
    });
    store::ledger::write(tx, &lines.collect::<Vec<_>>())?;
    store::incidents::set_aside(tx, &odd.iter().map(|it| it.id).collect::<Vec<_>>(), now)?;
    Ok(good)
}

/// Keeps what has moved, and what happened, in the ledger.
pub(crate) fn write(core: &Core, tx: &mut Tx<'_>, moved: &[Moved], now: Time) -> Result<()> {
    let live = core.live();
    let (new, old): (Vec<&Moved>, Vec<&Moved>) = moved.iter().partition(|it| it.before.is_none());
    let rows = new.iter().map(|it| {
        let fresh = || Arc::new(Texts::of(&it.after.labels, &it.after.annotations));
        // a second event of the same transaction may have changed what the first one brought
        let texts = it.texts.clone().filter(|_| it.after.times_seen == 1 && it.changes.len() == 1);
        (&it.after, texts.unwrap_or_else(fresh))
    });
    store::incidents::insert(tx, &rows.collect::<Vec<_>>())?;
    let before = old.iter().filter(|it| looks_otherwise(it)).filter_map(|it| it.before.as_ref());
    store::past::keep_incidents(tx, &before.collect::<Vec<_>>(), now)?;
    store::incidents::update(tx, &old.iter().map(|it| &it.after).collect::<Vec<_>>())?;
    let lines = moved.iter().flat_map(|it| it.changes.iter().map(|change| (it.after.id, change)));
    let lines: Vec<Line> =
        lines.map(|(incident, change)| line(core, incident, change.clone(), live.version, now)).collect();
    store::ledger::write(tx, &lines)?;
    for line in &lines {
        core.counters.changes.add(line.change.kind.name(), 1);
    }
    if !live.rules.inhibitions.is_empty() {
        // labels may have changed with the state: both the old and the new set are looked at
        let stale: Vec<&Incident> = moved.iter().filter_map(|it| it.before.as_ref()).collect();
        let gone: Vec<Incident> = stale
            .iter()
            .map(|it| Incident { state: model::incident::State::Resolved, ..(*it).clone() })
            .collect();
        store::rules::list_inhibitors(tx, &live.rules.inhibitions, &gone.iter().collect::<Vec<_>>())?;
        let now: Vec<&Incident> = moved.iter().map(|it| &it.after).collect();
        store::rules::list_inhibitors(tx, &live.rules.inhibitions, &now)?;
    }
    Ok(())
}

/// Whether filters may see an incident otherwise than before, apart from what its timeline says.
fn looks_otherwise(moved: &Moved) -> bool {
    moved.before.as_ref().is_some_and(|before| {
        let after = &moved.after;
        before.severity != after.severity
            || before.labels != after.labels
            || before.source != after.source
            || before.more().tags != after.more().tags
    })
}

/// A line of the ledger.
pub(crate) fn line(core: &Core, incident: Id, change: Change, rules: i64, now: Time) -> Line {
    Line { id: core.id(now), incident, at: now, change, rules }
}

/// The line that says that an incident is not told, and why.
pub(crate) fn untold(core: &Core, incident: Id, detail: String, rules: i64, now: Time) -> Line {
    line(core, incident, Change { kind: ChangeKind::Suppressed, by: String::new(), detail }, rules, now)
}
