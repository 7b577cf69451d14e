//! What must be true after every step.

use std::collections::{BTreeMap, HashMap, HashSet};

use model::delivery::DeliveryState;
use model::group::Told;
use model::incident::{ChangeKind, State};
use model::notification::Reason;
use model::{Delivery, Id, Incident, Notification};
use store::ledger::Line;

use crate::receiver::Seen;
use crate::world::World;

mod quiet;

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
        self.silences_are_kept();
        self.repeats_keep_their_interval();
        self.what_is_new_is_news();
        self.flapping_is_quiet();
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
        let mut before = HashSet::new();
        for (_, seen) in &self.seen {
            let last = last.entry(seen.lane).or_insert(seen.delivery);
            if before.insert(seen.delivery) && seen.delivery < *last {
                self.fail(&format!("delivery {} arrived after {last}", seen.delivery));
            }
            *last = (*last).max(seen.delivery);
        }
    }

    /// What a silence matches is in no message that was planned after it was made, by whichever node, and before
    /// it ended.
    fn silences_are_kept(&self) {
        for (_, seen) in &self.seen {
            for (last, matchers, from, to) in &self.silenced {
                let holds = seen.delivery > *last && *from <= seen.says.at && seen.says.at < *to;
                let told = seen.says.alerts.iter().find(|alert| matchers.matches(&alert.labels));
                if let Some(alert) = told.filter(|_| holds) {
                    self.fail(&format!(
                        "delivery {} tells of {}, which is silenced",
                        seen.delivery, alert.title
                    ));
                }
            }
        }
    }

    /// Nothing is said again before the repeat interval has passed.
    fn repeats_keep_their_interval(&self) {
        let interval = self.rules().root.timing.repeat_interval;
        let mut lanes: HashMap<i64, BTreeMap<Id, &Notification>> = HashMap::new();
        for (_, seen) in &self.seen {
            lanes.entry(seen.lane).or_default().insert(seen.delivery, &seen.says);
        }
        for lane in lanes.values() {
            for ((_, before), (id, says)) in lane.iter().zip(lane.iter().skip(1)) {
                // what lies ahead was said before the clock was set back
                let early = before.at <= says.at && says.at.since(before.at) < interval;
                if says.reason == Reason::Repeat && early && before.route == says.route {
                    let explained: Vec<_> =
                        says.alerts.iter().map(|alert| self.explains(alert.incident).join("\n")).collect();
                    self.fail(&format!(
                        "delivery {id} repeats what was said {:?} ago:\n{}",
                        says.at.since(before.at),
                        explained.join("\n")
                    ));
                }
            }
        }
    }

    /// The first that a lane says of an incident is news, not a repeat: what was kept back, too, when it is free.
    fn what_is_new_is_news(&self) {
        let mut told: BTreeMap<(i64, Id), &Seen> = BTreeMap::new();
        let mut seen: Vec<&Seen> = self.seen.iter().map(|(_, seen)| seen).collect();
        seen.sort_by_key(|seen| seen.delivery);
        for seen in seen {
            for alert in &seen.says.alerts {
                let first = told.entry((seen.lane, alert.incident)).or_insert(seen);
                let is_repeat = first.delivery == seen.delivery && seen.says.reason == Reason::Repeat;
                // a summary has a lane of its own, and does not show everything that it tells of
                if is_repeat && !self.was_left_to_a_summary(alert.incident) {
                    self.fail(&format!(
                        "delivery {} tells of {} as if it were known",
                        seen.delivery, alert.title
                    ));
                }
            }
        }
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
        self.everything_is_calm();
        self.every_storm_is_summed_up();
    }

    fn everything_planned_was_settled(&self) {
        let arrived: HashSet<Id> =
            self.seen.iter().filter(|(_, it)| it.taken).map(|(_, it)| it.delivery).collect();
        for delivery in self.deliveries() {
            let id = delivery.id;
            if delivery.state == DeliveryState::Delivered && !arrived.contains(&id) {
                self.fail(&format!("delivery {id} counts as delivered and never arrived"));
            }
            // a try whose answer was lost with its node is not counted, but it was seen
            let sent = self.seen.iter().filter(|(_, seen)| seen.delivery == id).count() as i64;
            let tries = self.store.read_blocking(|tx| store::deliveries::attempts(tx, id)).unwrap();
            let (counted, recorded) = (delivery.attempts, tries.len() as i64);
            if counted > recorded || recorded > sent || sent > MOST_ATTEMPTS {
                self.fail(&format!("delivery {id}: {counted} tries counted, {recorded} kept, {sent} sent"));
            }
            if delivery.state == DeliveryState::Delivered && counted == 0 {
                self.fail(&format!("delivery {id} was delivered without a try"));
            }
        }
    }

    fn deliveries(&self) -> Vec<Delivery> {
        self.store.read_blocking(|tx| store::deliveries::page(tx, None, None, None, 100_000)).unwrap()
    }

    /// What every receiver heard last of an incident is what is true of it, or the ledger says why not.
    fn everybody_knows_what_is(&self) {
        let incidents: HashSet<Id> = self.accepted.iter().filter_map(|it| it.incident).collect();
        for id in incidents {
            // what retention has forgotten nobody can ask about
            let Some(incident) = self.find(id) else { continue };
            let mut last: HashMap<&str, (State, Id)> = HashMap::new();
            for (name, seen) in self.seen.iter().filter(|(_, seen)| seen.taken) {
                if let Some(alert) = seen.says.alerts.iter().find(|alert| alert.incident == id) {
                    let last = last.entry(name).or_insert((alert.state, seen.delivery));
                    // a storm's summary has a lane of its own, and may arrive after what was planned later
                    if seen.delivery > last.1 {
                        *last = (alert.state, seen.delivery);
                    }
                }
            }
            let thinks_it_is_wrong = last.iter().find(|(_, (state, _))| *state != State::Resolved);
            match (incident.state, thinks_it_is_wrong) {
                (State::Open, _) if last.is_empty() && !self.is_excused(&incident, None) => {
                    let explained = self.explains(id).join("\n");
                    self.fail(&format!("incident {id} is open and nobody heard:\n{explained}"));
                }
                (State::Resolved, Some((place, (_, delivery))))
                    if !self.is_excused(&incident, Some((place, *delivery))) =>
                {
                    let explained = self.explains(id).join("\n");
                    self.fail(&format!("incident {id} is over and {place} thinks it is not:\n{explained}"));
                }
                _ => {}
            }
            self.memberships_are_consistent(id, incident.state);
        }
    }

    /// Whether the ledger says why a destination (which heard this delivery last), or nobody, has heard of what an
    /// incident is now. Only its last word counts.
    fn is_excused(&self, incident: &Incident, heard: Option<(&str, Id)>) -> bool {
        let read = |tx: &mut store::Tx<'_>| {
            let lines = store::ledger::timeline(tx, incident.id, 100_000)?;
            let mut deliveries = Vec::new();
            for id in store::ledger::deliveries_of(tx, incident.id, 100_000)? {
                deliveries.extend(store::deliveries::get(tx, id)?);
            }
            Ok((lines, deliveries))
        };
        let (lines, deliveries) = self.store.read_blocking(read).unwrap();
        let mut to_it = deliveries.iter().filter(|it| heard.is_none_or(|(place, _)| it.destination == place));
        if to_it.next().is_some_and(|it| matches!(it.state, DeliveryState::Dead | DeliveryState::Buried)) {
            return true;
        }
        let holds = [ChangeKind::Suppressed, ChangeKind::Released];
        let is_gone = |line: &Line| line.change.detail.ends_with("is gone from the configuration");
        let is_word = |line: &&Line| {
            let repeats = line.change.detail.starts_with("not repeated");
            // at rest nothing flaps
            let flapped = line.change.detail.contains(": flapping since");
            holds.contains(&line.change.kind) && !repeats && !flapped && !is_gone(line)
        };
        let word = lines.iter().rev().find(is_word).filter(|line| line.change.kind == ChangeKind::Suppressed);
        match heard {
            // what is over may stay untold for any reason, but for one that is newer than what was heard
            Some((_, delivery)) => {
                word.is_some_and(|word| word.id > delivery)
                    || lines.iter().any(|line| is_gone(line) && line.id > delivery)
            }
            // at rest, every silence and every snooze has ended
            None => word.is_some_and(|word| {
                ["inhibited by", "not told to"].iter().any(|why| word.change.detail.starts_with(why))
            }),
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
            if member.hold.starts_with("silenced") || member.hold.starts_with("snoozed") {
                self.fail(&format!("incident {id} is still {}, which has ended", member.hold));
            }
            if state == State::Open && member.told == Told::Resolved {
                self.fail(&format!("incident {id} is open and counts as told to be over"));
            }
        }
    }
}
