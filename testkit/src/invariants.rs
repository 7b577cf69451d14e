//! What must be true after every step.

use std::collections::{HashMap, HashSet};

use model::delivery::DeliveryState;
use model::group::Told;
use model::incident::State;
use model::{Id, Time};

use crate::world::World;

/// Tries of one delivery that no history of a test may exceed.
const MOST_ATTEMPTS: i64 = 500;

impl World {
    /// Checks everything that must always be true.
    ///
    /// # Panics
    /// With the seed, when something is not.
    pub fn check(&self) {
        self.every_event_has_a_verdict();
        self.no_two_live_leases();
        self.order_per_lane_is_kept();
        self.keys_are_constant();
    }

    fn fail(&self, what: &str) -> ! {
        panic!("seed {}: {what}\n  run again: cargo xtask seeds 1 --from {}", self.seed, self.seed);
    }

    fn every_event_has_a_verdict(&self) {
        let waiting = self.store.read_blocking(|tx| store::events::waiting(tx, 10)).unwrap();
        if let Some(event) = waiting.first() {
            self.fail(&format!("event {} was accepted and has no verdict", event.id));
        }
    }

    /// A message is under way on one node at a time, as long as a send may last.
    fn no_two_live_leases(&self) {
        let mut under_way = HashSet::new();
        for (delivery, _, began) in self.nodes.iter().flat_map(|node| &node.under_way) {
            let fresh = self.now.since(*began) < std::time::Duration::from_secs(10);
            if fresh && !under_way.insert(delivery.id) {
                self.fail(&format!("delivery {} is under way twice", delivery.id));
            }
        }
    }

    /// A receiver hears of a group in the order in which it was planned: once it has heard one message, no
    /// earlier one arrives for the first time.
    fn order_per_lane_is_kept(&self) {
        let mut last: HashMap<i64, Id> = HashMap::new();
        for (_, seen) in &self.seen {
            let last = last.entry(seen.lane).or_insert(seen.delivery);
            let first_time = !self.seen_before(seen.delivery, seen.at);
            if first_time && seen.delivery < *last {
                self.fail(&format!("delivery {} arrived after {last}", seen.delivery));
            }
            *last = (*last).max(seen.delivery);
        }
    }

    fn seen_before(&self, delivery: Id, at: Time) -> bool {
        self.seen.iter().any(|(_, other)| other.delivery == delivery && other.at < at)
    }

    fn keys_are_constant(&self) {
        let mut says = HashMap::new();
        for (_, seen) in &self.seen {
            let before = says.entry(seen.delivery).or_insert(&seen.says);
            if *before != &seen.says {
                self.fail(&format!("delivery {} said two different things", seen.delivery));
            }
        }
    }

    /// Checks what must be true when everything has come to rest: every receiver well, everything due done.
    ///
    /// # Panics
    /// With the seed, when something is not.
    pub fn check_at_rest(&self) {
        self.check();
        let pending = self
            .store
            .read_blocking(|tx| store::deliveries::page(tx, Some(DeliveryState::Pending), None, None, 10));
        if let Some(delivery) = pending.unwrap().first() {
            self.fail(&format!("delivery {} is still pending at rest: {delivery:?}", delivery.id));
        }
        self.everything_planned_was_settled();
        self.everybody_knows_what_is();
    }

    fn everything_planned_was_settled(&self) {
        let all =
            self.store.read_blocking(|tx| store::deliveries::page(tx, None, None, None, 10_000)).unwrap();
        let arrived: HashSet<Id> =
            self.seen.iter().filter(|(_, it)| it.taken).map(|(_, it)| it.delivery).collect();
        for delivery in all {
            if delivery.state == DeliveryState::Delivered && !arrived.contains(&delivery.id) {
                self.fail(&format!("delivery {} counts as delivered and never arrived", delivery.id));
            }
            if delivery.attempts > MOST_ATTEMPTS {
                self.fail(&format!("delivery {} was tried {} times", delivery.id, delivery.attempts));
            }
        }
    }

    /// What every receiver heard last of an incident is what is true of it, or the ledger says why not.
    fn everybody_knows_what_is(&self) {
        let incidents: HashSet<Id> = self.accepted.iter().filter_map(|it| it.incident).collect();
        for id in incidents {
            let incident = self.incident(id);
            let explained = self.explains(id).join("\n");
            let heard = self.seen.iter().rev().filter(|(_, seen)| seen.taken);
            let mut last: HashMap<&str, State> = HashMap::new();
            for (name, seen) in heard {
                if let Some(alert) = seen.says.alerts.iter().find(|alert| alert.incident == id) {
                    last.entry(name).or_insert(alert.state);
                }
            }
            let excused =
                explained.contains("not told") || explained.contains("dead") || explained.contains("buried");
            let firing_heard = last.values().any(|state| *state != State::Resolved);
            match incident.state {
                State::Open if last.is_empty() && !excused => {
                    self.fail(&format!("incident {id} is open and nobody heard:\n{explained}"));
                }
                State::Resolved if firing_heard && !excused => {
                    self.fail(&format!("incident {id} is over and somebody thinks it is not:\n{explained}"));
                }
                _ => {}
            }
            self.memberships_are_consistent(id, incident.state);
        }
    }

    fn memberships_are_consistent(&self, id: Id, state: State) {
        let groups = self.store.read_blocking(|tx| {
            let groups = store::groups::of_incidents(tx, &[id])?;
            let ids: Vec<Id> = groups.iter().map(|(_, group)| group.id).collect();
            store::groups::members(tx, &ids)
        });
        for (_, member) in groups.unwrap().iter().filter(|(_, member)| member.incident.id == id) {
            if state == State::Resolved {
                self.fail(&format!("incident {id} is over and still in a group"));
            }
            if state == State::Open && member.told == Told::Resolved {
                self.fail(&format!("incident {id} is open and counts as told to be over"));
            }
        }
    }
}
