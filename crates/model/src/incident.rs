//! Incidents: the state machine of one key.
//!
//! [`Incident::apply`] is pure and total: every input in every state has an answer, and the same input
//! given twice changes nothing the second time. A deadline that has passed is an input like any other, so
//! the machine is right over restarts and jumps of the clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{Action, Event};
use crate::extra::{Acknowledgement, Edit, Extra};
use crate::flap::{Flap, Flapping};
use crate::id::Id;
use crate::labels::Labels;
use crate::severity::Severity;
use crate::time::Time;

mod change;
mod edit;

pub use change::{Change, ChangeKind};
pub use edit::{DESCRIPTION, kind_of_source, label, number_of_source};

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Wrong, and nobody has taken it.
    Open,
    /// Wrong, and somebody has.
    Acknowledged,
    /// Over.
    Resolved,
}

impl State {
    /// The word for it, as in columns and JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Acknowledged => "acknowledged",
            State::Resolved => "resolved",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [State::Open, State::Acknowledged, State::Resolved].into_iter().find(|state| state.name() == name)
    }
}

/// One thing that is, or was, wrong: everything that events of one key made of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id, which is that of the event that opened it.
    pub id: Id,
    /// What its events have in common.
    pub key: String,
    /// Where the last event came from.
    pub source: String,
    /// Where it stands.
    pub state: State,
    /// How bad it is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// What it is about.
    pub labels: Labels,
    /// More about it.
    pub annotations: Labels,
    /// Where it came from; may be empty.
    pub link: String,
    /// When it began: the earliest start that any event of this life gave.
    pub started_at: Time,
    /// When it times out unless an event says otherwise; `None`: never.
    pub ends_at: Option<Time>,
    /// Whether that is no sender's word, but how long senders may be silent: then any word shortens it.
    #[serde(default)]
    pub times_out: bool,
    /// When it was over.
    pub resolved_at: Option<Time>,
    /// When the first event arrived.
    pub first_seen: Time,
    /// When the last event arrived.
    pub last_seen: Time,
    /// Raises so far, the first included.
    pub times_seen: i64,
    /// Who took it.
    pub acknowledged_by: Option<String>,
    /// When that runs out; `None`: it does not.
    pub acknowledged_until: Option<Time>,
    /// Nobody is told before this time.
    pub snoozed_until: Option<Time>,
    /// Until when an event of the same key re-opens it instead of opening another; set when resolved.
    pub reopens_until: Option<Time>,
    /// Whether it flaps, and what is remembered to know it.
    #[serde(default)]
    pub flap: Flap,
    /// What it has besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Box<Extra>>,
    /// Counts the changes, for conditional requests and live updates.
    pub version: i64,
}

/// What can happen to an incident, apart from being opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<'a> {
    /// An event of its key arrived.
    Event(&'a Event),
    /// The clock passed something.
    Deadline,
    /// Somebody takes it, for good or until a time.
    Acknowledge {
        /// Who.
        by: &'a str,
        /// Until when; `None`: until it is over.
        until: Option<Time>,
        /// Why, or what now.
        note: &'a str,
    },
    /// Somebody gives it back.
    Unacknowledge {
        /// Who.
        by: &'a str,
    },
    /// Somebody says it is over.
    Resolve {
        /// Who.
        by: &'a str,
        /// Why.
        note: &'a str,
        /// Since when; `None`: now.
        end: Option<Time>,
    },
    /// Somebody says it is wrong again.
    Reopen {
        /// Who.
        by: &'a str,
        /// Why.
        note: &'a str,
    },
    /// Somebody changes what is known of it.
    Edit {
        /// Who.
        by: &'a str,
        /// What.
        edit: &'a Edit,
    },
    /// Somebody wants to hear of it later.
    Snooze {
        /// Who.
        by: &'a str,
        /// When.
        until: Time,
        /// Why.
        note: &'a str,
    },
    /// Somebody has something to say about it.
    Note {
        /// Who.
        by: &'a str,
        /// What.
        text: &'a str,
    },
}

impl<'a> Input<'a> {
    /// Who does it; empty for events and the clock.
    pub fn by(&self) -> &'a str {
        match *self {
            Input::Event(_) | Input::Deadline => "",
            Input::Acknowledge { by, .. }
            | Input::Unacknowledge { by }
            | Input::Resolve { by, .. }
            | Input::Reopen { by, .. }
            | Input::Edit { by, .. }
            | Input::Snooze { by, .. }
            | Input::Note { by, .. } => by,
        }
    }
}

/// What the configuration has to say about the life of incidents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// How long after its end a raise re-opens an incident instead of opening another.
    pub reopen_within: Duration,
    /// When one flaps.
    pub flapping: Flapping,
}

impl Incident {
    /// The incident that an event opens.
    pub fn open(event: &Event) -> (Incident, Change) {
        let mut incident = Incident {
            id: event.id,
            key: event.key.clone(),
            source: event.source.clone(),
            state: State::Open,
            severity: event.severity.unwrap_or_default(),
            title: String::new(),
            labels: event.labels.clone(),
            annotations: event.annotations.clone(),
            link: event.link.clone(),
            started_at: event.started_at,
            ends_at: event.ends_at,
            times_out: event.times_out,
            resolved_at: None,
            first_seen: event.arrived_at,
            last_seen: event.arrived_at,
            times_seen: 1,
            acknowledged_by: None,
            acknowledged_until: None,
            snoozed_until: None,
            reopens_until: None,
            flap: Flap::default(),
            extra: event.extra.clone(),
            version: 1,
        };
        incident.title = title_of(event);
        incident.set_chain(event.chain);
        (incident, Change::new(ChangeKind::Opened, "", ""))
    }

    /// What becomes of it, and what there is to tell. `self` stays as it was.
    pub fn apply(&self, input: &Input<'_>, policy: &Policy, at: Time) -> (Incident, Vec<Change>) {
        let mut next = self.clone();
        let mut changes = Vec::new();
        next.pass_deadlines(policy, at, &mut changes);
        match *input {
            Input::Deadline => {}
            Input::Event(event) => next.take(event, policy, at, &mut changes),
            Input::Acknowledge { by, until, note } => next.acknowledge(by, until, note, at, &mut changes),
            Input::Unacknowledge { by } => {
                if next.state == State::Acknowledged {
                    next.end_acknowledgements(at);
                    next.give_back();
                    changes.push(Change::new(ChangeKind::Unacknowledged, by, ""));
                }
            }
            Input::Resolve { by, note, end } => {
                if next.state != State::Resolved {
                    next.end(end.unwrap_or(at).min(at).max(next.started_at), policy, at);
                    changes.push(Change::new(ChangeKind::Resolved, by, note));
                }
            }
            Input::Reopen { by, note } => {
                if next.state == State::Resolved {
                    next.come_back((by, note), policy, at, &mut changes);
                }
            }
            Input::Edit { by, edit } => next.edit(by, edit, at, &mut changes),
            Input::Snooze { by, until, note } => {
                if next.state != State::Resolved && until > at && next.snoozed_until != Some(until) {
                    next.snoozed_until = Some(until);
                    let detail = if note.is_empty() { until.to_string() } else { format!("{until}: {note}") };
                    changes.push(Change::new(ChangeKind::Snoozed, by, detail));
                }
            }
            Input::Note { by, text } => changes.push(Change::new(ChangeKind::Noted, by, text)),
        }
        if !changes.is_empty() {
            next.version += 1;
        }
        (next, changes)
    }

    /// The next moment at which [`Input::Deadline`] would change something; `None`: never.
    pub fn due_at(&self) -> Option<Time> {
        let calm_at = self.flap.calm_at;
        if self.state == State::Resolved {
            return [self.reopens_until, calm_at].into_iter().flatten().min();
        }
        [self.ends_at, self.acknowledged_until, self.snoozed_until, calm_at].into_iter().flatten().min()
    }

    /// Whether it is wrong now.
    pub fn is_active(&self) -> bool {
        self.state != State::Resolved
    }

    /// Whether an event of the same key belongs to it: it is active, or may be re-opened. Until its end has
    /// been told it may be, too, which its groups know.
    pub fn is_live(&self) -> bool {
        self.is_active() || self.reopens_until.is_some()
    }

    /// Whether nobody is told of it at the moment.
    pub fn is_quiet(&self) -> bool {
        self.more().telling == crate::extra::Telling::Quiet
    }

    /// Whether it has begun and ended so often of late that its state says little.
    pub fn is_flapping(&self) -> bool {
        self.flap.since.is_some()
    }

    fn pass_deadlines(&mut self, policy: &Policy, at: Time, changes: &mut Vec<Change>) {
        let passed = |deadline: Option<Time>| deadline.is_some_and(|time| time <= at);
        if let Some(since) = self.flap.calms(at) {
            let detail = format!("it began {} times since {since}", self.flap.times);
            changes.push(Change::new(ChangeKind::Calmed, "", detail));
        }
        if self.state == State::Resolved {
            if passed(self.reopens_until) {
                self.reopens_until = None;
            }
            return;
        }
        if passed(self.snoozed_until) {
            self.snoozed_until = None;
            changes.push(Change::new(ChangeKind::SnoozeEnded, "", ""));
        }
        if passed(self.acknowledged_until) && self.state == State::Acknowledged {
            let by = self.acknowledged_by.clone().unwrap_or_default();
            self.give_back();
            changes.push(Change::new(ChangeKind::AcknowledgementExpired, "", by));
        }
        if let Some(end) = self.ends_at.filter(|end| *end <= at) {
            self.end(end, policy, at);
            changes.push(Change::new(ChangeKind::TimedOut, "", "nothing was heard of it in time"));
        }
    }

    fn take(&mut self, event: &Event, policy: &Policy, at: Time, changes: &mut Vec<Change>) {
        self.set_chain(event.chain);
        match event.action {
            Action::Note => changes.push(Change::new(ChangeKind::Noted, &event.source, title_of(event))),
            // of several senders' words on one end the latest counts
            Action::Clear if self.state == State::Resolved => {
                let end = event.ends_at.map(|end| end.min(at));
                self.resolved_at = self.resolved_at.max(end);
                self.take_text(event);
            }
            Action::Clear => {
                self.last_seen = self.last_seen.max(event.arrived_at);
                // a clear may carry the last word: Prometheus sends the final value in an annotation
                self.take_text(event);
                // a late report cannot end an incident before it began
                let end = event.ends_at.unwrap_or(at).min(at).max(self.started_at);
                self.end(end, policy, at);
                changes.push(Change::new(ChangeKind::Resolved, "", ""));
            }
            Action::Raise => self.raise(event, policy, at, changes),
        }
    }

    fn raise(&mut self, event: &Event, policy: &Policy, at: Time, changes: &mut Vec<Change>) {
        self.last_seen = self.last_seen.max(event.arrived_at);
        self.times_seen += 1;
        if self.state == State::Resolved {
            // a beginning before its end is the one that is known already
            let overlaps = self.resolved_at.is_some_and(|end| event.started_at < end);
            self.started_at = if overlaps { self.started_at.min(event.started_at) } else { event.started_at };
            self.come_back(("", ""), policy, at, changes);
            (self.ends_at, self.times_out) = (event.ends_at, event.times_out);
        } else {
            // Alertmanager merges overlapping alerts the same way: the earliest start, and the latest end that
            // any sender gave, so that one of two senders does not end what the other says goes on
            self.started_at = self.started_at.min(event.started_at);
            let is_later = |end: Time| event.ends_at.is_some_and(|new| new < end);
            if self.times_out || !self.ends_at.is_some_and(is_later) {
                (self.ends_at, self.times_out) = (event.ends_at, event.times_out);
            }
        }
        let severity = event.severity.unwrap_or(self.severity);
        if severity != self.severity {
            let detail = format!("{} → {severity}", self.severity);
            self.severity = severity;
            changes.push(Change::new(ChangeKind::SeverityChanged, "", detail));
        }
        if self.labels != event.labels && !event.labels.is_empty() {
            self.labels = event.labels.clone();
            changes.push(Change::new(ChangeKind::Updated, "", "labels"));
        }
        self.take_text(event);
    }

    /// Text for people is replaced without a line in the timeline: values in annotations change all the time.
    fn take_text(&mut self, event: &Event) {
        self.source.clone_from(&event.source);
        // a raise says all there is; the end of something need not say again what it was
        if event.action == Action::Raise || !event.annotations.is_empty() {
            self.annotations.clone_from(&event.annotations);
        }
        if event.action == Action::Raise || !event.link.is_empty() {
            self.link.clone_from(&event.link);
        }
        if !event.title.is_empty() || !event.annotations.is_empty() {
            self.title = title_of(event);
        }
    }

    fn acknowledge(
        &mut self,
        by: &str,
        until: Option<Time>,
        note: &str,
        at: Time,
        changes: &mut Vec<Change>,
    ) {
        let new = Acknowledgement { by: by.to_owned(), at, until };
        if self.state == State::Resolved || !new.stands(at) {
            return;
        }
        if let Some(by) = self.acknowledged_by.clone().filter(|_| self.more().counting(at).is_none()) {
            // from before acknowledgements were remembered one by one
            let known = Acknowledgement { by, at: self.first_seen, until: self.acknowledged_until };
            self.more_mut().acknowledge(known);
        }
        let same = |it: &Acknowledgement| it.by == by && it.until == until && it.stands(at);
        if note.is_empty() && self.more().acknowledgements.iter().any(same) {
            return;
        }
        self.more_mut().acknowledge(new);
        self.settle_acknowledgements(at);
        changes.push(Change::new(ChangeKind::Acknowledged, by, note));
    }

    /// Whether somebody's word stands that they look after it, be it over or not.
    pub fn is_acknowledged(&self, at: Time) -> bool {
        self.state == State::Acknowledged || self.more().counting(at).is_some()
    }

    /// What it has besides.
    pub fn more(&self) -> &Extra {
        self.extra.as_deref().unwrap_or(&edit::NOTHING)
    }

    fn more_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Of several acknowledgements, the one that lasts longest counts.
    fn settle_acknowledgements(&mut self, at: Time) {
        let counting = self.more().counting(at).cloned();
        self.state = if counting.is_some() { State::Acknowledged } else { State::Open };
        self.acknowledged_until = counting.as_ref().and_then(|it| it.until);
        self.acknowledged_by = counting.map(|it| it.by);
    }

    fn end_acknowledgements(&mut self, at: Time) {
        if let Some(extra) = &mut self.extra {
            extra.end_acknowledgements(at, |_| true);
        }
    }

    /// It was over, and is wrong again: whoever took it then has not taken this.
    fn come_back(&mut self, (by, note): (&str, &str), policy: &Policy, at: Time, changes: &mut Vec<Change>) {
        self.end_acknowledgements(at);
        self.state = State::Open;
        self.resolved_at = None;
        self.reopens_until = None;
        (self.ends_at, self.times_out) = (None, false);
        changes.push(Change::new(ChangeKind::Reopened, by, note));
        if self.flap.begins(self.first_seen, &policy.flapping, at) {
            let detail = format!("it began {} times within {:?}", self.flap.times, policy.flapping.within);
            changes.push(Change::new(ChangeKind::Flapping, "", detail));
        }
    }

    fn give_back(&mut self) {
        self.state = State::Open;
        self.acknowledged_by = None;
        self.acknowledged_until = None;
    }

    fn end(&mut self, end: Time, policy: &Policy, at: Time) {
        self.give_back();
        self.state = State::Resolved;
        self.resolved_at = Some(end);
        self.ends_at = None;
        self.snoozed_until = None;
        // counted from now, not from `end`: a time-out found late must leave the full window
        let window = policy.reopen_within.max(policy.flapping.memory());
        self.reopens_until = Some(at + window).filter(|_| !window.is_zero());
        self.flap.moves(&policy.flapping, at);
    }
}

/// The line that people read: the event's own, or the annotations and labels that hold it by custom.
fn title_of(event: &Event) -> String {
    let by_custom = || {
        let annotations = ["summary", "title", "message", "description"];
        let found = annotations.into_iter().filter_map(|name| event.annotations.get(name));
        found.chain(event.labels.get("alertname")).find(|text| !text.trim().is_empty())
    };
    title_line(if event.title.is_empty() { by_custom().unwrap_or(&event.key) } else { &event.title })
}

/// What a title shows of a text: its first line, as far as it is not too long.
pub fn title_line(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests;
