//! Pages: somebody is called, and then somebody else, until one of them takes the incident.
//!
//! What a route says with `escalate` starts an [`Escalation`] when its incident opens. It goes on by itself, step by
//! step, and is told what happens to the incident. A page that finds nobody is an incident of its own.

use std::collections::HashMap;

use model::escalation::{Applied, Escalation, Input, Leave, Page, Plan as Laid, Recipient, Target, Urgency};
use model::event::NewEvent;
use model::incident::{Change, ChangeKind};
use model::notification::Reason;
use model::{Id, Incident, Time};
use store::escalations::{Escalating, NO_POLICY, Ringing};
use store::{Result, Tx};

use super::failover::is_confirmed;
use super::leave::{self, HELD, Leaves};
use super::people::say_to;
use super::{Plan, Tick, fate, keep};
use crate::core::Core;
use crate::incident::{Moved, line, untold};
use crate::live::Live;
use crate::people::People;
use alarms::Trouble;

mod alarms;
mod audit;

/// Where incidents come from that are about pages. Nothing is paged about a page.
pub(super) const SOURCE: &str = "escalation";
/// Steps and rings that one run does at the most.
const PAGES_PER_RUN: i64 = 256;
/// What one run pages, and all that it goes by.
struct Run<'a> {
    core: &'a Core,
    live: &'a Live,
    people: &'a People,
    plan: Plan,
    rings: Vec<Ringing>,
    leaves: Leaves,
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
    let concerned = moved.iter().filter(|it| {
        let row = known.get(&it.after.id);
        row.map_or(it.after.is_active() && policy_of(&live, &it.after).is_some(), |row| {
            has_news(row, it, now)
        })
    });
    let concerned: Vec<&Moved> = concerned.collect();
    if concerned.is_empty() {
        return Ok(Tick::default());
    }
    core.observe_ids(tx)?;
    let people = core.people(tx)?;
    let mut run = Run::new(core, &live, &people, alarms, now);
    run.look_at(tx, &concerned.iter().map(|it| &it.after).collect::<Vec<_>>())?;
    let mut due = None;
    for it in concerned {
        let before = known.remove(&it.after.id);
        let is_begun = before.as_ref().is_some_and(|row| row.policy != NO_POLICY || !it.after.is_active());
        let row = if is_begun { before } else { run.begin(tx, &it.after, before.as_ref())? };
        let Some(mut row) = row else { continue };
        for input in it.changes.iter().filter_map(|change| input(change, it)).chain([Input::Deadline]) {
            run.apply(tx, &mut row, input, &it.after)?;
        }
        if matches!(run.leaves.of(&it.after), Leave::Rests | Leave::Over) {
            store::escalations::hush(tx, &[it.after.id])?;
        }
        store::escalations::put(tx, &row)?;
        due = [due, row.due_at].into_iter().flatten().min();
    }
    run.end(tx, due)
}

/// Whether an incident that escalates has moved in a way that its escalation must know of.
fn has_news(row: &Escalating, moved: &Moved, now: Time) -> bool {
    row.due_at.is_some_and(|due| due <= now) || moved.changes.iter().any(|it| input(it, moved).is_some())
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
    let mut run = Run::new(core, &live, &people, alarms, now);
    let mut next = [again, run.audit_some(tx)?].into_iter().flatten().min();
    let ids = due.iter().map(|it| it.incident).chain(rings.iter().map(|it| it.incident));
    let found = store::incidents::get_many(tx, &ids.collect::<Vec<_>>())?;
    let incidents: HashMap<Id, &Incident> = found.iter().map(|(_, it)| (it.id, it)).collect();
    run.look_at(tx, &incidents.values().copied().collect::<Vec<_>>())?;
    for mut row in due {
        match incidents.get(&row.incident) {
            Some(incident) => run.apply(tx, &mut row, Input::Deadline, incident)?,
            None => row.due_at = None,
        }
        store::escalations::put(tx, &row)?;
        next = [next, row.due_at].into_iter().flatten().min();
    }
    for ring in rings {
        if let Some(incident) = incidents.get(&ring.incident) {
            run.ring(tx, ring, incident)?;
        }
    }
    run.end(tx, next)
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

impl<'a> Run<'a> {
    fn new(
        core: &'a Core,
        live: &'a Live,
        people: &'a People,
        alarms: &'a mut Vec<NewEvent>,
        now: Time,
    ) -> Run<'a> {
        let (plan, leaves) = (Plan::default(), Leaves::none(now));
        Run { core, live, people, plan, rings: Vec::new(), leaves, alarms, now }
    }

    /// Finds out what keeps these incidents back, of which there are pages now.
    fn look_at(&mut self, tx: &mut Tx<'_>, incidents: &[&Incident]) -> Result<()> {
        self.leaves = Leaves::find(self.core, tx, incidents, self.now)?;
        Ok(())
    }

    /// The escalation of an incident that is not begun. Without its policy somebody has to know, once; that is
    /// remembered, and `before` is what was.
    fn begin(
        &mut self,
        tx: &mut Tx<'_>,
        incident: &Incident,
        before: Option<&Escalating>,
    ) -> Result<Option<Escalating>> {
        let Some(name) = policy_of(self.live, incident) else { return Ok(None) };
        let Some(policy) = self.people.policy_named(name) else {
            let why = format!("there is no escalation policy {name:?}");
            if before.is_none_or(|it| it.held != why) {
                self.untold(incident, format!("nobody is paged: {why}"));
                self.alarm(incident, Trouble::FindsNobody, &why);
            }
            return Ok(Some(Escalating {
                incident: incident.id,
                policy: NO_POLICY,
                state: Escalation::none(),
                due_at: None,
                held: why,
            }));
        };
        if before.is_some() {
            self.all_clear(tx, incident)?;
        }
        let directory = self.people.directory(self.live, incident.severity, self.now);
        let laid = Laid::of(&policy.body, Some(policy.id), &directory);
        let state = Escalation::start(&laid, self.now);
        let (id, due_at) = (incident.id, state.due);
        Ok(Some(Escalating { incident: id, policy: policy.id, state, due_at, held: String::new() }))
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
        if row.policy == NO_POLICY {
            // if it is wrong again, somebody has to know again
            if input == Input::Resolved {
                row.held.clear();
            }
            return Ok(());
        }
        let leave = self.leaves.of(incident);
        let directory = self.people.directory(self.live, incident.severity, self.now);
        let policy = self.people.policy(row.policy);
        let laid = policy.map(|it| Laid::of(&it.body, Some(it.id), &directory)).unwrap_or_default();
        let Applied { next, pages, alarms } =
            row.state.apply(input, &leave, &laid, incident.severity, &directory, self.now);
        let is_held = next.due.is_some_and(|due| due <= self.now);
        (row.state, row.due_at) = (next, if is_held { Some(self.now + HELD) } else { next.due });
        if is_held || !matches!(leave, Leave::Held(_)) {
            leave::note(self.core, &mut self.plan, row, &leave, incident, self.now);
        }
        let name = policy.map_or("that is gone", |it| it.name.as_str());
        for page in pages {
            self.page(name, &page, incident);
        }
        for alarm in alarms {
            let (trouble, why) = Trouble::of(&alarm, name);
            let is_over = trouble == Trouble::Exhausted;
            let detail = if is_over { format!("paging is at its end: {why}") } else { why.clone() };
            self.untold(incident, detail);
            self.alarm(incident, trouble, &why);
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

    /// Rings what was to ring later, if nobody has taken it meanwhile; what is kept back, or would ring in a quiet hour
    /// that has begun since, waits.
    fn ring(&mut self, tx: &mut Tx<'_>, ring: Ringing, incident: &Incident) -> Result<()> {
        let leave = self.leaves.of(incident);
        leave::note_of(self.core, tx, &mut self.plan, &leave, incident, self.now)?;
        match leave {
            Leave::Given => {}
            Leave::Rests | Leave::Over => return Ok(()),
            Leave::Held(_) => {
                self.rings.push(Ringing { due_at: self.now + HELD, ..ring });
                return Ok(());
            }
        }
        if ring.unless_confirmed && self.has_reached(tx, &ring)? {
            let where_to = self.people.called(ring.destination);
            let detail = format!("not told to {where_to}: an earlier message has reached them");
            self.untold(incident, detail);
            return Ok(());
        }
        match fate::quiet(self.people, ring.user, incident.severity, self.now) {
            None => self.send(ring, incident),
            Some(quiet) => {
                self.untold(incident, quiet.untold(&self.people.called(ring.destination)));
                self.rings.extend(quiet.until.map(|due_at| Ringing { due_at, ..ring }));
            }
        }
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

    fn end(self, tx: &mut Tx<'_>, due: Option<Time>) -> Result<Tick> {
        let first_ring = self.rings.iter().map(|it| it.due_at).min();
        store::escalations::ring_later(tx, &self.rings)?;
        let tick = keep(self.core, tx, self.plan, self.now)?;
        Ok(Tick { due: [due, first_ring, tick.due].into_iter().flatten().min(), ..tick })
    }
}
