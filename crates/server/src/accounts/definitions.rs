//! What people define for themselves, their teams and everybody: kept only when all of it makes sense.

use model::Id;
use model::account::Team;
use model::profile::{Filter, Timeslot};
use model::refusal::Refusal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::definitions::{self, Definition, Kind, Looked};
use utoipa::ToSchema;

use super::defined::{About, Defined, EVERYBODY, Ground};
use super::{Desk, Done, Fail};
use crate::auth::Scope;
use crate::error::{Answer, Problem};

/// Definitions of one kind that one person may have.
const MAX_OF_PERSON: i64 = 500;
/// The same of a team, or of everybody.
const MAX_OF_MANY: i64 = 10_000;

/// Something as somebody defines it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDefinition)]
pub struct DefinitionIn {
    /// What it is called.
    pub name: String,
    /// Whose it is: a user, `team:` and a team, or `everybody`; whoever asks, if not given.
    pub owner: Option<String>,
    /// What it says.
    #[schema(value_type = Object)]
    pub spec: Map<String, Value>,
}

/// What is to be otherwise about a definition; what is not given stays as it is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DefinitionChange)]
pub struct DefinitionChange {
    /// What it is called.
    pub name: Option<String>,
    /// What it says, as a whole.
    #[schema(value_type = Option<Object>)]
    pub spec: Option<Map<String, Value>>,
}

/// A definition, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct DefinitionShown {
    /// Its id.
    pub id: Id,
    /// Whose it is, as [`DefinitionIn::owner`] has it.
    pub owner: String,
    /// What it is called.
    pub name: String,
    /// What it says, without secrets.
    pub spec: Value,
    /// Why it cannot be read, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// When it was made.
    pub created_at: model::Time,
    /// When it was changed last.
    pub updated_at: model::Time,
}

/// The word for that.
pub(super) const EVERYBODYS: &str = "everybody";
/// The field that says what a definition says.
const SPEC: &str = "spec";

impl Desk<'_, '_> {
    /// The definitions of a kind that somebody may see: of one owner, or all.
    ///
    /// # Errors
    /// When the owner is not there.
    pub fn list_defined<T: Defined>(
        &mut self,
        ground: &Ground,
        owner: Option<&str>,
    ) -> Done<Vec<DefinitionShown>> {
        let owner = owner.map(|text| self.owner_named(Some(text))).transpose()?;
        let found = definitions::look_at_all::<T>(self.tx, T::KIND, owner)?;
        found.into_iter().map(|it| self.show_looked(ground, it)).collect()
    }

    /// One definition, be it readable or not.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn get_defined<T: Defined>(&mut self, ground: &Ground, id: Id) -> Done<DefinitionShown> {
        let found = self.looked::<T>(id)?;
        self.show_looked(ground, found)
    }

    /// The user who asks, whose own definitions are meant.
    ///
    /// # Errors
    /// When it is no user.
    pub fn owner(&self) -> Done<Id> {
        let why = "only a user has these: come with a session, or with a token of a user";
        self.caller.user.ok_or_else(|| Problem::forbidden(why).into())
    }

    /// All of one kind that who asks has.
    ///
    /// # Errors
    /// When who asks is no user.
    pub fn own_all<T: Defined>(&mut self) -> Done<Vec<Definition<T>>> {
        let owner = self.owner()?;
        Ok(definitions::all(self.tx, T::KIND, Some(owner))?)
    }

    /// One of these.
    ///
    /// # Errors
    /// When they have none of this id.
    pub fn own<T: Defined>(&mut self, id: Id) -> Done<Definition<T>> {
        let owner = self.owner()?;
        let found = definitions::get(self.tx, T::KIND, id)?.filter(|it: &Definition<T>| it.owner == owner);
        found.ok_or_else(|| Problem::not_found(T::KIND.name(), id).into())
    }

    /// The filters that who asks may use: their own, and those for everybody.
    ///
    /// # Errors
    /// When who asks is no user.
    pub fn usable_filters(&mut self) -> Done<Vec<Definition<Filter>>> {
        let owner = self.owner()?;
        let mut all = definitions::all::<Filter>(self.tx, Kind::Filter, None)?;
        all.retain(|it| is_usable(Kind::Filter, it.owner, it.body.public, owner));
        Ok(all)
    }

    /// The timeslots of who asks; at first there is one for all the time.
    ///
    /// # Errors
    /// When who asks is no user.
    pub fn own_timeslots(&mut self, ground: &Ground) -> Done<Vec<Definition<Timeslot>>> {
        let known = self.own_all()?;
        if !known.is_empty() {
            return Ok(known);
        }
        let body = Timeslot::all_the_time();
        let (id, owner, name) = (self.id(), self.owner()?, body.name.clone());
        let it = Definition { id, owner, name, body, created_at: self.now, updated_at: self.now };
        Ok(vec![self.keep_defined(ground, None, it)?])
    }

    /// Defines something.
    ///
    /// # Errors
    /// When it must not, makes no sense, or there is one of its name.
    pub fn define<T: Defined>(&mut self, ground: &Ground, it: DefinitionIn) -> Done<DefinitionShown> {
        let owner = self.owner_for::<T>(it.owner.as_deref(), &it.name)?;
        let mut spec = it.spec;
        super::names::resolve(self.tx, T::KIND, owner, &mut spec)?;
        let made = self.make(ground, owner, it.name, |about| read::<T>(about, spec))?;
        self.show(ground, made)
    }

    /// The same, of what an owner's body is known already.
    ///
    /// # Errors
    /// As [`Desk::define`].
    pub fn make<T: Defined>(
        &mut self,
        ground: &Ground,
        owner: Id,
        name: String,
        body: impl FnOnce(&About) -> Done<T>,
    ) -> Done<Definition<T>> {
        self.must_set_up(T::KIND, owner)?;
        let most = match store::users::get(self.tx, owner)? {
            Some(_) => MAX_OF_PERSON,
            None => MAX_OF_MANY,
        };
        if definitions::count(self.tx, T::KIND, owner)? >= most {
            let why = format!("there are {most} of that owner already, delete some");
            return Err(Problem::not_in_state(why).into());
        }
        let about = About { id: self.id(), owner, name, by: self.caller.user };
        let mut body = body(&about)?;
        self.settle(ground, &about, &mut body)?;
        self.check(ground, &about, None, &body)?;
        let About { id, name, .. } = about;
        let it = Definition { id, owner, name, body, created_at: self.now, updated_at: self.now };
        self.keep_defined(ground, None, it)
    }

    /// Changes a definition.
    ///
    /// # Errors
    /// As [`Desk::define`], or when there is none with this id.
    pub fn redefine<T: Defined>(
        &mut self,
        ground: &Ground,
        id: Id,
        change: DefinitionChange,
    ) -> Done<DefinitionShown> {
        let before = self.defined::<T>(id)?;
        let spec = match change.spec {
            Some(mut spec) => {
                T::keep_hidden(&before.body, &mut spec);
                super::names::resolve(self.tx, T::KIND, before.owner, &mut spec)?;
                spec
            }
            None => spec_of(&before.body)?,
        };
        let name = change.name.unwrap_or_else(|| before.name.clone());
        let changed = self.remake(ground, before, name, |about| read(about, spec))?;
        self.show(ground, changed)
    }

    /// The same, to what is known already.
    ///
    /// # Errors
    /// As [`Desk::redefine`].
    pub fn remake<T: Defined>(
        &mut self,
        ground: &Ground,
        before: Definition<T>,
        name: String,
        body: impl FnOnce(&About) -> Done<T>,
    ) -> Done<Definition<T>> {
        self.must_set_up(T::KIND, before.owner)?;
        let about = About { id: before.id, owner: before.owner, name, by: self.caller.user };
        let mut body = body(&about)?;
        self.settle(ground, &about, &mut body)?;
        T::follow(&before.body, &mut body, self.now).map_err(|bad| refused(bad.within(SPEC)))?;
        self.check(ground, &about, Some(&before.body), &body)?;
        let name = about.name;
        let after = Definition { name, body, updated_at: self.now, ..before.clone() };
        self.keep_defined(ground, Some(&before), after)
    }

    /// Takes a definition back, be it readable or not.
    ///
    /// # Errors
    /// When it must not be, is in use, or there is none with this id.
    pub fn undefine<T: Defined>(&mut self, ground: &Ground, id: Id) -> Done<DefinitionShown> {
        let before = self.looked::<T>(id)?;
        let (owner, name) = match &before {
            Ok(it) => (it.owner, &it.name),
            Err(it) => (it.owner, &it.name),
        };
        self.must_set_up(T::KIND, owner)?;
        if let Ok(it) = &before {
            it.body.may_go(self.now).map_err(|bad| Fail::from(Problem::not_in_state(bad)))?;
        }
        if let Some(user) = self.used_by(ground, T::KIND, name, id)? {
            let why = format!("{} {name:?} is in use by {user}; change that first", T::KIND.name());
            return Err(Problem::not_in_state(why).into());
        }
        definitions::delete(self.tx, T::KIND, id, self.now)?;
        T::gone(self.tx, id)?;
        let shown = self.show_looked(ground, before)?;
        let action = format!("{}.delete", T::KIND.name());
        self.note(&action, (T::KIND.name(), &id.to_string()), serde_json::to_value(&shown).ok(), None)?;
        Ok(shown)
    }

    pub(super) fn defined<T: DeserializeOwned + Defined>(&mut self, id: Id) -> Done<Definition<T>> {
        self.looked(id)?.map_err(|Definition { name, body: why, .. }| {
            let kind = T::KIND.name();
            Problem::not_in_state(format!(
                "{kind} {name:?} can only be deleted, since it cannot be read: {why}"
            ))
            .into()
        })
    }

    fn looked<T: Defined>(&mut self, id: Id) -> Done<Looked<T>> {
        let found = definitions::look(self.tx, T::KIND, id)?;
        found.ok_or_else(|| Problem::not_found(T::KIND.name(), id).into())
    }

    pub(super) fn keep_defined<T: Defined>(
        &mut self,
        ground: &Ground,
        before: Option<&Definition<T>>,
        definition: Definition<T>,
    ) -> Done<Definition<T>> {
        if !definitions::put(self.tx, T::KIND, &definition)? {
            let (kind, name) = (T::KIND.name(), &definition.name);
            return Err(Problem::wrong("name", format!("there is a {kind} {name:?} already")).into());
        }
        T::kept(&definition, self.tx, self.now)?;
        let was = before.map(|it| self.show(ground, it.clone())).transpose()?;
        let shown = self.show(ground, definition.clone())?;
        let action = format!("{}.{}", T::KIND.name(), if was.is_some() { "update" } else { "create" });
        let was = was.and_then(|it| serde_json::to_value(it).ok());
        let object = shown.id.to_string();
        self.note(&action, (T::KIND.name(), &object), was, serde_json::to_value(&shown).ok())?;
        Ok(definition)
    }

    /// Puts a definition into the form in which it is kept.
    fn settle<T: Defined>(&mut self, ground: &Ground, about: &About, body: &mut T) -> Done<()> {
        let settled = body.settle(self.tx, ground, about)?;
        settled.map_err(|bad| refused(bad.within(SPEC)))
    }

    /// Makes sure that a definition makes sense, and that what it needs is there for its owner.
    pub(super) fn check<T: Defined>(
        &mut self,
        ground: &Ground,
        about: &About,
        before: Option<&T>,
        body: &T,
    ) -> Done<()> {
        model::refusal::name("name", &about.name).map_err(refused)?;
        let checked = body.check(self.tx, ground, about, self.now)?;
        checked.map_err(|bad| refused(bad.within(SPEC)))?;
        let known = before.map(T::refers_to).unwrap_or_default();
        for (kind, id, field) in body.refers_to() {
            let there = definitions::get::<Value>(self.tx, kind, id)?;
            // who changes something else about what others made need not have what that refers to
            let was = known.iter().any(|(other, needed, _)| (*other, *needed) == (kind, id));
            let theirs = |it: Definition<Value>| {
                if was {
                    return true;
                }
                let public = it.body["public"] == true;
                // what somebody makes for others may ask for what their own filters do
                let own = about.by.filter(|_| kind == Kind::Filter);
                [Some(about.owner), own].into_iter().flatten().any(|by| is_usable(kind, it.owner, public, by))
            };
            let usable = there.is_some_and(theirs);
            if !usable {
                let why = format!("there is no {} {id} ({}) of yours", kind.name(), id.0);
                return Err(Problem::wrong(format!("{SPEC}.{field}"), why).into());
            }
        }
        let meant = body.guard(before, self.tx, self.now)?;
        meant.map_err(|bad| refused(bad.within(SPEC)))
    }

    /// What uses a definition, in words.
    pub(super) fn used_by(
        &mut self,
        ground: &Ground,
        kind: Kind,
        name: &str,
        id: Id,
    ) -> Done<Option<String>> {
        if let Some(user) = super::defined::users_of(self.tx, kind, id)? {
            return Ok(Some(user));
        }
        let routes = ground.core.live();
        let escalates = kind == Kind::Policy
            && routes.rules.root.nodes().iter().any(|route| route.escalate.as_deref() == Some(name));
        Ok(escalates.then(|| "a route of the configuration".to_owned()))
    }

    /// Whose a definition of this name is to be.
    pub(super) fn owner_for<T: Defined>(&mut self, text: Option<&str>, name: &str) -> Done<Id> {
        let by_name = if text.is_none() { T::owner(self.tx, name)? } else { None };
        by_name.map_or_else(|| self.owner_named(text), Ok)
    }

    /// Whom the name of an owner means.
    pub(super) fn owner_named(&mut self, text: Option<&str>) -> Done<Id> {
        match text {
            None => match self.caller.user {
                Some(user) => Ok(user),
                None => {
                    Err(Problem::wrong("owner", "is missing: you are no user, so say whose it is").into())
                }
            },
            Some(text) if text == EVERYBODYS => Ok(EVERYBODY),
            Some(text) => match text.strip_prefix(Team::PREFIX) {
                Some(team) => {
                    let team = store::teams::named(self.tx, team)?;
                    Ok(team.ok_or_else(|| Problem::wrong("owner", format!("there is no {text:?}")))?.id)
                }
                None => {
                    let user = store::users::named(self.tx, text)?;
                    Ok(user.ok_or_else(|| Problem::wrong("owner", format!("there is no user {text:?}")))?.id)
                }
            },
        }
    }

    fn owner_name(&mut self, id: Id) -> Done<String> {
        if id == EVERYBODY {
            return Ok(EVERYBODYS.to_owned());
        }
        if let Some(user) = store::users::get(self.tx, id)? {
            return Ok(user.name);
        }
        let team = store::teams::get(self.tx, id)?;
        Ok(team.map_or_else(|| id.to_string(), |team| team.prefixed()))
    }

    /// Makes sure that who asks may define something for an owner: everybody for themselves, and who runs a team for
    /// it; what is everybody's needs somebody who runs all teams.
    pub(super) fn must_define(&mut self, owner: Id) -> Done<()> {
        if self.caller.user == Some(owner) {
            return self.must(Scope::Respond);
        }
        match store::teams::get(self.tx, owner)? {
            Some(team) => self.must_run(&team),
            None if owner == EVERYBODY => self.must(Scope::Manage),
            None => self.must(Scope::Admin),
        }
    }

    /// The same of something of a kind: where it says only how somebody wants to be told, who responds for a team may
    /// define it for themselves.
    pub(super) fn must_set_up(&mut self, kind: Kind, owner: Id) -> Done<()> {
        if self.caller.user == Some(owner) && kind.is_personal() {
            return self.must_respond();
        }
        self.must_define(owner)
    }

    pub(super) fn show<T: Defined>(&mut self, ground: &Ground, it: Definition<T>) -> Done<DefinitionShown> {
        let owner = self.owner_name(it.owner)?;
        let mut spec = spec_of(&it.body)?;
        it.body.hide(ground, &mut spec);
        T::strip(&mut spec);
        let Definition { id, name, created_at, updated_at, .. } = it;
        let (spec, unreadable) = (Value::Object(spec), None);
        Ok(DefinitionShown { id, owner, name, spec, unreadable, created_at, updated_at })
    }

    fn show_looked<T: Defined>(&mut self, ground: &Ground, it: Looked<T>) -> Done<DefinitionShown> {
        let Definition { id, owner, name, body, created_at, updated_at } = match it {
            Ok(readable) => return self.show(ground, readable),
            Err(closed) => closed,
        };
        let owner = self.owner_name(owner)?;
        let (spec, unreadable) = (Value::Object(Map::new()), Some(body));
        Ok(DefinitionShown { id, owner, name, spec, unreadable, created_at, updated_at })
    }
}

/// Whether what is one owner's may refer to what is another's: to what is for everybody to use, and to their own.
fn is_usable(kind: Kind, of: Id, public: bool, by: Id) -> bool {
    match kind {
        Kind::Schedule | Kind::Policy => true,
        Kind::Filter => of == by || of == EVERYBODY || public,
        _ => of == by,
    }
}

/// What a spec says, with what is said around it.
pub(super) fn read<T: Defined>(about: &About, mut spec: Map<String, Value>) -> Done<T> {
    T::fill(&mut spec, about);
    Ok(read_spec(spec)?)
}

/// What a spec says.
///
/// # Errors
/// 400 with the field that cannot be read.
pub(crate) fn read_spec<T: DeserializeOwned>(spec: Map<String, Value>) -> Answer<T> {
    let read = serde_path_to_error::deserialize::<_, T>(Value::Object(spec));
    read.map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => SPEC.to_owned(),
            path => format!("{SPEC}.{path}"),
        };
        Problem::wrong(path, error.into_inner().to_string())
    })
}

fn spec_of<T: Serialize>(body: &T) -> Done<Map<String, Value>> {
    match serde_json::to_value(body) {
        Ok(Value::Object(spec)) => Ok(spec),
        _ => Err(Problem::internal("a definition cannot be written").into()),
    }
}

pub(super) fn refused(bad: Refusal) -> Fail {
    Problem::wrong(bad.field, bad.reason).into()
}
