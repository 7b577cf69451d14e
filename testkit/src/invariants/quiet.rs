//! What must be true of things that are kept quiet on purpose.

use std::collections::{HashMap, HashSet};

use model::flap::OnFlapping;
use model::incident::ChangeKind;
use model::matcher::Matchers;
use model::notification::Reason;
use model::{Delivery, Id, Incident};

use crate::world::World;

/// What the ledger says of what is left to the summary of a storm.
const LEFT_TO_A_SUMMARY: &str = "but in a summary";

impl World {
    /// Of what flaps nothing is told, or that it does so once in each group, as the policy says.
    pub(super) fn flapping_is_quiet(&self) {
        let policy = self.rules().flapping.policy;
        if policy == OnFlapping::Notify {
            return;
        }
        let mut told = HashMap::new();
        let mut planned: Vec<_> = self.seen.iter().collect();
        planned.sort_by_key(|(_, seen)| seen.delivery);
        for (name, seen) in planned {
            for alert in &seen.says.alerts {
                let Some(flapping) = alert.flapping else { continue };
                let place = (name, seen.says.route.as_str(), seen.says.group_key.as_str());
                if flapping.since.is_none() {
                    // calm: what flaps after that does so anew
                    told.remove(&(place, alert.incident));
                    continue;
                }
                let first = *told.entry((place, alert.incident)).or_insert(seen.delivery);
                let again = first != seen.delivery && !self.lost_a_route(alert.incident);
                if policy == OnFlapping::Hold || again {
                    let explained = self.explains(alert.incident).join("\n");
                    self.fail(&format!(
                        "delivery {} tells {name} of {}, which flaps:\n{explained}",
                        seen.delivery, alert.title
                    ));
                }
            }
        }
    }

    /// At rest nothing flaps, the ledger says so, and nobody who heard that something flaps thinks that it does.
    pub(super) fn everything_is_calm(&self) {
        let incidents: HashSet<Id> = self.accepted.iter().filter_map(|it| it.incident).collect();
        for incident in incidents.into_iter().filter_map(|id| self.find(id)) {
            let kinds = self.kinds(incident.id);
            let last =
                kinds.iter().rev().find(|kind| matches!(kind, ChangeKind::Flapping | ChangeKind::Calmed));
            if incident.is_flapping() || last == Some(&ChangeKind::Flapping) {
                let explained = self.explains(incident.id).join("\n");
                self.fail(&format!("incident {} flaps at rest:\n{explained}", incident.id));
            }
            if self.rules().flapping.policy == OnFlapping::Summarise {
                self.calm_is_told(&incident);
            }
        }
    }

    /// At rest no storm is overdue (repeats may be one), and of what was left to a summary one has told.
    pub(super) fn every_storm_is_summed_up(&self) {
        let storms = self.store.read_blocking(store::storms::all).unwrap();
        if let Some((receiver, _)) =
            storms.iter().find(|(_, it)| it.due_at().is_some_and(|due| due < self.now))
        {
            self.fail(&format!("the storm at {receiver} has not been summed up"));
        }
        let incidents: HashSet<Id> = self.accepted.iter().filter_map(|it| it.incident).collect();
        for id in incidents {
            let read = |tx: &mut store::Tx<'_>| {
                let mut deliveries = Vec::new();
                for delivery in store::ledger::deliveries_of(tx, id, 100_000)? {
                    deliveries.extend(store::deliveries::get(tx, delivery)?);
                }
                Ok((store::ledger::timeline(tx, id, 100_000)?, deliveries))
            };
            let (lines, deliveries) = self.store.read_blocking(read).unwrap();
            let left = lines.iter().rev().find(|line| line.change.detail.contains(LEFT_TO_A_SUMMARY));
            let Some(left) = left else { continue };
            let sums_up = |it: &&Delivery| matches!(it.reason, Reason::Storm | Reason::StormOver);
            let told = deliveries.iter().filter(sums_up).any(|it| it.id > left.id);
            // a silence that began meanwhile takes it out of the summary
            let lasts = storms.iter().any(|(_, it)| it.since.is_some());
            if !told && !lasts && !self.silenced.iter().any(|(_, matchers, ..)| self.matches(id, matchers)) {
                let explained = self.explains(id).join("\n");
                self.fail(&format!("incident {id} was left to a summary that never came:\n{explained}"));
            }
        }
    }

    /// Whether people were told of an incident in a storm's summary, or are to be.
    pub(super) fn was_left_to_a_summary(&self, id: Id) -> bool {
        let lines = self.store.read_blocking(|tx| store::ledger::timeline(tx, id, 100_000)).unwrap();
        lines.iter().any(|line| line.change.detail.contains(LEFT_TO_A_SUMMARY))
    }

    fn matches(&self, id: Id, matchers: &Matchers) -> bool {
        self.find(id).is_none_or(|incident| matchers.matches(&incident.labels))
    }

    fn calm_is_told(&self, incident: &Incident) {
        let mut last = HashMap::new();
        for (name, seen) in self.seen.iter().filter(|(_, seen)| seen.taken) {
            if let Some(alert) = seen.says.alerts.iter().find(|alert| alert.incident == incident.id) {
                last.insert(name.as_str(), (alert.flapping, seen.delivery));
            }
        }
        for (place, (flapping, delivery)) in last {
            let flaps = flapping.is_some_and(|flapping| flapping.since.is_some());
            if flaps && !self.lost_a_route(incident.id) && !self.is_excused(incident, Some((place, delivery)))
            {
                let explained = self.explains(incident.id).join("\n");
                self.fail(&format!("incident {} is calm and {place} thinks not:\n{explained}", incident.id));
            }
        }
    }

    fn kinds(&self, id: Id) -> Vec<ChangeKind> {
        let lines = self.store.read_blocking(|tx| store::ledger::timeline(tx, id, 100_000)).unwrap();
        lines.into_iter().map(|line| line.change.kind).collect()
    }

    /// Whether a group of an incident ended because its route was taken out of the rules: with it goes what was
    /// known of its readers.
    fn lost_a_route(&self, id: Id) -> bool {
        let lines = self.store.read_blocking(|tx| store::ledger::timeline(tx, id, 100_000)).unwrap();
        lines.iter().any(|line| line.change.detail.ends_with("is gone from the configuration"))
    }
}
