//! Everybody whom an escalation may lead to.

use model::escalation::{Directory as Looks, Policy, Team, Unreached};
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
    fn reaches(&self, user: Id) -> Result<(), Unreached> {
        self.people.user(user).ok_or(Unreached::Gone)?;
        if self.people.usable(user).is_empty() {
            return Err(Unreached::NoWay);
        }
        let person = self.people.book.person(user);
        match person.is_some_and(|it| it.is_left_alone(self.severity, self.at)) {
            true => Err(Unreached::Quiet),
            false => Ok(()),
        }
    }

    fn on_call(&self, schedule: Id, at: Time) -> Option<Vec<Id>> {
        let rota = self.people.schedules.get(&schedule)?;
        Some(rota.body.roster().on_call(at).into_iter().map(|duty| duty.user).collect())
    }

    fn team(&self, team: Id) -> Option<Team> {
        let members = self.people.teams.get(&team)?.members.clone();
        Some(Team { members, policy: self.people.policy_of_team(team) })
    }

    fn policy(&self, policy: Id) -> Option<Policy> {
        self.people.policies.get(&policy).map(|it| it.body.clone())
    }

    fn reaches_receiver(&self, name: &str) -> Result<(), Unreached> {
        let receiver = self.live.rules.receivers.get(name).ok_or(Unreached::Gone)?;
        let is_told = receiver.destinations.iter().any(|it| self.live.places.contains_key(&it.id));
        is_told.then_some(()).ok_or(Unreached::NoDestination)
    }
}
