//! Teams that a policy has to do with, and who responds for them.

use std::collections::HashSet;

use model::Id;
use model::account::name_key;
use model::escalation::Target;

use super::People;

impl People {
    /// The team of this name, however it is written.
    pub fn team_called(&self, name: &str) -> Option<Id> {
        let key = name_key(name);
        self.teams.iter().find(|(_, it)| name_key(&it.name) == key).map(|(id, _)| *id)
    }

    /// The teams that a policy may page: whose it is, that it names, whose schedules it goes by, and those of the
    /// policies that it leads to.
    pub fn teams_paged_by(&self, policy: Id) -> HashSet<Id> {
        let (mut owners, mut seen, mut next) = (HashSet::new(), HashSet::new(), vec![policy]);
        while let Some(id) = next.pop() {
            let Some(policy) = self.policies.get(&id).filter(|_| seen.insert(id)) else { continue };
            owners.insert(policy.owner);
            let steps = policy.body.steps.iter().flat_map(|step| &step.targets);
            for target in steps.chain(&policy.body.fallback) {
                match target {
                    Target::Team { id } => {
                        owners.insert(*id);
                        next.extend(self.policy_of_team(*id));
                    }
                    Target::Schedule { id } => owners.extend(self.schedules.get(id).map(|it| it.owner)),
                    Target::Policy { id } => next.push(*id),
                    Target::User { .. } | Target::Receiver { .. } => {}
                }
            }
        }
        // people own policies and schedules, too
        owners.retain(|id| self.teams.contains_key(id));
        owners
    }

    /// Whether somebody may respond for one of these teams, or for any at all if none is given.
    pub fn responds_for(&self, user: Id, teams: Option<&HashSet<Id>>) -> bool {
        let meant = |team: &Id| teams.is_none_or(|teams| teams.contains(team));
        self.teams.iter().any(|(id, it)| meant(id) && it.responders.contains(&user))
    }

    /// The policy by which a team is paged, if it has one of its own.
    pub(super) fn policy_of_team(&self, team: Id) -> Option<Id> {
        self.policies.values().filter(|it| it.owner == team).map(|it| it.id).min()
    }
}
