//! What people define for themselves, their teams and everybody: kept only when all of it makes sense.

use model::Id;
use model::refusal::Refusal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::definitions::{self, Definition, Kind};
use utoipa::ToSchema;

use super::defined::{About, Defined, Ground};
use super::{Desk, Done, Fail};
use crate::auth::Scope;
use crate::error::Problem;

/// Definitions of one kind that one owner may have.
const MAX_OF_OWNER: usize = 10_000;

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
    /// When it was made.
    pub created_at: model::Time,
    /// When it was changed last.
    pub updated_at: model::Time,
}

/// The owner of what is everybody's, and its word.
const EVERYBODY: (Id, &str) = (Id(0), "everybody");
/// What the name of an owner begins with that is a team.
const TEAM: &str = "team:";

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
        let found = definitions::all::<T>(self.tx, T::KIND, owner)?;
        found.into_iter().map(|it| self.show(ground, it)).collect()
    }

    /// One definition.
    ///
    /// # Errors
    /// When there is none with this id.
    pub fn get_defined<T: Defined>(&mut self, ground: &Ground, id: Id) -> Done<DefinitionShown> {
        let found = self.defined::<T>(id)?;
        self.show(ground, found)
    }

    /// Defines something.
    ///
    /// # Errors
    /// When it must not, makes no sense, or there is one of its name.
    pub fn define<T: Defined>(&mut self, ground: &Ground, it: DefinitionIn) -> Done<DefinitionShown> {
        let owner = self.owner_named(it.owner.as_deref())?;
        self.must_define(owner)?;
        let about = About { id: self.id(), owner, name: it.name };
        let body: T = self.read(ground, &about, it.spec)?;
        if definitions::all::<Value>(self.tx, T::KIND, Some(owner))?.len() >= MAX_OF_OWNER {
            let why = format!("there are {MAX_OF_OWNER} of that owner already, delete some");
            return Err(Problem::not_in_state(why).into());
        }
        let About { id, name, .. } = about;
        self.keep_defined(
            ground,
            None,
            Definition { id, owner, name, body, created_at: self.now, updated_at: self.now },
        )
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
        self.must_define(before.owner)?;
        let about =
            About { id, owner: before.owner, name: change.name.unwrap_or_else(|| before.name.clone()) };
        let spec = match change.spec {
            Some(mut spec) => {
                T::keep_hidden(&before.body, &mut spec);
                spec
            }
            None => spec_of(&before.body)?,
        };
        let mut body: T = self.read(ground, &about, spec)?;
        T::follow(&before.body, &mut body).map_err(|bad| Fail::from(refused(bad)))?;
        let About { name, .. } = about;
        self.keep_defined(
            ground,
            Some(&before),
            Definition { name, body, updated_at: self.now, ..before.clone() },
        )
    }

    /// Takes a definition back.
    ///
    /// # Errors
    /// When it must not be, is in use, or there is none with this id.
    pub fn undefine<T: Defined>(&mut self, ground: &Ground, id: Id) -> Done<DefinitionShown> {
        let before = self.defined::<T>(id)?;
        self.must_define(before.owner)?;
        before.body.may_go(self.now).map_err(|bad| Fail::from(Problem::not_in_state(bad)))?;
        if let Some(user) = self.used_by(ground, T::KIND, &before.name, id)? {
            let why = format!("{} {:?} is in use by {user}; change that first", T::KIND.name(), before.name);
            return Err(Problem::not_in_state(why).into());
        }
        definitions::delete(self.tx, T::KIND, id)?;
        let shown = self.show(ground, before)?;
        let action = format!("{}.delete", T::KIND.name());
        self.note(&action, (T::KIND.name(), &id.to_string()), serde_json::to_value(&shown).ok(), None)?;
        Ok(shown)
    }

    pub(super) fn defined<T: DeserializeOwned + Defined>(&mut self, id: Id) -> Done<Definition<T>> {
        let found = definitions::get(self.tx, T::KIND, id)?;
        found.ok_or_else(|| Problem::not_found(T::KIND.name(), id).into())
    }

    pub(super) fn keep_defined<T: Defined>(
        &mut self,
        ground: &Ground,
        before: Option<&Definition<T>>,
        definition: Definition<T>,
    ) -> Done<DefinitionShown> {
        if !definitions::put(self.tx, T::KIND, &definition)? {
            let (kind, name) = (T::KIND.name(), &definition.name);
            return Err(Problem::wrong("name", format!("there is a {kind} {name:?} already")).into());
        }
        let was = before.map(|it| self.show(ground, it.clone())).transpose()?;
        let shown = self.show(ground, definition)?;
        let action = format!("{}.{}", T::KIND.name(), if was.is_some() { "update" } else { "create" });
        let was = was.and_then(|it| serde_json::to_value(it).ok());
        let object = shown.id.to_string();
        self.note(&action, (T::KIND.name(), &object), was, serde_json::to_value(&shown).ok())?;
        Ok(shown)
    }

    fn read<T: Defined>(&mut self, ground: &Ground, about: &About, mut spec: Map<String, Value>) -> Done<T> {
        model::refusal::name("name", &about.name).map_err(|bad| Fail::from(refused(bad)))?;
        T::fill(&mut spec, about);
        let read = serde_path_to_error::deserialize::<_, T>(Value::Object(spec));
        let body = read.map_err(|error| {
            let path = match error.path().to_string() {
                path if path == "." => "spec".to_owned(),
                path => format!("spec.{path}"),
            };
            Problem::wrong(path, error.into_inner().to_string())
        })?;
        let checked = body.check(self.tx, ground, about, self.now)?;
        checked.map_err(|bad| Fail::from(refused(bad.within("spec"))))?;
        for (kind, id, field) in body.refers_to() {
            let there = definitions::get::<Value>(self.tx, kind, id)?;
            let usable = there.is_some_and(|it| {
                // what is for everybody to use, and what is one's own
                kind == Kind::Filter
                    || kind == Kind::Schedule
                    || kind == Kind::Policy
                    || it.owner == about.owner
            });
            if !usable {
                let why = format!("there is no {} {id} of yours", kind.name());
                return Err(Problem::wrong(format!("spec.{field}"), why).into());
            }
        }
        Ok(body)
    }

    /// What uses a definition, in words.
    fn used_by(&mut self, ground: &Ground, kind: Kind, name: &str, id: Id) -> Done<Option<String>> {
        if let Some(user) = super::defined::users_of(self.tx, kind, id)? {
            return Ok(Some(user));
        }
        let routes = ground.core.live();
        let escalates = kind == Kind::Policy
            && routes.rules.root.nodes().iter().any(|route| route.escalate.as_deref() == Some(name));
        Ok(escalates.then(|| "a route of the configuration".to_owned()))
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
            Some(text) if text == EVERYBODY.1 => Ok(EVERYBODY.0),
            Some(text) => match text.strip_prefix(TEAM) {
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
        if id == EVERYBODY.0 {
            return Ok(EVERYBODY.1.to_owned());
        }
        if let Some(user) = store::users::get(self.tx, id)? {
            return Ok(user.name);
        }
        let team = store::teams::get(self.tx, id)?;
        Ok(team.map_or_else(|| id.to_string(), |team| format!("{TEAM}{}", team.name)))
    }

    /// Makes sure that who asks may define something for an owner: everybody for themselves, and who runs a team for
    /// it; what is everybody's needs somebody who runs all teams.
    pub(super) fn must_define(&mut self, owner: Id) -> Done<()> {
        if self.caller.user == Some(owner) {
            return self.must(Scope::Respond);
        }
        match store::teams::get(self.tx, owner)? {
            Some(team) => self.must_run(&team),
            None if owner == EVERYBODY.0 => self.must(Scope::Manage),
            None => self.must(Scope::Admin),
        }
    }

    pub(super) fn show<T: Defined>(&mut self, ground: &Ground, it: Definition<T>) -> Done<DefinitionShown> {
        let owner = self.owner_name(it.owner)?;
        let mut spec = spec_of(&it.body)?;
        it.body.hide(ground, &mut spec);
        T::strip(&mut spec);
        let Definition { id, name, created_at, updated_at, .. } = it;
        Ok(DefinitionShown { id, owner, name, spec: Value::Object(spec), created_at, updated_at })
    }
}

fn spec_of<T: Serialize>(body: &T) -> Done<Map<String, Value>> {
    match serde_json::to_value(body) {
        Ok(Value::Object(spec)) => Ok(spec),
        _ => Err(Problem::internal("a definition cannot be written").into()),
    }
}

fn refused(bad: Refusal) -> Problem {
    Problem::wrong(bad.field, bad.reason)
}
