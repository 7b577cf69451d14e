//! What subscribers are told: written in the transaction of what it is about, one row for each that wants to hear of
//! it. Where nobody subscribes, nothing is written, and nothing is worked out.

use model::delivery::DeliveryState;
use model::incident::{Change, ChangeKind};
use model::{Delivery, Id, Incident, Notice, Time, Topic};
use serde_json::{Value, json};
use store::events::Judged;
use store::notices::Addressed;
use store::{Result, Tx};

use crate::core::Core;
use crate::incident::{Arrived, Moved};
use crate::live::Live;

/// Bytes of the data of one notice, at the most; of what is bigger, only the id is told.
pub const MAX_NOTICE_BYTES: usize = 256 * 1024;

/// Tells of events that were taken in.
pub(crate) fn of_events(core: &Core, tx: &mut Tx<'_>, events: &[Arrived], now: Time) -> Result<()> {
    let live = core.live();
    if !live.is_heard(Topic::EventAccepted) {
        return Ok(());
    }
    let notices = events.iter().map(|(judged, _)| {
        let data = data(judged.event.id, &event(judged));
        Notice { id: core.id(now), topic: Topic::EventAccepted, at: now, data }
    });
    write(&live, tx, &notices.collect::<Vec<_>>())
}

/// Tells of what happened to incidents.
pub(crate) fn of_moved(core: &Core, tx: &mut Tx<'_>, moved: &[Moved], now: Time) -> Result<()> {
    let live = core.live();
    let heard = |change: &Change| live.is_heard(topic_of(change.kind));
    let changes = moved.iter().flat_map(|it| it.changes.iter().map(|change| (&it.after, change)));
    let notices = changes.filter(|(_, change)| heard(change)).map(|(after, change)| {
        let mut all = incident(after);
        all["change"] = json!({ "kind": change.kind.name(), "by": change.by, "detail": change.detail });
        let topic = topic_of(change.kind);
        Notice { id: core.id(now), topic, at: now, data: data(after.id, &all) }
    });
    write(&live, tx, &notices.collect::<Vec<_>>())
}

fn topic_of(change: ChangeKind) -> Topic {
    match change {
        ChangeKind::Opened | ChangeKind::Reopened => Topic::IncidentOpened,
        ChangeKind::Acknowledged => Topic::IncidentAcknowledged,
        ChangeKind::Resolved | ChangeKind::TimedOut => Topic::IncidentResolved,
        _ => Topic::IncidentChanged,
    }
}

/// Those of some deliveries that are pending, before something is done to them; none when nobody wants to hear what
/// becomes of them.
pub(crate) fn pending(core: &Core, tx: &mut Tx<'_>, ids: impl Iterator<Item = Id>) -> Result<Vec<Id>> {
    if !core.live().is_heard(Topic::DeliveryFinished) {
        return Ok(Vec::new());
    }
    let is_pending = |it: &Delivery| it.state == DeliveryState::Pending;
    let found = ids.map(|id| Ok(store::deliveries::get(tx, id)?.filter(is_pending).map(|it| it.id)));
    found.filter_map(Result::transpose).collect()
}

/// Tells of those of some deliveries, which were [`pending`], that are not any more.
pub(crate) fn of_finished(core: &Core, tx: &mut Tx<'_>, ids: &[Id]) -> Result<()> {
    let mut notices = Vec::new();
    for id in ids {
        let Some(it) = store::deliveries::get(tx, *id)?.filter(|it| it.state != DeliveryState::Pending)
        else {
            continue;
        };
        let at = it.settled_at.unwrap_or(it.due_at);
        let chain = store::deliveries::notification(tx, it.id)?.map_or(0, |told| told.chain());
        let (id, data) = (core.id(at), data(it.id, &chained(delivery(&it), chain)));
        notices.push(Notice { id, topic: Topic::DeliveryFinished, at, data });
    }
    write(&core.live(), tx, &notices)
}

fn write(live: &Live, tx: &mut Tx<'_>, notices: &[Notice]) -> Result<()> {
    let mut addressed = Vec::with_capacity(notices.len());
    for notice in notices {
        let wanting = live.subscribers.iter().filter(|it| it.topics.contains(&notice.topic));
        addressed.extend(wanting.map(|it| Addressed { subscriber: &it.name, notice }));
    }
    store::notices::write(tx, &addressed)
}

/// As text, bounded.
fn data(id: Id, all: &Value) -> String {
    let text = all.to_string();
    if text.len() <= MAX_NOTICE_BYTES {
        return text;
    }
    let chain = all["chain"].as_u64().and_then(|chain| u32::try_from(chain).ok()).unwrap_or_default();
    chained(json!({ "id": id, "omitted_bytes": text.len() }), chain).to_string()
}

/// The same with the chain that led to it, if any did.
fn chained(mut all: Value, chain: u32) -> Value {
    if chain > 0 {
        all["chain"] = chain.into();
    }
    all
}

/// An event as the API shows it.
pub fn event(judged: &Judged) -> Value {
    let mut all = as_value(&judged.event);
    all["incident"] = json!(judged.incident);
    all["verdict"] = json!(judged.verdict);
    all
}

/// An incident as the API shows it.
pub fn incident(it: &Incident) -> Value {
    let mut all = as_value(it);
    if let Some(fields) = all.as_object_mut() {
        // what is remembered of it for its state machine only
        for inner in ["times_out", "reopens_until", "flap", "extra"] {
            fields.remove(inner);
        }
    }
    all["flapping_since"] = json!(it.flap.since);
    all["flapping_times"] = json!(it.flap.times);
    all["calm_at"] = json!(it.flap.calm_at);
    chained(all, it.chain())
}

/// A delivery as the API shows it.
pub fn delivery(it: &Delivery) -> Value {
    let mut all = as_value(it);
    if let Some(fields) = all.as_object_mut() {
        fields.remove("lane");
    }
    all
}

fn as_value(it: &impl serde::Serialize) -> Value {
    // none of these holds anything that could fail to be written
    serde_json::to_value(it).unwrap_or_default()
}
