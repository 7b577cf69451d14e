//! Everybody whom an escalation may lead to.

use model::escalation::{Directory as Looks, Policy, Team};
use model::{Id, Severity, Time};

use super::People;
use crate::live::Live;

/// Who is there and can be reached about something so bad, at one moment.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    pub(super) people: &'a People,
    pub(super) live: &'a Live,
    pub(super) severity: Severity,
    pub(super) at: Time,
}

impl Looks for Directory<'_> {
    fn can_be_reached(&self, user: Id) -> Option<bool> {
        self.people.user(user)?;
        let left_alone = self.people.reach.get(&user);
        let left_alone = left_alone.is_some_and(|it| it.person().is_left_alone(self.severity, self.at));
        Some(!left_alone && !self.people.usable(user).is_empty())
    }

    fn on_call(&self, schedule: Id, at: Time) -> Option<Vec<Id>> {
        let rota = self.people.schedules.get(&schedule)?;
        Some(rota.body.roster().on_call(at).into_iter().map(|duty| duty.user).collect())
    }

    fn team(&self, team: Id) -> Option<Team> {
        let members = self.people.teams.get(&team)?.members.clone();
        let theirs = self.people.policies.values().filter(|it| it.owner == team);
        Some(Team { members, policy: theirs.map(|it| it.id).min() })
    }

    fn policy(&self, policy: Id) -> Option<Policy> {
        self.people.policies.get(&policy).map(|it| it.body.clone())
    }

    fn has_receiver(&self, name: &str) -> bool {
        self.live.rules.receivers.contains_key(name)
    }
}
