//! Alertmanager's names for what dashboards and alerts about it ask for, as far as there is such a thing here.

use std::collections::BTreeMap;

use flow::counters::Counters;
use model::Time;
use prometheus_client::metrics::MetricType;

use super::counted::{Counted, Labels};
use crate::app::{ALERTMANAGER_VERSION, App};

/// What only the database knows.
pub(super) struct Rows {
    active: i64,
    suppressed: i64,
    silences: store::silences::Counts,
    groups: i64,
}

impl Rows {
    pub(super) fn read(tx: &mut store::Tx<'_>, now: Time, active: i64) -> store::Result<Self> {
        let (groups, suppressed) = store::groups::counts(tx)?;
        Ok(Rows {
            active: (active - suppressed).max(0),
            suppressed,
            silences: store::silences::counts(tx, now)?,
            groups,
        })
    }
}

fn of(label: &'static str, word: &str) -> Labels {
    vec![(label, word.to_owned())]
}

/// All of them.
pub(super) fn add(all: &mut Counted, app: &App, rows: Option<&Rows>) {
    let ours = format!("nightbell-{}", app.version.version);
    let build = vec![
        ("version", ALERTMANAGER_VERSION.to_owned()),
        ("revision", app.version.revision.clone()),
        ("branch", ours),
    ];
    let help = "The version of Alertmanager whose API this is; nightbell_build_info has the program's own";
    all.add(MetricType::Gauge, "alertmanager_build_info", help, vec![(build, 1.0)]);
    all.gauge("alertmanager_cluster_members", "This one", 1.0);
    let (reloaded, at) = app.last_reload();
    let help = "Whether the last reload of the configuration worked";
    all.gauge("alertmanager_config_last_reload_successful", help, f64::from(u8::from(reloaded)));
    let help = "When the configuration was put in force, in seconds since the unix epoch";
    all.gauge("alertmanager_config_last_reload_success_timestamp_seconds", help, at.0 as f64 / 1e6);
    counters(all, &app.hub.core.counters);
    let Some(rows) = rows else { return };
    let states = [("active", rows.active), ("suppressed", rows.suppressed), ("unprocessed", 0)];
    let alerts = states.map(|(state, count)| (of("state", state), count as f64)).to_vec();
    all.add(
        MetricType::Gauge,
        "alertmanager_alerts",
        "Incidents that are active, by Alertmanager's states",
        alerts,
    );
    let it = rows.silences;
    let states = [("active", it.active), ("pending", it.pending), ("expired", it.expired)];
    let silences = states.map(|(state, count)| (of("state", state), count as f64)).to_vec();
    all.add(MetricType::Gauge, "alertmanager_silences", "Silences, by state", silences);
    let help = "Groups of incidents";
    all.gauge("alertmanager_dispatcher_aggregation_groups", help, rows.groups as f64);
}

fn counters(all: &mut Counted, counters: &Counters) {
    let count = |family: &flow::counters::Family| {
        let count = family.all().get("alertmanager").copied().unwrap_or(0);
        vec![(of("version", "v2"), count as f64)]
    };
    let (taken, wrong) = (count(&counters.accepted), count(&counters.refused));
    all.add(MetricType::Counter, "alertmanager_alerts_received", "Alerts taken in through its API", taken);
    all.add(MetricType::Counter, "alertmanager_alerts_invalid", "Alerts refused there", wrong);
    let (mut tries, mut failed): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
    for (name, count) in counters.attempts.all() {
        let (kind, outcome) = name.rsplit_once('/').unwrap_or((&name, ""));
        *tries.entry(kind.to_owned()).or_default() += count;
        let lost = if matches!(outcome, "delivered" | "accepted") { 0 } else { count };
        *failed.entry(kind.to_owned()).or_default() += lost;
    }
    let family = |counts: BTreeMap<String, u64>| -> Vec<(Labels, f64)> {
        counts.iter().map(|(kind, count)| (of("integration", kind), *count as f64)).collect()
    };
    let (tries, failed) = (family(tries), family(failed));
    let help = "Tries to deliver, by kind of destination";
    all.add(MetricType::Counter, "alertmanager_notifications", help, tries);
    let help = "Tries that did not deliver, by kind of destination";
    all.add(MetricType::Counter, "alertmanager_notifications_failed", help, failed);
}
