//! Tags of an incident, one by one.

use model::Incident;
use model::extra::Edit;
use serde_json::{Value, json};

use super::call::{Answer, Call, Reply, Version};
use super::fields::{Fields, MAX_TAGS};
use super::incident::added_only;
use super::refused::Refused;
use super::shown;

/// `GET incidents/N/tags/`.
pub(super) async fn list(call: Call) -> Answer {
    let incident = call.incident().await?;
    Reply::ok(&shown::tags(&incident, call.version))
}

/// A tag of an incident, as it is shown.
fn found(call: &Call, incident: &Incident, tag: &str) -> Result<Value, Refused> {
    let tags = shown::tags(incident, Version::V2);
    let found = tags.into_iter().find(|it| it["tag"] == tag).ok_or_else(Refused::not_found)?;
    Ok(if call.version == Version::V2 { found } else { json!(tag) })
}

/// `GET incidents/N/tags/k=v/`.
pub(super) async fn get(call: Call) -> Answer {
    let incident = call.incident().await?;
    Reply::ok(&found(&call, &incident, call.part(1))?)
}

/// `POST incidents/N/tags/`.
pub(super) async fn add(call: Call) -> Answer {
    let incident = call.incident().await?;
    let mut fields = Fields::new(call.object()?);
    let mut object = serde_json::Map::new();
    if fields.has("tag") {
        object.insert("tag".to_owned(), json!([fields.value("tag")]));
    } else {
        fields.wrong("tag", "This field is required.");
    }
    fields.done()?;
    let mut fields = Fields::new(object);
    let new = fields.tags("tag", call.asker()?.pk, call.app.now()).unwrap_or_default();
    if incident.more().tags.len() >= MAX_TAGS {
        fields.wrong("tag", format!("there are {MAX_TAGS} tags: no more fit"));
    }
    fields.done()?;
    let added = new.first().map(|it| it.tag.clone()).unwrap_or_default();
    // others may add some meanwhile
    let edit = Edit { new_tag: added_only(&incident, new).pop(), ..Edit::default() };
    let after = call.edit(&incident, edit).await?;
    Reply::created(&found(&call, &after, &added)?)
}

/// `DELETE incidents/N/tags/k=v/`: by whoever added it, or an admin.
pub(super) async fn remove(call: Call) -> Answer {
    let (incident, asker, tag) = (call.incident().await?, call.asker()?, call.part(1));
    let Some(known) = incident.more().tags.iter().find(|it| it.tag == tag) else {
        found(&call, &incident, tag)?;
        return Err(Refused::forbidden("its sender says this of it: it cannot be taken away here"));
    };
    if known.by.0 != asker.pk && !asker.is_admin() {
        return Err(Refused::forbidden("only who added a tag removes it, or an admin"));
    }
    call.edit(&incident, Edit { old_tag: Some(tag.to_owned()), ..Edit::default() }).await?;
    Reply::nothing()
}
