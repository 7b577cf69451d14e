//! The service: one task that owns all desks, and a task for each message under way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use model::delivery::{Delivery, DeliveryState, Health, Outcome};
use model::receiver::Audience;
use model::{Notification, Time};
use sdk::{Answer, Context, Inbox, Message, Secret, http::Http};
use store::{Durability, Store, Tx};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::desk::{Claim, Desk, OVERTIME, too_old};
use super::note::{Answered, Note};
use super::recorder::{MAX_UNRECORDED, Record};
use super::ways::ways;
use crate::clock::Clock;
use crate::core::Core;
use crate::live::LivePlace;
use crate::notices;

/// How often all destinations are looked at, whether rung or not: a lost ring costs this much at the most.
const SWEEP: Duration = Duration::from_secs(1);
/// When claiming is tried again after the database was gone.
const CLAIM_RETRY: Duration = Duration::from_millis(500);

/// Deliveries to a destination that is gone which one transaction settles at the most.
const ORPHANS: i64 = 100;

/// How old a delivery to a destination that is gone must be: nodes do not change their rules in the same moment.
const ORPHAN_GRACE: Duration = Duration::from_secs(300);

/// What the service works with.
pub struct Service {
    /// The steps' common ground.
    pub core: Arc<Core>,
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The way out.
    pub http: Http,
    /// Where the `inbox` destination keeps what it is told.
    pub inbox: Arc<dyn Inbox>,
    /// Where its tasks run.
    pub tracker: TaskTracker,
    /// How the service talks to itself, and others to it.
    pub notes: mpsc::UnboundedSender<Note>,
    /// The way to the recorder.
    pub records: mpsc::Sender<Record>,
    /// Says when to stop: nothing is begun after that.
    pub stop: CancellationToken,
}

struct State {
    desks: HashMap<String, Desk>,
    unrecorded: usize,
    /// a look at the queue is under way
    looking: bool,
    /// what is addressed to nobody is being settled
    settling: bool,
}

/// What comes of a try, whatever the connector does.
pub(crate) async fn one_try(sending: BoxFuture<'_, Answer>, limit: Duration) -> Answer {
    let sending = std::panic::AssertUnwindSafe(sending).catch_unwind();
    match tokio::time::timeout(limit + OVERTIME, sending).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Answer::bare(Outcome::rejected("the connector panicked: please report this")),
        Err(_) => Answer::bare(Outcome::down(format!("no answer within {limit:?}"))),
    }
}

impl Service {
    /// Runs until told to stop, then waits for what is under way, up to its time-outs.
    pub async fn run(self, mut inbox: mpsc::UnboundedReceiver<Note>) {
        let desks = self.remembered().await;
        let mut state = State { desks, unrecorded: 0, looking: false, settling: false };
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let wake = self.wake_after(&state);
            tokio::select! {
                () = self.stop.cancelled() => break,
                Some(note) = inbox.recv() => {
                    self.take(&mut state, note);
                    while let Ok(note) = inbox.try_recv() {
                        self.take(&mut state, note);
                    }
                }
                _ = sweep.tick() => self.look(&mut state),
                () = tokio::time::sleep(wake) => self.work_all(&mut state),
            }
        }
        self.end(state, inbox).await;
    }

    /// Waits for what is under way, and gives back what was claimed and not tried.
    async fn end(&self, mut state: State, mut inbox: mpsc::UnboundedReceiver<Note>) {
        let busy = |desk: &Desk| desk.under_way() > 0 || desk.is_claiming();
        let mut back = Vec::new();
        let now = self.clock.now();
        loop {
            let note =
                if state.desks.values().any(busy) { inbox.recv().await } else { inbox.try_recv().ok() };
            let Some(note) = note else { break };
            let found = match note {
                Note::Answered(answered) => {
                    self.answered(&mut state, *answered);
                    continue;
                }
                Note::Claimed(name, result) => {
                    let found = result.map(|(found, _)| found).unwrap_or_default();
                    state.desks.entry(name).or_default().claimed(Vec::new(), None);
                    found
                }
                Note::Handed(found) => found,
                Note::Look | Note::Ring(_) | Note::Recorded(..) | Note::Waiting(_) | Note::Settled => {
                    continue;
                }
            };
            back.extend(found.into_iter().map(|(delivery, _)| (delivery.id, delivery.due_at)));
        }
        back.extend(state.desks.values_mut().flat_map(|desk| desk.clear_away()));
        let given =
            self.store.write(Durability::Lazy, move |tx| store::deliveries::give_back(tx, &back, now)).await;
        let _ =
            given.inspect_err(|error| tracing::warn!(%error, "what was claimed waits for its leases to end"));
    }

    async fn remembered(&self) -> HashMap<String, Desk> {
        let healths = self.store.read(store::deliveries::healths).await;
        let healths =
            healths.inspect_err(|error| tracing::warn!(%error, "the health of destinations is not known"));
        healths.unwrap_or_default().into_iter().map(|(name, health)| (name, Desk::new(health))).collect()
    }

    fn take(&self, state: &mut State, note: Note) {
        match note {
            Note::Ring(names) => {
                for name in names {
                    state.desks.entry(name.clone()).or_insert_with(|| Desk::new(Health::default())).ring();
                    self.work(state, &name);
                }
            }
            Note::Handed(deliveries) => {
                let mut names = Vec::new();
                for (delivery, notification) in deliveries {
                    let name = delivery.destination.clone();
                    let desk =
                        state.desks.entry(name.clone()).or_insert_with(|| Desk::new(Health::default()));
                    desk.handed(delivery, notification);
                    if names.last() != Some(&name) {
                        names.push(name);
                    }
                }
                names.iter().for_each(|name| self.work(state, name));
            }
            Note::Claimed(name, result) => {
                let now = self.clock.now();
                if let Some(desk) = state.desks.get_mut(&name) {
                    match result {
                        Ok((found, next)) => desk.claimed(found, next),
                        Err(error) => {
                            tracing::warn!(%error, destination = name, "pending deliveries could not be claimed");
                            desk.claim_failed(now + CLAIM_RETRY);
                        }
                    }
                }
                self.work(state, &name);
            }
            Note::Answered(answered) => {
                let name = answered.delivery.destination.clone();
                self.answered(state, *answered);
                self.work(state, &name);
            }
            Note::Look => self.look(state),
            Note::Waiting(waiting) => {
                state.looking = false;
                match waiting {
                    Ok(waiting) => self.sweep(state, waiting),
                    Err(error) => tracing::warn!(%error, "pending deliveries could not be looked at"),
                }
            }
            Note::Settled => state.settling = false,
            Note::Recorded(names, count) => {
                state.unrecorded = state.unrecorded.saturating_sub(count);
                for name in names {
                    // what waited in a lane behind a recorded one may be due now
                    if let Some(desk) = state.desks.get_mut(&name) {
                        desk.ring();
                    }
                    self.work(state, &name);
                }
            }
        }
    }

    fn answered(&self, state: &mut State, answered: Answered) {
        let Answered { delivery, began, answer, about } = answered;
        let now = self.clock.now();
        let name = delivery.destination.clone();
        let desk = state.desks.entry(name.clone()).or_default();
        let place = self.core.place(&name);
        let place = place.as_ref().map(|it| &it.place);
        let manners = place.map(|place| place.manners.clone()).unwrap_or_default();
        let kind = place.map_or("gone", |place| place.kind.as_str());
        let before = desk.health().word(now);
        let tried = desk.answered(delivery, began, answer, &manners, rand::random(), now);
        self.core.counters.attempts.add(&format!("{kind}/{}", tried.attempt.outcome.name()), 1);
        self.core.counters.attempt_micros.add(kind, tried.attempt.latency_micros.unsigned_abs());
        self.core.traces.tried(&tried, kind, about, now);
        let health = (desk.health().word(now) != before).then(|| desk.health().clone());
        self.record(state, Record::Try(Box::new(tried)));
        if let Some(health) = health {
            tracing::info!(
                destination = name,
                state = health.word(now),
                fault = health.last_fault,
                "destination"
            );
            self.record(state, Record::Health(name, health));
        }
    }

    fn record(&self, state: &mut State, record: Record) {
        state.unrecorded += 1;
        // the queue has room for all that `unrecorded` admits; it closes only when the service has ended
        if self.records.try_send(record).is_err() {
            tracing::error!("an answer could not be handed to the recorder; it will be sent again");
        }
    }

    fn work_all(&self, state: &mut State) {
        let names: Vec<String> = state.desks.keys().cloned().collect();
        names.iter().for_each(|name| self.work(state, name));
    }

    /// Does what a desk can do now: sends, gives back, claims; and says how much room it has then.
    fn work(&self, state: &mut State, name: &str) {
        let now = self.clock.now();
        let Some(place) = self.core.place(name) else { return };
        self.work_at(state, &place, name, now);
        if let Some(desk) = state.desks.get(name) {
            let room =
                if state.unrecorded < MAX_UNRECORDED { desk.room(&place.place.manners, now) } else { 0 };
            self.core.rooms.set(name, room);
        }
    }

    fn work_at(&self, state: &mut State, place: &LivePlace, name: &str, now: Time) {
        while state.unrecorded < MAX_UNRECORDED && !self.stop.is_cancelled() {
            let Some(desk) = state.desks.get_mut(name) else { return };
            let Some((delivery, notification)) = desk.next(&place.place.manners, now) else { break };
            match too_old(&delivery, &place.place.manners, now) {
                Some(dead) => {
                    desk.withdrawn(delivery.id);
                    self.record(state, Record::Settled(Box::new(dead)));
                }
                None => self.send(place, delivery, notification, now),
            }
        }
        let Some(desk) = state.desks.get_mut(name) else { return };
        let back = desk.give_back(now);
        if !back.is_empty() {
            let store = self.store.clone();
            self.tracker.spawn(async move {
                let given = store
                    .write(Durability::Lazy, move |tx| store::deliveries::give_back(tx, &back, now))
                    .await;
                // if not given back, their leases end by themselves
                let _ =
                    given.inspect_err(|error| tracing::warn!(%error, "deliveries could not be given back"));
            });
        }
        if state.unrecorded < MAX_UNRECORDED
            && !self.stop.is_cancelled()
            && let Some(claim) = desk.want(&place.place.manners, now)
        {
            self.claim(name.to_owned(), claim, now);
        }
    }

    fn claim(&self, name: String, claim: Claim, now: Time) {
        let (store, notes) = (self.store.clone(), self.notes.clone());
        self.tracker.spawn(async move {
            let of = name.clone();
            let found = store.write(Durability::Lazy, move |tx| {
                let found = store::deliveries::claim(tx, &of, now, claim.lease_until, claim.limit)?;
                // a full claim says that there is more at once
                let more = found.len() as i64 == claim.limit;
                let next = if more { Some(now) } else { store::deliveries::next_due(tx, &of)? };
                Ok((found, next.map(|at| if at <= now && !more { now + SWEEP } else { at })))
            });
            let _ = notes.send(Note::Claimed(name, found.await));
        });
    }

    fn send(&self, place: &LivePlace, delivery: Delivery, notification: Notification, now: Time) {
        let context = Context {
            http: self.http.clone(),
            inbox: self.inbox.clone(),
            now,
            timeout: place.place.manners.timeout,
            destination: place.place.id.clone(),
            people: self.core.known_people().told(&place.place, now),
        };
        let about = self.core.traces.of(notification.alerts.iter().map(|alert| alert.incident));
        let (ready, notes) = (place.ready.clone(), self.notes.clone());
        let answers = match place.place.manners.audience {
            Audience::People => ways(&self.core, &delivery, &notification),
            Audience::Machines => None,
        };
        self.tracker.spawn(async move {
            let message = Message::render(notification);
            // who reads the ledger must not answer for others: the other side may repeat what it was sent
            let token: Vec<Secret> = answers.iter().map(|it| it.token.clone()).collect();
            let message = match answers {
                Some(answers) => message.answered_by(answers),
                None => message,
            };
            let answer = one_try(ready.send(&context, &message), context.timeout).await.hiding(&token);
            let _ = notes.send(Note::Answered(Box::new(Answered { delivery, began: now, answer, about })));
        });
    }

    /// Looks at everything that is pending: what was rung elsewhere, what was lost, and what is addressed to
    /// destinations that are not there any more. A slow database holds up nothing else.
    fn look(&self, state: &mut State) {
        if !state.looking {
            state.looking = true;
            let (store, notes) = (self.store.clone(), self.notes.clone());
            self.tracker.spawn(async move {
                let waiting = store.read(store::deliveries::destinations_waiting).await;
                let _ = notes.send(Note::Waiting(waiting));
            });
        }
        self.work_all(state);
    }

    fn sweep(&self, state: &mut State, waiting: Vec<String>) {
        let (live, people) = (self.core.live(), self.core.known_people());
        let is_there = |name: &str| live.places.contains_key(name) || people.place(name).is_some();
        let (waiting, gone): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|name| is_there(name));
        for name in waiting {
            state.desks.entry(name).or_insert_with(|| Desk::new(Health::default())).ring();
        }
        if !gone.is_empty() && !state.settling {
            state.settling = true;
            let (store, notes, now) = (self.store.clone(), self.notes.clone(), self.clock.now());
            let (core, version) = (self.core.clone(), live.version);
            self.tracker.spawn(async move {
                settle_orphans(&core, &store, version, gone, now).await;
                let _ = notes.send(Note::Settled);
            });
        }
        self.core.rooms.retain(is_there);
        state.desks.retain(|name, desk| is_there(name) || desk.under_way() > 0);
        self.work_all(state);
    }

    fn wake_after(&self, state: &State) -> Duration {
        let now = self.clock.now();
        let wakes = state.desks.iter().filter_map(|(name, desk)| {
            let place = self.core.place(name)?;
            // what is possible already waits for a note, not for the clock
            desk.wake_at(&place.place.manners, now).filter(|at| *at > now)
        });
        wakes.min().map_or(SWEEP, |at| at.since(now).min(SWEEP))
    }
}

/// Deliveries to destinations that are gone become dead letters, some of each at a time.
async fn settle_orphans(core: &Arc<Core>, store: &Store, version: i64, names: Vec<String>, now: Time) {
    for name in names {
        let by = core.clone();
        let settled = store.write(Durability::Disk, move |tx| orphans(&by, tx, version, &name, now));
        let _ = settled.await.inspect_err(|error| tracing::warn!(%error, "orphaned deliveries remain"));
    }
}

/// Settles what is addressed to a destination that the rules of this version do not know; says how many that
/// were. Another node may go by newer rules, which do, or may not have gone back with this one yet.
fn orphans(core: &Core, tx: &mut Tx<'_>, version: i64, name: &str, now: Time) -> store::Result<usize> {
    if store::rules::newest(tx)? > version {
        return Ok(0);
    }
    let found = store::deliveries::claim(tx, name, now, now, ORPHANS)?;
    let old = found.into_iter().filter(|(it, _)| now.since(it.created_at) > ORPHAN_GRACE);
    let dead: Vec<Delivery> = old
        .map(|(delivery, _)| Delivery {
            state: DeliveryState::Dead,
            settled_at: Some(now),
            note: format!("destination {name} is not configured any more"),
            ..delivery
        })
        .collect();
    let pending = notices::pending(core, tx, dead.iter().map(|it| it.id))?;
    store::deliveries::settle(tx, &dead)?;
    notices::of_finished(core, tx, &pending)?;
    Ok(dead.len())
}

#[cfg(test)]
mod tests {
    use model::Notification;
    use model::notification::Reason;

    use super::*;

    fn delivery(now: Time) -> (Delivery, Notification) {
        let delivery = Delivery {
            id: model::Id(7),
            group: None,
            receiver: "new".into(),
            destination: "new/slow/0".into(),
            lane: 1,
            reason: Reason::First,
            state: DeliveryState::Pending,
            attempts: 0,
            created_at: now,
            due_at: now,
            settled_at: None,
            note: String::new(),
        };
        let says = serde_json::json!({
            "idempotency_key": "nb-7", "reason": "first", "receiver": "new", "route": "{}", "group_key": "{}:{}",
            "group_labels": {}, "common_labels": {}, "common_annotations": {}, "external_url": "", "alerts": [],
            "truncated": 0, "at": now,
        });
        (delivery, serde_json::from_value(says).expect("a notification"))
    }

    #[test]
    fn what_another_nodes_newer_rules_know_is_left_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_folder(folder.path(), false).expect("a store");
        let now = Time::from_seconds(1_790_000_000);
        let ops = model::receiver::Receiver { name: "ops".into(), destinations: Vec::new() };
        let rules = model::Rules::simple(ops);
        let core = Arc::new(Core::new(1, crate::Live::bare(rules)));
        let settle = |version: i64, at: Time| {
            let core = core.clone();
            let settling = move |tx: &mut Tx<'_>| orphans(&core, tx, version, "new/slow/0", at);
            store.write_blocking(settling).expect("a database")
        };
        let begun = store.write_blocking(move |tx| {
            store::deliveries::insert(tx, &[delivery(now)])?;
            store::rules::keep(tx, "old", &Default::default(), now)?;
            store::rules::keep(tx, "new", &Default::default(), now)
        });
        begun.expect("a database");
        let later = now + ORPHAN_GRACE * 2;
        assert_eq!(settle(1, later), 0, "newer rules may know it");
        assert_eq!(settle(2, now + ORPHAN_GRACE / 2), 0, "others may not have heard of these rules yet");
        assert_eq!(settle(2, later), 1);
    }
}
