//! What can be defined, and what each kind insists on.

use std::sync::Arc;

use flow::Core;
use flow::people::ready;
use model::destination::Failover;
use model::escalation::{Policy, Target};
use model::maintenance::Maintenance;
use model::profile::{Filter, Profile, Timeslot};
use model::refusal::Refusal;
use model::schedule::{Rota, Turns};
use model::{AlertRule, Id, OwnedDestination, Reach, Time};
use sdk::Registry;
use sdk::registry::BadSettings;
use sdk::secret::REDACTED;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use store::Tx;
use store::calendar_links;
use store::definitions::{self, Definition, Kind};

use super::Done;
use crate::error::Problem;

mod maintenance;

pub(crate) use maintenance::{MAX_GUARDED, whole, would_cover};

/// The owner of what is everybody's.
pub const EVERYBODY: Id = Id(0);

/// What definitions are held against.
#[derive(Clone)]
pub struct Ground {
    /// The kinds of destinations.
    pub kinds: Arc<Registry>,
    /// What is in force, and who is there.
    pub core: Arc<Core>,
}

/// Whose definition it is, and what it is called.
pub struct About {
    /// Its id.
    pub id: Id,
    /// Whose it is.
    pub owner: Id,
    /// What it is called.
    pub name: String,
    /// The user who says so, if it is one.
    pub by: Option<Id>,
}

/// What a definition needs of another: its kind, its id, and the field that says so.
pub type Needed = (Kind, Id, String);

/// A kind of definition.
pub trait Defined: Serialize + DeserializeOwned + Clone + Send + 'static {
    /// Which.
    const KIND: Kind;

    /// Whose it is when nobody says: of whoever asks, unless its name says otherwise.
    ///
    /// # Errors
    /// When the database is gone.
    fn owner(_tx: &mut Tx<'_>, _name: &str) -> Done<Option<Id>> {
        Ok(None)
    }

    /// Adds what it has of its own that is said around it.
    fn fill(_spec: &mut Map<String, Value>, _about: &About) {}

    /// Takes that away again, to be shown.
    fn strip(_spec: &mut Map<String, Value>) {}

    /// Puts it into the form in which it is kept; what is wrong is what it cannot be brought into.
    ///
    /// # Errors
    /// When the database is gone.
    fn settle(&mut self, _: &mut Tx<'_>, _: &Ground, _: &About) -> Done<Result<(), Refusal>> {
        Ok(Ok(()))
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// When the database is gone.
    fn check(&self, tx: &mut Tx<'_>, ground: &Ground, about: &About, now: Time) -> Done<Result<(), Refusal>>;

    /// Whether it is meant, where it may do more than whoever wrote it thinks; `before`: what it was.
    ///
    /// # Errors
    /// When the database is gone.
    fn guard(&self, _before: Option<&Self>, _tx: &mut Tx<'_>, _now: Time) -> Done<Result<(), Refusal>> {
        Ok(Ok(()))
    }

    /// It is kept: what waits because of what it was is looked at anew.
    ///
    /// # Errors
    /// When the database is gone or full.
    fn kept(_it: &Definition<Self>, _tx: &mut Tx<'_>, _now: Time) -> store::Result<()> {
        Ok(())
    }

    /// What it needs of others.
    fn refers_to(&self) -> Vec<Needed> {
        Vec::new()
    }

    /// Whether it may become another.
    ///
    /// # Errors
    /// What may not.
    fn follow(_before: &Self, _after: &mut Self, _now: Time) -> Result<(), Refusal> {
        Ok(())
    }

    /// Whether it may be taken back.
    ///
    /// # Errors
    /// Why not, in words.
    fn may_go(&self, _now: Time) -> Result<(), String> {
        Ok(())
    }

    /// Forgets what is kept beside it, since it is gone.
    ///
    /// # Errors
    /// When the database is gone.
    fn gone(_tx: &mut Tx<'_>, _id: Id) -> Done<()> {
        Ok(())
    }

    /// Takes secrets out of what is shown.
    fn hide(&self, _ground: &Ground, _spec: &mut Map<String, Value>) {}

    /// Puts secrets back that came back hidden.
    fn keep_hidden(_before: &Self, _spec: &mut Map<String, Value>) {}
}

impl Defined for OwnedDestination {
    const KIND: Kind = Kind::Destination;

    fn fill(spec: &mut Map<String, Value>, _: &About) {
        // nobody says of themselves that they are verified
        spec.remove("verified_at");
        spec.remove("managed");
        spec.remove("challenge");
    }

    fn strip(spec: &mut Map<String, Value>) {
        spec.remove("challenge");
    }

    fn settle(&mut self, tx: &mut Tx<'_>, ground: &Ground, about: &About) -> Done<Result<(), Refusal>> {
        settle(tx, ground, (about.id, about.owner), self)
    }

    fn check(&self, _: &mut Tx<'_>, _: &Ground, _: &About, _: Time) -> Done<Result<(), Refusal>> {
        Ok(Ok(()))
    }

    fn refers_to(&self) -> Vec<Needed> {
        let needed = |it: &Failover| (Kind::Destination, it.destination, "failover.destination".to_owned());
        self.failover.iter().map(needed).collect()
    }

    fn follow(before: &Self, after: &mut Self, _: Time) -> Result<(), Refusal> {
        after.managed = before.managed;
        if before.kind == after.kind && before.settings == after.settings {
            (after.verified_at, after.challenge) = (before.verified_at, before.challenge.clone());
        } else if before.managed {
            let why = "it is kept in step with the account's address; change that, or make another";
            return Err(Refusal::new("settings", why));
        }
        Ok(())
    }

    fn may_go(&self, _: Time) -> Result<(), String> {
        match self.managed {
            true => Err("it is kept in step with the account's address; take that away instead".to_owned()),
            false => Ok(()),
        }
    }

    fn hide(&self, ground: &Ground, spec: &mut Map<String, Value>) {
        let schema = ground.kinds.destinations().find(|(facts, _)| facts.kind == self.kind);
        match (schema, spec.get_mut("settings")) {
            (Some((_, schema)), Some(settings)) => sdk::secret::redact(settings, schema),
            // of a kind that is gone nobody knows what is secret
            (None, Some(settings)) => *settings = Value::String(REDACTED.to_owned()),
            _ => {}
        }
    }

    fn keep_hidden(before: &Self, spec: &mut Map<String, Value>) {
        if let Some(settings) = spec.get_mut("settings") {
            put_back(settings, &before.settings);
        }
    }
}

/// What came back as it was shown is what it was.
pub fn put_back(now: &mut Value, before: &Value) {
    match (now, before) {
        (Value::Object(now), Value::Object(before)) => {
            now.iter_mut()
                .filter_map(|(name, it)| Some((it, before.get(name)?)))
                .for_each(|(it, was)| put_back(it, was));
        }
        (now, before) if now.as_str() == Some(REDACTED) => *now = before.clone(),
        _ => {}
    }
}

impl Defined for Timeslot {
    const KIND: Kind = Kind::Timeslot;

    fn fill(spec: &mut Map<String, Value>, about: &About) {
        spec.insert("name".to_owned(), about.name.clone().into());
    }

    fn strip(spec: &mut Map<String, Value>) {
        spec.remove("name");
    }

    fn check(&self, _: &mut Tx<'_>, _: &Ground, _: &About, _: Time) -> Done<Result<(), Refusal>> {
        Ok(Timeslot::check(self))
    }
}

impl Defined for Filter {
    const KIND: Kind = Kind::Filter;

    fn check(&self, tx: &mut Tx<'_>, _: &Ground, about: &About, _: Time) -> Done<Result<(), Refusal>> {
        match Filter::check(self) {
            Ok(()) => may_be_hidden(tx, about, self),
            wrong => Ok(wrong),
        }
    }
}

impl Defined for Profile {
    const KIND: Kind = Kind::Profile;

    fn fill(spec: &mut Map<String, Value>, about: &About) {
        spec.insert("id".to_owned(), about.id.to_string().into());
        spec.insert("owner".to_owned(), about.owner.to_string().into());
        spec.insert("name".to_owned(), about.name.clone().into());
    }

    fn strip(spec: &mut Map<String, Value>) {
        ["id", "owner", "name"].into_iter().for_each(|name| drop(spec.remove(name)));
    }

    fn check(&self, _: &mut Tx<'_>, _: &Ground, _: &About, _: Time) -> Done<Result<(), Refusal>> {
        Ok(Profile::check(self))
    }

    fn refers_to(&self) -> Vec<Needed> {
        let timeslot = [(Kind::Timeslot, self.timeslot, "timeslot".to_owned())];
        let filters =
            self.filters.iter().enumerate().map(|(n, id)| (Kind::Filter, *id, format!("filters[{n}]")));
        let places = self.destinations.iter().enumerate();
        let places = places.map(|(n, id)| (Kind::Destination, *id, format!("destinations[{n}]")));
        timeslot.into_iter().chain(filters).chain(places).collect()
    }
}

impl Defined for Rota {
    const KIND: Kind = Kind::Schedule;

    fn fill(spec: &mut Map<String, Value>, about: &About) {
        if let Some(Value::Object(schedule)) = spec.get_mut("schedule") {
            schedule.insert("name".to_owned(), about.name.clone().into());
        }
    }

    fn strip(spec: &mut Map<String, Value>) {
        if let Some(Value::Object(schedule)) = spec.get_mut("schedule") {
            schedule.remove("name");
        }
    }

    fn check(&self, tx: &mut Tx<'_>, ground: &Ground, _: &About, _: Time) -> Done<Result<(), Refusal>> {
        let people = ground.core.people(tx)?;
        let exists = |id: Id| people.user(id).is_some();
        let urls = || {
            self.schedule.layers.iter().enumerate().try_for_each(|(n, layer)| {
                let Turns::Calendar(calendar) = &layer.turns else { return Ok(()) };
                let Some(url) = calendar.address() else { return Ok(()) };
                let field = format!("schedule.layers[{n}].turns.calendar.url");
                sdk::http::parse_url(&url).map(drop).map_err(|bad| Refusal::new(field, bad.to_string()))
            })
        };
        let schedule =
            self.schedule.check(&exists).map_err(|bad| bad.within("schedule")).and_then(|()| urls());
        let overrides = || {
            model::refusal::at_most("overrides", self.overrides.len(), model::schedule::MAX_OVERRIDES)?;
            self.overrides.iter().enumerate().try_for_each(|(n, it)| {
                it.check(&exists).map_err(|bad| bad.within(&format!("overrides[{n}]")))
            })
        };
        Ok(schedule.and_then(|()| overrides()))
    }

    fn gone(tx: &mut Tx<'_>, id: Id) -> Done<()> {
        Ok(calendar_links::delete_of(tx, calendar_links::About::Schedule(id))?)
    }

    fn hide(&self, _: &Ground, spec: &mut Map<String, Value>) {
        // whoever knows the address of a calendar may often read it
        addresses(spec).for_each(|(_, url)| *url = Value::String(REDACTED.to_owned()));
    }

    fn keep_hidden(before: &Self, spec: &mut Map<String, Value>) {
        for (layer, url) in addresses(spec).filter(|(_, url)| url.as_str() == Some(REDACTED)) {
            let known = before.schedule.calendars().find(|(name, _)| *name == layer);
            if let Some(known) = known.and_then(|(_, calendar)| calendar.url.clone()) {
                *url = Value::String(known);
            }
        }
    }
}

/// The addresses of the calendars in a schedule, each with the name of its layer.
fn addresses(spec: &mut Map<String, Value>) -> impl Iterator<Item = (String, &mut Value)> {
    let layers = spec.get_mut("schedule").and_then(|it| it.get_mut("layers")).and_then(Value::as_array_mut);
    layers.into_iter().flatten().filter_map(|layer| {
        let name = layer["name"].as_str().unwrap_or_default().to_owned();
        Some((name, layer.get_mut("turns")?.get_mut("calendar")?.get_mut("url")?))
    })
}

impl Defined for Policy {
    const KIND: Kind = Kind::Policy;

    fn fill(spec: &mut Map<String, Value>, about: &About) {
        spec.insert("name".to_owned(), about.name.clone().into());
    }

    fn strip(spec: &mut Map<String, Value>) {
        spec.remove("name");
    }

    fn check(&self, tx: &mut Tx<'_>, ground: &Ground, about: &About, now: Time) -> Done<Result<(), Refusal>> {
        let (people, live) = (ground.core.people(tx)?, ground.core.live());
        let directory = people.directory(&live, model::Severity::Critical, now);
        Ok(Policy::check(self, Some(about.id), &directory))
    }

    fn refers_to(&self) -> Vec<Needed> {
        let targets = self.steps.iter().flat_map(|step| &step.targets).chain(&self.fallback);
        let needed = targets.filter_map(|target| match target {
            Target::Schedule { id } => Some((Kind::Schedule, *id, "steps".to_owned())),
            Target::Policy { id } => Some((Kind::Policy, *id, "steps".to_owned())),
            Target::User { .. } | Target::Team { .. } | Target::Receiver { .. } => None,
        });
        needed.collect()
    }
}

impl Defined for Reach {
    const KIND: Kind = Kind::Reach;

    fn check(&self, tx: &mut Tx<'_>, _: &Ground, about: &About, _: Time) -> Done<Result<(), Refusal>> {
        // two of them would say different things of one person
        let said = definitions::all::<Value>(tx, Kind::Reach, Some(about.owner))?;
        if let Some(other) = said.first().filter(|_| said.iter().all(|it| it.id != about.id)) {
            let why = format!("has said how they want to be reached, in {:?}: change that", other.name);
            return Err(Problem::wrong("owner", why).into());
        }
        let own = definitions::all::<Value>(tx, Kind::Destination, Some(about.owner))?;
        let owns = |id: Id| own.iter().any(|it| it.id == id);
        Ok(self
            .person(None)
            .check()
            .and_then(|()| self.rules.check(&owns).map_err(|bad| bad.within("rules"))))
    }

    fn kept(it: &Definition<Self>, tx: &mut Tx<'_>, now: Time) -> store::Result<()> {
        store::digests::ring(tx, it.owner, now)
    }

    fn refers_to(&self) -> Vec<Needed> {
        let contacts = self.rules.high.iter().chain(&self.rules.low);
        contacts.map(|it| (Kind::Destination, it.destination, "rules".to_owned())).collect()
    }
}

impl Defined for AlertRule {
    const KIND: Kind = Kind::AlertRule;

    fn check(&self, tx: &mut Tx<'_>, _: &Ground, _: &About, _: Time) -> Done<Result<(), Refusal>> {
        let is_there = store::projects::named(tx, &self.project)?.is_some();
        let unknown = || Refusal::new("project", format!("there is no project {:?}", self.project));
        Ok(AlertRule::check(self).and_then(|()| if is_there { Ok(()) } else { Err(unknown()) }))
    }
}

/// Makes sure that a filter that others use stays public: they would be told by what they cannot see.
fn may_be_hidden(tx: &mut Tx<'_>, about: &About, filter: &Filter) -> Done<Result<(), Refusal>> {
    let was: Option<Definition<Filter>> = definitions::get(tx, Kind::Filter, about.id)?;
    if filter.public || !was.is_some_and(|it| it.body.public && it.owner != EVERYBODY) {
        return Ok(Ok(()));
    }
    let uses = |it: &Definition<Profile>| it.owner != about.owner && it.body.filters.contains(&about.id);
    let others = definitions::all::<Profile>(tx, Kind::Profile, None)?.into_iter().find(uses);
    let taken = |it: Definition<Profile>| {
        Err(Refusal::new("public", format!("is in use by profile {:?} of somebody else", it.name)))
    };
    Ok(others.map_or(Ok(()), taken))
}

/// What needs a definition, in words; the first that does.
pub(super) fn users_of(tx: &mut Tx<'_>, kind: Kind, id: Id) -> Done<Option<String>> {
    fn first<T: Defined>(tx: &mut Tx<'_>, kind: Kind, id: Id) -> Done<Option<String>> {
        let needs = |it: &T| it.refers_to().iter().any(|(other, needed, _)| (*other, *needed) == (kind, id));
        let found = definitions::all::<T>(tx, T::KIND, None)?.into_iter().find(|it| needs(&it.body));
        Ok(found.map(|it| format!("{} {:?}", T::KIND.name(), it.name)))
    }
    let all =
        [first::<Profile>, first::<Policy>, first::<Reach>, first::<OwnedDestination>, first::<Maintenance>];
    for first in all {
        if let Some(user) = first(tx, kind, id)? {
            return Ok(Some(user));
        }
    }
    Ok(None)
}

/// Puts a destination into the form in which it is kept, and makes sure that it makes sense and its owner has none like
/// it.
///
/// # Errors
/// When the database is gone.
fn settle(
    tx: &mut Tx<'_>,
    ground: &Ground,
    (id, owner): (Id, Id),
    it: &mut OwnedDestination,
) -> Done<Result<(), Refusal>> {
    let kinds = &ground.kinds;
    let address = match kinds.address(&it.kind, &mut it.settings) {
        Ok(address) => address,
        Err(bad) => return Ok(Err(of_settings("kind", bad))),
    };
    if let Err(bad) = fits(ground, id, it) {
        return Ok(Err(bad));
    }
    let own: Vec<Definition<OwnedDestination>> = definitions::all(tx, Kind::Destination, Some(owner))?;
    let same = |have: &&Definition<OwnedDestination>| {
        let theirs = || kinds.address(&have.body.kind, &mut have.body.settings.clone()).ok().flatten();
        let same_place = address.is_some()
            && theirs() == address
            && only_where(kinds, it) == only_where(kinds, &have.body);
        have.id != id && have.body.kind == it.kind && (have.body.settings == it.settings || same_place)
    };
    if let Some(same) = own.iter().find(same) {
        return Ok(Err(Refusal::new("settings", format!("are those of {:?} already", same.name))));
    }
    let Some(failover) = &it.failover else { return Ok(Ok(())) };
    let next = |id: Id| {
        let found = own.iter().find(|have| have.id == id)?;
        Some(found.body.failover.as_ref().map(|it| it.destination))
    };
    Ok(failover.check(id, &next))
}

/// Whether a destination says no more than where somebody is reached.
fn only_where(kinds: &sdk::Registry, it: &OwnedDestination) -> bool {
    let fields = kinds.address_fields(&it.kind);
    it.settings.as_object().is_some_and(|all| all.keys().all(|name| fields.contains(&name.as_str())))
}

/// Whether a destination's settings fit its kind.
fn fits(ground: &Ground, id: Id, body: &OwnedDestination) -> Result<(), Refusal> {
    let live = ground.core.live();
    ready(&live, id, body).map(drop).map_err(|error| of_settings("kind", error))
}

/// What is wrong with settings; `kind` is the field that names what they are of.
pub(super) fn of_settings(kind: &str, error: BadSettings) -> Refusal {
    match error {
        BadSettings::UnknownKind { .. } => Refusal::new(kind, error.to_string()),
        BadSettings::Field { path, reason } => {
            let path = match path.as_str() {
                "." | "settings" => "settings".to_owned(),
                path => format!("settings.{path}"),
            };
            Refusal::new(path, reason)
        }
    }
}
