//! People in a world: what they define for themselves.

use flow::answers::{Answer, NotTaken, Verb, Who};
use flow::calendars::{self, Job, Said};
use model::account::{Role, User};
use model::escalation::Policy;
use model::profile::{Filter, Profile, Timeslot};
use model::{Id, OwnedDestination, Reach, Rules};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::definitions::{self, Definition, Kind};

use crate::World;
use crate::world::simple_rules;

/// Somebody with one destination, one timeslot and one profile.
#[derive(Clone, Debug)]
pub struct Somebody {
    /// Their id.
    pub id: Id,
    /// Where they are told something.
    pub destination: Definition<OwnedDestination>,
    /// When, and of what.
    pub profile: Definition<Profile>,
}

impl Somebody {
    /// What deliveries to them go to.
    pub fn place(&self) -> String {
        self.destination.body.place_id(self.destination.id)
    }
}

/// The simplest rules, by which people are paged by the policy `db`.
pub fn paging_rules() -> Rules {
    let mut rules = simple_rules();
    rules.root.escalate = Some("db".to_owned());
    rules
}

/// Ann, who is paged at once and five minutes later elsewhere, and Bob, who is paged ten minutes later: the world, her
/// two places and his.
pub fn two_who_are_paged() -> (World, Vec<String>, String) {
    let mut world = World::new(paging_rules());
    let (ann, anns) = world.user(1000, "ann", 2);
    let (bob, bobs) = world.user(2000, "bob", 1);
    let rules = json!([{"destination": Id(1001)}, {"after": "5m", "destination": Id(1002)}]);
    world.owned::<Reach>(Kind::Reach, 1100, ann, "", json!({"rules": {"high": rules, "low": rules}}));
    let user = |id: Id| json!([{"kind": "user", "id": id}]);
    let steps = json!([{"targets": user(ann)}, {"after": "10m", "targets": user(bob)}]);
    let policy = json!({"name": "db", "steps": steps, "repeat_after": "10m"});
    world.everybodys::<Policy>(Kind::Policy, 5000, "db", policy);
    (world, anns, bobs[0].clone())
}

impl World {
    /// Somebody wants to hear of what a filter takes, in these windows of the week.
    pub fn somebody(&mut self, id: i64, filter: Value, windows: Value) -> Somebody {
        let owner = Id(id * 1000);
        let slot: Timeslot =
            serde_json::from_value(serde_json::json!({"name": "slot", "windows": windows})).unwrap();
        let filter: Filter = serde_json::from_value(filter).unwrap();
        let (slot, filter) = (self.definition(owner, 1, slot), self.definition(owner, 2, filter));
        let destination = self.definition(owner, 3, self.way());
        let profile = Profile {
            id: Id(owner.0 + 4),
            owner,
            name: "mine".to_owned(),
            timeslot: slot.id,
            filters: vec![filter.id],
            destinations: vec![destination.id],
            active: true,
            digest_minutes: 0,
        };
        let profile = self.definition(owner, 4, profile);
        self.defines(Kind::Timeslot, &slot);
        self.defines(Kind::Filter, &filter);
        self.defines(Kind::Destination, &destination);
        self.defines(Kind::Profile, &profile);
        Somebody { id: owner, destination, profile }
    }

    fn definition<T>(&self, owner: Id, number: i64, body: T) -> Definition<T> {
        let name = format!("definition {number}");
        let id = Id(owner.0 + number);
        Definition { id, owner, name, body, created_at: self.now, updated_at: self.now }
    }

    /// A way to be told something, which was confirmed.
    fn way(&self) -> OwnedDestination {
        let new = OwnedDestination::new("scripted", serde_json::json!({}));
        OwnedDestination { verified_at: Some(self.now), ..new }
    }

    /// Another of somebody's ways stands in for one of them, which must confirm within a time.
    pub fn stands_in(&mut self, to: Id, of: Id, after: std::time::Duration) {
        let found = self.store.read_blocking(|tx| definitions::get(tx, Kind::Destination, of));
        let mut definition: Definition<OwnedDestination> = found.unwrap().unwrap();
        definition.body.failover = Some(model::destination::Failover { destination: to, after });
        self.defines(Kind::Destination, &definition);
    }

    /// The token that the last message to a place carried, to be answered by.
    pub fn token(&self, place: &str) -> Option<String> {
        let last = self.seen.iter().rev().find(|(name, _)| name == place).map(|(_, seen)| seen.delivery);
        let core = self.nodes[0].stage.core.clone();
        let token = move |tx: &mut store::Tx<'_>| flow::answers::token_of(&core, tx, last.unwrap());
        self.store.write_blocking(token).unwrap()
    }

    /// Somebody answers a message, by its token.
    pub fn answers(&mut self, token: &str, who: Who, verb: Verb) -> Result<String, NotTaken> {
        let (core, now) = (self.nodes[0].stage.core.clone(), self.now);
        let answer = Answer { token: token.to_owned(), who, verb, note: String::new() };
        let take = move |tx: &mut store::Tx<'_>| flow::answers::take(&core, tx, &answer, now);
        let taken = self.store.write_blocking(take).unwrap();
        taken.map(|taken| taken.by)
    }

    /// A user is locked out.
    pub fn locks_out(&mut self, id: Id) {
        let now = self.now;
        let lock = move |tx: &mut store::Tx<'_>| {
            let mut user = store::users::get(tx, id)?.unwrap();
            user.disabled_at = Some(now);
            store::users::update(tx, &user)
        };
        self.store.write_blocking(lock).unwrap();
    }

    /// Somebody defines something, anew or in place of what it was.
    pub fn defines<T: Serialize + Clone + Send + 'static>(&mut self, kind: Kind, definition: &Definition<T>) {
        let definition = Definition { updated_at: self.now, ..definition.clone() };
        let kept = self.store.write_blocking(move |tx| definitions::put(tx, kind, &definition)).unwrap();
        assert!(kept, "there is another of this name");
    }

    /// Somebody takes back what they defined.
    pub fn takes_back(&mut self, kind: Kind, id: Id) {
        let now = self.now;
        assert!(self.store.write_blocking(move |tx| definitions::delete(tx, kind, id, now)).unwrap());
    }

    /// A user with so many ways to be told something; returns their id and those.
    pub fn user(&mut self, id: i64, name: &str, ways: i64) -> (Id, Vec<String>) {
        let mut user = User::new(Id(id), name, Role::Responder, self.now);
        user.email = format!("{name}@example.org");
        assert!(self.store.write_blocking(move |tx| store::users::insert(tx, &user)).unwrap());
        let mut places = Vec::new();
        for number in 1..=ways {
            let definition = self.definition(Id(id), number, self.way());
            places.push(definition.body.place_id(definition.id));
            self.defines(Kind::Destination, &definition);
        }
        (Id(id), places)
    }

    /// The calendar of a layer is fetched, and this comes of it; `false`: it is not time to.
    pub fn calendar(&mut self, schedule: Id, layer: &str, said: Said) -> bool {
        self.calendar_while(schedule, layer, said, |_| ())
    }

    /// The same, and something happens while what came of it is read.
    pub fn calendar_while(
        &mut self,
        schedule: Id,
        layer: &str,
        said: Said,
        meanwhile: impl FnOnce(&mut World),
    ) -> bool {
        let (core, now) = (self.nodes[0].stage.core.clone(), self.now);
        let own = core.clone();
        let jobs = self.store.write_blocking(move |tx| calendars::claim(&own, tx, now)).unwrap();
        let is_due = jobs.iter().any(|job| matches!(job, Job::Fetch(_)));
        let again = jobs.into_iter().filter_map(|job| match job {
            Job::ReadAgain { schedule, layer } => Some((schedule, layer, Said::Again)),
            Job::Fetch(_) => None,
        });
        let mut heard = Vec::new();
        for (schedule, layer, said) in again.chain(is_due.then(|| (schedule, layer.to_owned(), said))) {
            let (own, of) = (core.clone(), layer.clone());
            let looked_up = self.store.read_blocking(move |tx| {
                let text = calendars::text_of(&own, tx, (schedule, &of), &said)?;
                Ok((said, text))
            });
            let (said, text) = looked_up.unwrap();
            heard.push((schedule, layer, (said, text.map(|text| text.read(now)))));
        }
        meanwhile(self);
        for (schedule, layer, heard) in heard {
            let own = core.clone();
            let take =
                move |tx: &mut store::Tx<'_>| calendars::take(&own, tx, (schedule, &layer), heard, now);
            self.store.write_blocking(take).unwrap();
        }
        is_due
    }

    /// What the incidents of the hub's own are called that somebody has to know now.
    pub fn troubles(&self) -> Vec<String> {
        let active = self.store.read_blocking(|tx| store::incidents::active_after(tx, Id(0), 100)).unwrap();
        let ours = active.into_iter().filter(|it| it.source == "escalation");
        ours.map(|it| it.title).collect()
    }

    /// Everybody's definition of a kind, as its JSON.
    pub fn everybodys<T>(&mut self, kind: Kind, id: i64, name: &str, body: Value) -> Id
    where
        T: Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        self.owned::<T>(kind, id, Id(0), name, body)
    }

    /// Somebody's definition of a kind, as its JSON.
    pub fn owned<T>(&mut self, kind: Kind, id: i64, owner: Id, name: &str, body: Value) -> Id
    where
        T: Serialize + DeserializeOwned + Clone + Send + 'static,
    {
        let body: T = serde_json::from_value(body).unwrap();
        let (created_at, updated_at) = (self.now, self.now);
        let definition =
            Definition { id: Id(id), owner, name: name.to_owned(), body, created_at, updated_at };
        self.defines(kind, &definition);
        Id(id)
    }
}
