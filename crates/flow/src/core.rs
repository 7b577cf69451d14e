//! What all steps share: rules, ids, the silences in force, counters.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use model::id::IdMaker;
use model::silence::SilenceSet;
use model::{Id, Time};
use store::{Result, Tx};

use crate::counters::Counters;
use crate::couriers::Couriers;
use crate::live::{Live, LivePlace};
use crate::people::People;
use crate::rooms::Rooms;
use crate::signer::Signer;
use crate::trace::Traces;
use crate::tracked::maps::Maps;
use crate::tracked::pack::{Packer, most_at_once};
use crate::tracked::projects::Projects;
use crate::tracked::tally::Tally;
use crate::tracked::turns::Turns;
use crate::tracked::uploads::Uploads;
use crate::tracked::words::KnownWords;

/// Shared by all steps of a node. Holds nothing that cannot be read from the rows again.
pub struct Core {
    ids: IdMaker,
    live: RwLock<Arc<Live>>,
    silences: Mutex<Option<(i64, Arc<SilenceSet>)>>,
    people: RwLock<Arc<People>>,
    /// signs what can be answered; it is there once the key was read
    signer: OnceLock<Signer>,
    /// the number by which it is seen that somebody may not come in any more
    access: AtomicI64,
    projects: RwLock<Arc<Projects>>,
    /// the latest time that a run of the steps was given
    latest: AtomicI64,
    /// when they last came to an end without a failure
    ran: AtomicI64,
    node: i64,
    /// when other nodes were rung last
    rang_at: AtomicI64,
    /// Which desks of this node have room.
    pub rooms: Rooms,
    /// Who tells subscribers, and what waits for them in memory.
    pub couriers: Couriers,
    /// What errors are compressed against.
    pub packer: Packer,
    /// Source maps that were put to use.
    pub(crate) maps: Maps,
    /// What is being made of uploads.
    pub(crate) uploads: Uploads,
    /// What issues are known to be found by.
    pub known_words: KnownWords,
    /// What projects send that is not kept.
    pub tally: Tally,
    /// Who is worked on beside the database.
    pub(crate) reporting: Turns,
    /// What has been done.
    pub counters: Counters,
    /// The same as spans, for those who want to see it.
    pub traces: Traces,
}

impl Core {
    /// For a node with this number.
    pub fn new(node: i64, live: Live) -> Self {
        Core {
            ids: IdMaker::new(node),
            live: RwLock::new(Arc::new(live)),
            silences: Mutex::default(),
            people: RwLock::default(),
            signer: OnceLock::new(),
            access: AtomicI64::new(0),
            projects: RwLock::default(),
            latest: AtomicI64::new(0),
            ran: AtomicI64::new(0),
            node,
            rang_at: AtomicI64::new(0),
            rooms: Rooms::default(),
            couriers: Couriers::default(),
            packer: Packer::default(),
            maps: Maps::default(),
            uploads: Uploads::default(),
            known_words: KnownWords::default(),
            tally: Tally::default(),
            reporting: Turns::of(most_at_once()),
            counters: Counters::default(),
            traces: Traces::default(),
        }
    }

    /// Rings couriers, if there are any: rows may have been written for them.
    pub(crate) fn ring_couriers(&self) {
        if !self.live().subscribers.is_empty() {
            self.couriers.ring();
        }
    }

    /// A new id.
    pub fn id(&self, now: Time) -> Id {
        self.ids.next(now)
    }

    /// Makes ids from now on greater than all of events, deliveries and notices, which are read in their order.
    pub(crate) fn observe_ids(&self, tx: &mut Tx<'_>) -> Result<()> {
        for id in [store::events::last_id(tx)?, store::deliveries::last_id(tx)?].into_iter().flatten() {
            self.ids.observe(id);
        }
        for name in self.live().subscriber_names() {
            store::notices::last_id(tx, name)?.into_iter().for_each(|id| self.ids.observe(id));
        }
        Ok(())
    }

    /// By how much the clock was set back since the steps last ran, when that is more than time services do.
    pub(crate) fn set_back(&self, now: Time) -> Option<Duration> {
        /// What is put right by waiting.
        const LITTLE: Duration = Duration::from_secs(60);
        Some(Time(self.latest.load(Ordering::Relaxed)).since(now)).filter(|back| *back > LITTLE)
    }

    /// Something was planned at this time.
    pub(crate) fn plans_at(&self, now: Time) {
        self.latest.fetch_max(now.0, Ordering::Relaxed);
    }

    /// The steps run at this time.
    pub(crate) fn runs_at(&self, now: Time) {
        self.latest.store(now.0, Ordering::Relaxed);
    }

    /// Rings other nodes, when this transaction is committed: there is more to do than this one does at once.
    pub(crate) fn ring_others(&self, tx: &mut Tx<'_>, now: Time) -> Result<()> {
        /// Rings are hints, and rows are found without them.
        const EVERY: Duration = Duration::from_millis(50);
        let last = Time(self.rang_at.load(Ordering::Relaxed));
        // a ring that lies ahead was before the clock was set back
        if last <= now && now.since(last) < EVERY {
            return Ok(());
        }
        self.rang_at.store(now.0, Ordering::Relaxed);
        tx.ring_others(self.node)
    }

    /// When the steps last ran, or were found to have nothing to do.
    pub(crate) fn ran_at(&self) -> Time {
        Time(self.ran.load(Ordering::Relaxed))
    }

    /// The steps ran, or had nothing to do.
    pub(crate) fn ran(&self, now: Time) {
        self.ran.store(now.0, Ordering::Relaxed);
    }

    /// The rules in force.
    pub fn live(&self) -> Arc<Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other rules in force.
    pub fn set_live(&self, live: Live) {
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
    }

    /// The silences that have not ended, read again only when one has changed.
    pub(crate) fn silences(&self, tx: &mut Tx<'_>, now: Time) -> Result<Arc<SilenceSet>> {
        let version = store::silences::current_version(tx)?;
        let mut known = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, set)) = known.as_ref().filter(|(have, _)| *have == version) {
            return Ok(set.clone());
        }
        let set = Arc::new(SilenceSet::new(store::silences::ending_after(tx, now)?));
        *known = Some((version, set.clone()));
        Ok(set)
    }

    /// What people have defined, read again only when something has changed.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn people(&self, tx: &mut Tx<'_>) -> Result<Arc<People>> {
        let now = self.known_people().now(tx, &self.live())?;
        put_newer(&self.people, &now, |it| it.version());
        Ok(now)
    }

    /// What signs answers, read at the first time.
    pub(crate) fn keep_signer(&self, tx: &mut Tx<'_>) -> Result<&Signer> {
        if let Some(signer) = self.signer.get() {
            return Ok(signer);
        }
        let signer = Signer::kept(tx)?;
        Ok(self.signer.get_or_init(|| signer))
    }

    /// What signs answers, once it was read.
    pub(crate) fn signer(&self) -> Option<&Signer> {
        self.signer.get()
    }

    /// What people had defined when it was last read.
    pub fn known_people(&self) -> Arc<People> {
        self.people.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number that says whether somebody may not come in any more, as it was last seen: see
    /// [`store::users::access`].
    pub fn access(&self) -> i64 {
        self.access.load(Ordering::Acquire)
    }

    /// That number is this, or a greater one.
    pub fn see_access(&self, number: i64) {
        self.access.fetch_max(number, Ordering::AcqRel);
    }

    /// The projects that there are, read again only when one has changed.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn projects(&self, tx: &mut Tx<'_>) -> Result<Arc<Projects>> {
        let now = self.known_projects().now(tx)?;
        put_newer(&self.projects, &now, |it| it.version());
        Ok(now)
    }

    /// The projects that there were when they were last read.
    pub fn known_projects(&self) -> Arc<Projects> {
        self.projects.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The destination of this name, whether the configuration's or somebody's own.
    pub fn place(&self, name: &str) -> Option<Arc<LivePlace>> {
        self.live().places.get(name).cloned().or_else(|| self.known_people().place(name))
    }

    /// Forgets what was read inside a transaction that was undone.
    pub fn forget(&self) {
        *self.silences.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let mut people = self.people.write().unwrap_or_else(PoisonError::into_inner);
        *people = people.unsure();
        let mut projects = self.projects.write().unwrap_or_else(PoisonError::into_inner);
        *projects = projects.unsure();
    }
}

/// Puts what was read in the place of what is known, unless that is newer: whoever began to look before others wrote
/// may be done after them.
fn put_newer<T>(known: &RwLock<Arc<T>>, read: &Arc<T>, version: impl Fn(&T) -> i64) {
    let is_newer = |known: &Arc<T>| !Arc::ptr_eq(known, read) && version(known) <= version(read);
    if is_newer(&known.read().unwrap_or_else(PoisonError::into_inner)) {
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        if is_newer(&known) {
            *known = read.clone();
        }
    }
}
