//! The same for several incidents at once. Each is done by itself: what goes wrong with one is said beside it.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use model::extra::Edit;
use serde_json::{Map, Value, json};

use super::acks::{self, Taken};
use super::call::{Answer, Call, Reply};
use super::events::{self, Said};
use super::fields::{Fields, kind_of};
use super::refused::Refused;

/// Incidents of one request.
const MAX_IDS: usize = 500;

/// The numbers in a body, and the object under another name in it.
fn read(fields: &mut Fields) -> Vec<i64> {
    let value = fields.value("ids").clone();
    let ids: Option<Vec<i64>> = value
        .as_array()
        .and_then(|all| all.iter().map(|it| it.as_i64().or_else(|| it.as_str()?.parse().ok())).collect());
    match ids {
        Some(mut ids) if (1..=MAX_IDS).contains(&ids.len()) => {
            ids.sort_unstable();
            ids.dedup();
            return ids;
        }
        Some(ids) => fields.wrong("ids", format!("has {} numbers: write 1 to {MAX_IDS}", ids.len())),
        None => fields.wrong("ids", format!("must be a list of whole numbers, and is {}", kind_of(&value))),
    }
    Vec::new()
}

fn inner(fields: &mut Fields, name: &str) -> Map<String, Value> {
    match fields.value(name) {
        Value::Object(object) => return object.clone(),
        Value::Null => fields.wrong(name, "This field is required."),
        other => {
            let what = format!("must be an object, and is {}", kind_of(other));
            fields.wrong(name, what);
        }
    }
    Map::new()
}

/// What became of each, and one answer for all.
struct Changes(&'static str, BTreeMap<String, Value>, bool);

impl Changes {
    fn add(&mut self, id: i64, done: Result<Value, Refused>) {
        let Changes(name, changes, any) = self;
        let (value, status, errors) = match done {
            Ok(value) => (value, StatusCode::CREATED, Value::Null),
            Err(refused) => (Value::Null, refused.status(), refused.body()),
        };
        *any |= errors.is_null();
        let errors = if errors.is_null() { json!({}) } else { errors };
        let change = json!({ *name: value, "status": status.as_u16(), "errors": errors });
        changes.insert(id.to_string(), change);
    }

    fn answer(self) -> Answer {
        let status = if self.2 { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
        Reply::with(status, &json!({ "changes": self.1 }))
    }
}

/// `POST incidents/acks/bulk/`.
pub(super) async fn acks(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    let (ids, ack) = (read(&mut fields), inner(&mut fields, "ack"));
    fields.done()?;
    let taken = Taken::read(&call, Fields::new(ack))?;
    let mut changes = Changes("ack", BTreeMap::new(), false);
    for id in ids {
        let done = match call.incident_of(id).await {
            Ok(incident) => acks::take(&call, &incident, taken.clone()).await,
            Err(refused) => Err(refused),
        };
        changes.add(id, done);
    }
    changes.answer()
}

/// `POST incidents/events/bulk/`.
pub(super) async fn events(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    let (ids, event) = (read(&mut fields), inner(&mut fields, "event"));
    fields.done()?;
    let mut changes = Changes("event", BTreeMap::new(), false);
    for id in ids {
        let done = match call.incident_of(id).await {
            Ok(incident) => match Said::read(&call, Fields::new(event.clone()), &incident) {
                Ok(said) => events::say(&call, &incident, said).await,
                Err(refused) => Err(refused),
            },
            Err(refused) => Err(refused),
        };
        changes.add(id, done);
    }
    changes.answer()
}

/// `POST incidents/ticket_url/bulk/`.
pub(super) async fn ticket_urls(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    let ids = read(&mut fields);
    if !fields.has("ticket_url") {
        fields.wrong("ticket_url", "This field is required.");
    }
    let url = fields.url("ticket_url");
    fields.done()?;
    let mut changes = Changes("ticket_url", BTreeMap::new(), false);
    for id in ids {
        let done = match call.incident_of(id).await {
            Ok(incident) => {
                let edit = Edit { ticket_url: url.clone(), ..Edit::default() };
                call.edit(&incident, edit).await.map(|after| json!(after.more().ticket_url))
            }
            Err(refused) => Err(refused),
        };
        changes.add(id, done);
    }
    changes.answer()
}
