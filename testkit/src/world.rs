//! The world itself: nodes, clock, receivers, and the verbs of a story.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use flow::deliver::desk::{Desk, too_old};
use flow::deliver::recorder::{self, Record};
use flow::driver::Act;
use flow::ingest::{Accepted, Done};
use flow::live::Live;
use flow::stage::Stage;
use flow::verbs::{self, NewSilence};
use model::delivery::Delivery;
use model::event::{Action, NewEvent};
use model::matcher::{self, Matchers};
use model::receiver::{Manners, Place, Receiver};
use model::{Id, Incident, Labels, Notification, Rules, Time};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sdk::Registry;
use store::Store;
use store::retention::Keep;

use crate::receiver::{Mode, Scripted, Seen};

/// One process of a world.
pub struct Node {
    pub(crate) stage: Stage,
    pub(crate) desks: HashMap<String, Desk>,
    pub(crate) under_way: Vec<(Delivery, Mode, Time)>,
    pub(crate) unrecorded: Vec<Record>,
}

/// A hub on a virtual clock.
pub struct World {
    /// The time.
    pub now: Time,
    /// What makes this world differ from others.
    pub seed: u64,
    pub(crate) rng: StdRng,
    /// The database.
    pub store: Store,
    rules: Rules,
    pub(crate) nodes: Vec<Node>,
    /// How receivers answer, by destination; those not named are well.
    pub modes: BTreeMap<String, Mode>,
    /// What arrived, in order.
    pub seen: Vec<(String, Seen)>,
    /// What was accepted.
    pub accepted: Vec<Accepted>,
    /// The silences that were made, each with the last delivery that was planned before it.
    pub(crate) silenced: Vec<(Id, Matchers, Time, Time)>,
    /// The latest time that there was.
    latest: Time,
    boots: i64,
    _folder: tempfile::TempDir,
}

/// Rules that send everything to `ops`, each alert its own group, without waiting.
pub fn simple_rules() -> Rules {
    let mut rules = Rules::simple(receiver("ops", Manners::default()));
    rules.root.group_by = model::route::GroupBy::All;
    rules.root.timing.group_wait = Duration::ZERO;
    rules.reopen_within = Duration::from_secs(600);
    rules
}

/// A receiver with one scripted destination, `<name>/scripted/0`.
pub fn receiver(name: &str, manners: Manners) -> Receiver {
    let place =
        Place { id: place_of(name), kind: "scripted".into(), settings: serde_json::json!({}), manners };
    Receiver { name: name.to_owned(), destinations: vec![place] }
}

/// The destination of a receiver made by [`receiver`].
pub fn place_of(receiver: &str) -> String {
    format!("{receiver}/scripted/0")
}

/// The beginning of every world.
const DAWN: Time = Time::from_seconds(1_790_000_000);

impl World {
    /// A world with one node and these rules.
    pub fn new(rules: Rules) -> Self {
        World::seeded(0, rules, 1)
    }

    /// A world with a seed and so many nodes.
    pub fn seeded(seed: u64, rules: Rules, nodes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_folder(folder.path(), false).unwrap();
        let mut world = World {
            now: DAWN,
            seed,
            rng: StdRng::seed_from_u64(seed),
            store,
            rules,
            nodes: Vec::new(),
            modes: BTreeMap::new(),
            seen: Vec::new(),
            accepted: Vec::new(),
            silenced: Vec::new(),
            latest: DAWN,
            boots: 0,
            _folder: folder,
        };
        for _ in 0..nodes {
            let node = world.boot();
            world.nodes.push(node);
        }
        world
    }

    fn boot(&mut self) -> Node {
        self.boots += 1;
        let number = self.boots;
        let kinds = Arc::new(Registry::default().destination::<Scripted>());
        let live = Live::new(self.rules.clone(), Vec::new(), &kinds).unwrap();
        let live = Live { kinds, ..live };
        let stage = Stage::open(self.store.clone(), number, live, self.now).unwrap();
        let healths = self.store.read_blocking(store::deliveries::healths).unwrap();
        let desks = healths.into_iter().map(|(name, health)| (name, Desk::new(health))).collect();
        Node { stage, desks, under_way: Vec::new(), unrecorded: Vec::new() }
    }

    /// kill -9 on a node, and its restart: whatever was not in the database is gone.
    pub fn crash(&mut self, node: usize) {
        self.nodes[node] = self.boot();
        if self.nodes.len() == 1 {
            let (core, now) = (self.nodes[node].stage.core.clone(), self.now);
            self.store.write_blocking(move |tx| flow::reload::take_over(&core, tx, now)).unwrap();
        }
    }

    /// Takes events in, through any node.
    pub fn accept(&mut self, events: Vec<NewEvent>) -> Vec<Accepted> {
        let node = self.rng.random_range(0..self.nodes.len());
        let (accepted, done) = self.nodes[node].stage.accept(events, self.now).unwrap();
        self.hand(node, done);
        self.accepted.extend(accepted.iter().cloned());
        accepted
    }

    /// An alert with these labels begins, or is said again; returns its incident.
    pub fn fires(&mut self, labels: &[(&str, &str)]) -> Id {
        let event = NewEvent::raise("world", labels.iter().copied().collect());
        self.accept(vec![event])[0].incident.unwrap()
    }

    /// It is over.
    pub fn clears(&mut self, labels: &[(&str, &str)]) {
        let labels: Labels = labels.iter().copied().collect();
        self.accept(vec![NewEvent { action: Action::Clear, ..NewEvent::raise("world", labels) }]);
    }

    /// Somebody does something to an incident, if there is one.
    pub fn act(&mut self, id: Id, act: Act) {
        if let Some((_, done)) = self.nodes[0].stage.act(id, act, self.now).unwrap() {
            self.hand(0, done);
        }
    }

    /// What was handed over to the desks of a node is there now.
    pub(crate) fn hand(&mut self, node: usize, done: Done) {
        for (delivery, says) in done.handed {
            let name = delivery.destination.clone();
            let desk = self.nodes[node].desks.entry(name).or_insert_with(|| Desk::new(Default::default()));
            desk.handed(delivery, says);
        }
    }

    /// Somebody takes an incident.
    pub fn acknowledges(&mut self, id: Id, by: &str) {
        self.act(id, Act::Acknowledge { by: by.to_owned(), until: None, note: String::new() });
    }

    /// A silence begins now.
    pub fn silences(&mut self, matchers: &str, span: Duration) -> String {
        let (now, id) = (self.now, format!("silence-{}", self.rng.random::<u32>()));
        let new = NewSilence {
            id: String::new(),
            matchers: Matchers(matcher::parse_list(matchers).unwrap()),
            starts_at: now,
            ends_at: now + span,
            recurrence: None,
            created_by: "ann".to_owned(),
            comment: "works".to_owned(),
        };
        let last = self.store.read_blocking(store::deliveries::last_id).unwrap().unwrap_or(Id(0));
        self.silenced.push((last, new.matchers.clone(), new.starts_at, new.ends_at));
        self.store.write_blocking(move |tx| Ok(verbs::silence(tx, new, id, now).unwrap())).unwrap()
    }

    /// Runs the steps of a node once.
    pub fn run(&mut self, node: usize) -> bool {
        let done = self.nodes[node].stage.run(self.now).unwrap();
        let more = done.due.is_some_and(|due| due <= self.now);
        self.hand(node, done);
        more
    }

    /// A node looks at what is pending, claims it and sends what may go. Answers come later.
    pub fn work(&mut self, node: usize) {
        let now = self.now;
        let mut names = self.store.read_blocking(store::deliveries::destinations_waiting).unwrap();
        names.extend(self.nodes[node].desks.keys().cloned());
        names.sort_unstable();
        names.dedup();
        for name in names {
            let Some(place) = self.nodes[node].stage.core.place(&name) else { continue };
            let manners = &place.place.manners;
            let desk =
                self.nodes[node].desks.entry(name.clone()).or_insert_with(|| Desk::new(Default::default()));
            desk.ring();
            if let Some(claim) = desk.want(manners, now) {
                let of = name.clone();
                let found = self.store.write_blocking(move |tx| {
                    store::deliveries::claim(tx, &of, now, claim.lease_until, claim.limit)
                });
                desk.claimed(found.unwrap(), None);
            }
            let mut dead = Vec::new();
            let mut sent = Vec::new();
            while let Some((delivery, says)) = desk.next(manners, now) {
                match too_old(&delivery, manners, now) {
                    Some(delivery) => {
                        desk.withdrawn(delivery.id);
                        dead.push(Record::Settled(Box::new(delivery)));
                    }
                    None => sent.push((delivery, says)),
                }
            }
            let back = desk.give_back(now);
            let room = desk.room(manners, now);
            self.nodes[node].stage.core.rooms.set(&name, room);
            self.store.write_blocking(move |tx| store::deliveries::give_back(tx, &back, now)).unwrap();
            self.nodes[node].unrecorded.extend(dead);
            for (delivery, says) in sent {
                self.arrive(&name, &delivery, &says);
                // what it answers is decided where the message arrives, not when the answer does
                let mode = self.mode(&name);
                self.nodes[node].under_way.push((delivery, mode, now));
            }
        }
    }

    fn arrive(&mut self, name: &str, delivery: &Delivery, says: &Notification) {
        let taken = self.mode(name).takes();
        let seen =
            Seen { at: self.now, delivery: delivery.id, lane: delivery.lane, says: says.clone(), taken };
        self.seen.push((name.to_owned(), seen));
    }

    pub(crate) fn mode(&self, name: &str) -> Mode {
        self.modes.get(name).copied().unwrap_or_default()
    }

    /// A message that is under way on a node is answered.
    pub fn answer(&mut self, node: usize, which: usize) {
        let (delivery, mode, began) = self.nodes[node].under_way.remove(which);
        let (name, answer, random) = (delivery.destination.clone(), mode.answer(), self.rng.random());
        let manners = self.nodes[node].stage.core.place(&name).unwrap().place.manners.clone();
        let desk = self.nodes[node].desks.entry(name.clone()).or_default();
        let before = desk.health().word(self.now);
        let tried = desk.answered(delivery, began, answer, &manners, random, self.now);
        let health = (desk.health().word(self.now) != before).then(|| desk.health().clone());
        self.nodes[node].unrecorded.push(Record::Try(Box::new(tried)));
        self.nodes[node].unrecorded.extend(health.map(|health| Record::Health(name, health)));
    }

    /// What a node has heard is recorded.
    pub fn record(&mut self, node: usize) {
        let records = std::mem::take(&mut self.nodes[node].unrecorded);
        let core = self.nodes[node].stage.core.clone();
        self.store.write_blocking(move |tx| recorder::write(&core, tx, &records)).unwrap();
    }

    /// Everything that can happen at this moment happens, on all nodes.
    pub fn settles(&mut self) {
        for _ in 0..100 {
            let before = self.seen.len();
            let mut answered = 0;
            for node in 0..self.nodes.len() {
                while self.run(node) {}
                self.work(node);
                while !self.nodes[node].under_way.is_empty() {
                    self.answer(node, 0);
                    answered += 1;
                }
                self.record(node);
            }
            // an answer makes room for what a desk has claimed already
            if self.seen.len() == before && answered == 0 {
                return;
            }
        }
        panic!("the world does not come to rest: seed {}", self.seed);
    }

    /// Time passes, second by second, and everything that becomes due happens.
    pub fn passes(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            let step = Duration::from_secs(1).min(end.since(self.now));
            self.now = self.now + step;
            self.settles();
        }
    }

    /// Time passes, and nothing happens but what cannot wait that long: a send is answered within its
    /// time-out or given up, and what was heard is recorded a moment later.
    pub fn time_goes_by(&mut self, span: Duration) {
        /// The time-out of the worlds' receivers.
        const TIMEOUT: Duration = Duration::from_secs(10);
        self.now = self.now + span;
        for node in 0..self.nodes.len() {
            let under_way = &self.nodes[node].under_way;
            let late: Vec<usize> =
                (0..under_way.len()).rev().filter(|&n| self.now.since(under_way[n].2) >= TIMEOUT).collect();
            for which in &late {
                self.answer(node, *which);
            }
            if !late.is_empty() {
                self.record(node);
            }
        }
    }

    /// The clock is set, forwards or backwards, while nothing else happens.
    pub fn clock_jumps(&mut self, to: Time) {
        self.latest = self.latest.max(self.now);
        self.now = to;
    }

    /// The rules that came into force last.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether every delivery is settled.
    pub(crate) fn nothing_waits(&self) -> bool {
        self.store.read_blocking(store::deliveries::backlog).unwrap().0 == 0
    }

    /// The clock is right again, whatever it was set to.
    pub(crate) fn clock_is_right(&mut self) {
        self.latest = self.latest.max(self.now);
        self.now = self.latest;
    }

    /// Retention forgets what ended so long ago.
    pub(crate) fn forgets(&mut self, older: Duration) {
        let since = self.now - older;
        let keep = Keep {
            resolved_since: since,
            repeats_since: since,
            audit_since: since,
            most_incidents: 0,
            most_bytes: 0,
            configurations: 10,
        };
        self.store.write_blocking(move |tx| store::retention::sweep(tx, &keep, 5)).unwrap();
    }

    /// An incident, unless it was forgotten.
    pub(crate) fn find(&self, id: Id) -> Option<Incident> {
        self.store.read_blocking(|tx| store::incidents::get(tx, id)).unwrap()
    }

    /// An incident as it is.
    pub fn incident(&self, id: Id) -> Incident {
        self.find(id).unwrap()
    }

    /// What a receiver has taken, as `reason title` words, duplicates of one key left out.
    pub fn told(&self, receiver: &str) -> Vec<&'static str> {
        self.told_at(&place_of(receiver))
    }

    /// The same of a destination.
    pub fn told_at(&self, place: &str) -> Vec<&'static str> {
        let mut keys = std::collections::HashSet::new();
        let taken = self.seen.iter().filter(|(name, seen)| name == place && seen.taken);
        taken
            .filter(|(_, seen)| keys.insert(seen.delivery))
            .map(|(_, seen)| seen.says.reason.name())
            .collect()
    }

    /// What the steps of the first node share.
    pub fn core(&self) -> Arc<flow::Core> {
        self.nodes[0].stage.core.clone()
    }

    /// The answer to "why was I (not) told?".
    pub fn explains(&self, id: Id) -> Vec<String> {
        let core = self.nodes[0].stage.core.clone();
        let explanation = self.store.read_blocking(|tx| flow::explain::explain(&core, tx, id, self.now));
        explanation.unwrap().unwrap().text()
    }

    /// In how many lines of that answer these words stand.
    pub fn lines(&self, id: Id, words: &str) -> usize {
        self.explains(id).iter().filter(|line| line.contains(words)).count()
    }

    /// What keeps an alert with these labels back now, if it came.
    pub fn would_hold(&self, labels: &[(&str, &str)]) -> Vec<String> {
        let (core, labels): (_, Labels) =
            (self.nodes[0].stage.core.clone(), labels.iter().copied().collect());
        let severity = model::Severity::default();
        let explained =
            self.store.read_blocking(|tx| flow::explain::labels(&core, tx, &labels, severity, self.now));
        explained.unwrap().held_by
    }

    /// Other rules come into force on all nodes.
    pub fn reloads(&mut self, rules: Rules) {
        for node in (0..self.nodes.len()).rev() {
            self.reloads_one(node, rules.clone());
        }
    }

    /// Other rules come into force on one node, as in a rolling change.
    pub(crate) fn reloads_one(&mut self, node: usize, rules: Rules) {
        self.rules = rules;
        self.crash(node);
        let (core, now) = (self.nodes[node].stage.core.clone(), self.now);
        self.store.write_blocking(move |tx| flow::reload::reroute_all(&core, tx, now)).unwrap();
    }
}
