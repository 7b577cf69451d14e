//! Storms: while a receiver is told too much, its people get summaries, and machines get everything.

use std::collections::BTreeMap;

use model::incident::State;
use model::notification::{Alert, Reason, StormCount, StormSummary};
use model::receiver::Audience;
use model::storm::{Storm, Summary};
use model::{Id, Incident, Labels, Notification, Time};
use store::groups::GroupRow;
use store::ledger::Line;
use store::{Result, Tx};

use super::{LATER, Tick, idempotency_key, planned};
use crate::core::Core;
use crate::incident::untold;
use crate::live::Live;

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
        Weather::over(tx, live, due.iter().map(|group| group.receiver.clone()).collect())
    }

    /// The storms of these receivers, or of people's destinations, which go by the rule for all.
    pub(super) fn over(tx: &mut Tx<'_>, live: &Live, names: Vec<String>) -> Result<Self> {
        let names = names.iter().map(String::as_str);
        let mut watched: Vec<&str> = names.filter(|name| live.rules.storms.of(name).is_some()).collect();
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
                lines.push(untold(core, incident.id, detail, live.version, now));
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

/// Tells the summary that is due, of one receiver: others may wait for the next run, so that senders do not.
pub(crate) fn pass(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<Tick> {
    let mut due = store::storms::due(tx, now, 2)?.into_iter();
    let mut tick = Tick::default();
    let Some((receiver, mut storm)) = due.next() else { return Ok(tick) };
    tick.due = due.next().map(|_| now);
    core.observe_ids(tx)?;
    let live = core.live();
    let people = core.people(tx)?;
    let is_known = live.rules.receivers.contains_key(&receiver) || people.place(&receiver).is_some();
    if !is_known && store::rules::newest(tx)? > live.version {
        // another node goes by newer rules, and knows this receiver: it is for that one to tell
        store::storms::put_off(tx, &receiver, now + LATER)?;
        return Ok(tick);
    }
    let before = storm.clone();
    let said = storm.pass(now);
    if let (Some(which), Some(since)) = (said, before.since) {
        match is_known {
            true => tick.rung = tell(core, tx, &live, &receiver, which, since, before.held, now)?,
            false => give_up(core, tx, &live, &receiver, now)?,
        }
    }
    if said == Some(Summary::Over) {
        store::storms::release(tx, &receiver)?;
    }
    store::storms::put(tx, &[(receiver.as_str(), &storm)])?;
    tick.due = [tick.due, storm.due_at()].into_iter().flatten().min();
    Ok(tick)
}

/// The receiver of a storm is not in the rules any more: nobody hears its summary, and the ledger says so.
fn give_up(core: &Core, tx: &mut Tx<'_>, live: &Live, receiver: &str, now: Time) -> Result<()> {
    let held = store::storms::held(tx, receiver, MAX_COUNTED)?;
    let say = |incident: &Incident| {
        let detail = format!("no summary is told: receiver {receiver} is gone");
        untold(core, incident.id, detail, live.version, now)
    };
    store::ledger::write(tx, &held.iter().map(say).collect::<Vec<_>>())
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
    let own = core.people(tx)?.place(receiver).map(|it| it.place.clone());
    let places = live.rules.receivers.get(receiver).map(|it| it.destinations.as_slice()).unwrap_or_default();
    let people = places.iter().filter(|place| place.manners.audience == Audience::People).chain(&own);
    let total = u64::try_from(store::storms::count_held(tx, receiver)?).unwrap_or(0);
    let held = store::storms::held(tx, receiver, MAX_COUNTED)?;
    let summary =
        StormSummary { since, over: which == Summary::Over, messages, incidents: total, by: count(&held) };
    let silences = core.silences(tx, now)?;
    // what somebody has silenced meanwhile is counted, and not shown
    let (alerts, truncated) =
        shown(held.iter().filter(|it| silences.matching(&it.labels, now).next().is_none()));
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
        deliveries
            .push((planned(id, receiver, &place.id, &notification.group_key, reason, now), notification));
    }
    store::deliveries::insert(tx, &deliveries)?;
    store::ledger::tell(tx, &told)?;
    Ok(deliveries.into_iter().map(|(delivery, _)| delivery.destination).collect())
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
fn shown<'a>(held: impl Iterator<Item = &'a Incident>) -> (Vec<Alert>, u64) {
    let (firing, over): (Vec<&Incident>, Vec<&Incident>) = held.partition(|it| it.state != State::Resolved);
    let mut all = if firing.is_empty() { over } else { firing };
    all.sort_by_key(|it| (std::cmp::Reverse(it.severity), it.started_at, it.id));
    let alerts: Vec<Alert> =
        all.iter().take(MAX_SHOWN).map(|it| Alert { flapping: None, ..Alert::of(it) }).collect();
    let more = (all.len() - alerts.len()) as u64;
    (alerts, more)
}
