//! What people have defined for themselves, made ready: where each can be told something.
//!
//! It lies in rows, is small, and is read again as a whole when one of them has changed, which a number in the
//! database says. What was ready and is still the same stays as it is.

use std::collections::HashMap;
use std::sync::Arc;

use model::profile::{Book, Person, Profile};
use model::receiver::{Manners, Place};
use model::{Id, OwnedDestination};
use sdk::registry::{BadSettings, Registry};
use serde::de::DeserializeOwned;
use store::definitions::{Definition, Kind};
use store::{Result, Tx};

use crate::live::LivePlace;

/// The version of what has to be read.
const NONE: i64 = -1;

/// All that people have defined, at one moment.
#[derive(Clone, Default)]
pub struct People {
    /// The number of the rows that this was made of.
    version: i64,
    /// The kinds that destinations were made ready with.
    kinds: Arc<Registry>,
    destinations: HashMap<Id, Known>,
    by_place: HashMap<String, Id>,
    book: Arc<Book>,
}

/// A destination of somebody.
#[derive(Clone)]
pub struct Known {
    /// As its owner has set it up.
    pub definition: Arc<Definition<OwnedDestination>>,
    /// What can be sent to; in words why not, when its settings do not fit its kind any more.
    pub place: std::result::Result<Arc<LivePlace>, String>,
}

impl People {
    /// What there is now: this very thing, if nothing has changed.
    ///
    /// # Errors
    /// When the database is gone.
    pub(crate) fn now(self: &Arc<Self>, tx: &mut Tx<'_>, kinds: &Arc<Registry>) -> Result<Arc<Self>> {
        let version = store::definitions::current_version(tx)?;
        if version == self.version && Arc::ptr_eq(kinds, &self.kinds) {
            return Ok(self.clone());
        }
        let found = all::<OwnedDestination>(tx, Kind::Destination)?;
        let known = found.into_iter().map(|it| (it.id, self.known(it, kinds)));
        let destinations: HashMap<Id, Known> = known.collect();
        let by_place = destinations.iter().map(|(id, it)| (it.definition.body.place_id(*id), *id)).collect();
        let people = all::<Person>(tx, Kind::Reach)?.into_iter().map(|it| (it.owner, it.body)).collect();
        let profiles = all::<Profile>(tx, Kind::Profile)?.into_iter().map(|it| it.body).collect();
        let book = Book::new(profiles, &by_id(tx, Kind::Timeslot)?, &by_id(tx, Kind::Filter)?, people);
        Ok(Arc::new(People { version, kinds: kinds.clone(), destinations, by_place, book: Arc::new(book) }))
    }

    /// The same, to be read again: what it was made of may have been undone.
    pub(crate) fn unsure(&self) -> Arc<Self> {
        Arc::new(People { version: NONE, ..self.clone() })
    }

    fn known(&self, definition: Definition<OwnedDestination>, kinds: &Arc<Registry>) -> Known {
        let before = self
            .destinations
            .get(&definition.id)
            .filter(|before| before.definition.body == definition.body && Arc::ptr_eq(kinds, &self.kinds));
        if let Some(before) = before {
            return Known { definition: Arc::new(definition), place: before.place.clone() };
        }
        let place = ready(kinds, definition.id, &definition.body).map(Arc::new);
        Known { definition: Arc::new(definition), place: place.map_err(|error| error.to_string()) }
    }

    /// What all of them want to hear of, when, and where.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// A destination by its id.
    pub fn destination(&self, id: Id) -> Option<&Known> {
        self.destinations.get(&id)
    }

    /// Whose destination it is that deliveries call by this name.
    pub fn owner_of(&self, place: &str) -> Option<Id> {
        Some(self.destinations.get(self.by_place.get(place)?)?.definition.owner)
    }

    /// What deliveries call by this name, if it can be sent to.
    pub fn place(&self, name: &str) -> Option<Arc<LivePlace>> {
        self.destinations.get(self.by_place.get(name)?)?.place.as_ref().ok().cloned()
    }
}

/// Makes somebody's destination ready to be sent to.
///
/// # Errors
/// When there is no such kind, or the settings do not fit it.
pub fn ready(
    kinds: &Registry,
    id: Id,
    body: &OwnedDestination,
) -> std::result::Result<LivePlace, BadSettings> {
    let ready = kinds.ready(&body.kind, body.settings.clone())?;
    let manners =
        Manners { audience: kinds.audience(&body.kind), send_acknowledged: true, ..Manners::default() };
    let place =
        Place { id: body.place_id(id), kind: body.kind.clone(), settings: body.settings.clone(), manners };
    Ok(LivePlace { receiver: String::new(), place, ready })
}

fn all<T: DeserializeOwned>(tx: &mut Tx<'_>, kind: Kind) -> Result<Vec<Definition<T>>> {
    store::definitions::all(tx, kind, None)
}

fn by_id<T: DeserializeOwned>(tx: &mut Tx<'_>, kind: Kind) -> Result<HashMap<Id, T>> {
    Ok(all(tx, kind)?.into_iter().map(|it| (it.id, it.body)).collect())
}
