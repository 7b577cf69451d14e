//! Planned maintenance. Those who run teams plan it for everybody, and everybody sees it.

use model::Id;
use model::maintenance::{GUARD_NOTHING, Maintenance, Mode};
use serde_json::{Value, json};
use store::definitions::{self, Definition, Kind};

use super::call::{Answer, Call, Reply};
use super::fields::Fields;
use super::mapping::INFINITY;
use super::refused::Refused;
use super::shown::time;
use crate::accounts::{About, Desk, Done, EVERYBODY};
use crate::error::Problem;

/// Bytes of a description.
const MAX_DESCRIPTION: usize = 8_000;
/// Characters of a description that become its name.
const MAX_NAME: usize = 80;

/// A maintenance, and who made it.
type Planned = (Definition<Maintenance>, Option<String>);

/// A maintenance as Argus shows it.
fn shown((it, by): &Planned) -> Value {
    json!({
        "pk": it.id.0,
        "created_by": by,
        "created": time(it.created_at),
        "start_time": time(it.body.starts_at),
        "end_time": it.body.ends_at.map_or_else(|| json!(INFINITY), time),
        "description": it.body.description,
        "filters": it.body.filter_ids.iter().map(|id| id.0).collect::<Vec<_>>(),
    })
}

fn with_maker(desk: &mut Desk<'_, '_>, it: Definition<Maintenance>) -> Done<Planned> {
    let by = it.body.created_by.map(|id| store::users::get(desk.tx, id)).transpose()?.flatten();
    Ok((it, by.map(|user| user.name)))
}

fn planned(desk: &mut Desk<'_, '_>, id: Id) -> Done<Definition<Maintenance>> {
    let found = definitions::get(desk.tx, Kind::Maintenance, id)?;
    found.ok_or_else(|| Problem::not_found(Kind::Maintenance.name(), id).into())
}

/// `GET plannedmaintenance/`.
pub(super) async fn list(call: Call) -> Answer {
    let all = call.looked_up(|desk| {
        let all = definitions::all(desk.tx, Kind::Maintenance, None)?;
        all.into_iter().map(|it| with_maker(desk, it)).collect::<Done<Vec<_>>>()
    });
    Reply::ok(&all.await?.iter().map(shown).collect::<Vec<_>>())
}

/// `GET plannedmaintenance/N/`.
pub(super) async fn get(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let found = call.looked_up(move |desk| {
        let found = planned(desk, id)?;
        with_maker(desk, found)
    });
    Reply::ok(&shown(&found.await?))
}

/// What is said of a maintenance.
struct Said {
    starts_at: Option<model::Time>,
    /// `Some(None)`: without an end.
    ends_at: Option<Option<model::Time>>,
    description: Option<String>,
    filters: Option<Vec<Id>>,
}

fn read(call: &Call, all: bool) -> Result<Said, Refused> {
    let mut fields = Fields::new(call.object()?);
    fields.must(&["start_time", "filters"], all);
    let endless = match fields.value("end_time") {
        Value::Null => fields.has("end_time"),
        Value::String(text) => text == INFINITY,
        _ => false,
    };
    let said = Said {
        starts_at: fields.time("start_time"),
        ends_at: if endless { Some(None) } else { fields.time("end_time").map(Some) },
        description: fields.text("description", MAX_DESCRIPTION),
        filters: fields.references("filters"),
    };
    fields.done()?;
    Ok(said)
}

impl Said {
    fn over(self, before: Maintenance) -> Maintenance {
        Maintenance {
            starts_at: self.starts_at.unwrap_or(before.starts_at),
            ends_at: self.ends_at.unwrap_or(before.ends_at),
            description: self.description.unwrap_or(before.description),
            filter_ids: self.filters.unwrap_or(before.filter_ids),
            ..before
        }
    }
}

/// `POST plannedmaintenance/`.
pub(super) async fn create(call: Call) -> Answer {
    let (said, ground, now) = (read(&call, true)?, call.app.ground(), call.app.now());
    let kept = call.at_desk(move |desk| {
        let line = said.description.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
        let name: String = line.chars().take(MAX_NAME).collect();
        // no two have the same name, and Argus' have none at all
        let name = format!("{} {}", if name.is_empty() { "maintenance" } else { &name }, desk.id());
        let new = |about: &About| {
            Ok(said.over(Maintenance {
                description: String::new(),
                starts_at: now,
                ends_at: None,
                recurrence: None,
                filters: Vec::new(),
                filter_ids: Vec::new(),
                mode: Mode::Suppress,
                guard_percent: GUARD_NOTHING,
                created_by: about.by,
            }))
        };
        let kept = desk.make(&ground, EVERYBODY, name, new)?;
        with_maker(desk, kept)
    });
    let kept = kept.await?;
    call.app.hub.ring();
    Reply::created(&shown(&kept))
}

/// `PUT plannedmaintenance/N/`.
pub(super) async fn replace(call: Call) -> Answer {
    let said = read(&call, true)?;
    keep(call, said).await
}

/// `PATCH plannedmaintenance/N/`: what is not given stays as it is.
pub(super) async fn change(call: Call) -> Answer {
    let said = read(&call, false)?;
    keep(call, said).await
}

async fn keep(call: Call, said: Said) -> Answer {
    let (id, ground) = (Id(call.number(0)?), call.app.ground());
    let kept = call.at_desk(move |desk| {
        let before = planned(desk, id)?;
        let (name, body) = (before.name.clone(), said.over(before.body.clone()));
        let kept = desk.remake(&ground, before, name, |_| Ok(body))?;
        with_maker(desk, kept)
    });
    let kept = kept.await?;
    call.app.hub.ring();
    Reply::ok(&shown(&kept))
}

/// `DELETE plannedmaintenance/N/`: one that has not begun.
pub(super) async fn remove(call: Call) -> Answer {
    let (id, ground) = (Id(call.number(0)?), call.app.ground());
    let gone = call.at_desk(move |desk| desk.undefine::<Maintenance>(&ground, id)).await;
    call.gone(gone)
}
