//! One node without a driver: whoever holds it says what happens and what time it is. Tests and replays live on
//! it; the steps are the ones that the driver runs.

use std::sync::Arc;

use model::account::Actor;
use model::event::NewEvent;
use model::{Id, Incident, Time};
use store::{Result, Store, StoreError};
use tracker::{Item, ItemKind};

use crate::audit::Signature;
use crate::core::Core;
use crate::driver::Act;
use crate::errors::acts::{self, Acted, IssueAct};
use crate::errors::report::{self, NotReported};
use crate::errors::take::{self, Taken};
use crate::errors::tend::Tending;
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
        self.store.write_blocking(move |tx| verbs::act(&core, tx, id, (&act.input(), 0), now))
    }

    /// Takes in an error of a project, as a client writes it.
    ///
    /// # Errors
    /// When there is no such project, the error cannot be read, or the database is gone.
    pub fn report(
        &self,
        project: i64,
        text: &str,
        now: Time,
    ) -> std::result::Result<(Taken, Done), NotReported> {
        let projects = self.store.read_blocking(|tx| self.core.projects(tx))?;
        let unknown = || StoreError::Refused(format!("there is no project {project}"));
        let project = projects.get(project).cloned().ok_or_else(unknown)?;
        let item = Item { kind: ItemKind::Event, payload: text.as_bytes().to_vec() };
        let report = report::prepare(&self.core, &self.store, project, &item, now)?;
        let core = self.core.clone();
        let (mut taken, done) =
            self.store.write_blocking(move |tx| take::take(&core, tx, &[Arc::new(report)]))?;
        Ok((taken.pop().unwrap_or(Taken::Known), done))
    }

    /// Somebody does something about an issue.
    ///
    /// # Errors
    /// As [`Stage::open`].
    pub fn act_on_issue(&self, id: Id, act: IssueAct, now: Time) -> Result<(Acted, Done)> {
        let (core, line) = (self.core.clone(), self.core.id(now));
        let sign = Signature { id: line, at: now, actor: Arc::new(Actor::local()), chain: 0 };
        self.store.write_blocking(move |tx| acts::act(&core, tx, &sign, id, &act))
    }

    /// Passes over the issues of all projects once, as the driver does every minute.
    ///
    /// # Errors
    /// As [`Stage::open`].
    pub fn tend_issues(&self, now: Time) -> Result<Done> {
        let projects = self.store.read_blocking(|tx| self.core.projects(tx))?;
        let mut all = Done { at: Some(now), ..Done::default() };
        for it in projects.all() {
            let mut tending = Tending::new(&it.project, now);
            while tending.lasting().is_some() {
                let done;
                (tending, done) = self.store.write_blocking(tending.stepping(self.core.clone()))?;
                all.join(done);
            }
        }
        Ok(all)
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
