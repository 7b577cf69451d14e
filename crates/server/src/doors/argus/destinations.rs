//! Destinations of who asks, and media: these are the kinds of destinations that there are, with their settings.

use model::{Id, OwnedDestination, Time};
use serde_json::{Value, json};
use store::definitions::{Definition, Kind};

use super::call::{Answer, Call, Reply, Version};
use super::fields::{Fields, kind_of};
use super::mapping::{EMAIL_ADDRESS, SYNCED, account_schema, settings_as_ours, settings_as_theirs};
use super::owned::refused;
use super::refused::Refused;
use crate::accounts::{Desk, put_back};
use crate::auth::Scope;
use crate::pages::escaped;

/// Bytes of a label.
const MAX_LABEL: usize = 200;

/// The kinds, by slug and name.
fn media(call: &Call) -> Vec<(String, String)> {
    let kinds = call.app.kinds();
    kinds.destinations().map(|(facts, _)| (facts.kind.to_owned(), facts.title.to_owned())).collect()
}

fn medium(slug: &str, media: &[(String, String)]) -> Value {
    let known = media.iter().find(|(kind, _)| kind == slug);
    let name = known.map_or(slug, |(_, name)| name);
    json!({ "slug": slug, "name": name, "installed": known.is_some() })
}

/// A destination as Argus shows it, without what is secret.
pub(super) fn shown(call: &Call, it: &Definition<OwnedDestination>) -> Value {
    let kinds = call.app.kinds();
    let address = kinds.address(&it.body.kind, &mut it.body.settings.clone()).ok().flatten();
    let mut settings = it.body.settings.clone();
    if let Some(schema) = kinds.destination_schema(&it.body.kind) {
        sdk::secret::redact(&mut settings, schema);
    }
    let mut settings = settings_as_theirs(&it.body.kind, settings);
    let is_all = kinds.address_fields(&it.body.kind).len() == 1;
    let mut shown = json!({
        "pk": it.id.0,
        "media": medium(&it.body.kind, &media(call)),
        "label": it.name,
        "suggested_label": address.filter(|_| is_all).unwrap_or(it.name.clone()),
    });
    if call.version == Version::V3 {
        shown["managed"] = json!(it.body.managed);
    } else if let Some(settings) = settings.as_object_mut().filter(|it| it.contains_key(EMAIL_ADDRESS)) {
        settings.insert(SYNCED.to_owned(), json!(it.body.managed));
    }
    shown["settings"] = settings;
    shown
}

/// `GET notificationprofiles/destinations/`.
pub(super) async fn list(call: Call) -> Answer {
    let all = call.looked_up(|desk| desk.own_all()).await?;
    Reply::ok(&all.iter().map(|it| shown(&call, it)).collect::<Vec<_>>())
}

/// `GET notificationprofiles/destinations/N/`.
pub(super) async fn get(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let found = call.looked_up(move |desk| desk.own(id)).await?;
    Reply::ok(&shown(&call, &found))
}

/// What is said of a destination.
struct Said {
    media: Option<String>,
    label: Option<String>,
    settings: Option<Value>,
}

fn read(call: &Call, all: bool) -> Result<Said, Refused> {
    let mut fields = Fields::new(call.object()?);
    let media = match fields.value("media").clone() {
        Value::Object(medium) => medium.get("slug").and_then(Value::as_str).map(str::to_owned),
        _ => fields.text("media", MAX_LABEL),
    };
    if all && media.is_none() {
        fields.wrong("media", "This field is required.");
    }
    let settings = fields.value("settings").clone();
    match &settings {
        Value::Null if all => fields.wrong("settings", "This field is required."),
        Value::Null | Value::Object(_) => {}
        other => {
            let what = format!("must be an object, and is {}", kind_of(other));
            fields.wrong("settings", what);
        }
    }
    let label = if fields.value("label").is_null() { None } else { fields.text("label", MAX_LABEL) };
    fields.done()?;
    Ok(Said { media, label, settings: settings.is_object().then(|| settings_as_ours(settings)) })
}

/// Whether a destination counts as confirmed that is made here: an admin's word is good enough.
fn sure(desk: &Desk<'_, '_>) -> Option<Time> {
    desk.caller.may(Scope::Admin).then_some(desk.now)
}

/// Sends a code to a destination that nobody has confirmed, which Argus knows nothing of: it is said at our own API.
/// That this cannot be done now is no reason to refuse what was made.
async fn send_code(call: &Call, it: &Definition<OwnedDestination>) -> Result<(), Refused> {
    if it.body.verified_at.is_none() {
        let by = call.signed()?;
        if let Err(problem) = call.app.send_code(&by, it.id).await {
            tracing::info!(reason = problem.detail, destination = %it.id, "no code was sent");
        }
    }
    Ok(())
}

/// `POST notificationprofiles/destinations/`.
pub(super) async fn create(call: Call) -> Answer {
    let (mut said, ground) = (read(&call, true)?, call.app.ground());
    if let (Some(kind), Some(settings)) = (&said.media, &mut said.settings) {
        call.app.may_make(&call.signed()?, None, kind, settings).await.map_err(refused)?;
    }
    let kept = call.at_desk(move |desk| {
        let kind = said.media.unwrap_or_default();
        let settings = said.settings.unwrap_or_default();
        let label = said.label.filter(|label| !label.is_empty());
        let label = label.unwrap_or_else(|| format!("{kind} {}", desk.id()));
        let it = OwnedDestination { verified_at: sure(desk), ..OwnedDestination::new(&kind, settings) };
        let owner = desk.owner()?;
        if it.verified_at.is_some() {
            desk.must_be_free(&ground, owner, &it)?;
        }
        desk.make(&ground, owner, label, |_| Ok(it))
    });
    let kept = kept.await.map_err(labelled)?;
    send_code(&call, &kept).await?;
    call.app.hub.ring();
    Reply::created(&shown(&call, &kept))
}

/// `PATCH notificationprofiles/destinations/N/`: label and settings. As with Argus, other settings make an ordinary one
/// of what followed the account's address, which gets another.
pub(super) async fn change(call: Call) -> Answer {
    let (id, mut said) = (Id(call.number(0)?), read(&call, false)?);
    if let Some(settings) = &mut said.settings {
        call.app.may_change(&call.signed()?, id, settings).await.map_err(refused)?;
    }
    let is_moved = said.settings.is_some();
    let ground = call.app.ground();
    let kept = call.at_desk(move |desk| {
        let mut before = desk.own::<OwnedDestination>(id)?;
        if said.media.is_some_and(|media| media != before.body.kind) {
            return Err(crate::error::Problem::wrong("media", "cannot be changed: make another one").into());
        }
        let label = said.label.unwrap_or_else(|| before.name.clone());
        let was_managed = before.body.managed;
        let mut it = before.body.clone();
        let settings = said.settings.map(|mut settings| {
            put_back(&mut settings, &it.settings);
            settings
        });
        if let Some(settings) = settings.filter(|settings| *settings != it.settings) {
            // as with Argus, what followed the address of the account is one of their own from then on
            before.body.managed = false;
            it =
                OwnedDestination { settings, managed: false, verified_at: sure(desk), challenge: None, ..it };
            if it.verified_at.is_some() {
                desk.must_be_free(&ground, before.owner, &it)?;
            }
        }
        let kept = desk.remake(&ground, before, label, |_| Ok(it))?;
        // the account's address has another one from here on
        if was_managed && let Some(user) = store::users::get(desk.tx, kept.owner)? {
            desk.keep_in_step(&user)?;
        }
        Ok(kept)
    });
    let kept = kept.await.map_err(labelled)?;
    if is_moved {
        send_code(&call, &kept).await?;
    }
    call.app.hub.ring();
    Reply::ok(&shown(&call, &kept))
}

/// What is a name of ours is a label here.
fn labelled(refused: Refused) -> Refused {
    refused.with_fields(|field| if field == "name" { "label" } else { field })
}

/// `DELETE notificationprofiles/destinations/N/`.
pub(super) async fn remove(call: Call) -> Answer {
    let asked = call.app.may_remove(&call.signed()?, Id(call.number(0)?)).await;
    if let Err(why) = asked {
        return call.gone::<()>(Err(refused(why)));
    }
    call.discards::<OwnedDestination>().await
}

/// `GET notificationprofiles/destinations/N/duplicate/`: whether somebody else has the same.
pub(super) async fn duplicate(call: Call) -> Answer {
    let id = Id(call.number(0)?);
    let is_duplicate = call.looked_up(move |desk| {
        let own = desk.own::<OwnedDestination>(id)?;
        let all = store::definitions::all::<OwnedDestination>(desk.tx, Kind::Destination, None)?;
        let same = |it: &Definition<OwnedDestination>| {
            it.owner != own.owner && it.body.kind == own.body.kind && it.body.settings == own.body.settings
        };
        Ok(all.iter().any(same))
    });
    Reply::ok(&json!({ "is_duplicate": is_duplicate.await? }))
}

/// `GET notificationprofiles/media/`.
pub(super) async fn list_media(call: Call) -> Answer {
    let media = media(&call);
    Reply::ok(&media.iter().map(|(slug, _)| medium(slug, &media)).collect::<Vec<_>>())
}

/// `GET notificationprofiles/media/S/`.
pub(super) async fn get_medium(call: Call) -> Answer {
    let media = media(&call);
    let known = media.iter().any(|(slug, _)| slug == call.part(0));
    if !known {
        return Err(Refused::not_found());
    }
    Reply::ok(&medium(call.part(0), &media))
}

/// `GET notificationprofiles/media/S/json_schema/`.
pub(super) async fn json_schema(call: Call) -> Answer {
    Reply::ok(&json!({ "json_schema": schema(&call)? }))
}

/// `GET /json-schema/S`: the same for people.
pub(super) async fn schema_page(call: Call) -> Answer {
    let text = serde_json::to_string_pretty(&schema(&call)?).unwrap_or_default();
    let (slug, text) = (escaped(call.part(0)), escaped(&text));
    Reply::page(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Settings of {slug}</title>\n\
         <h1>Settings of {slug}</h1>\n<pre>{text}</pre></html>\n"
    ))
}

/// What settings the medium takes that the path names.
fn schema(call: &Call) -> Result<Value, Refused> {
    let (kinds, kind) = (call.app.kinds(), call.part(0));
    let own = kinds.destination_schema(kind).cloned().ok_or_else(Refused::not_found)?;
    // who need not bring an account of their own need not hear of what one has
    let has_account = call.app.hub.core.live().accounts.contains_key(kind);
    let mut schema = account_schema(kind).filter(|_| has_account).unwrap_or(own);
    schema["$id"] = json!(call.address(&format!("/json-schema/{}", call.part(0))));
    Ok(schema)
}
