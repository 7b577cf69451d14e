//! What people define for themselves: timeslots, filters and notification profiles. Each belongs to whoever made it; a
//! filter may be for everybody to use. All of it is done at a [`Desk`], and leaves a line in the audit log.

use std::collections::HashSet;

use model::profile::{Filter, Profile, Timeslot};
use model::refusal::Refusal;
use model::{Id, OwnedDestination};
use sdk::Registry;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use store::definitions::{self, Definition, Kind};

use crate::accounts::{Desk, Done};
use crate::error::Problem;

/// Definitions of one kind that one person may have.
const MAX_OF_A_KIND: usize = 500;

fn wrong(bad: Refusal) -> Problem {
    Problem::wrong(bad.field, bad.reason)
}

impl Desk<'_, '_> {
    /// Whose belongings they are.
    ///
    /// # Errors
    /// When who asks is no user.
    pub fn owner(&self) -> Done<Id> {
        let why = "only a user has these: come with a session, or with a token of a user";
        self.caller.user.ok_or_else(|| Problem::forbidden(why).into())
    }

    /// All of one kind that who asks has.
    ///
    /// # Errors
    /// When who asks is no user.
    pub fn belongings<T: DeserializeOwned>(&mut self, kind: Kind) -> Done<Vec<Definition<T>>> {
        let owner = self.owner()?;
        Ok(definitions::all(self.tx, kind, Some(owner))?)
    }

    /// One of these.
    ///
    /// # Errors
    /// When they have none of this id.
    pub fn belonging<T: DeserializeOwned>(&mut self, kind: Kind, id: Id) -> Done<Definition<T>> {
        let owner = self.owner()?;
        let found = definitions::get(self.tx, kind, id)?.filter(|it: &Definition<T>| it.owner == owner);
        found.ok_or_else(|| Problem::not_found(kind.name(), id).into())
    }

    /// The filters that who asks may use: their own, and those for everybody.
    ///
    /// # Errors
    /// When who asks is no user.
    pub fn usable_filters(&mut self) -> Done<Vec<Definition<Filter>>> {
        let owner = self.owner()?;
        let mut all = definitions::all::<Filter>(self.tx, Kind::Filter, None)?;
        all.retain(|it| it.owner == owner || it.body.public);
        Ok(all)
    }

    /// The timeslots of who asks; at first there is one for all the time.
    ///
    /// # Errors
    /// When who asks is no user.
    pub fn timeslots(&mut self) -> Done<Vec<Definition<Timeslot>>> {
        let known = self.belongings(Kind::Timeslot)?;
        if !known.is_empty() {
            return Ok(known);
        }
        Ok(vec![self.put_timeslot(None, Timeslot::all_the_time())?])
    }

    /// Keeps a timeslot, new or in place of one.
    ///
    /// # Errors
    /// When it cannot be, or there is none to replace.
    pub fn put_timeslot(&mut self, id: Option<Id>, it: Timeslot) -> Done<Definition<Timeslot>> {
        it.check().map_err(wrong)?;
        let name = it.name.clone();
        self.put(Kind::Timeslot, id, name, |_, _| it)
    }

    /// Keeps a filter, new or in place of one.
    ///
    /// # Errors
    /// When it cannot be, or there is none to replace.
    pub fn put_filter(&mut self, id: Option<Id>, name: String, it: Filter) -> Done<Definition<Filter>> {
        model::refusal::name("name", &name).map_err(wrong)?;
        it.check().map_err(|bad| wrong(bad.within("filter")))?;
        self.put(Kind::Filter, id, name, |_, _| it)
    }

    /// Keeps a profile, new or in place of one. Its id and owner are what they have to be.
    ///
    /// # Errors
    /// When it cannot be, refers to what there is none of, or there is none to replace.
    pub fn put_profile(&mut self, id: Option<Id>, it: Profile) -> Done<Definition<Profile>> {
        it.check().map_err(wrong)?;
        let timeslots: HashSet<Id> = self.timeslots()?.iter().map(|it| it.id).collect();
        let filters: HashSet<Id> = self.usable_filters()?.iter().map(|it| it.id).collect();
        let places = self.belongings::<OwnedDestination>(Kind::Destination)?;
        let places: HashSet<Id> = places.iter().map(|it| it.id).collect();
        let unknown = |field: &str, id: Id| Problem::wrong(field, format!("there is no {} here", id.0));
        if !timeslots.contains(&it.timeslot) {
            return Err(unknown("timeslot", it.timeslot).into());
        }
        if let Some(id) = it.filters.iter().find(|id| !filters.contains(*id)) {
            return Err(unknown("filters", *id).into());
        }
        if let Some(id) = it.destinations.iter().find(|id| !places.contains(*id)) {
            return Err(unknown("destinations", *id).into());
        }
        let name = it.name.clone();
        self.put(Kind::Profile, id, name, |id, owner| Profile { id, owner, ..it })
    }

    /// Keeps a destination, new or in place of one.
    ///
    /// # Errors
    /// When its settings do not fit its kind, who asks has the same already, or there is none to replace.
    pub fn put_destination(
        &mut self,
        kinds: &Registry,
        id: Option<Id>,
        label: String,
        it: OwnedDestination,
    ) -> Done<Definition<OwnedDestination>> {
        model::refusal::name("label", &label).map_err(wrong)?;
        if kinds.destination_schema(&it.kind).is_none() {
            return Err(Problem::wrong("media", format!("there is no kind {:?}", it.kind)).into());
        }
        kinds
            .ready(&it.kind, it.settings.clone())
            .map_err(|bad| Problem::wrong("settings", bad.to_string()))?;
        let own = self.belongings::<OwnedDestination>(Kind::Destination)?;
        let same = own.iter().filter(|have| Some(have.id) != id);
        let same = same.filter(|have| have.body.kind == it.kind && have.body.settings == it.settings);
        if let Some(same) = same.map(|have| have.name.as_str()).next() {
            return Err(Problem::wrong("settings", format!("you have the same already: {same:?}")).into());
        }
        self.put(Kind::Destination, id, label, |_, _| it)
    }

    /// Forgets something, unless a profile uses it.
    ///
    /// # Errors
    /// When there is none, or it is in use.
    pub fn discard(&mut self, kind: Kind, id: Id) -> Done<()> {
        let before = self.belonging::<serde_json::Value>(kind, id)?;
        if before.body["managed"] == true {
            let why = "it follows the address of the account, and goes with that";
            return Err(Problem::not_in_state(why).into());
        }
        let profiles = definitions::all::<Profile>(self.tx, Kind::Profile, None)?;
        let users = profiles.iter().filter(|it| {
            it.body.timeslot == id || it.body.filters.contains(&id) || it.body.destinations.contains(&id)
        });
        let users: Vec<String> = users.map(|it| format!("{:?}", it.name)).collect();
        if !users.is_empty() {
            let (kind, users) = (kind.name(), users.join(", "));
            let why = format!("this {kind} is in use by notification profiles: {users}");
            return Err(Problem::not_in_state(why).into());
        }
        definitions::delete(self.tx, kind, id)?;
        let action = format!("{}.delete", kind.name());
        let was = json!({ "name": before.name });
        self.note(&action, (kind.name(), &id.to_string()), Some(was), None)?;
        Ok(())
    }

    fn put<T: Serialize + DeserializeOwned>(
        &mut self,
        kind: Kind,
        id: Option<Id>,
        name: String,
        body: impl FnOnce(Id, Id) -> T,
    ) -> Done<Definition<T>> {
        let owner = self.owner()?;
        let before = id.map(|id| self.belonging::<T>(kind, id)).transpose()?;
        if before.is_none() && self.belongings::<serde_json::Value>(kind)?.len() >= MAX_OF_A_KIND {
            let why = format!("you have {MAX_OF_A_KIND} of these: no more fit");
            return Err(Problem::not_in_state(why).into());
        }
        let id = id.unwrap_or_else(|| self.id());
        let created_at = before.as_ref().map_or(self.now, |it| it.created_at);
        let it = Definition { id, owner, name, body: body(id, owner), created_at, updated_at: self.now };
        if !definitions::put(self.tx, kind, &it)? {
            return Err(Problem::wrong("name", "another one of yours is called so").into());
        }
        let action = format!("{}.{}", kind.name(), if before.is_some() { "change" } else { "create" });
        let audited = |it: &Definition<T>| {
            let mut body = serde_json::to_value(&it.body).unwrap_or_default();
            // there may be secrets in them
            if let Some(body) = body.as_object_mut() {
                body.remove("settings");
            }
            Some(json!({ "name": it.name, "body": body }))
        };
        let was = before.as_ref().and_then(audited);
        self.note(&action, (kind.name(), &id.to_string()), was, audited(&it))?;
        Ok(it)
    }
}
