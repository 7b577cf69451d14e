//! Pages: somebody is called, and then somebody else, until one of them takes the incident.
//!
//! What a route says with `escalate` starts an [`Escalation`] when its incident opens. It goes on by itself, step by
//! step, and is told what happens to the incident. A page that finds nobody is an incident of its own.

use std::collections::HashMap;
use std::time::Duration;

use model::escalation::{
    Alarm, Applied, Escalation, Finding, Input, Page, Plan as Laid, Recipient, Target, Urgency, audit,
};
use model::event::{Action, NewEvent};
use model::incident::{Change, ChangeKind, State};
use model::notification::Reason;
use model::{Id, Incident, Labels, Severity, Time};
use store::escalations::{Escalating, Ringing};
use store::{Result, Tx};

use super::failover::is_confirmed;
use super::people::say_to;
use super::{Holds, Plan, Tick, keep};
use crate::core::Core;
use crate::incident::{Moved, line, untold};
use crate::live::Live;
use crate::people::People;

/// Where incidents come from that are about pages. Nothing is paged about a page.
pub(super) const SOURCE: &str = "escalation";
/// Steps and rings that one run does at the most.
const PAGES_PER_RUN: i64 = 256;
/// How often all open incidents are looked through, and how many one run looks at.
const AUDIT_EVERY: Duration = Duration::from_secs(60);
const AUDITED_PER_RUN: i64 = 500;
/// How late a step may be.
const GRACE: Duration = Duration::from_secs(120);
/// The rows that know when that was done last, and how far it has come.
const AUDITED_AT: &str = "escalations audited";
const AUDITED_TO: &str = "escalations audited to";
/// How long a step waits that something keeps back, before it looks again.
const HELD: Duration = Duration::from_secs(60);

/// What one run pages, and all that it goes by.
struct Run<'a> {
    core: &'a Core,
    live: &'a Live,
    people: &'a People,
    plan: Plan,
    rings: Vec<Ringing>,
    alarms: &'a mut Vec<NewEvent>,
    now: Time,
}

/// Tells escalations what has happened to their incidents, and starts those of new ones.
pub(crate) fn follow_escalations(
    core: &Core,
    tx: &mut Tx<'_>,
    moved: &[Moved],
    alarms: &mut Vec<NewEvent>,
    now: Time,
) -> Result<Tick> {
    let (live, ids) = (core.live(), moved.iter().map(|it| it.after.id).collect::<Vec<_>>());
    let mut known: HashMap<Id, Escalating> = HashMap::new();
    // most hubs page nobody, and a sender says the same thing again and again
    if moved.iter().any(|it| it.before.is_some()) && store::escalations::are_there(tx)? {
        known.extend(store::escalations::of(tx, &ids)?.into_iter().map(|it| (it.incident, it)));
    }
    let starts = |it: &Moved| !known.contains_key(&it.after.id) && policy_of(&live, &it.after).is_some();
    let concerned = |it: &&Moved| known.contains_key(&it.after.id) || (it.after.is_active() && starts(it));
    let concerned: Vec<&Moved> = moved.iter().filter(concerned).collect();
    if concerned.is_empty() {
        return Ok(Tick::default());
    }
    core.observe_ids(tx)?;
    let people = core.people(tx)?;
    let mut run =
        Run { core, live: &live, people: &people, plan: Plan::default(), rings: Vec::new(), alarms, now };
    let mut due = None;
    for it in concerned {
        let row = match known.remove(&it.after.id) {
            Some(row) => Some(row),
            None => run.begin(&it.after),
        };
        let Some(mut row) = row else { continue };
        for input in it.changes.iter().filter_map(|change| input(change, it)).chain([Input::Deadline]) {
            run.apply(tx, &mut row, input, &it.after)?;
        }
        if it.after.state != State::Open {
            store::escalations::hush(tx, &[it.after.id])?;
        }
        store::escalations::put(tx, &row)?;
        due = [due, row.due_at].into_iter().flatten().min();
    }
    run.end(tx, due)
}

/// Does the steps that are due, and rings what is.
pub(crate) fn pass_escalations(
    core: &Core,
    tx: &mut Tx<'_>,
    alarms: &mut Vec<NewEvent>,
    now: Time,
) -> Result<Tick> {
    let due = store::escalations::due(tx, now, PAGES_PER_RUN)?;
    let rings = store::escalations::take_rings(tx, now, PAGES_PER_RUN)?;
    let live = core.live();
    if due.is_empty() && rings.is_empty() && !live.escalates {
        return Ok(Tick::default());
    }
    core.observe_ids(tx)?;
    let people = core.people(tx)?;
    let again = (due.len().max(rings.len()) as i64 == PAGES_PER_RUN).then_some(now);
    let mut run =
        Run { core, live: &live, people: &people, plan: Plan::default(), rings: Vec::new(), alarms, now };
    for ring in rings {
        run.ring(tx, ring)?;
    }
    let mut next = [again, audit_some(&mut run, tx)?].into_iter().flatten().min();
    for mut row in due {
        match store::incidents::get(tx, row.incident)? {
            Some(incident) => run.apply(tx, &mut row, Input::Deadline, &incident)?,
            None => row.due_at = None,
        }
        store::escalations::put(tx, &row)?;
        next = [next, row.due_at].into_iter().flatten().min();
    }
    run.end(tx, next)
}

/// Looks through open incidents, some at a time, for those whose escalation does not go on as it must. One that was
/// never started, since its route has a policy only now, is started; of others somebody has to know.
fn audit_some(run: &mut Run<'_>, tx: &mut Tx<'_>) -> Result<Option<Time>> {
    let (last, cursor) = (store::rules::version(tx, AUDITED_AT)?, store::rules::version(tx, AUDITED_TO)?);
    if run.now < Time(last) + AUDIT_EVERY && run.now >= Time(last) {
        return Ok(None);
    }
    let incidents = store::incidents::active_after(tx, Id(cursor), AUDITED_PER_RUN)?;
    let ids: Vec<Id> = incidents.iter().map(|it| it.id).collect();
    let known: HashMap<Id, Escalating> =
        store::escalations::of(tx, &ids)?.into_iter().map(|it| (it.incident, it)).collect();
    let mut due = None;
    for incident in incidents.iter().filter(|it| policy_of(run.live, it).is_some()) {
        let row = known.get(&incident.id);
        // what is kept back is looked at later than its step says
        let state = row.map(|it| Escalation { due: it.due_at, ..it.state });
        let finding = audit(incident, state.as_ref(), run.now, GRACE);
        // what somebody knows already is not said every minute
        if finding.is_some() && store::incidents::is_active(tx, &alarm_key(incident.id))? {
            continue;
        }
        match finding {
            None => {}
            Some(Finding::NotStarted) => {
                if let Some(mut row) = run.begin(incident) {
                    run.apply(tx, &mut row, Input::Deadline, incident)?;
                    store::escalations::put(tx, &row)?;
                    due = [due, row.due_at].into_iter().flatten().min();
                }
            }
            Some(Finding::NoNextStep { .. }) => {
                run.alarm(incident, "EscalationStuck", "there is no next step")
            }
            Some(Finding::Overdue { due }) => {
                run.alarm(incident, "EscalationStuck", &format!("its next step was due at {due}"));
            }
        }
    }
    let full = incidents.len() as i64 == AUDITED_PER_RUN;
    let next = incidents.last().filter(|_| full).map_or(0, |it| it.id.0);
    store::rules::set_version(tx, AUDITED_TO, next)?;
    if !full {
        store::rules::set_version(tx, AUDITED_AT, run.now.0)?;
    }
    Ok(due)
}

/// The name of the policy that the first of an incident's routes with one has.
fn policy_of<'a>(live: &'a Live, incident: &Incident) -> Option<&'a str> {
    if incident.source == SOURCE || incident.is_quiet() {
        return None;
    }
    let routes = live.rules.root.find(&incident.labels, incident.severity);
    routes.into_iter().find_map(|route| route.escalate.as_deref())
}

/// What a change of an incident is to its escalation.
fn input(change: &Change, moved: &Moved) -> Option<Input> {
    let was = moved.before.as_ref().map(|it| it.severity);
    Some(match change.kind {
        ChangeKind::Reopened => Input::Reopened,
        ChangeKind::Acknowledged | ChangeKind::Snoozed => Input::Taken,
        ChangeKind::Unacknowledged | ChangeKind::AcknowledgementExpired | ChangeKind::SnoozeEnded => {
            Input::GivenBack
        }
        ChangeKind::SeverityChanged if was.is_some_and(|was| moved.after.severity > was) => Input::Worsened,
        ChangeKind::Resolved | ChangeKind::TimedOut => Input::Resolved,
        _ => return None,
    })
}

impl Run<'_> {
    /// The escalation of an incident that has just opened; without its policy somebody has to know.
    fn begin(&mut self, incident: &Incident) -> Option<Escalating> {
        let name = policy_of(self.live, incident)?;
        let Some(policy) = self.people.policy_named(name) else {
            let why = format!("there is no escalation policy {name:?}");
            self.untold(incident, format!("nobody is paged: {why}"));
            self.alarm(incident, "PageFindsNobody", &why);
            return None;
        };
        let directory = self.people.directory(self.live, incident.severity, self.now);
        let laid = Laid::of(&policy.body, Some(policy.id), &directory);
        let state = Escalation::start(&laid, self.now);
        Some(Escalating {
            incident: incident.id,
            policy: policy.id,
            state,
            due_at: state.due,
            held: String::new(),
        })
    }

    fn apply(
        &mut self,
        tx: &mut Tx<'_>,
        row: &mut Escalating,
        input: Input,
        incident: &Incident,
    ) -> Result<()> {
        if input == Input::Resolved {
            self.all_clear(tx, incident)?;
        }
        let is_due = row.due_at.is_some_and(|due| due <= self.now);
        if input == Input::Deadline && is_due {
            let hold = Holds::find(self.core, tx, &[incident], self.now)?.0.remove(&incident.id);
            let held = hold.map(|it| it.to_string()).unwrap_or_default();
            if held != row.held && !held.is_empty() {
                let detail = format!("nobody is paged: {held}");
                self.untold(incident, detail);
            }
            row.held = held;
            if !row.held.is_empty() {
                row.due_at = Some(self.now + HELD);
                return Ok(());
            }
        }
        let directory = self.people.directory(self.live, incident.severity, self.now);
        let policy = self.people.policy(row.policy);
        let laid = policy.map(|it| Laid::of(&it.body, Some(it.id), &directory)).unwrap_or_default();
        let Applied { next, pages, alarms } =
            row.state.apply(input, &laid, incident.severity, &directory, self.now);
        (row.state, row.due_at) = (next, next.due);
        let name = policy.map_or("that is gone", |it| it.name.as_str());
        for page in pages {
            self.page(name, &page, incident);
        }
        for alarm in alarms {
            let (kind, why) = words(&alarm, name);
            let detail = format!("paging is at its end: {why}");
            self.untold(incident, detail);
            self.alarm(incident, kind, &why);
        }
        Ok(())
    }

    /// Pages somebody: rings what rings at once, and keeps what rings later.
    fn page(&mut self, policy: &str, page: &Page, incident: &Incident) {
        let step = page.step.map_or("the fall-back".to_owned(), |step| format!("step {}", step + 1));
        let again = if page.round > 0 { format!(", round {}", page.round + 1) } else { String::new() };
        let through = self.through(&page.through);
        match &page.to {
            Recipient::Receiver { name } => {
                self.note(incident, format!("receiver {name} by {step} of policy {policy}{again}"));
                let Some(receiver) = self.live.rules.receivers.get(name) else { return };
                let places = receiver.destinations.iter().filter_map(|it| self.live.places.get(&it.id));
                for place in places.cloned().collect::<Vec<_>>() {
                    self.say(&place, Id(0), incident);
                }
            }
            Recipient::User { id } => {
                let who = self.people.user(*id).map_or_else(|| id.to_string(), |user| user.name.clone());
                self.note(incident, format!("{who}{through} by {step} of policy {policy}{again}"));
                let urgency = Urgency::of(incident.severity);
                let usable = self.people.usable(*id);
                for ring in self.people.contact_rules(*id).rings(urgency, self.now, &usable) {
                    let ringing = Ringing {
                        id: self.core.id(self.now),
                        incident: incident.id,
                        user: *id,
                        destination: ring.destination,
                        paged_at: self.now,
                        due_at: ring.at,
                        unless_confirmed: ring.unless_confirmed,
                    };
                    if ring.at > self.now { self.rings.push(ringing) } else { self.send(ringing, incident) }
                }
            }
        }
    }

    /// Rings what was to ring later, if nobody has taken it meanwhile.
    fn ring(&mut self, tx: &mut Tx<'_>, ring: Ringing) -> Result<()> {
        let Some(incident) = store::incidents::get(tx, ring.incident)? else { return Ok(()) };
        if incident.state != State::Open {
            return Ok(());
        }
        if ring.unless_confirmed && self.has_reached(tx, &ring)? {
            let where_to = self.people.called(ring.destination);
            let detail = format!("not told to {where_to}: an earlier message has reached them");
            self.untold(&incident, detail);
            return Ok(());
        }
        self.send(ring, &incident);
        Ok(())
    }

    /// Whether something that they were sent since they were paged has reached them for sure.
    fn has_reached(&self, tx: &mut Tx<'_>, ring: &Ringing) -> Result<bool> {
        const LAST: i64 = 100;
        for id in store::ledger::deliveries_of(tx, ring.incident, LAST)? {
            let Some(it) = store::deliveries::get(tx, id)? else { continue };
            let theirs = self.people.owner_of(&it.destination) == Some(ring.user);
            if theirs && it.created_at >= ring.paged_at && is_confirmed(tx, &it)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn send(&mut self, ring: Ringing, incident: &Incident) {
        match self.people.usable_place(ring.destination) {
            Ok(place) => self.say(&place, ring.user, incident),
            Err(why) => {
                let detail = format!("not told to {}: {why}", self.people.called(ring.destination));
                self.untold(incident, detail);
            }
        }
    }

    fn say(&mut self, place: &crate::live::LivePlace, owner: Id, incident: &Incident) {
        say_to(self.core, self.live, &mut self.plan, place, owner, Reason::Paged, vec![incident], self.now);
    }

    fn untold(&mut self, incident: &Incident, detail: String) {
        self.plan.lines.push(untold(self.core, incident.id, detail, self.live.version, self.now));
    }

    fn note(&mut self, incident: &Incident, detail: String) {
        let change = Change { kind: ChangeKind::Paged, by: String::new(), detail };
        self.plan.lines.push(line(self.core, incident.id, change, self.live.version, self.now));
    }

    fn through(&self, target: &Target) -> String {
        match target {
            Target::Schedule { id } => {
                let name = self.people.schedule(*id).map(|it| it.name.as_str());
                format!(", on call by schedule {},", name.unwrap_or_default())
            }
            Target::Team { .. } => ", of the team,".to_owned(),
            _ => String::new(),
        }
    }

    /// Something about pages that somebody has to know: an incident of its own, which ends with this one.
    fn alarm(&mut self, incident: &Incident, kind: &str, why: &str) {
        let mut labels: Labels = incident.labels.clone();
        labels.set("alertname", kind);
        labels.set("incident", incident.id.to_string());
        let description = format!("{}: {why}", incident.title);
        self.alarms.push(NewEvent {
            key: alarm_key(incident.id),
            severity: Some(Severity::Critical),
            title: format!("Paging finds nobody for {}", incident.title),
            annotations: [("description", description.as_str())].into_iter().collect(),
            ..NewEvent::raise(SOURCE, labels)
        });
    }

    fn all_clear(&mut self, tx: &mut Tx<'_>, incident: &Incident) -> Result<()> {
        let key = alarm_key(incident.id);
        if store::incidents::is_active(tx, &key)? {
            let labels = Labels::new();
            self.alarms.push(NewEvent { key, action: Action::Clear, ..NewEvent::raise(SOURCE, labels) });
        }
        Ok(())
    }

    fn end(self, tx: &mut Tx<'_>, due: Option<Time>) -> Result<Tick> {
        let first_ring = self.rings.iter().map(|it| it.due_at).min();
        store::escalations::ring_later(tx, &self.rings)?;
        let tick = keep(self.core, tx, self.plan, self.now)?;
        Ok(Tick { due: [due, first_ring, tick.due].into_iter().flatten().min(), ..tick })
    }
}

/// The key of what is wrong with the pages of an incident.
fn alarm_key(incident: Id) -> String {
    format!("escalation:{incident}")
}

/// What is wrong, as a name and in words.
fn words(alarm: &Alarm, policy: &str) -> (&'static str, String) {
    match alarm {
        Alarm::NobodyReached { step, fallback, .. } => {
            let then = if *fallback { "its fall-back was paged" } else { "nobody was paged" };
            ("PageFindsNobody", format!("step {} of policy {policy} reaches nobody; {then}", step + 1))
        }
        Alarm::Exhausted { reached, .. } => {
            let why = format!(
                "all steps of policy {policy} are done, {reached} pages went out, and nobody took it"
            );
            ("EscalationExhausted", why)
        }
    }
}
