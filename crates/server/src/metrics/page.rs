//! The page `/metrics`: what the flow, the store and the server have counted, and how things stand.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::header;
use axum::response::{IntoResponse, Response};
use flow::counters::Counters;
use flow::driver::Subscribed;
use model::Time;
use model::delivery::Health;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use store::Stats;

use super::counted::Counted;
use super::{alertmanager, process};
use crate::app::App;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page. What the database says is left out when it is gone: the rest is wanted then most of all.
pub async fn page(app: &App) -> Response {
    let now = app.now();
    let rows = app.hub.store.read(move |tx| Rows::read(tx, now)).await;
    let subscribed = app.hub.subscribed("").await.unwrap_or_default();
    let mut registry = Registry::with_prefix("nightbell");
    registry.register("http_requests", "Requests answered", app.http.requests.clone());
    let seconds = app.http.seconds.clone();
    registry.register_with_unit("http_request_duration", "Time that requests took", Unit::Seconds, seconds);
    registry.register_collector(Box::new(Counted::of(app, rows.as_ref().ok(), &subscribed)));
    let mut bare = Registry::default();
    let mut others = Counted::of_process(app);
    alertmanager::add(&mut others, app, rows.as_ref().ok().map(|rows| &rows.alertmanager));
    bare.register_collector(Box::new(others));
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
    flapping: i64,
    storms: Vec<String>,
    pending: i64,
    dead: i64,
    oldest: f64,
    due_lag: f64,
    healths: Vec<(String, Health)>,
    alertmanager: alertmanager::Rows,
}

impl Rows {
    fn read(tx: &mut store::Tx<'_>, now: Time) -> store::Result<Self> {
        let (open, acknowledged) = store::incidents::count_active(tx)?;
        let (pending, dead, oldest) = store::deliveries::backlog(tx)?;
        let due = [store::incidents::next_due(tx)?, store::groups::next_due(tx)?].into_iter().flatten().min();
        Ok(Rows {
            open,
            acknowledged,
            flapping: store::incidents::count_flapping(tx)?,
            storms: store::storms::all(tx)?.into_iter().map(|(receiver, _)| receiver).collect(),
            pending,
            dead,
            oldest: oldest.map_or(0.0, |at| now.since(at).as_secs_f64()),
            due_lag: due.map_or(0.0, |at| now.since(at).as_secs_f64()),
            healths: store::deliveries::healths(tx)?,
            alertmanager: alertmanager::Rows::read(tx, now, open + acknowledged)?,
        })
    }
}

impl Counted {
    fn of(app: &App, rows: Option<&Rows>, subscribed: &[Subscribed]) -> Self {
        let mut all = Counted::default();
        all.flow(&app.hub.core.counters);
        let dropped = app.hub.core.traces.dropped() as f64;
        all.counter("trace_spans_dropped", "Spans of traces that nobody took away in time", dropped);
        all.store(app.hub.store.stats());
        let up = if rows.is_some() { 1.0 } else { 0.0 };
        all.gauge("database_up", "Whether the database answered when this page was made", up);
        if let Some(rows) = rows {
            all.rows(rows);
        }
        all.subscribers(subscribed);
        let build =
            vec![("version", app.version.version.clone()), ("revision", app.version.revision.clone())];
        all.add(MetricType::Gauge, "build_info", "Which program this is", vec![(build, 1.0)]);
        all
    }

    fn subscribers(&mut self, all: &[Subscribed]) {
        let of = |it: &Subscribed, count: u64| (vec![("subscriber", it.name.clone())], count as f64);
        let waiting = all.iter().map(|it| of(it, it.waiting)).collect();
        let help = "Events that wait to be told to a subscription of a plugin";
        self.add(MetricType::Gauge, "subscriber_waiting", help, waiting);
        let dropped = all.iter().map(|it| of(it, it.dropped)).collect();
        let help = "Events that a subscription of a plugin was not told, since too many waited";
        self.add(MetricType::Counter, "subscriber_dropped", help, dropped);
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
        let help = "Pings of the self-watch, by outcome";
        self.family("self_watch_pings", help, "outcome", &counters.pings);
        let split = |(name, count): (String, u64)| {
            let (destination, outcome) = name.rsplit_once('/').unwrap_or((&name, ""));
            let labels = vec![("destination", destination.to_owned()), ("outcome", outcome.to_owned())];
            (labels, count as f64)
        };
        let canaries = counters.canaries.all().into_iter().map(split).collect();
        let help = "Test messages of the self-watch, by destination and outcome";
        self.add(MetricType::Counter, "canaries", help, canaries);
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
        self.gauge("flapping_incidents", "Incidents that flap, whatever they are now", rows.flapping as f64);
        let storms = rows.storms.iter().map(|receiver| (vec![("receiver", receiver.clone())], 1.0)).collect();
        self.add(MetricType::Gauge, "storm", "Receivers whose people get summaries now", storms);
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
        let mut all = Counted::default();
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
