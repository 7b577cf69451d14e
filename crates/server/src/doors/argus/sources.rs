//! Sources and kinds of sources, and their signs of life.

use std::sync::Arc;
use std::time::Duration;

use model::Id;
use model::account::Role;
use model::incident::{kind_of_source, number_of_source};
use serde_json::{Value, json};
use store::sources::Source;

use super::call::{Answer, Call, Reply};
use super::fields::{Fields, MAX_SHORT};
use super::refused::Refused;
use super::shown;
use crate::accounts::{Desk, Done, UserIn};
use crate::error::Problem;
use crate::sources::{Book, Entry};

/// Seconds between signs of life that may be asked for.
const FREQUENCY: std::ops::RangeInclusive<i64> = 60..=86_400;
/// Characters of a name.
const MAX_NAME: usize = 150;
/// Sources that there may be: all of them are kept in memory.
const MAX_SOURCES: usize = 10_000;
/// Ways in that are no registered sources, as incidents name them.
const DOORS: [&str; 3] = ["alertmanager", "api", "heartbeat"];

impl Call {
    /// Ways in that nobody has registered.
    fn others(&self) -> Vec<String> {
        let exposed = self.app.exposed();
        let integrations = exposed.integrations.iter().map(|(name, it)| format!("{}/{name}", it.kind));
        DOORS.iter().map(|name| (*name).to_owned()).chain(integrations).collect()
    }
}

/// `GET incidents/sources/`.
pub(super) async fn list(call: Call) -> Answer {
    let book = call.app.hub.store.read(Book::read).await?;
    let registered = book.all().into_iter().map(|entry| shown::source(entry, call.version));
    let others = call.others();
    let others = others.iter().map(|name| shown::other_source(name, call.version));
    Reply::ok(&registered.chain(others).collect::<Vec<_>>())
}

/// `GET incidents/sources/N/`.
pub(super) async fn get(call: Call) -> Answer {
    let (pk, book) = (call.number(0)?, call.app.hub.store.read(Book::read).await?);
    if let Some(entry) = book.get(Id(pk)) {
        return Reply::ok(&shown::source(entry, call.version));
    }
    let others = call.others();
    let other = others.iter().find(|name| number_of_source(name) == pk).ok_or_else(Refused::not_found)?;
    Reply::ok(&shown::other_source(other, call.version))
}

/// What is said of a source.
struct Said {
    name: Option<String>,
    kind: Option<String>,
    base_url: Option<String>,
    heartbeat_every: Option<Option<Duration>>,
}

fn read(fields: &mut Fields, all: bool) -> Said {
    if let Value::Object(kind) = fields.value("type").clone() {
        let name = kind.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        fields.set("type", json!(name));
    }
    let mut name = |field: &str| (all || fields.has(field)).then(|| fields.needed_text(field, MAX_NAME));
    let (name, kind) = (name("name"), name("type").map(|kind| kind.to_lowercase()));
    let base_url = fields.text("base_url", MAX_SHORT);
    if base_url.as_ref().is_some_and(|url| !url.is_empty() && !crate::input::is_web(url)) {
        fields.wrong("base_url", "must be an address that begins with http:// or https://");
    }
    let heartbeat_every = frequency(fields);
    Said { name, kind, base_url, heartbeat_every }
}

fn frequency(fields: &mut Fields) -> Option<Option<Duration>> {
    let name = "heartbeat_frequency";
    if !fields.has(name) || fields.value(name).is_null() {
        return fields.has(name).then_some(None);
    }
    let seconds = fields.number(name)?;
    if !FREQUENCY.contains(&seconds) {
        let (least, most) = (FREQUENCY.start(), FREQUENCY.end());
        fields.wrong(name, format!("is {seconds}; write {least} to {most} seconds"));
    }
    Some(u64::try_from(seconds).ok().map(Duration::from_secs))
}

/// `POST incidents/sources/`: the machine user is made with it, or is one that is there and has no source.
pub(super) async fn create(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    let said = read(&mut fields, true);
    let username = fields.text("username", MAX_NAME).filter(|name| !name.is_empty());
    fields.done()?;
    let username = username.or_else(|| said.name.clone()).unwrap_or_default();
    let entry = with_desk(&call, move |desk| {
        let user = match store::users::by_name(desk.tx, &username)? {
            Some(user) if user.machine => user,
            Some(_) => {
                return Err(Problem::wrong("username", "is a person: a source needs a machine user").into());
            }
            None => desk.create_user(machine(&username), None)?,
        };
        let now = desk.now;
        let source = Source {
            id: desk.id(),
            name: String::new(),
            kind: String::new(),
            base_url: String::new(),
            user: user.id,
            created_at: now,
            last_seen: None,
            heartbeat_every: None,
            due_at: None,
            overdue: false,
        };
        let source = keep(desk, source, said, "source.create")?;
        Ok(Entry { source, user: user.name })
    });
    Reply::created(&shown::source(&entry.await?, call.version))
}

/// A machine user: it sends, sees, and acts on what it has sent.
fn machine(name: &str) -> UserIn {
    UserIn {
        name: name.to_owned(),
        role: Role::Responder,
        full_name: String::new(),
        email: String::new(),
        phone: String::new(),
        time_zone: None,
        machine: true,
        password: None,
    }
}

/// `PUT incidents/sources/N/`.
pub(super) async fn replace(call: Call) -> Answer {
    change_to(call, true).await
}

/// `PATCH incidents/sources/N/`: what is not given stays as it is.
pub(super) async fn change(call: Call) -> Answer {
    change_to(call, false).await
}

async fn change_to(call: Call, all: bool) -> Answer {
    let id = Id(call.number(0)?);
    let mut fields = Fields::new(call.object()?);
    let said = read(&mut fields, all);
    let username = fields.text("username", MAX_NAME);
    fields.done()?;
    let entry = with_desk(&call, move |desk| {
        let missing = || Problem::not_found("source", id.0);
        let source = store::sources::get(desk.tx, id)?.ok_or_else(missing)?;
        let user = store::users::get(desk.tx, source.user)?.map(|user| user.name).unwrap_or_default();
        if username.is_some_and(|name| !name.is_empty() && name != user) {
            let what = format!("cannot be changed: the machine user of this source is {user:?}");
            return Err(Problem::wrong("username", what).into());
        }
        let source = keep(desk, source, said, "source.change")?;
        Ok(Entry { source, user })
    });
    Reply::ok(&shown::source(&entry.await?, call.version))
}

/// Keeps a source with what is said of it, if no other is like it.
fn keep(desk: &mut Desk<'_, '_>, before: Source, said: Said, action: &str) -> Done<Source> {
    let mut source = before.clone();
    source.name = said.name.unwrap_or(source.name);
    source.kind = said.kind.unwrap_or(source.kind);
    source.base_url = said.base_url.unwrap_or(source.base_url);
    if let Some(every) = said.heartbeat_every {
        source.heartbeat_every = every;
        source.due_at = flow::sources::due_at(&source, source.last_seen.unwrap_or(desk.now).max(desk.now));
        if every.is_none() && std::mem::take(&mut source.overdue) {
            // nobody will end what its silence has opened
            store::incidents::end_at(desk.tx, &flow::sources::key(&source), desk.now)?;
        }
    }
    let others = store::sources::all(desk.tx)?;
    if others.len() >= MAX_SOURCES {
        return Err(Problem::not_in_state(format!("there are {MAX_SOURCES} sources: no more fit")).into());
    }
    for other in others.iter().filter(|other| other.id != source.id) {
        if (&other.name, &other.kind) == (&source.name, &source.kind) {
            let what = format!("source {} is called so: no two of a type are called the same", other.id.0);
            return Err(Problem::wrong("", what).into());
        }
        if other.user == source.user {
            return Err(Problem::wrong("username", "is the user of another source").into());
        }
    }
    store::sources::put_kind(desk.tx, &source.kind)?;
    store::sources::put(desk.tx, &source)?;
    let was = (!before.name.is_empty()).then(|| audited(&before));
    desk.note(action, ("source", &source.id.to_string()), was, Some(audited(&source)))?;
    Ok(source)
}

fn audited(it: &Source) -> Value {
    json!({
        "name": it.name,
        "type": it.kind,
        "base_url": it.base_url,
        "user": it.user,
        "heartbeat_frequency": it.heartbeat_every.map(|every| every.as_secs()),
    })
}

async fn with_desk<T, F>(call: &Call, work: F) -> Result<T, Refused>
where
    T: Send + 'static,
    F: FnOnce(&mut Desk<'_, '_>) -> Done<T> + Send + 'static,
{
    let asker = call.asker()?;
    let done = call.app.desk(&asker.caller, call.actor()?, work).await?;
    call.app.sources.forget();
    call.app.hub.ring();
    Ok(done)
}

/// `POST incidents/sources/heartbeat/`.
pub(super) async fn heartbeat(call: Call) -> Answer {
    let asker = call.asker()?;
    let none = || Refused::forbidden("you are no source: only the machine user of one has a heartbeat");
    let entry: &Arc<Entry> = asker.source.as_ref().ok_or_else(none)?;
    call.app.hub.hear(entry.source.id).await?;
    Reply::nothing()
}

/// `GET incidents/source-types/`.
pub(super) async fn list_kinds(call: Call) -> Answer {
    Reply::ok(&kinds(&call).await?.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>())
}

async fn kinds(call: &Call) -> Result<Vec<String>, Refused> {
    let mut kinds = call.app.hub.store.read(store::sources::kinds).await?;
    kinds.extend(call.others().iter().map(|name| kind_of_source(name).to_owned()));
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

/// `GET incidents/source-types/name/`.
pub(super) async fn get_kind(call: Call) -> Answer {
    let name = call.part(0).to_owned();
    if !kinds(&call).await?.contains(&name) {
        return Err(Refused::not_found());
    }
    Reply::ok(&json!({ "name": name }))
}

/// `POST incidents/source-types/`.
pub(super) async fn create_kind(call: Call) -> Answer {
    let mut fields = Fields::new(call.object()?);
    let name = fields.needed_text("name", MAX_NAME).to_lowercase();
    fields.done()?;
    let kept = name.clone();
    with_desk(&call, move |desk| {
        if store::sources::kinds(desk.tx)?.len() >= MAX_SOURCES {
            return Err(Problem::not_in_state(format!("there are {MAX_SOURCES} types: no more fit")).into());
        }
        if !store::sources::put_kind(desk.tx, &kept)? {
            return Err(Problem::wrong("name", format!("There is a type {kept:?} already.")).into());
        }
        desk.note("source_type.create", ("source_type", &kept), None, Some(json!({ "name": kept })))?;
        Ok(())
    })
    .await?;
    Reply::created(&json!({ "name": name }))
}
