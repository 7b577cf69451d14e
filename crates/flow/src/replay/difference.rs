//! What one side told and the other did not.

use std::collections::BTreeMap;
use std::time::Duration;

use model::incident::State;
use model::notification::Reason;
use model::{Labels, Notification, Time};

/// Differences that are listed; more are counted.
const MAX_LISTED: usize = 1000;
/// Titles that one of them names.
const MAX_TITLES: usize = 5;
/// Times that are this close are the same time.
const SAME: Duration = Duration::from_secs(1);

/// Receiver, destination and group: messages are compared with others of the same.
type To = (String, String, Labels);

/// A message of one side.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Told {
    pub at: Time,
    to: To,
    reason: Reason,
    /// What it shows, whatever the order.
    alerts: Vec<(u64, bool)>,
    titles: Vec<String>,
}

impl Told {
    pub fn new(at: Time, destination: String, says: &Notification) -> Self {
        let shows = |it: &model::notification::Alert| (it.labels.fingerprint(), it.state == State::Resolved);
        let mut alerts: Vec<_> = says.alerts.iter().map(shows).collect();
        alerts.sort_unstable();
        let titles = says.alerts.iter().take(MAX_TITLES).map(|it| it.title.clone()).collect();
        let to = (says.receiver.clone(), destination, says.group_labels.clone());
        Told { at, to, reason: says.reason, alerts, titles }
    }

    fn says_the_same(&self, other: &Told) -> bool {
        self.reason == other.reason && self.alerts == other.alerts
    }
}

/// How a message differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Only the other configuration tells it.
    New,
    /// Only the configuration in force tells it.
    Gone,
    /// Both do, at different times.
    Moved,
}

/// A message that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// How.
    pub change: Change,
    /// Who is told.
    pub receiver: String,
    /// Where.
    pub destination: String,
    /// The labels of the group that it is about.
    pub group: Labels,
    /// Why it is told.
    pub reason: Reason,
    /// When the configuration in force told it.
    pub before: Option<Time>,
    /// When the other one would have.
    pub after: Option<Time>,
    /// How many alerts it shows.
    pub alerts: usize,
    /// What they are called; the first of them.
    pub titles: Vec<String>,
}

/// What another configuration would have told otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// The beginning of the window that was replayed.
    pub from: Time,
    /// Its end.
    pub until: Time,
    /// Events in it.
    pub events: usize,
    /// Silences that were known.
    pub silences: usize,
    /// Messages by the configuration in force.
    pub told_before: usize,
    /// Messages by the other one.
    pub told_after: usize,
    /// Messages that only the other one tells.
    pub new: usize,
    /// Messages that only the one in force tells.
    pub gone: usize,
    /// Messages that both tell, at different times.
    pub moved: usize,
    /// Each of them, by receiver, destination, group and time; the first thousand.
    pub items: Vec<Item>,
    /// Where the window was cut, in words.
    pub notes: Vec<String>,
}

impl Difference {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.new + self.gone + self.moved == 0
    }

    pub(super) fn between(before: Vec<Told>, after: Vec<Told>) -> Self {
        let (told_before, told_after) = (before.len(), after.len());
        let mut by_group: BTreeMap<To, (Vec<Told>, Vec<Told>)> = BTreeMap::new();
        for it in before {
            by_group.entry(it.to.clone()).or_default().0.push(it);
        }
        for it in after {
            by_group.entry(it.to.clone()).or_default().1.push(it);
        }
        let mut items: Vec<Item> = by_group.into_values().flat_map(|(old, new)| of_group(old, new)).collect();
        let count = |change: Change| items.iter().filter(|it| it.change == change).count();
        let (new, gone, moved) = (count(Change::New), count(Change::Gone), count(Change::Moved));
        let mut notes = Vec::new();
        if items.len() > MAX_LISTED {
            notes.push(format!("of {} differences the first {MAX_LISTED} are listed", items.len()));
            items.truncate(MAX_LISTED);
        }
        Difference { told_before, told_after, new, gone, moved, items, notes, ..Difference::default() }
    }
}

/// The differences of one group, in the order of their times.
fn of_group(old: Vec<Told>, new: Vec<Told>) -> Vec<Item> {
    let (old, new) = without_same(old, new);
    let mut left: Vec<Option<Told>> = new.into_iter().map(Some).collect();
    let mut items = Vec::new();
    for it in old {
        let same = left.iter_mut().find(|slot| slot.as_ref().is_some_and(|other| it.says_the_same(other)));
        let after = same.and_then(Option::take).map(|other| other.at);
        let change = if after.is_some() { Change::Moved } else { Change::Gone };
        let before = Some(it.at);
        items.push(item(it, change, before, after));
    }
    for it in left.into_iter().flatten() {
        let after = Some(it.at);
        items.push(item(it, Change::New, None, after));
    }
    items.sort_by_key(|it| it.before.or(it.after));
    items
}

/// Leaves out what both say at the same time.
fn without_same(old: Vec<Told>, mut new: Vec<Told>) -> (Vec<Told>, Vec<Told>) {
    let mut left = Vec::new();
    for it in old {
        let near = |other: &Told| it.at.since(other.at).max(other.at.since(it.at)) < SAME;
        match new.iter().position(|other| it.says_the_same(other) && near(other)) {
            Some(same) => drop(new.remove(same)),
            None => left.push(it),
        }
    }
    (left, new)
}

fn item(told: Told, change: Change, before: Option<Time>, after: Option<Time>) -> Item {
    let (receiver, destination, group) = told.to;
    let (alerts, titles, reason) = (told.alerts.len(), told.titles, told.reason);
    Item { change, receiver, destination, group, reason, before, after, alerts, titles }
}
