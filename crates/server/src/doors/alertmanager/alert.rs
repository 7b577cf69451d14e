//! An incident as Alertmanager shows an alert.

use std::collections::HashMap;

use flow::Core;
use model::group::Hold;
use model::{Id, Incident, Labels, Time};
use serde::{Serialize, Serializer};
use store::Tx;
use utoipa::ToSchema;

use crate::times;

/// A time to the millisecond.
pub(super) struct Millis(pub Time);

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&times::millis(self.0))
    }
}

/// An alert.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GettableAlert)]
pub(super) struct AlertOut<'a> {
    /// More about it, for people.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    annotations: &'a Labels,
    /// When it is over if nothing is heard until then.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Millis,
    /// What clients know it by: a hash of its labels.
    fingerprint: String,
    /// Who is told of it.
    receivers: Vec<ReceiverRef<'a>>,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Millis,
    /// Whether it is told of, and if not, why.
    status: &'a Status,
    /// When it was last heard of.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Millis,
    /// Where it came from.
    #[serde(rename = "generatorURL", skip_serializing_if = "str::is_empty")]
    #[schema(required = false)]
    generator_url: &'a str,
    /// What it is about.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: &'a Labels,
}

/// Somebody who is told.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = Receiver)]
pub(super) struct ReceiverRef<'a> {
    /// Their name.
    pub name: &'a str,
}

/// Whether an alert is told of, and if not, why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertStatus)]
pub(super) struct Status {
    /// Fingerprints of the alerts that inhibit it.
    pub inhibited_by: Vec<String>,
    /// Time intervals that mute it, and a snooze.
    pub muted_by: Vec<String>,
    /// Ids of the silences that match it.
    pub silenced_by: Vec<String>,
    /// Whether anything keeps it back.
    state: State,
}

/// Alertmanager's word for where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AlertState)]
enum State {
    #[default]
    Active,
    Suppressed,
}

impl Status {
    /// Whether something keeps it back.
    pub(super) fn is_suppressed(&self) -> bool {
        self.state == State::Suppressed
    }

    /// The same, muted by these besides.
    pub(super) fn muted(mut self, by: impl IntoIterator<Item = String>) -> Self {
        self.muted_by.extend(by);
        if !self.muted_by.is_empty() {
            self.state = State::Suppressed;
        }
        self
    }
}

/// Where each of these incidents stands, as far as something keeps it back.
pub(super) fn statuses(
    core: &Core,
    tx: &mut Tx<'_>,
    of: &[&Incident],
    now: Time,
) -> store::Result<HashMap<Id, Status>> {
    let holds = flow::standing::holds(core, tx, of, now)?;
    let mut sources: Vec<Id> = holds
        .iter()
        .filter_map(|(_, hold)| if let Hold::Inhibition { source, .. } = hold { Some(*source) } else { None })
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let sources = store::incidents::get_many(tx, &sources)?;
    let sources: HashMap<Id, String> =
        sources.into_iter().map(|(_, it)| (it.id, fingerprint(&it.labels))).collect();
    let mut statuses: HashMap<Id, Status> = HashMap::new();
    for (id, hold) in holds {
        let status = statuses.entry(id).or_default();
        status.state = State::Suppressed;
        match hold {
            Hold::Silence { mut ids } => {
                ids.sort_unstable();
                status.silenced_by = ids;
            }
            Hold::Inhibition { source, .. } => status.inhibited_by.extend(sources.get(&source).cloned()),
            Hold::Snooze { until } => status.muted_by.push(format!("snoozed until {until}")),
            Hold::Mute { interval } => status.muted_by.push(interval),
            Hold::Maintenance { name } => status.muted_by.push(format!("planned maintenance {name}")),
            Hold::Flapping { since } => status.muted_by.push(format!("flapping since {since}")),
        }
    }
    for status in statuses.values_mut() {
        status.inhibited_by.sort_unstable();
        status.inhibited_by.dedup();
    }
    Ok(statuses)
}

/// What Alertmanager's clients know labels by.
pub(super) fn fingerprint(labels: &Labels) -> String {
    format!("{:016x}", labels.fingerprint())
}

impl<'a> AlertOut<'a> {
    /// An incident that is told to these. One that has no end gets one that is later than the next look.
    pub(super) fn new(
        incident: &'a Incident,
        receivers: Vec<ReceiverRef<'a>>,
        status: &'a Status,
        latest: Time,
    ) -> Self {
        AlertOut {
            annotations: &incident.annotations,
            ends_at: Millis(incident.ends_at.unwrap_or(latest)),
            fingerprint: fingerprint(&incident.labels),
            receivers,
            starts_at: Millis(incident.started_at),
            status,
            updated_at: Millis(incident.last_seen),
            generator_url: &incident.link,
            labels: &incident.labels,
        }
    }
}
