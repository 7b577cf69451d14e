//! From what a client sent to what is kept: read, scrubbed, grouped and compressed, beside the database.

use std::net::IpAddr;
use std::sync::Arc;

use model::Time;
use store::{Store, StoreError};
use tracker::envelope::Header;
use tracker::{Arrival, Event, Hash, Item, Refusal};

use crate::core::Core;
use crate::driver::NotAccepted;
use crate::tracked::maps::{Gathering, look};
use crate::tracked::pack::{Base, pack};
use crate::tracked::projects::ProjectInForce;
pub use crate::tracked::report::Report;

/// Why an error was not taken in.
#[derive(Debug)]
pub enum NotReported {
    /// It cannot be read.
    Refused(Refusal),
    /// The database is gone or full, or there is too much to do.
    NotAccepted(NotAccepted),
}

impl From<StoreError> for NotReported {
    fn from(error: StoreError) -> Self {
        NotReported::NotAccepted(error.into())
    }
}

/// A key for an event of a project: the same id of a client in the same project is the same event.
pub fn event_key(project: i64, event_id: &str) -> i64 {
    store::incidents::key_hash(&format!("{project}:{event_id}"))
}

/// An event that was grouped, before it is compressed.
struct Grouped {
    event: Event,
    hashes: Vec<Hash>,
}

impl Grouped {
    /// The sum that it is compressed with others of.
    fn primary(&self) -> &str {
        self.hashes.first().map_or("", |it| it.value.as_str())
    }
}

/// Reads an event: it is not scrubbed yet, so that source maps can be put to use before.
pub(super) fn read(item: &Item, header: &Header, peer: Option<IpAddr>, now: Time) -> Result<Event, Refusal> {
    let peer = peer.map(|it| it.to_string());
    let arrival = Arrival {
        received: jiff::Timestamp::from_microsecond(now.0).unwrap_or_default(),
        sent_at: header.sent_at.as_deref().and_then(tracker::normalise::time::parse),
        event_id: header.event_id.as_deref(),
        client_ip: peer.as_deref(),
    };
    tracker::read(item, &arrival)
}

/// Makes an event ready to be kept. What it is compressed against may have to be looked up, which keeps this thread
/// waiting: looking is quicker than having somebody look.
pub(super) fn ready(
    core: &Core,
    store: &Store,
    project: Arc<ProjectInForce>,
    (event, maps): (Event, &Gathering),
    at: Time,
) -> Result<Report, StoreError> {
    let grouped = grouped(&project, maps, event);
    let (number, hash) = (project.project.id, grouped.primary().to_owned());
    let base = match core.packer.remembered(number, &hash, at) {
        Some(base) => Some(base),
        None => {
            let row = store.read_beside(move |tx| store::errors::base_for(tx, number, &hash))?;
            row.map(|row| core.packer.remember(&row, at)).transpose()?
        }
    };
    compressed(core, project, grouped, base.as_deref(), at)
}

/// Puts source maps to use, takes secrets out and groups.
fn grouped(project: &ProjectInForce, maps: &Gathering, mut event: Event) -> Grouped {
    maps.apply(&mut event);
    tracker::finish(&mut event, &project.scrubber);
    if event.event_id.is_empty() {
        event.event_id = format!("{:032x}", rand::random::<u128>());
    }
    let grouping = tracker::group(&event, &project.grouping);
    let (hashes, title) = (grouping.hashes(), grouping.title.clone());
    event.title = title.unwrap_or(event.title);
    Grouped { event, hashes }
}

/// What is compressed is everything but what differs each time anyway.
fn compressed(
    core: &Core,
    project: Arc<ProjectInForce>,
    grouped: Grouped,
    base: Option<&Base>,
    at: Time,
) -> Result<Report, StoreError> {
    let text = serde_json::to_vec(&grouped.event);
    let text = text.map_err(|error| StoreError::Refused(format!("writing an error: {error}")))?;
    let number = project.project.id;
    let packed = pack(&text, base, (number, grouped.primary()), || core.id(at))?;
    let Grouped { event, hashes } = grouped;
    let identity = event.user.as_ref().and_then(tracker::event::User::identity);
    Ok(Report {
        id: core.id(at),
        key: event_key(number, &event.event_id),
        user: identity.map(|it| store::incidents::key_hash(&it)),
        tags: tracker::describe::tags(&event),
        project,
        event,
        hashes,
        at,
        body: packed.body,
        base: packed.base,
        new_base: packed.new_base,
        is_of_crowd: false,
    })
}

/// Makes an event that came in by itself ready to be kept; for those who are a node without a driver.
///
/// # Errors
/// When it cannot be read, or the database is gone.
pub fn prepare(
    core: &Core,
    store: &Store,
    project: Arc<ProjectInForce>,
    item: &Item,
    at: Time,
) -> Result<Report, NotReported> {
    let event = read(item, &Header::default(), None, at).map_err(NotReported::Refused)?;
    let number = project.project.id;
    let mut maps = Gathering::new(&core.maps, number, &event, at);
    while let Some(ask) = maps.lacks() {
        let looked = store.read_blocking(|tx| look(&core.maps, tx, ask, at))?;
        maps.put(&core.maps, looked, at);
    }
    Ok(ready(core, store, project, (event, &maps), at)?)
}
