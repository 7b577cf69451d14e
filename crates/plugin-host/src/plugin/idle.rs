//! Plugins that are stopped while there is nothing for them to do, and started when there is.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{LOOK_AGAIN, Plugin, Running, State, Wishes, lock};
use crate::body::Body;

impl Plugin {
    /// What runs of it; one that is idle is started for it.
    pub async fn awake(&self, limit: Duration) -> Option<Arc<Running>> {
        match self.state() {
            State::Idle => self.ready(limit).await.ok(),
            _ => self.running(),
        }
    }

    /// Whether it can do this beside what the contract asks of it: it said so when it last began, and runs or is idle.
    pub fn has(&self, feature: &str) -> bool {
        let there = self.running().is_some() || matches!(self.state(), State::Idle);
        there && lock(&self.features).iter().any(|it| it == feature)
    }

    /// Something is wanted of it: one that is idle is started.
    pub(super) fn is_wanted(&self) {
        *lock(&self.wanted) = Instant::now();
        if matches!(self.state(), State::Idle) {
            self.wishes.send_modify(|wishes| wishes.demands += 1);
        }
    }

    /// Until it is ready, or will not be by itself. One that is started anew is about to be, and so is one that is
    /// wanted.
    pub(super) async fn settled(&self) {
        let mut state = self.state.subscribe();
        let stops = self.stop.is_cancelled();
        loop {
            let moving = |state: &State| {
                matches!(state, State::Starting) || (!stops && matches!(state, State::Draining))
            };
            // it cannot fail: the sender is ours
            let is_idle =
                state.wait_for(|state| !moving(state)).await.map(|state| matches!(*state, State::Idle));
            if stops || !is_idle.unwrap_or(false) {
                return;
            }
            // it fell idle while it was waited for
            self.is_wanted();
            let _ = state.wait_for(|state| !matches!(state, State::Idle)).await;
        }
    }

    /// Until nothing was wanted of it for as long as its manifest says; for ever, if it says nothing. One that hears
    /// of events or has routes has work whenever others have.
    pub(super) async fn has_nothing_to_do(&self, body: &Body) {
        let limit = self.spec().limits.idle_stop;
        let has_work = self.running().is_none_or(|running| {
            !running.routes.is_empty() || !running.hello.provides.subscriptions.is_empty()
        });
        let Some(limit) = limit.filter(|_| !has_work) else { return std::future::pending().await };
        loop {
            let until = *lock(&self.wanted) + limit;
            if until <= Instant::now() && !body.peer.is_busy() {
                return;
            }
            tokio::time::sleep_until(until.max(Instant::now() + LOOK_AGAIN)).await;
        }
    }

    /// Until it is wanted, or is to be different.
    pub(super) async fn rests_idly(&self, heeded: Wishes) {
        // what was demanded before is done
        let demands = self.wishes.borrow().demands;
        self.set(State::Idle);
        tokio::select! {
            () = self.wished(|it| it.demands != demands || it.restarts != heeded.restarts) => {}
            () = self.stop.cancelled() => {}
        }
    }
}
