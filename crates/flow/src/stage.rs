//! One node without a driver: whoever holds it says what happens and what time it is. Tests and replays live on
//! it; the steps are the ones that the driver runs.

use std::sync::Arc;

use model::event::NewEvent;
use model::{Id, Incident, Time};
use store::{Result, Store};

use crate::core::Core;
use crate::driver::Act;
use crate::ingest::{self, Accepted, Done};
use crate::live::Live;
use crate::verbs;

/// Rules and a database on SQLite, and nobody who runs the steps.
pub struct Stage {
    /// What the steps share.
    pub core: Arc<Core>,
    store: Store,
}

impl Stage {
    /// A node with this number, whose rules are kept.
    ///
    /// # Errors
    /// When the database is gone or full, as for all that it does.
    pub fn open(store: Store, node: i64, live: Live, now: Time) -> Result<Self> {
        let live = store.write_blocking(move |tx| live.kept(tx, now))?;
        Ok(Stage { core: Arc::new(Core::new(node, live)), store })
    }

    /// Takes events in.
    ///
    /// # Errors
    /// As [`Stage::open`].
    pub fn accept(&self, events: Vec<NewEvent>, now: Time) -> Result<(Vec<Accepted>, Done)> {
        let core = self.core.clone();
        let arrivals = ingest::arrive(&core, events, now);
        self.store.write_blocking(move |tx| ingest::accept(&core, tx, arrivals, now))
    }

    /// Somebody does something to an incident; `None`: there is none with this id.
    ///
    /// # Errors
    /// As [`Stage::open`].
    pub fn act(&self, id: Id, act: Act, now: Time) -> Result<Option<(Incident, Done)>> {
        let core = self.core.clone();
        self.store.write_blocking(move |tx| verbs::act(&core, tx, id, &act.input(), now))
    }

    /// Runs the steps once.
    ///
    /// # Errors
    /// As [`Stage::open`].
    pub fn run(&self, now: Time) -> Result<Done> {
        let core = self.core.clone();
        self.store.write_blocking(move |tx| ingest::run(&core, tx, now))
    }

    /// When [`Stage::run`] has something to do next, if nothing happens before.
    ///
    /// # Errors
    /// As [`Stage::open`].
    pub fn next_due(&self) -> Result<Option<Time>> {
        self.store.read_blocking(|tx| ingest::next_due(&self.core, tx))
    }
}
