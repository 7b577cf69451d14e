//! Notification profiles, and what they would tell of: one evaluator decides for what is told, listed and previewed.

use model::profile::{Filter, MAX_DESTINATIONS, MAX_FILTERS, Profile, Subject, Timeslot, tags_of};
use model::{Id, Incident, OwnedDestination};
use serde_json::{Map, Value, json};
use store::definitions::Definition;
use store::incidents::Which;

use super::call::{Answer, Call, Reply};
use super::destinations::shown as shown_destination;
use super::fields::{Fields, kind_of};
use super::filters::shown as shown_filter;
use super::refused::{Refused, WHOLE};
use super::shown;
use super::timeslots::shown as shown_timeslot;
use crate::accounts::{About, Desk, Done};

/// Incidents that a preview shows: the newest.
const MAX_SHOWN: usize = 1000;
/// Incidents that a preview looks at.
const MAX_SCAN: i64 = 20_000;
/// Bytes of a name.
const MAX_NAME: usize = 200;

/// A profile with all that it refers to.
struct Whole {
    profile: Definition<Profile>,
    timeslot: Option<Definition<Timeslot>>,
    filters: Vec<Definition<Filter>>,
    destinations: Vec<Definition<OwnedDestination>>,
}

impl Whole {
    fn of(desk: &mut Desk<'_, '_>, profiles: Vec<Definition<Profile>>) -> Done<Vec<Whole>> {
        let (timeslots, filters) = (desk.own_all::<Timeslot>()?, desk.usable_filters()?);
        let places = desk.own_all::<OwnedDestination>()?;
        let whole = profiles.into_iter().map(|profile| {
            let it = &profile.body;
            Whole {
                timeslot: timeslots.iter().find(|slot| slot.id == it.timeslot).cloned(),
                filters: filters.iter().filter(|filter| it.filters.contains(&filter.id)).cloned().collect(),
                destinations: places.iter().filter(|to| it.destinations.contains(&to.id)).cloned().collect(),
                profile,
            }
        });
        Ok(whole.collect())
    }

    fn shown(&self, call: &Call) -> Value {
        json!({
            "pk": self.profile.id.0,
            "name": self.profile.name,
            "timeslot": self.timeslot.as_ref().map(shown_timeslot),
            "filters": self.filters.iter().map(shown_filter).collect::<Vec<_>>(),
            "destinations":
                self.destinations.iter().map(|it| shown_destination(call, it)).collect::<Vec<_>>(),
            "active": self.profile.body.active,
        })
    }
}

/// `GET notificationprofiles/`.
pub(super) async fn list(call: Call) -> Answer {
    let all = call.looked_up(|desk| {
        let profiles = desk.own_all()?;
        Whole::of(desk, profiles)
    });
    let all = all.await?;
    Reply::ok(&all.iter().map(|it| it.shown(&call)).collect::<Vec<_>>())
}

/// `GET notificationprofiles/N/`.
pub(super) async fn get(call: Call) -> Answer {
    Reply::ok(&call.profile().await?.shown(&call))
}

impl Call {
    async fn profile(&self) -> Result<Whole, Refused> {
        let id = Id(self.number(0)?);
        let found = self.looked_up(move |desk| {
            let profile = desk.own(id)?;
            Whole::of(desk, vec![profile])
        });
        found.await?.pop().ok_or_else(Refused::not_found)
    }
}

/// `POST notificationprofiles/`.
pub(super) async fn create(call: Call) -> Answer {
    let kept = keep(&call, None, true).await?;
    Reply::created(&kept.shown(&call))
}

/// `PUT notificationprofiles/N/`.
pub(super) async fn replace(call: Call) -> Answer {
    let kept = keep(&call, Some(Id(call.number(0)?)), true).await?;
    Reply::ok(&kept.shown(&call))
}

/// `PATCH notificationprofiles/N/`: what is not given stays as it is.
pub(super) async fn change(call: Call) -> Answer {
    let kept = keep(&call, Some(Id(call.number(0)?)), false).await?;
    Reply::ok(&kept.shown(&call))
}

/// What is said of a profile.
struct Said {
    name: Option<String>,
    timeslot: Option<Id>,
    filters: Option<Vec<Id>>,
    destinations: Option<Vec<Id>>,
    active: Option<bool>,
}

async fn keep(call: &Call, id: Option<Id>, all: bool) -> Result<Whole, Refused> {
    let mut fields = Fields::new(call.object()?);
    fields.must(&["timeslot", "filters"], all);
    fields.must(&["destinations", "active"], false);
    let said = Said {
        name: if fields.value("name").is_null() { None } else { fields.text("name", MAX_NAME) },
        timeslot: fields.reference("timeslot"),
        filters: fields.references("filters"),
        destinations: fields.references("destinations"),
        active: fields.boolean("active"),
    };
    fields.done()?;
    let ground = call.app.ground();
    let kept = call.at_desk(move |desk| {
        let owner = desk.owner()?;
        let known = id.map(|id| desk.own::<Profile>(id)).transpose()?;
        // Argus takes profiles without a name; here no two of a person have the same
        let unnamed = || format!("profile {}", desk.id().0);
        let name = said.name.or_else(|| known.as_ref().map(|it| it.name.clone()));
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(unnamed);
        let body = |about: &About| {
            let mut it = Profile::new(about.id, owner, about.name.clone());
            if let Some(Definition { body, .. }) = &known {
                it = Profile { name: it.name, ..body.clone() };
            }
            it.timeslot = said.timeslot.unwrap_or(it.timeslot);
            it.filters = said.filters.unwrap_or(it.filters);
            it.destinations = said.destinations.unwrap_or(it.destinations);
            it.active = said.active.unwrap_or(it.active);
            Ok(it)
        };
        let profile = match known.clone() {
            Some(before) => desk.remake(&ground, before, name, body)?,
            None => desk.make(&ground, owner, name, body)?,
        };
        Whole::of(desk, vec![profile])
    });
    let kept = kept.await?.pop().ok_or_else(Refused::not_found)?;
    call.app.hub.ring();
    Ok(kept)
}

/// `DELETE notificationprofiles/N/`.
pub(super) async fn remove(call: Call) -> Answer {
    call.discards::<Profile>().await
}

/// `GET notificationprofiles/N/incidents/`: what it would tell of, were it the hour.
pub(super) async fn incidents(call: Call) -> Answer {
    let whole = call.profile().await?;
    previewed(&call, whole.filters.into_iter().map(|it| it.body).collect()).await
}

/// `POST notificationprofiles/preview/`: the same for a profile that is not kept.
pub(super) async fn preview(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    fields.must(&["filters"], true);
    let wanted = fields.references("filters").unwrap_or_default();
    fields.done()?;
    let filters = call.looked_up(|desk| desk.usable_filters()).await?;
    if let Some(id) = wanted.iter().find(|id| filters.iter().all(|it| it.id != **id)) {
        return Err(Refused::field("filters", format!("there is no filter {} here", id.0)));
    }
    let filters = filters.into_iter().filter(|it| wanted.contains(&it.id)).map(|it| it.body);
    previewed(&call, filters.collect()).await
}

/// `POST notificationprofiles/filterpreview/`: the same for a filter.
pub(super) async fn filter_preview(call: Call) -> Answer {
    let mut object = call.object()?;
    let (blob, field) = match object.remove("filter") {
        Some(blob) => (blob, "filter"),
        None => (Value::Object(object), WHOLE),
    };
    let filter = super::filters::read(blob).map_err(|what| Refused::field(field, what))?;
    previewed(&call, vec![filter]).await
}

async fn previewed(call: &Call, filters: Vec<Filter>) -> Answer {
    let now = call.app.now();
    let found = call.app.hub.store.read(move |tx| {
        let takes = |it: &Incident| {
            let tags = tags_of(it);
            Filter::any(&filters, &Subject::of(it, &tags, None, now))
        };
        store::incidents::page(tx, Which::All, None, MAX_SHOWN, MAX_SCAN, takes)
    });
    let (found, _) = found.await?;
    let book = call.book().await?;
    let shown = found.iter().map(|it| shown::incident(it, &book, call.version, now));
    Reply::ok(&shown.collect::<Vec<_>>())
}

impl Fields {
    /// The number of something, given as such or as the object that has it.
    fn reference(&mut self, name: &str) -> Option<Id> {
        let value = self.value(name).clone();
        if value.is_null() {
            return None;
        }
        let number = number_of(&value);
        if number.is_none() {
            self.wrong(name, format!("must be the number of something, and is {}", kind_of(&value)));
        }
        number
    }

    /// The numbers of several.
    pub(super) fn references(&mut self, name: &str) -> Option<Vec<Id>> {
        let value = self.value(name).clone();
        if value.is_null() {
            return None;
        }
        let count = value.as_array().map_or(0, Vec::len);
        if count > MAX_FILTERS.max(MAX_DESTINATIONS) {
            self.wrong(name, format!("has {count} numbers, which is more than anything refers to"));
            return None;
        }
        let all = value.as_array().and_then(|all| all.iter().map(number_of).collect());
        if all.is_none() {
            self.wrong(name, format!("must be a list of numbers, and is {}", kind_of(&value)));
        }
        all
    }

    /// Yes or no, if it is given.
    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.value(name).clone();
        if !value.is_null() && !value.is_boolean() {
            self.wrong(name, format!("must be true or false, and is {}", kind_of(&value)));
        }
        value.as_bool()
    }
}

fn number_of(value: &Value) -> Option<Id> {
    let of_object = |object: &Map<String, Value>| object.get("pk").and_then(Value::as_i64);
    let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
    number.or_else(|| value.as_object().and_then(of_object)).map(Id)
}
