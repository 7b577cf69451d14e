//! "Why was I (not) told?": the answer for an event, an incident, a delivery or a label set.
//!
//! Nothing is worked out in advance for it. A routing decision is a pure function of labels and rules, and
//! the rules that were in force are kept, so the same function gives the same verdicts again; all that
//! depends on the moment (what was held back, told, tried and answered) is in the ledger's rows.

use model::account::User;
use model::delivery::{Attempt, Delivery};
use model::event::{Event, NewEvent};
use model::flap::OnFlapping;
use model::group::Hold;
use model::incident::{ChangeKind, Incident};
use model::route::{Route, Verdict, VerdictKind};
use model::{Id, Labels, Rules, Severity, Time};
use serde::{Deserialize, Serialize};
use store::events::Judged;
use store::groups::GroupRow;
use store::ledger::Line;
use store::{Result, Tx};

use crate::core::Core;
use crate::{standing, verbs};

mod pages;
mod person;

pub use pages::PageStep;
pub use person::{Call, Moment, Personal, Reachable, Said, Waiting};

/// Lines of a timeline, deliveries and events that an explanation shows at the most.
const MOST: i64 = 100;

/// An answer.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Explanation {
    /// What the question was about: `event`, `incident`, `delivery` or `labels`.
    pub subject: &'static str,
    /// The event, when one was asked about.
    pub event: Option<Judged>,
    /// The incident.
    pub incident: Option<Incident>,
    /// Its last events, newest first.
    pub events: Vec<Judged>,
    /// What happened to it.
    pub timeline: Vec<Line>,
    /// What every route said about it, by the rules that it was last routed by.
    pub routes: Vec<Verdict>,
    /// The version of those rules; 0: those in force.
    pub rules: i64,
    /// The groups that it is in now.
    pub groups: Vec<GroupRow>,
    /// What keeps it back now, in words.
    pub held_by: Vec<String>,
    /// The messages that told of it, newest first, each with its tries.
    pub deliveries: Vec<(Delivery, Vec<Attempt>)>,
    /// What it was to somebody, when it was asked for them.
    pub person: Option<Personal>,
}

/// Explains whatever has this id; `None`: nothing has.
///
/// # Errors
/// When the database is gone.
pub fn explain(core: &Core, tx: &mut Tx<'_>, id: Id, now: Time) -> Result<Option<Explanation>> {
    // an incident has the id of the event that opened it: the incident is the better answer
    if let Some(incident) = store::incidents::get(tx, id)? {
        return Ok(Some(of_incident(core, tx, incident, now)?));
    }
    if let Some(judged) = store::events::get(tx, id)? {
        let incident = judged.incident.map(|id| store::incidents::get(tx, id)).transpose()?.flatten();
        let mut explanation = match incident {
            Some(incident) => of_incident(core, tx, incident, now)?,
            None => Explanation::default(),
        };
        explanation.subject = "event";
        explanation.event = Some(judged);
        return Ok(Some(explanation));
    }
    let Some(delivery) = store::deliveries::get(tx, id)? else { return Ok(None) };
    let attempts = store::deliveries::attempts(tx, id)?;
    let first =
        store::deliveries::notification(tx, id)?.and_then(|it| it.alerts.first().map(|alert| alert.incident));
    let incident = first.map(|id| store::incidents::get(tx, id)).transpose()?.flatten();
    let mut explanation =
        Explanation { subject: "delivery", deliveries: vec![(delivery, attempts)], ..Default::default() };
    if let Some(incident) = incident {
        explanation.timeline = store::ledger::timeline(tx, incident.id, MOST)?;
        explanation.incident = Some(incident);
    }
    Ok(Some(explanation))
}

/// What is recorded of an incident.
struct Record<'a> {
    incident: &'a Incident,
    deliveries: &'a [(Delivery, Vec<Attempt>)],
    /// The policy that its routes name.
    policy: Option<String>,
}

/// Explains an incident, or that of an event, to one person: why they were told, or were not, event by event, up to a
/// time if one is given; `None`: nothing has this id.
///
/// # Errors
/// When the database is gone.
pub fn explain_to(
    core: &Core,
    tx: &mut Tx<'_>,
    id: Id,
    user: User,
    at: Option<Time>,
    now: Time,
) -> Result<Option<Explanation>> {
    let Some(mut explanation) = explain(core, tx, id, now)? else { return Ok(None) };
    let Some(incident) = &explanation.incident else { return Ok(None) };
    let at = at.or(explanation.event.as_ref().map(|it| it.event.arrived_at));
    let routes = routes_then(core, tx, explanation.rules)?;
    let routes = routes.find(&incident.labels, incident.severity);
    let policy = routes.into_iter().find_map(|route| route.escalate.clone());
    let record = Record { incident, deliveries: &explanation.deliveries, policy };
    let person = person::explain(core, tx, &record, user, at, now)?;
    explanation.person = Some(person);
    Ok(Some(explanation))
}

/// Explains what would become of an incident with these labels at this time.
///
/// # Errors
/// When the database is gone.
pub fn labels(
    core: &Core,
    tx: &mut Tx<'_>,
    labels: &Labels,
    severity: Severity,
    at: Time,
) -> Result<Explanation> {
    let live = core.live();
    let routes = live.rules.root.explain(labels, severity);
    let mut held_by = Vec::new();
    for silence in verbs::silences_matching(core, tx, labels, at)? {
        held_by.push(format!("silenced by {} ({})", silence.id, silence.comment));
    }
    for route in live.rules.root.find(labels, severity) {
        held_by.extend(live.rules.mute(route, at).map(|hold| format!("on route {}: {hold}", route.path)));
    }
    // an incident that never was: inhibition asks about labels, and about who else has them
    let probe = Incident::open(&Event::arrive(NewEvent::raise("", labels.clone()), Id(0), at)).0;
    held_by.extend(standing::inhibited(tx, &live, &[&probe])?.into_iter().map(|(_, hold)| hold.to_string()));
    Ok(Explanation { subject: "labels", routes, held_by, ..Default::default() })
}

fn of_incident(core: &Core, tx: &mut Tx<'_>, incident: Incident, now: Time) -> Result<Explanation> {
    let live = core.live();
    let timeline = store::ledger::timeline(tx, incident.id, MOST)?;
    // what is active was routed again when the rules last changed; what is over, by those of its last change
    let last = timeline.iter().rev().find(|line| line.change.kind.concerns_routing());
    let routed_by = if incident.is_active() { live.version } else { last.map_or(0, |line| line.rules) };
    let routes = routes_then(core, tx, routed_by)?.explain(&incident.labels, incident.severity);
    let groups =
        store::groups::of_incidents(tx, &[incident.id])?.into_iter().map(|(_, group)| group).collect();
    let mut held_by = Vec::new();
    if incident.is_active() {
        held_by = labels(core, tx, &incident.labels, incident.severity, now)?.held_by;
        let maintenance = core.people(tx)?;
        let maintenance = maintenance.maintenance_of(&incident, now);
        held_by.extend(maintenance.map(|it| Hold::Maintenance { name: it.name.clone() }.to_string()));
        held_by.extend(
            incident.snoozed_until.filter(|at| *at > now).map(|until| format!("snoozed until {until}")),
        );
    }
    held_by.extend(flapping(&live.rules, &incident));
    let mut deliveries = Vec::new();
    for id in store::ledger::deliveries_of(tx, incident.id, MOST)? {
        if let Some(delivery) = store::deliveries::get(tx, id)? {
            deliveries.push((delivery, store::deliveries::attempts(tx, id)?));
        }
    }
    let events = store::events::list(tx, Some(incident.id), None, 20)?;
    Ok(Explanation {
        subject: "incident",
        event: None,
        incident: Some(incident),
        events,
        timeline,
        routes,
        rules: routed_by,
        groups,
        held_by,
        deliveries,
        person: None,
    })
}

/// What the routes of an incident that flaps do about it.
fn flapping(rules: &Rules, incident: &Incident) -> Vec<String> {
    let (Some(since), Some(calm_at)) = (incident.flap.since, incident.flap.calm_at) else {
        return Vec::new();
    };
    let routes = rules.root.find(&incident.labels, incident.severity).into_iter();
    let routes = routes.filter(|route| rules.on_flapping(route) != OnFlapping::Notify);
    let words = |route: &Route| {
        format!(
            "on route {} (on_flapping = {}): flapping since {since}, until {calm_at} unless it moves before",
            route.path,
            rules.on_flapping(route).name()
        )
    };
    routes.map(words).collect()
}

/// The part of kept rules that an explanation reads.
#[derive(Serialize, Deserialize)]
struct KeptRules {
    root: Route,
}

fn routes_then(core: &Core, tx: &mut Tx<'_>, version: i64) -> Result<Route> {
    let live = core.live();
    if version == live.version || version == 0 {
        return Ok(live.rules.root.clone());
    }
    let kept = store::rules::get(tx, version)?.and_then(|text| serde_json::from_str::<KeptRules>(&text).ok());
    Ok(kept.map_or_else(|| live.rules.root.clone(), |kept| kept.root))
}

impl Explanation {
    /// The answer in sentences, for a terminal.
    pub fn text(&self) -> Vec<String> {
        let mut text = Vec::new();
        if let (Some(person), Some(it)) = (&self.person, &self.incident) {
            text.push(format!(
                "Incident {} \"{}\" is {}, {}.",
                it.id,
                it.title,
                it.state.name(),
                it.severity
            ));
            text.extend(person.text());
            return text;
        }
        if let Some(it) = &self.event {
            let verdict = if it.verdict.is_empty() { "waiting to be looked at" } else { &it.verdict };
            text.push(format!(
                "Event {} from {} at {}: {verdict}.",
                it.event.id, it.event.source, it.event.arrived_at
            ));
        }
        if let Some(it) = &self.incident {
            text.push(format!(
                "Incident {} \"{}\" is {}, {}; seen {} times, last at {}.",
                it.id,
                it.title,
                it.state.name(),
                it.severity,
                it.times_seen,
                it.last_seen
            ));
            text.extend(
                it.flap
                    .since
                    .map(|since| format!("It flaps: it began {} times since {since}.", it.flap.times)),
            );
        }
        text.extend(self.timeline.iter().map(line_text));
        text.extend(self.routes.iter().map(route_text));
        text.extend(self.held_by.iter().map(|why| format!("Held back now: {why}.")));
        for group in &self.groups {
            let due = group
                .due_at
                .map_or("nothing is due there".to_owned(), |at| format!("looked at again at {at}"));
            text.push(format!("In group {} of receiver {}; {due}.", group.group_key, group.receiver));
        }
        for (delivery, attempts) in &self.deliveries {
            text.push(format!(
                "Message {} ({}) to {} planned at {}: {}.",
                delivery.id,
                delivery.reason.name(),
                delivery.destination,
                delivery.created_at,
                delivery.state.name()
            ));
            text.extend(attempts.iter().map(attempt_text));
        }
        if self.deliveries.is_empty() && self.subject == "incident" {
            text.push("No message has told of it so far.".to_owned());
        }
        text
    }
}

fn line_text(line: &Line) -> String {
    let by = if line.change.by.is_empty() { String::new() } else { format!(" by {}", line.change.by) };
    let detail =
        if line.change.detail.is_empty() { String::new() } else { format!(": {}", line.change.detail) };
    let kind = match line.change.kind {
        ChangeKind::Suppressed => "not told",
        ChangeKind::Paged => "paged",
        ChangeKind::Released => "may be told again",
        kind => kind.name(),
    };
    format!("  {}  {kind}{by}{detail}", line.at)
}

fn route_text(verdict: &Verdict) -> String {
    let word = match verdict.verdict {
        VerdictKind::Chosen => "chosen",
        VerdictKind::LeftToChild => "matched",
        VerdictKind::NoMatch => "no match",
        VerdictKind::NotReached => "not reached",
    };
    format!("Route {} (receiver {}): {word}: {}.", verdict.path, verdict.receiver, verdict.because)
}

fn attempt_text(attempt: &Attempt) -> String {
    let status = attempt.status.map(|status| format!(" with status {status}")).unwrap_or_default();
    let words = attempt.outcome.words();
    let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
    let millis = attempt.latency_micros as f64 / 1000.0;
    format!(
        "  try {} at {}: {}{status} after {millis:.1} ms{words}",
        attempt.number,
        attempt.at,
        attempt.outcome.name()
    )
}
