//! What must be true of things that are kept quiet on purpose.

use std::collections::{HashMap, HashSet};

use model::flap::OnFlapping;
use model::incident::ChangeKind;
use model::{Id, Incident};

use crate::world::World;

impl World {
    /// Of what flaps nothing is told, or that it does so once in each group, as the policy says.
    pub(super) fn flapping_is_quiet(&self) {
        let policy = self.rules().flapping.policy;
        if policy == OnFlapping::Notify {
            return;
        }
        let mut told = HashMap::new();
        for (name, seen) in &self.seen {
            for alert in &seen.says.alerts {
                let Some(since) = alert.flapping.and_then(|flapping| flapping.since) else { continue };
                let place = (name, seen.says.route.as_str(), seen.says.group_key.as_str());
                let first = *told.entry((place, alert.incident, since)).or_insert(seen.delivery);
                let again = first != seen.delivery && !self.lost_a_route(alert.incident);
                if policy == OnFlapping::Hold || again {
                    self.fail(&format!(
                        "delivery {} tells {name} of {}, which flaps",
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
                self.fail(&format!("incident {} flaps at rest", incident.id));
            }
            if self.rules().flapping.policy == OnFlapping::Summarise {
                self.calm_is_told(&incident);
            }
        }
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
