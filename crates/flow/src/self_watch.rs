//! Self-watch: who watches the watchman?
//!
//! * A *ping* goes out to a URL as long as the flow works: the database writes, the steps run, and nothing has
//!   been waiting to be delivered for too long. Whoever is at the other end raises the alarm when pings stop: a
//!   hub that is dead or stuck cannot do so itself.
//! * A *canary* is a test message that a receiver gets from time to time on the real way. One that does not
//!   arrive opens an incident, which the next one that does ends.
//!
//! Heartbeats, which watch others ([`crate::detect`]), are the third part: an alert that always fires and stops
//! coming is the absence of the one who sends it.

use std::collections::HashMap;
use std::time::Duration;

use model::delivery::DeliveryState;
use model::event::{Action, NewEvent};
use model::{Delivery, Id, Labels, Severity, Time};
use sdk::http::{Http, Outgoing};
use store::{Durability, Result, Tx};

use crate::driver::Hub;
use crate::live::{Ping, SelfWatch};

/// How often is looked whether anything is to be done.
const LOOK: Duration = Duration::from_secs(1);
/// How long the steps may not have run; they do each second.
const STUCK: Duration = Duration::from_secs(30);
/// How long the database may take for one row.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// By how much nodes' clocks may differ.
const SKEW: Duration = Duration::from_secs(60);
/// Canaries that are taken up again after a restart, for each receiver.
const MOST_TAKEN_UP: i64 = 64;
/// How soon one that was withheld or failed is tried again.
const PING_RETRY: Duration = Duration::from_secs(10);
/// How long a ping may take.
const PING_LIMIT: Duration = Duration::from_secs(10);
/// Under which name the row is that shows that the database writes.
const ROW: &str = "self-watch";

/// Canaries under way, by delivery: the receiver, and when it was sent.
type UnderWay = HashMap<Id, (String, Time)>;

impl Hub {
    /// Watches until the hub stops.
    pub(crate) async fn watch_self(self, http: Http) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut next_ping, mut under_way) = (Time::MIN, self.under_way_before().await);
        loop {
            tokio::select! {
                () = self.stopping() => return,
                _ = looks.tick() => {}
            }
            let (live, now) = (self.core.live(), self.clock.now());
            let watch = &live.self_watch;
            if let Some(ping) =
                watch.ping.as_ref().filter(|ping| now >= next_ping || next_ping > now + ping.every)
            {
                let sent = self.ping(ping, &http).await;
                next_ping = now + if sent { ping.every } else { ping.every.min(PING_RETRY) };
            }
            let result = async {
                self.release_canaries(watch, &mut under_way, now).await?;
                self.see_canaries(watch, &mut under_way, now).await
            };
            if let Err(error) = result.await {
                tracing::warn!(%error, "canaries could not be looked after");
            }
        }
    }

    /// Canaries whose fate was not known yet when the hub stopped.
    async fn under_way_before(&self) -> UnderWay {
        let mut found = UnderWay::new();
        for receiver in self.core.live().self_watch.canary.clone() {
            let name = receiver.clone();
            let read = self.store.read(move |tx| {
                let last = Time(store::rules::version(tx, &canary_row(&name))?);
                Ok((last, store::deliveries::tests_since(tx, &name, last, MOST_TAKEN_UP)?))
            });
            match read.await {
                Ok((at, ids)) => found.extend(ids.into_iter().map(|id| (id, (receiver.clone(), at)))),
                Err(error) => tracing::warn!(%error, receiver, "canaries under way cannot be taken up"),
            }
        }
        found
    }

    /// Says whether it arrived.
    async fn ping(&self, ping: &Ping, http: &Http) -> bool {
        let said = match self.is_well(ping.overdue_after).await {
            Err(why) => Err(("withheld", why)),
            Ok(()) => match http.send(Outgoing::json(ping.url.expose(), "{}", PING_LIMIT)).await {
                Ok(answer) if answer.status < 400 => Ok(()),
                Ok(answer) => Err(("failed", format!("the answer was {}", answer.status))),
                Err(error) => Err(("failed", error.to_string())),
            },
        };
        let outcome = said.as_ref().map_or_else(|(outcome, _)| *outcome, |()| "sent");
        self.core.counters.pings.add(outcome, 1);
        said.inspect_err(|(_, why)| tracing::warn!("a ping of the self-watch was {outcome}: {why}")).is_ok()
    }

    /// Whether the flow works; the error says what does not.
    async fn is_well(&self, overdue_after: Duration) -> std::result::Result<(), String> {
        let now = self.clock.now();
        let ran = now.since(self.core.ran_at());
        if ran > STUCK {
            return Err(format!("the steps have not run for {}", model::time::span::format(ran)));
        }
        let write = self.store.write(Durability::Disk, move |tx| {
            store::rules::set_version(tx, ROW, now.as_seconds())?;
            Ok(store::deliveries::backlog(tx)?.2)
        });
        let oldest = match tokio::time::timeout(WRITE_LIMIT, write).await {
            Ok(Ok(oldest)) => oldest,
            Ok(Err(error)) => return Err(format!("the database does not write: {error}")),
            Err(_) => return Err(format!("the database did not write within {WRITE_LIMIT:?}")),
        };
        match oldest.map(|at| now.since(at)).filter(|age| *age > overdue_after) {
            Some(age) => Err(format!("a delivery has been waiting for {}", model::time::span::format(age))),
            None => Ok(()),
        }
    }

    /// Sends canaries to receivers whose last one was long enough ago, whichever node sent that.
    async fn release_canaries(&self, watch: &SelfWatch, under_way: &mut UnderWay, now: Time) -> Result<()> {
        for receiver in &watch.canary {
            let (core, name, every) = (self.core.clone(), receiver.clone(), watch.canary_every);
            let row = canary_row(&name);
            let row_read = row.clone();
            let last = Time(self.store.read(move |tx| store::rules::version(tx, &row_read)).await?);
            if is_recent(last, every, now) {
                continue;
            }
            let planned = self.store.write(Durability::Disk, move |tx| {
                tx.lock_flow()?;
                if is_recent(Time(store::rules::version(tx, &row)?), every, now) {
                    return Ok(None);
                }
                store::rules::set_version(tx, &row, now.0)?;
                crate::verbs::test_receiver(&core, tx, &name, now)
            });
            if let Some((ids, done)) = planned.await? {
                under_way.extend(ids.into_iter().map(|id| (id, (receiver.clone(), now))));
                self.follow(done);
            }
        }
        Ok(())
    }

    /// Looks what became of canaries.
    async fn see_canaries(&self, watch: &SelfWatch, under_way: &mut UnderWay, now: Time) -> Result<()> {
        if under_way.is_empty() {
            return Ok(());
        }
        let ids: Vec<Id> = under_way.keys().copied().collect();
        let get = move |tx: &mut Tx<'_>| {
            ids.iter().map(|id| Ok((*id, store::deliveries::get(tx, *id)?))).collect::<Result<Vec<_>>>()
        };
        for (id, delivery) in self.store.read(get).await? {
            let Some((receiver, sent_at)) = under_way.get(&id).cloned() else { continue };
            let Some(delivery) = delivery else {
                under_way.remove(&id);
                continue;
            };
            let late = now.since(sent_at) > watch.canary_within;
            let verdict = match delivery.state {
                DeliveryState::Delivered => Ok(()),
                DeliveryState::Pending if !late => continue,
                DeliveryState::Pending => {
                    Err(format!("not delivered within {}", model::time::span::format(watch.canary_within)))
                }
                _ => Err(delivery.note.clone()),
            };
            // if the verdict cannot be kept, it is passed again
            if self.judge_canary(&receiver, &delivery, verdict).await? {
                under_way.remove(&id);
            }
        }
        Ok(())
    }

    /// Opens an incident about a canary that did not arrive, or ends it when one did. Says whether that is kept.
    async fn judge_canary(
        &self,
        receiver: &str,
        delivery: &Delivery,
        verdict: std::result::Result<(), String>,
    ) -> Result<bool> {
        let destination = &delivery.destination;
        let word = if verdict.is_ok() { "arrived" } else { "failed" };
        let count = || self.core.counters.canaries.add(&format!("{destination}/{word}"), 1);
        let key = format!("canary:{destination}");
        let event = match verdict {
            Err(why) => lost(receiver, delivery, key, &why),
            Ok(()) => {
                let of = key.clone();
                if !self.store.read(move |tx| store::incidents::is_active(tx, &of)).await? {
                    count();
                    return Ok(true);
                }
                NewEvent { key, action: Action::Clear, ..NewEvent::raise("self-watch", Labels::new()) }
            }
        };
        let kept = self.accept(vec![event]).await;
        match &kept {
            Ok(_) => count(),
            Err(error) => tracing::error!(%error, destination, "what became of a canary cannot be kept yet"),
        }
        Ok(kept.is_ok())
    }
}

/// Under which name the row is that says when a receiver's last canary was sent.
fn canary_row(receiver: &str) -> String {
    format!("canary {receiver}")
}

/// Whether a canary was sent within the interval. What lies far ahead was sent before the clock was set back.
fn is_recent(last: Time, every: Duration, now: Time) -> bool {
    last <= now + SKEW && now < last + every
}

fn lost(receiver: &str, delivery: &Delivery, key: String, why: &str) -> NewEvent {
    let destination = delivery.destination.as_str();
    let labels = [("alertname", "CanaryFailed"), ("receiver", receiver), ("destination", destination)];
    NewEvent {
        key,
        severity: Some(Severity::Error),
        title: format!("A test message did not arrive at {destination}"),
        annotations: [("description", format!("Delivery {}: {why}", delivery.id))].into_iter().collect(),
        ..NewEvent::raise("self-watch", labels.into_iter().collect())
    }
}
