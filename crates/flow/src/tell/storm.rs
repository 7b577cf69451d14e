//! Storms: while a receiver is told too much, its people get summaries, and machines get everything.

use std::collections::BTreeMap;

use model::delivery::{Delivery, DeliveryState};
use model::incident::{Change, ChangeKind, State};
use model::notification::{Alert, Reason, StormCount, StormSummary};
use model::receiver::Audience;
use model::storm::{Storm, Summary};
use model::{Id, Incident, Labels, Notification, Time};
use store::groups::GroupRow;
use store::ledger::Line;
use store::{Result, Tx};

use super::{Tick, idempotency_key};
use crate::core::Core;
use crate::incident::line;
use crate::live::Live;

/// Storms of which one run tells summaries, at the most.
const STORMS_PER_RUN: i64 = 64;
/// Incidents that a summary counts, at the most; how many there are in all it says in any case.
const MAX_COUNTED: i64 = 2000;
/// Incidents that a summary shows one by one, the worst first.
const MAX_SHOWN: usize = 20;
/// Lines of a summary that say how many there are of what.
const MAX_LINES: usize = 20;

/// What one run of tells knows of the storms of its receivers, and what it adds to them.
#[derive(Default)]
pub(super) struct Weather {
    storms: BTreeMap<String, Storm>,
    held: Vec<(String, Id)>,
}

impl Weather {
    /// The storms of the receivers of these groups.
    pub(super) fn find(tx: &mut Tx<'_>, live: &Live, due: &[&GroupRow]) -> Result<Self> {
        let receivers = due.iter().map(|group| group.receiver.as_str());
        let mut watched: Vec<&str> = receivers.filter(|name| live.rules.storms.of(name).is_some()).collect();
        watched.sort_unstable();
        watched.dedup();
        let storms = store::storms::of(tx, &watched)?.into_iter().collect();
        Ok(Weather { storms, held: Vec::new() })
    }

    /// There is a message for the people of a receiver. Since when there is a storm, if they are to hear of it
    /// in a summary only.
    pub(super) fn message(&mut self, live: &Live, receiver: &str, now: Time) -> Option<Time> {
        let rule = live.rules.storms.of(receiver)?;
        let storm = self.storms.entry(receiver.to_owned()).or_default();
        storm.message(rule, now);
        storm.since
    }

    /// These incidents are left to the summary; each says so in the ledger.
    #[expect(
        clippy::too_many_arguments,
        reason = "a line says who was not told of what, why, and by which rules"
    )]
    pub(super) fn hold<'a>(
        &mut self,
        core: &Core,
        live: &Live,
        receiver: &str,
        destination: &str,
        since: Time,
        incidents: impl Iterator<Item = (&'a Incident, bool)>,
        now: Time,
    ) -> Vec<Line> {
        let mut lines = Vec::new();
        for (incident, news) in incidents {
            self.held.push((receiver.to_owned(), incident.id));
            if news {
                let detail =
                    format!("not told to {destination} by itself, but in a summary: a storm since {since}");
                let change = Change { kind: ChangeKind::Suppressed, by: String::new(), detail };
                lines.push(line(core, incident.id, change, live.version, now));
            }
        }
        lines
    }

    /// Keeps what has changed.
    pub(super) fn write(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let storms: Vec<(&str, &Storm)> =
            self.storms.iter().map(|(name, storm)| (name.as_str(), storm)).collect();
        store::storms::put(tx, &storms)?;
        self.held.sort_unstable();
        self.held.dedup();
        store::storms::hold(tx, &self.held)
    }

    /// When a summary is due.
    pub(super) fn due(&self) -> Option<Time> {
        self.storms.values().filter_map(Storm::due_at).min()
    }
}

/// Tells the summaries that are due.
pub(crate) fn pass(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Tick> {
    let due = store::storms::due(tx, now, STORMS_PER_RUN)?;
    let mut tick = Tick::default();
    if due.is_empty() {
        return Ok(tick);
    }
    core.observe_ids(tx)?;
    let live = core.live();
    for (receiver, mut storm) in due {
        let before = storm.clone();
        let said = storm.pass(now);
        if let (Some(which), Some(since)) = (said, before.since) {
            tick.rung.extend(tell(core, tx, &live, &receiver, which, since, before.held, now)?);
        }
        if said == Some(Summary::Over) {
            store::storms::release(tx, &receiver)?;
        }
        store::storms::put(tx, &[(receiver.as_str(), &storm)])?;
        tick.due = [tick.due, storm.due_at()].into_iter().flatten().min();
    }
    tick.rung.sort_unstable();
    tick.rung.dedup();
    Ok(tick)
}

/// A summary for each of the people's destinations of a receiver; returns those.
#[expect(clippy::too_many_arguments, reason = "a summary says which storm it is about, and of what")]
fn tell(
    core: &Core,
    tx: &mut Tx<'_>,
    live: &Live,
    receiver: &str,
    which: Summary,
    since: Time,
    messages: u32,
    now: Time,
) -> Result<Vec<String>> {
    let places = live.rules.receivers.get(receiver).map(|it| it.destinations.as_slice()).unwrap_or_default();
    let people = places.iter().filter(|place| place.manners.audience == Audience::People);
    let total = u64::try_from(store::storms::count_held(tx, receiver)?).unwrap_or(0);
    let mut held = store::storms::held(tx, receiver, MAX_COUNTED)?;
    let known = held.len();
    // somebody may have silenced what a summary was to tell of
    let silences = core.silences(tx, now)?;
    held.retain(|incident| silences.matching(&incident.labels, now).next().is_none());
    let total = total.saturating_sub((known - held.len()) as u64);
    let summary =
        StormSummary { since, over: which == Summary::Over, messages, incidents: total, by: count(&held) };
    let (alerts, truncated) = shown(&held);
    let (common_labels, _) = Notification::common(&alerts);
    // what templates that know nothing of storms show
    let common_annotations: Labels = [("summary", summary.to_string())].into_iter().collect();
    let group_labels: Labels = [("alertname", "Storm"), ("receiver", receiver)].into_iter().collect();
    let mut deliveries = Vec::new();
    let mut told = Vec::new();
    for place in people {
        let id = core.id(now);
        let reason = if summary.over { Reason::StormOver } else { Reason::Storm };
        let notification = Notification {
            idempotency_key: idempotency_key(id),
            reason,
            receiver: receiver.to_owned(),
            route: String::new(),
            group_key: format!("storm:{receiver}"),
            group_labels: group_labels.clone(),
            common_labels: common_labels.clone(),
            common_annotations: common_annotations.clone(),
            external_url: live.rules.external_url.clone(),
            alerts: alerts.clone(),
            truncated,
            storm: Some(summary.clone()),
            at: now,
        };
        core.counters.planned.add(reason.name(), 1);
        told.extend(held.iter().map(|incident| (incident.id, id)));
        deliveries.push((delivery(id, receiver, &place.id, reason, now), notification));
    }
    store::deliveries::insert(tx, &deliveries)?;
    store::ledger::tell(tx, &told)?;
    Ok(deliveries.into_iter().map(|(delivery, _)| delivery.destination).collect())
}

fn delivery(id: Id, receiver: &str, destination: &str, reason: Reason, now: Time) -> Delivery {
    Delivery {
        id,
        group: None,
        receiver: receiver.to_owned(),
        destination: destination.to_owned(),
        lane: store::incidents::key_hash(&format!("{destination}\nstorm")),
        reason,
        state: DeliveryState::Pending,
        attempts: 0,
        created_at: now,
        due_at: now,
        settled_at: None,
        note: String::new(),
    }
}

/// How many there are of what, the most first.
fn count(held: &[Incident]) -> Vec<StormCount> {
    let mut counts: BTreeMap<(&str, model::Severity, &str), (u64, u64)> = BTreeMap::new();
    for it in held {
        let label = |name| it.labels.get(name).unwrap_or_default();
        let (all, firing) = counts.entry((label("alertname"), it.severity, label("service"))).or_default();
        *all += 1;
        *firing += u64::from(it.is_active());
    }
    let one = |((alertname, severity, service), (incidents, firing)): ((&str, _, &str), _)| StormCount {
        alertname: alertname.to_owned(),
        severity,
        service: service.to_owned(),
        incidents,
        firing,
    };
    let mut counts: Vec<StormCount> = counts.into_iter().map(one).collect();
    counts.sort_by_key(|it| std::cmp::Reverse((it.incidents, it.severity)));
    counts.truncate(MAX_LINES);
    counts
}

/// What a summary shows one by one: of what fires the worst; of what is over only if nothing fires, so that it
/// can be seen that it is over. And how many more there are.
fn shown(held: &[Incident]) -> (Vec<Alert>, u64) {
    let firing: Vec<&Incident> = held.iter().filter(|it| it.state != State::Resolved).collect();
    let mut all = if firing.is_empty() { held.iter().collect() } else { firing };
    all.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.started_at, it.id));
    let alerts: Vec<Alert> =
        all.iter().take(MAX_SHOWN).map(|it| Alert { flapping: None, ..Alert::of(it) }).collect();
    let more = (all.len() - alerts.len()) as u64;
    (alerts, more)
}
