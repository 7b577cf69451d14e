//! What people have defined for themselves, made ready: where each can be told something.
//!
//! It lies in rows, is small, and is read again as a whole when one of them has changed, which a number in the
//! database says. What was ready and is still the same stays as it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::account::{Membership, Scope, User};
use model::escalation::{ContactRules, Policy};
use model::maintenance::Maintenance;
use model::profile::{Book, Filter, Profile, Subject, tags_of};
use model::receiver::{Manners, Place};
use model::schedule::{Calendar, Listed, Rota, Turns};
use model::zone::Zone;
use model::{AlertRule, Id, Incident, OwnedDestination, Reach, Severity, Time};
use sdk::registry::{BadSettings, Registry};
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::definitions::{Definition, Kind};
use store::{Result, Tx};

use crate::live::{Live, LivePlace};

mod directory;
mod paged;
mod told;

pub use directory::Directory;
pub use told::MAX_TOLD;

/// The version of what has to be read.
const NONE: i64 = -1;

/// All that people have defined, at one moment.
#[derive(Clone, Default)]
pub struct People {
    /// The number of the rows that this was made of.
    version: i64,
    /// The kinds and the hub's accounts that destinations were made ready with.
    kinds: Arc<Registry>,
    accounts: Arc<BTreeMap<String, Value>>,
    destinations: HashMap<Id, Known>,
    by_place: HashMap<String, Id>,
    book: Arc<Book>,
    users: Arc<HashMap<Id, User>>,
    teams: Arc<HashMap<Id, Crew>>,
    reach: Arc<HashMap<Id, Reach>>,
    schedules: Arc<HashMap<Id, Definition<Rota>>>,
    policies: Arc<HashMap<Id, Definition<Policy>>>,
    maintenance: Arc<Vec<Definition<Maintenance>>>,
    alert_rules: Arc<Vec<Definition<AlertRule>>>,
    plugin_settings: Arc<told::PluginSettings>,
}

/// A team, and who belongs to it.
struct Crew {
    name: String,
    members: Vec<Id>,
    /// Those of them who may respond for it.
    responders: Vec<Id>,
}

/// A destination of somebody.
#[derive(Clone)]
pub struct Known {
    /// As its owner has set it up.
    pub definition: Arc<Definition<OwnedDestination>>,
    /// What can be sent to; in words why not, when its settings do not fit its kind any more.
    pub place: std::result::Result<Arc<LivePlace>, String>,
}

impl People {
    /// What there is now: this very thing, if nothing has changed.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) fn now(self: &Arc<Self>, tx: &mut Tx<'_>, live: &Live) -> Result<Arc<Self>> {
        let version = store::definitions::current_version(tx)?;
        if version == self.version && self.was_made_with(live) {
            return Ok(self.clone());
        }
        let found = all::<OwnedDestination>(tx, Kind::Destination)?;
        let known = found.into_iter().map(|it| (it.id, self.known(it, live)));
        let destinations: HashMap<Id, Known> = known.collect();
        let by_place = destinations.iter().map(|(id, it)| (it.definition.body.place_id(*id), *id)).collect();
        let reach: HashMap<Id, Reach> =
            all::<Reach>(tx, Kind::Reach)?.into_iter().map(|it| (it.owner, it.body)).collect();
        let users = users(tx)?;
        let clocks = users.values().filter_map(|it| Some((it.id, Reach::default().person(Some(it.zone()?)))));
        let own = |id: &Id| users.get(id).and_then(User::zone);
        let said = reach.iter().map(|(id, it)| (*id, it.person(own(id))));
        let people = clocks.chain(said).collect();
        let profiles = all::<Profile>(tx, Kind::Profile)?.into_iter().map(|it| it.body).collect();
        let filters: HashMap<Id, Filter> = by_id(tx, Kind::Filter)?;
        let book = Book::new(profiles, &by_id(tx, Kind::Timeslot)?, &filters, people);
        let maintenance = all::<Maintenance>(tx, Kind::Maintenance)?.into_iter().map(|it| Definition {
            body: it.body.clone().with_filters(|id| filters.get(&id).cloned()),
            ..it
        });
        Ok(Arc::new(People {
            version,
            kinds: live.kinds.clone(),
            accounts: live.accounts.clone(),
            destinations,
            by_place,
            book: Arc::new(book),
            users: Arc::new(users),
            teams: Arc::new(teams(tx)?),
            reach: Arc::new(reach),
            schedules: Arc::new(schedules(tx)?),
            policies: Arc::new(all(tx, Kind::Policy)?.into_iter().map(|it| (it.id, it)).collect()),
            maintenance: Arc::new(maintenance.collect()),
            plugin_settings: Arc::new(told::PluginSettings::read(tx)?),
            alert_rules: Arc::new(all(tx, Kind::AlertRule)?),
        }))
    }

    /// Grows with what it is made of.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// The same, to be read again: what it was made of may have been undone.
    pub(crate) fn unsure(&self) -> Arc<Self> {
        Arc::new(People { version: NONE, ..self.clone() })
    }

    fn was_made_with(&self, live: &Live) -> bool {
        Arc::ptr_eq(&live.kinds, &self.kinds) && Arc::ptr_eq(&live.accounts, &self.accounts)
    }

    fn known(&self, definition: Definition<OwnedDestination>, live: &Live) -> Known {
        let before = self
            .destinations
            .get(&definition.id)
            .filter(|before| before.definition.body == definition.body && self.was_made_with(live));
        if let Some(before) = before {
            return Known { definition: Arc::new(definition), place: before.place.clone() };
        }
        let place = ready(live, definition.id, &definition.body).map(Arc::new);
        Known { definition: Arc::new(definition), place: place.map_err(|error| error.to_string()) }
    }

    /// What all of them want to hear of, when, and where.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// A user, unless they are locked out.
    pub fn user(&self, id: Id) -> Option<&User> {
        self.users.get(&id).filter(|user| user.disabled_at.is_none())
    }

    /// The person whose own destination deliveries call by this name, unless they are locked out.
    pub(crate) fn reader_of(&self, place: &str) -> Option<&User> {
        self.user(self.owner_of(place)?)
    }

    /// Whether somebody is a user, locked out or not.
    pub(crate) fn knows(&self, id: Id) -> bool {
        self.users.contains_key(&id)
    }

    /// The users who have shown that they are reached by a kind at an address, but for those who are locked out. What
    /// several say of themselves is nobody's.
    pub fn who_is(&self, live: &Live, kind: &str, address: &str) -> Vec<&User> {
        let there = self
            .confirmed()
            .filter(|it| it.body.kind == kind && address_of(live, it).as_deref() == Some(address));
        let mut owners: Vec<Id> = there.map(|it| it.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().filter_map(|owner| self.user(owner)).collect()
    }

    /// Whether somebody has shown that they are reached at an address, by whichever kind.
    pub(crate) fn is_reached_at(&self, live: &Live, owner: Id, address: &str) -> bool {
        let mut own = self.confirmed().filter(|it| it.owner == owner);
        own.any(|it| address_of(live, it).is_some_and(|own| own.eq_ignore_ascii_case(address)))
    }

    fn confirmed(&self) -> impl Iterator<Item = &Definition<OwnedDestination>> {
        self.destinations.values().map(|it| &*it.definition).filter(|it| it.body.verified_at.is_some())
    }

    /// The policy of this name, with its id: everybody's before a team's.
    pub fn policy_named(&self, name: &str) -> Option<&Definition<Policy>> {
        self.policies.values().filter(|it| it.name == name).min_by_key(|it| (it.owner, it.id))
    }

    /// The planned maintenance that covers an incident at this time.
    pub fn maintenance_of(&self, incident: &Incident, at: Time) -> Option<&Definition<Maintenance>> {
        if self.maintenance.is_empty() {
            return None;
        }
        let tags = tags_of(incident);
        self.maintenance.iter().find(|it| it.body.covers(&Subject::of(incident, &tags, None, at), at))
    }

    /// A planned maintenance.
    pub fn maintenance(&self, id: Id) -> Option<&Definition<Maintenance>> {
        self.maintenance.iter().find(|it| it.id == id)
    }

    /// A destination that can be sent to.
    ///
    /// # Errors
    /// In words why it cannot.
    pub fn usable_place(&self, id: Id) -> std::result::Result<Arc<LivePlace>, String> {
        let known = self.destination(id).ok_or("there is no such destination any more")?;
        if known.definition.body.verified_at.is_none() {
            return Err("nobody has confirmed yet that it reaches them".to_owned());
        }
        known.place.clone()
    }

    /// The id of the destination that deliveries call by this name.
    pub fn destination_of(&self, place: &str) -> Option<Id> {
        self.by_place.get(place).copied()
    }

    /// What deliveries call a destination.
    pub fn called(&self, id: Id) -> String {
        self.destination(id).map_or_else(|| format!("destination {id}"), |it| it.definition.body.place_id(id))
    }

    /// The alert rules of a project.
    pub fn alert_rules_of(&self, project: i64, slug: &str) -> Vec<&Definition<AlertRule>> {
        self.alert_rules.iter().filter(|it| it.body.is_of(project, slug)).collect()
    }

    /// A policy.
    pub fn policy(&self, id: Id) -> Option<&Definition<Policy>> {
        self.policies.get(&id)
    }

    /// A schedule.
    pub fn schedule(&self, id: Id) -> Option<&Definition<Rota>> {
        self.schedules.get(&id)
    }

    /// All schedules.
    pub fn schedules(&self) -> impl Iterator<Item = &Definition<Rota>> {
        self.schedules.values()
    }

    /// The layers of schedules that go by a calendar: the schedule, the layer's name, and the calendar.
    pub fn calendars(&self) -> impl Iterator<Item = (&Definition<Rota>, &str, &Calendar)> {
        let all = self.schedules.values();
        all.flat_map(|it| it.body.schedule.calendars().map(move |(name, calendar)| (it, name, calendar)))
    }

    /// All policies.
    pub fn policies(&self) -> impl Iterator<Item = &Definition<Policy>> {
        self.policies.values()
    }

    /// Users by their names in lower case, but for those who are locked out.
    pub fn by_name(&self) -> HashMap<String, Id> {
        let there = self.users.values().filter(|user| user.disabled_at.is_none());
        there.map(|user| (user.name.to_lowercase(), user.id)).collect()
    }

    /// What a user is called; their id when they are gone.
    pub fn name_of(&self, user: Id) -> String {
        self.users.get(&user).map_or_else(|| user.to_string(), |it| it.name.clone())
    }

    /// By which clock a user goes, if they have said so.
    pub fn zone_of(&self, user: Id) -> Option<Zone> {
        let said = self.reach.get(&user).and_then(|it| it.zone.clone()).filter(|it| it.name() != "UTC");
        said.or_else(|| self.users.get(&user)?.zone())
    }

    /// A schedule as somebody would have it, with what its calendars say as far as they are known.
    pub fn with_calendars(&self, id: Id, mut rota: Rota) -> Rota {
        let Some(known) = self.schedules.get(&id) else { return rota };
        for (name, calendar) in known.body.schedule.calendars() {
            fill(&mut rota, name, &calendar.shifts);
        }
        rota
    }

    /// Somebody's destinations that can be sent to, in the order in which they were made.
    pub fn usable(&self, owner: Id) -> Vec<Id> {
        let theirs = self.destinations.iter().filter(|(_, it)| it.definition.owner == owner);
        let mut usable: Vec<Id> = theirs
            .filter(|(_, it)| it.place.is_ok() && it.definition.body.verified_at.is_some())
            .map(|(id, _)| *id)
            .collect();
        usable.sort_unstable();
        usable
    }

    /// Somebody's destinations with their names, in the order in which they were made.
    pub fn destinations_of(&self, owner: Id) -> Vec<(Id, String)> {
        let theirs = self.destinations.iter().filter(|(_, it)| it.definition.owner == owner);
        let mut all: Vec<(Id, String)> = theirs.map(|(id, it)| (*id, it.definition.name.clone())).collect();
        all.sort_unstable();
        all
    }

    /// What rings when somebody is paged.
    pub fn contact_rules(&self, user: Id) -> ContactRules {
        self.reach.get(&user).map(|it| it.rules.clone()).unwrap_or_default()
    }

    /// Everybody as an escalation sees them, for something so bad at this time.
    pub fn directory<'a>(&'a self, live: &'a Live, severity: Severity, at: Time) -> Directory<'a> {
        Directory { people: self, live, severity, at }
    }

    /// A destination by its id.
    pub fn destination(&self, id: Id) -> Option<&Known> {
        self.destinations.get(&id)
    }

    /// The destination that deliveries call by this name.
    pub(crate) fn at_place(&self, name: &str) -> Option<&Known> {
        self.destinations.get(self.by_place.get(name)?)
    }

    /// Whose destination it is that deliveries call by this name.
    pub fn owner_of(&self, place: &str) -> Option<Id> {
        Some(self.at_place(place)?.definition.owner)
    }

    /// What deliveries call by this name, if it can be sent to.
    pub fn place(&self, name: &str) -> Option<Arc<LivePlace>> {
        self.at_place(name)?.place.as_ref().ok().cloned()
    }
}

/// Makes somebody's destination ready to be sent to.
///
/// # Errors
/// When there is no such kind, or the settings do not fit it.
pub fn ready(live: &Live, id: Id, body: &OwnedDestination) -> std::result::Result<LivePlace, BadSettings> {
    let kinds = &live.kinds;
    let settings = kinds.with_account(&body.kind, &body.settings, live.accounts.get(&body.kind));
    let ready = kinds.ready(&body.kind, settings)?;
    let manners =
        Manners { audience: kinds.audience(&body.kind), send_acknowledged: true, ..Manners::default() };
    let place =
        Place { id: body.place_id(id), kind: body.kind.clone(), settings: body.settings.clone(), manners };
    Ok(LivePlace { receiver: String::new(), place, ready })
}

/// All schedules, with what their calendars say.
fn schedules(tx: &mut Tx<'_>) -> Result<HashMap<Id, Definition<Rota>>> {
    let mut schedules: HashMap<Id, Definition<Rota>> =
        all(tx, Kind::Schedule)?.into_iter().map(|it: Definition<Rota>| (it.id, it)).collect();
    if schedules.values().any(|it| it.body.schedule.calendars().next().is_some()) {
        for known in store::calendars::all(tx)? {
            if let Some(it) = schedules.get_mut(&known.schedule) {
                fill(&mut it.body, &known.layer, &known.shifts);
            }
        }
    }
    Ok(schedules)
}

fn fill(rota: &mut Rota, layer: &str, shifts: &[Listed]) {
    for it in rota.schedule.layers.iter_mut().filter(|it| it.name == layer) {
        if let Turns::Calendar(calendar) = &mut it.turns {
            calendar.shifts = shifts.to_vec();
        }
    }
}

/// A schedule with what its calendars said, by its layers.
pub(crate) fn with_shifts(mut rota: Rota, said: &BTreeMap<String, Vec<Listed>>) -> Rota {
    said.iter().for_each(|(layer, shifts)| fill(&mut rota, layer, shifts));
    rota
}

/// Where a destination reaches its owner, if its kind can say that.
fn address_of(live: &Live, it: &Definition<OwnedDestination>) -> Option<String> {
    live.kinds.address(&it.body.kind, &mut it.body.settings.clone()).ok().flatten()
}

/// Users and teams that one read takes at once.
const PAGE: i64 = 500;

fn users(tx: &mut Tx<'_>) -> Result<HashMap<Id, User>> {
    let (mut users, mut after) = (HashMap::new(), None);
    loop {
        let page = store::users::page(tx, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(users) };
        after = Some(last.id);
        users.extend(page.into_iter().map(|user| (user.id, user)));
    }
}

fn teams(tx: &mut Tx<'_>) -> Result<HashMap<Id, Crew>> {
    let (mut teams, mut after) = (HashMap::new(), None);
    loop {
        let page = store::teams::page(tx, after, PAGE)?;
        let Some(last) = page.last() else { return Ok(teams) };
        after = Some(last.id);
        for team in page {
            let members = store::teams::members(tx, team.id)?;
            let responds = |it: &&Membership| it.role.may(Scope::Respond);
            let responders = members.iter().filter(responds).map(|it| it.user).collect();
            let members = members.into_iter().map(|it| it.user).collect();
            teams.insert(team.id, Crew { name: team.name, members, responders });
        }
    }
}

fn all<T: DeserializeOwned>(tx: &mut Tx<'_>, kind: Kind) -> Result<Vec<Definition<T>>> {
    store::definitions::all(tx, kind, None)
}

fn by_id<T: DeserializeOwned>(tx: &mut Tx<'_>, kind: Kind) -> Result<HashMap<Id, T>> {
    Ok(all(tx, kind)?.into_iter().map(|it| (it.id, it.body)).collect())
}
