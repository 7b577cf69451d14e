//! Rules come into force: at the start, and when the configuration is loaded again.
//!
//! Rules are replaced whole. Everything that is active finds its groups under the new ones; groups of
//! routes that are gone end.

use std::sync::Arc;

use model::account::Actor;
use model::{Id, Incident, Time};
use serde_json::json;
use store::{Durability, Engine, Result, StoreError, Tx};

use crate::audit::Signature;
use crate::core::Core;
use crate::detect;
use crate::driver::Hub;
use crate::live::Live;
use crate::set_back;

impl Hub {
    /// What a start has to do once: rules kept and applied to what is there, leases of the dead ended.
    pub(crate) async fn begin(&self) -> Result<()> {
        let now = self.clock.now();
        let (core, live) = (self.core.clone(), self.core.live());
        let signing = self.core.clone();
        self.store.write(Durability::Disk, move |tx| signing.keep_signer(tx).map(drop)).await?;
        self.store.write(Durability::Lazy, move |tx| take_over(&core, tx, now)).await?;
        let sign = self.signature();
        let version = self.store.write(Durability::Disk, move |tx| put_and_sign(&live, tx, &sign)).await?;
        self.set_version(version);
        self.reroute_if_needed(version).await?;
        self.core.ran(self.clock.now());
        Ok(())
    }

    fn set_version(&self, version: i64) {
        let live = self.core.live();
        self.core.set_live(Live {
            rules: live.rules.clone(),
            version,
            places: live.places.clone(),
            kinds: live.kinds.clone(),
            accounts: live.accounts.clone(),
            answering: live.answering.clone(),
            escalates: live.escalates,
            heartbeats: live.heartbeats.clone(),
            self_watch: live.self_watch.clone(),
            subscribers: live.subscribers.clone(),
            applied: live.applied.clone(),
        });
    }

    /// Puts other rules in force; everything active finds its groups under them.
    ///
    /// # Errors
    /// When the database is gone: then the old rules stay.
    pub async fn reload(&self, live: Live) -> Result<()> {
        let now = self.clock.now();
        let live = Arc::new(live);
        let (new, sign) = (live.clone(), self.signature());
        let version = self.store.write(Durability::Disk, move |tx| put_and_sign(&new, tx, &sign)).await?;
        let Some(mut live) = Arc::into_inner(live) else {
            return Err(StoreError::Refused("the rules are in use elsewhere".to_owned()));
        };
        live.version = version;
        let intervals = live.rules.root.nodes();
        let longest = intervals.iter().map(|route| route.timing.group_interval).max().unwrap_or_default();
        self.core.set_live(live);
        self.attend();
        self.reroute_if_needed(version).await?;
        // as with Alertmanager, the groups' clocks start anew; what waited for a tick is told at once
        let restart = move |tx: &mut Tx<'_>| {
            tx.lock_flow()?;
            store::groups::restart_clocks(tx, now, longest)
        };
        self.store.write(Durability::Lazy, restart).await?;
        self.ring();
        Ok(())
    }

    /// Goes through everything active once after the rules have changed. Which version that was done for is
    /// a row, so that a crash in between leads to doing it again.
    pub(crate) async fn reroute_if_needed(&self, version: i64) -> Result<()> {
        const NAME: &str = "routed by";
        let done = self.store.read(|tx| store::rules::version(tx, NAME)).await?;
        // newer rules of another node have been seen to by that one
        if done >= version {
            return Ok(());
        }
        let mut after = Id(0);
        loop {
            let (core, now) = (self.core.clone(), self.clock.now());
            let step = move |tx: &mut Tx<'_>| reroute_some(&core, tx, after, now);
            match self.store.write(Durability::Lazy, step).await? {
                Some(last) => after = last,
                None => break,
            }
        }
        self.store.write(Durability::Disk, move |tx| store::rules::set_version(tx, NAME, version)).await
    }
}

/// A node takes up what another one, or it before, has left: leases of the dead end, deadlines go with a clock that
/// was set back, and nothing ends for not being heard of while nobody could hear it.
///
/// # Errors
/// When the database is gone or full.
pub fn take_over(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<()> {
    core.observe_ids(tx)?;
    if tx.engine() == Engine::Sqlite {
        // one process at a time: whatever is leased was leased by one that is gone
        store::deliveries::end_leases(tx, now)?;
        store::notices::end_leases(tx)?;
        set_back::catch_up(core, tx, now)?;
    }
    let grace = core.live().rules.restart_grace;
    if !grace.is_zero() {
        store::heartbeats::put_off(tx, now + grace)?;
        store::sources::put_off(tx, now + grace)?;
        store::incidents::put_off_ends(tx, now + grace)?;
    }
    Ok(())
}

/// Keeps rules and the heartbeats that are expected with them, and forgets what only earlier rules knew; returns
/// the rules' version.
///
/// # Errors
/// When the database is gone or full.
pub fn put_in_force(live: &Live, tx: &mut Tx<'_>, now: Time) -> Result<i64> {
    tx.lock_flow()?;
    let version = live.keep(tx, now)?;
    detect::expect_heartbeats(tx, live, now)?;
    store::notices::see(tx, &live.subscriber_names(), now)?;
    // people's own destinations are none of the configuration's business
    store::deliveries::forget_healths(tx, |it| it.starts_with('@') || live.places.contains_key(it))?;
    Ok(version)
}

/// Keeps rules as [`put_in_force`] does. Those that are new have been put in force by whoever their history
/// names.
///
/// # Errors
/// When the database is gone or full.
fn put_and_sign(live: &Live, tx: &mut Tx<'_>, sign: &Signature) -> Result<i64> {
    tx.lock_flow()?;
    let before = store::rules::newest(tx)?;
    let version = put_in_force(live, tx, sign.at)?;
    if version != before {
        let applied = &live.applied;
        let sign = Signature { actor: Arc::new(Actor::system(&applied.by)), ..sign.clone() };
        let after = json!({
            "version": version, "summary": applied.summary, "rolled_back_to": applied.rolled_back_to,
        });
        let before = (before > 0).then(|| json!({ "version": before }));
        sign.write(tx, "config.apply", ("config", &version.to_string()), before, Some(after))?;
    }
    Ok(version)
}

/// Incidents that one step of a re-routing looks at.
const REROUTE_STEP: i64 = 500;

/// Places some active incidents under the rules in force; returns the last one, or `None` when there are
/// no more.
pub(crate) fn reroute_some(core: &Core, tx: &mut Tx<'_>, after: Id, now: Time) -> Result<Option<Id>> {
    tx.lock_flow()?;
    let incidents = store::incidents::active_after(tx, after, REROUTE_STEP)?;
    let incidents: Vec<&Incident> = incidents.iter().collect();
    store::rules::list_inhibitors(tx, &core.live().rules.inhibitions, &incidents)?;
    let told: Vec<&Incident> = incidents.iter().copied().filter(|it| !it.is_quiet()).collect();
    let rings = crate::route::join_anew(core, tx, &told, now)?;
    store::groups::ring(tx, &rings)?;
    if incidents.is_empty() {
        store::rules::drop_other_inhibitors(tx, &core.live().rules.inhibitions)?;
    }
    Ok(incidents.last().map(|incident| incident.id))
}

/// [`reroute_some`] until nothing is left, in one transaction: for tests.
///
/// # Errors
/// When the database is gone.
pub fn reroute_all(core: &Core, tx: &mut Tx<'_>, now: Time) -> Result<()> {
    let mut after = Id(0);
    while let Some(last) = reroute_some(core, tx, after, now)? {
        after = last;
    }
    Ok(())
}
