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

/// Reads a blob.
pub(super) fn read(blob: Value) -> Result<Filter, String> {
    if blob.get("public").is_some() {
        return Err("public: stands beside the filter, not in it".to_owned());
    }
    let filter: Filter = serde_json::from_value(blob).map_err(|error| error.to_string())?;
    filter.check().map_err(|bad| format!("{}: {}", bad.field, bad.reason))?;
    Ok(filter)
}

/// `GET notificationprofiles/filters/`.
pub(super) async fn list(call: Call) -> Answer {
    let all = call.at_desk(|desk| desk.usable_filters()).await?;
    Reply::ok(&all.iter().map(shown).collect::<Vec<_>>())
}

/// `GET notificationprofiles/filters/N/`.
pub(super) async fn get(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let all = call.at_desk(|desk| desk.usable_filters()).await?;
    Reply::ok(&shown(all.iter().find(|it| it.id == id).ok_or_else(Refused::not_found)?))
}

/// `POST notificationprofiles/filters/`.
pub(super) async fn create(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    let name = fields.needed_text("name", MAX_NAME);
    if !fields.has("filter") {
        fields.wrong("filter", "This field is required.");
    }
    let (filter, public) = said(&mut fields);
    fields.done()?;
    let filter = Filter { public: public.unwrap_or(false), ..filter.unwrap_or_default() };
    let ground = call.app.ground();
    let kept = call.at_desk(move |desk| {
        let owner = desk.owner()?;
        desk.make(&ground, owner, name, |_| Ok(filter))
    });
    let kept = kept.await?;
    call.app.hub.ring();
    Reply::created(&shown(&kept))
}

/// `PATCH notificationprofiles/filters/N/`.
pub(super) async fn change(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let mut fields = Fields::new(call.object()?);
    let name = fields.text("name", MAX_NAME);
    let (filter, public) = said(&mut fields);
    fields.done()?;
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

fn said(fields: &mut Fields) -> (Option<Filter>, Option<bool>) {
    // old clients send it as text
    let blob = match fields.value("filter").clone() {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        blob => blob,
    };
    let filter = if blob.is_null() { Ok(None) } else { read(blob).map(Some) };
    let filter = filter.inspect_err(|what| fields.wrong("filter", what.clone())).unwrap_or_default();
    let public = fields.value("public").clone();
    if !public.is_null() && !public.is_boolean() {
        fields.wrong("public", "must be true or false");
    }
    (filter, public.as_bool())
}
