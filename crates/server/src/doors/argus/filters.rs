//! Filters, as blobs of Argus'. Those that are public can be used by everybody.

use model::Id;
use model::profile::Filter;
use serde_json::{Value, json};
use store::definitions::Definition;

use super::call::{Answer, Call, Reply};
use super::fields::Fields;
use super::refused::Refused;

/// Bytes of a name.
const MAX_NAME: usize = 200;

/// A filter as Argus shows it.
pub(super) fn shown(it: &Definition<Filter>) -> Value {
    let mut blob = serde_json::to_value(&it.body).unwrap_or_default();
    if let Some(blob) = blob.as_object_mut() {
        blob.remove("public");
    }
    json!({ "pk": it.id.0, "name": it.name, "filter": blob, "public": it.body.public })
}

/// Reads a blob; old clients send it as text.
pub(super) fn read(blob: Value) -> Result<Filter, String> {
    let blob = match blob {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        blob => blob,
    };
    if blob.get("public").is_some() {
        return Err("public: stands beside the filter, not in it".to_owned());
    }
    let filter: Filter = serde_json::from_value(blob).map_err(|error| error.to_string())?;
    filter.check().map_err(|bad| format!("{}: {}", bad.field, bad.reason))?;
    Ok(filter)
}

/// `GET notificationprofiles/filters/`.
pub(super) async fn list(call: Call) -> Answer {
    let all = call.looked_up(|desk| desk.usable_filters()).await?;
    Reply::ok(&all.iter().map(shown).collect::<Vec<_>>())
}

/// `GET notificationprofiles/filters/N/`.
pub(super) async fn get(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let all = call.looked_up(|desk| desk.usable_filters()).await?;
    Reply::ok(&shown(all.iter().find(|it| it.id == id).ok_or_else(Refused::not_found)?))
}

/// `POST notificationprofiles/filters/`.
pub(super) async fn create(call: Call) -> Answer {
    let Said { name, filter, public } = said(&call, true)?;
    let (name, filter) = (name.unwrap_or_default(), filter.unwrap_or_default());
    let filter = Filter { public: public.unwrap_or(false), ..filter };
    let ground = call.app.ground();
    let kept = call.at_desk(move |desk| {
        let owner = desk.owner()?;
        desk.make(&ground, owner, name, |_| Ok(filter))
    });
    let kept = kept.await?;
    call.app.hub.ring();
    Reply::created(&shown(&kept))
}

/// `PUT notificationprofiles/filters/N/`.
pub(super) async fn replace(call: Call) -> Answer {
    keep(call, true).await
}

/// `PATCH notificationprofiles/filters/N/`: what is not given stays as it is.
pub(super) async fn change(call: Call) -> Answer {
    keep(call, false).await
}

async fn keep(call: Call, all: bool) -> Answer {
    let id = Id(call.number(0)?);
    let Said { name, filter, public } = said(&call, all)?;
    let ground = call.app.ground();
    let kept = call.at_desk(move |desk| {
        let before = desk.own::<Filter>(id)?;
        let public = public.unwrap_or(before.body.public);
        let filter = Filter { public, ..filter.unwrap_or_else(|| before.body.clone()) };
        let name = name.unwrap_or_else(|| before.name.clone());
        desk.remake(&ground, before, name, |_| Ok(filter))
    });
    let kept = kept.await?;
    call.app.hub.ring();
    Reply::ok(&shown(&kept))
}

/// `DELETE notificationprofiles/filters/N/`.
pub(super) async fn remove(call: Call) -> Answer {
    call.discards::<Filter>().await
}

/// What is said of a filter.
struct Said {
    name: Option<String>,
    filter: Option<Filter>,
    public: Option<bool>,
}

fn said(call: &Call, all: bool) -> Result<Said, Refused> {
    let mut fields = Fields::new(call.object()?);
    fields.must(&["name", "filter"], all);
    fields.must(&["public"], false);
    let name = if fields.value("name").is_null() { None } else { fields.text("name", MAX_NAME) };
    let blob = fields.value("filter").clone();
    let filter = if blob.is_null() { Ok(None) } else { read(blob).map(Some) };
    let filter = filter.inspect_err(|what| fields.wrong("filter", what.clone())).unwrap_or_default();
    let public = fields.boolean("public");
    fields.done()?;
    Ok(Said { name, filter, public })
}
