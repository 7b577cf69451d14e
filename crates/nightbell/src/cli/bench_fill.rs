//! `nightbell bench-fill`: a database with a long past, for the benchmark.
//!
//! Everything goes through the functions that the server writes with, so that the rows are those of a real
//! past: incidents that are over, with events, timelines, and the deliveries that told of them; errors as they came in
//! before, at other times.

mod errors;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use model::delivery::{Attempt, DeliveryState, Outcome};
use model::event::{Action, Event, NewEvent};
use model::flap::Flapping;
use model::id::IdMaker;
use model::incident::{Change, Input, Policy};
use model::notification::{Alert, Notification, Reason};
use model::{Delivery, Id, Incident, Labels, Severity, Time};
use serde_json::json;
use store::deliveries::Tried;
use store::events::{Judged, Texts};
use store::ledger::Line;
use store::{Store, Tx};

use crate::output::Output;
use crate::words;

/// Incidents in one transaction.
const BATCH: usize = 5_000;
/// Incidents that one message tells of: what a group has on average.
const GROUP: usize = 4;
/// How far back the past reaches; well within what is kept by default.
const PAST: Duration = Duration::from_secs(60 * 86_400);
/// How long ago it ends.
const GAP: Duration = Duration::from_secs(2 * 3600);
/// How long each incident takes.
const LASTS: Duration = Duration::from_secs(20 * 60);
/// The destination that was told.
const DESTINATION: &str = "sink/webhook/0";
/// The receiver that it belongs to.
const RECEIVER: &str = "sink";

/// Fill the database of a stopped server with a past
#[derive(clap::Args)]
pub struct Args {
    /// The folder of the database
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many incidents
    #[arg(long, value_name = "N", default_value_t = 0)]
    incidents: usize,
    /// How many errors there shall be: those that are there are copied
    #[arg(long, value_name = "N", default_value_t = 0)]
    errors: usize,
}

impl Args {
    pub fn run(self, output: Output) -> Result<()> {
        let begin = Instant::now();
        if self.incidents == 0 && self.errors == 0 {
            bail!("--incidents or --errors must be 1 or more");
        }
        let store = Store::open_folder(&self.data, false).context("opening the database")?;
        let now = words::now();
        let incidents = u32::try_from(self.incidents.max(1)).context("--incidents")?;
        let (first, step) = (now - GAP - PAST, PAST / incidents);
        let mut past = Past { ids: IdMaker::new(store.node()), at: first, step, number: 0 };
        while past.number < self.incidents {
            let batch = past.batch(BATCH.min(self.incidents - past.number));
            store.write_blocking(move |tx| batch.write(tx)).context("writing")?;
        }
        let errors = if self.errors > 0 { errors::fill(&store, self.errors, now)? } else { 0 };
        store.close();
        let seconds = begin.elapsed().as_secs_f64();
        let answer = json!({ "incidents": self.incidents, "errors": errors, "seconds": seconds });
        output.answer(&answer, || format!("{} incidents, {errors} errors in {seconds:.1} s", self.incidents))
    }
}

/// Makes up what happened.
struct Past {
    ids: IdMaker,
    at: Time,
    step: Duration,
    number: usize,
}

/// What one transaction writes.
#[derive(Default)]
struct Batch {
    events: Vec<Judged>,
    incidents: Vec<Incident>,
    lines: Vec<Line>,
    deliveries: Vec<(Delivery, Notification)>,
    tries: Vec<Tried>,
    told: Vec<(Id, Id)>,
}

impl Batch {
    fn write(self, tx: &mut Tx<'_>) -> store::Result<()> {
        let texts = |labels: &Labels, annotations: &Labels| Arc::new(Texts::of(labels, annotations));
        let events = self.events.into_iter().map(|it| {
            let texts = texts(&it.event.labels, &it.event.annotations);
            (it, texts)
        });
        store::events::insert(tx, &events.collect::<Vec<_>>())?;
        let incidents = self.incidents.iter().map(|it| (it, texts(&it.labels, &it.annotations)));
        store::incidents::insert(tx, &incidents.collect::<Vec<_>>())?;
        store::ledger::write(tx, &self.lines)?;
        store::deliveries::insert(tx, &self.deliveries)?;
        store::deliveries::record(tx, &self.tries)?;
        store::ledger::tell(tx, &self.told)
    }
}

impl Past {
    /// The next incidents, in the order of time.
    fn batch(&mut self, count: usize) -> Batch {
        let mut batch = Batch::default();
        let last = self.number + count;
        while self.number < last {
            let group = GROUP.min(last - self.number);
            let open: Vec<Incident> = (0..group).map(|_| self.begin(&mut batch)).collect();
            self.tell(&mut batch, &open, Reason::First);
            let over: Vec<Incident> = open.iter().map(|incident| self.end(&mut batch, incident)).collect();
            self.tell(&mut batch, &over, Reason::AllResolved);
            batch.incidents.extend(over);
        }
        batch
    }

    fn begin(&mut self, batch: &mut Batch) -> Incident {
        let event = self.event(self.number, Action::Raise, self.at);
        let (incident, opened) = Incident::open(&event);
        batch.lines.push(self.line(&incident, self.at, opened));
        batch.events.push(Judged { event, incident: Some(incident.id), verdict: "opened".to_owned() });
        self.number += 1;
        self.at = self.at + self.step;
        incident
    }

    fn end(&mut self, batch: &mut Batch, incident: &Incident) -> Incident {
        let (policy, at) = (
            Policy { reopen_within: Duration::ZERO, flapping: Flapping::default() },
            incident.started_at + LASTS,
        );
        let number = self.number;
        let mut event = self.event(number, Action::Clear, at);
        event.key.clone_from(&incident.key);
        event.labels = incident.labels.clone();
        let (over, changes) = incident.apply(&Input::Event(&event), &policy, at);
        batch.lines.extend(changes.into_iter().map(|change| self.line(incident, at, change)));
        batch.events.push(Judged { event, incident: Some(incident.id), verdict: "resolved".to_owned() });
        over
    }

    fn event(&self, number: usize, action: Action, at: Time) -> Event {
        let names = ["HighLatency", "DiskFull", "TargetDown", "ErrorBudgetBurn", "QueueTooLong"];
        let teams = ["db", "web", "ops", "payments"];
        let severity = Severity::ALL[number % Severity::ALL.len()];
        let (name, host) = (names[number % names.len()], format!("host-{:05}", number % 20_000));
        let labels: Labels = [
            ("alertname", name),
            ("team", teams[number % teams.len()]),
            ("instance", &format!("{host}.example.org:9100")),
            ("job", "node"),
            ("cluster", "eu-1"),
            ("severity", severity.name()),
            ("run", &number.to_string()),
        ]
        .into_iter()
        .collect();
        let summary = format!("{name} on {host}");
        let annotations = [
            ("summary", summary.as_str()),
            ("description", "The value has been over the threshold for five minutes."),
            ("runbook_url", "https://runbooks.example.org/node"),
        ];
        let new = NewEvent {
            action,
            severity: Some(severity),
            annotations: annotations.into_iter().collect(),
            link: "http://prometheus.example.org:9090/graph?g0.expr=up".to_owned(),
            started_at: Some(at),
            ..NewEvent::raise("alertmanager", labels)
        };
        Event::arrive(new, self.ids.next(at), at)
    }

    fn line(&self, incident: &Incident, at: Time, change: Change) -> Line {
        Line { id: self.ids.next(at), incident: incident.id, at, change, rules: 0 }
    }

    /// One message about some incidents, delivered at the first try.
    fn tell(&self, batch: &mut Batch, incidents: &[Incident], reason: Reason) {
        let Some(last) = incidents.last() else { return };
        let at = last.resolved_at.unwrap_or(last.started_at) + Duration::from_secs(30);
        let id = self.ids.next(at);
        let alerts: Vec<Alert> = incidents.iter().map(Alert::of).collect();
        let (common_labels, common_annotations) = Notification::common(&alerts);
        let notification = Notification {
            idempotency_key: format!("nb-{id}"),
            reason,
            receiver: RECEIVER.to_owned(),
            route: "{}".to_owned(),
            group_key: format!("{{}}:{{run=\"{}\"}}", self.number),
            group_labels: Labels::new(),
            common_labels,
            common_annotations,
            external_url: String::new(),
            alerts,
            truncated: 0,
            storm: None,
            at,
        };
        let delivery = Delivery {
            id,
            group: None,
            receiver: RECEIVER.to_owned(),
            destination: DESTINATION.to_owned(),
            lane: id.0,
            reason,
            state: DeliveryState::Delivered,
            attempts: 1,
            created_at: at,
            due_at: at,
            settled_at: Some(at),
            note: String::new(),
        };
        let outcome = Outcome::delivered();
        let (latency_micros, status, answer) = (4_000, Some(200), "ok".to_owned());
        let attempt = Attempt { delivery: id, number: 1, at, latency_micros, outcome, status, answer };
        batch.told.extend(incidents.iter().map(|incident| (incident.id, id)));
        let lease_until = delivery.due_at;
        batch.tries.push(Tried { delivery: delivery.clone(), attempt, lease_until });
        batch.deliveries.push((delivery, notification));
    }
}
