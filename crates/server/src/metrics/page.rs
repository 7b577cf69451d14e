//! The page `/metrics`: what the flow, the store and the server have counted, and how things stand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use flow::counters::{Counters, Family};
use model::Time;
use model::delivery::Health;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};
use store::Stats;

use super::process;
use crate::app::App;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page. What the database says is left out when it is gone: the rest is wanted then most of all.
pub async fn page(app: &App) -> Response {
    let now = app.now();
    let rows = app.hub.store.read(move |tx| Rows::read(tx, now)).await;
    let mut registry = Registry::with_prefix("nightbell");
    registry.register("http_requests", "Requests answered", app.http.requests.clone());
    let seconds = app.http.seconds.clone();
    registry.register_with_unit("http_request_duration", "Time that requests took", Unit::Seconds, seconds);
    registry.register_collector(Box::new(Counted::of(app, rows.as_ref().ok())));
    let mut bare = Registry::default();
    bare.register_collector(Box::new(Counted::of_process(app)));
    let mut text = String::new();
    // writing to a String cannot fail
    let _ = prometheus_client::encoding::text::encode_registry(&mut text, &bare);
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}

/// What only the database knows.
struct Rows {
    open: i64,
    acknowledged: i64,
    pending: i64,
    dead: i64,
    oldest: f64,
    due_lag: f64,
    healths: Vec<(String, Health)>,
}

impl Rows {
    fn read(tx: &mut store::Tx<'_>, now: Time) -> store::Result<Self> {
        let (open, acknowledged) = store::incidents::count_active(tx)?;
        let (pending, dead, oldest) = store::deliveries::backlog(tx)?;
        let due = [store::incidents::next_due(tx)?, store::groups::next_due(tx)?].into_iter().flatten().min();
        Ok(Rows {
            open,
            acknowledged,
            pending,
            dead,
            oldest: oldest.map_or(0.0, |at| now.since(at).as_secs_f64()),
            due_lag: due.map_or(0.0, |at| now.since(at).as_secs_f64()),
            healths: store::deliveries::healths(tx)?,
        })
    }
}

/// Labels of one value.
type Labels = Vec<(&'static str, String)>;

/// A metric with its values at this moment.
struct Metric {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
    values: Vec<(Labels, f64)>,
}

/// Metrics that are put together when they are asked for.
struct Counted(Vec<Metric>);

impl std::fmt::Debug for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Counted").field(&self.0.len()).finish()
    }
}

impl Counted {
    fn add(&mut self, kind: MetricType, name: &'static str, help: &'static str, values: Vec<(Labels, f64)>) {
        self.0.push(Metric { name, help, unit: None, kind, values });
    }

    fn counter(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.add(MetricType::Counter, name, help, vec![(Vec::new(), value)]);
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, value: f64) {
        self.add(MetricType::Gauge, name, help, vec![(Vec::new(), value)]);
    }

    fn family(&mut self, name: &'static str, help: &'static str, label: &'static str, of: &Family) {
        let values = of.all().into_iter().map(|(name, count)| (vec![(label, name)], count as f64));
        self.add(MetricType::Counter, name, help, values.collect());
    }

    /// Says that the last metric counts seconds.
    fn seconds(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.unit = Some(Unit::Seconds);
        }
    }

    fn of(app: &App, rows: Option<&Rows>) -> Self {
        let mut all = Counted(Vec::new());
        all.flow(&app.hub.core.counters);
        all.store(app.hub.store.stats());
        let up = if rows.is_some() { 1.0 } else { 0.0 };
        all.gauge("database_up", "Whether the database answered when this page was made", up);
        if let Some(rows) = rows {
            all.rows(rows);
        }
        let build =
            vec![("version", app.version.version.clone()), ("revision", app.version.revision.clone())];
        all.add(MetricType::Gauge, "build_info", "Which program this is", vec![(build, 1.0)]);
        all
    }

    fn flow(&mut self, counters: &Counters) {
        self.family("events_accepted", "Events accepted, by source", "source", &counters.accepted);
        self.family("events_refused", "Events refused at a door, by source", "source", &counters.refused);
        self.family("changes", "Changes of incidents, by kind", "kind", &counters.changes);
        self.family("deliveries_planned", "Deliveries planned, by reason", "reason", &counters.planned);
        let split = |(name, count): (String, u64)| {
            let (kind, outcome) = name.rsplit_once('/').unwrap_or((&name, ""));
            (vec![("kind", kind.to_owned()), ("outcome", outcome.to_owned())], count as f64)
        };
        let attempts = counters.attempts.all().into_iter().map(split).collect();
        let help = "Tries to deliver, by kind of destination and outcome";
        self.add(MetricType::Counter, "delivery_attempts", help, attempts);
        let seconds = |(kind, micros): (String, u64)| (vec![("kind", kind)], micros as f64 / 1e6);
        let took = counters.attempt_micros.all().into_iter().map(seconds).collect();
        let help = "Time that tries to deliver took, by kind of destination";
        self.add(MetricType::Counter, "delivery_attempt_duration", help, took);
        self.seconds();
        self.family(
            "step_failures",
            "Runs of steps that failed and were tried again",
            "step",
            &counters.failures,
        );
        let lag = counters.tell_lag_micros.load(Ordering::Relaxed) as f64 / 1e6;
        self.gauge("tell_lag", "How late the last group that was due was told", lag);
        self.seconds();
    }

    fn store(&mut self, stats: &Stats) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed) as f64;
        self.counter("commits", "Transactions committed", count(&stats.commits));
        self.counter("commit_jobs", "Writes that shared these transactions", count(&stats.jobs));
        self.counter(
            "commit_duration",
            "Time spent in these transactions",
            count(&stats.commit_micros) / 1e6,
        );
        self.seconds();
        self.counter("syncs", "Syncs of the log to disk", count(&stats.syncs));
        self.counter("sync_jobs", "Writes that waited for these syncs", count(&stats.synced_jobs));
        self.counter("sync_duration", "Time spent in these syncs", count(&stats.sync_micros) / 1e6);
        self.seconds();
    }

    fn rows(&mut self, rows: &Rows) {
        let by = |label, values: [(&str, i64); 2]| {
            values.map(|(word, count)| (vec![(label, word.to_owned())], count as f64)).to_vec()
        };
        let incidents = by("state", [("open", rows.open), ("acknowledged", rows.acknowledged)]);
        self.add(MetricType::Gauge, "incidents", "Incidents that are active, by state", incidents);
        let deliveries = by("state", [("pending", rows.pending), ("dead", rows.dead)]);
        self.add(MetricType::Gauge, "deliveries", "Deliveries that are pending or dead letters", deliveries);
        self.gauge(
            "oldest_pending_delivery_age",
            "How long ago the oldest pending delivery was planned",
            rows.oldest,
        );
        self.seconds();
        self.gauge("due_lag", "How long the longest overdue deadline has been overdue", rows.due_lag);
        self.seconds();
        let (mut faults, mut open) = (Vec::new(), Vec::new());
        for (destination, health) in &rows.healths {
            let labels = vec![("destination", destination.clone())];
            faults.push((labels.clone(), f64::from(health.faults)));
            open.push((labels, if health.open_since.is_some() { 1.0 } else { 0.0 }));
        }
        self.add(MetricType::Gauge, "destination_breaker_open", "Whether a destination is only probed", open);
        self.add(MetricType::Gauge, "destination_faults", "Tries in a row that failed for its sake", faults);
    }

    /// What every program has, under the names that they have everywhere.
    fn of_process(app: &App) -> Self {
        let mut all = Counted(Vec::new());
        let started = app.started_at.0 as f64 / 1e6;
        all.gauge("process_start_time", "Start time of the process since unix epoch", started);
        all.seconds();
        if let Some(own) = process::own() {
            all.counter("process_cpu", "Total user and system CPU time spent", own.cpu_seconds);
            all.seconds();
            all.gauge("process_resident_memory_bytes", "Resident memory size", own.resident_bytes);
            all.gauge("process_virtual_memory_bytes", "Virtual memory size", own.virtual_bytes);
            all.gauge("process_open_fds", "Number of open file descriptors", own.open_files);
            all.gauge("process_threads", "Number of threads", own.threads);
        }
        all
    }
}

impl Collector for Counted {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for metric in &self.0 {
            let values = Values { kind: metric.kind, values: &metric.values };
            let encoder =
                encoder.encode_descriptor(metric.name, metric.help, metric.unit.as_ref(), metric.kind)?;
            values.encode(encoder)?;
        }
        Ok(())
    }
}

/// The values of one metric.
struct Values<'a> {
    kind: MetricType,
    values: &'a [(Labels, f64)],
}

impl Values<'_> {
    fn one(&self, value: f64, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        match self.kind {
            MetricType::Counter => ConstCounter::new(value).encode(encoder),
            _ => ConstGauge::new(value).encode(encoder),
        }
    }
}

impl TypedMetric for Values<'_> {
    const TYPE: MetricType = MetricType::Unknown;
}

impl EncodeMetric for Values<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        // one set of labels, one line
        let lines: BTreeMap<Vec<(&str, &str)>, f64> = self
            .values
            .iter()
            .map(|(labels, value)| {
                (labels.iter().map(|(name, text)| (*name, text.as_str())).collect(), *value)
            })
            .collect();
        for (labels, value) in lines {
            if labels.is_empty() {
                return self.one(value, encoder);
            }
            self.one(value, encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}
