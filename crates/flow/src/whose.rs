//! Whose an incident is: the teams that look after it, whose responders may act on it whatever else they may.

use std::collections::HashSet;

use model::Id;
use store::{Result, Tx};

use crate::core::Core;
use crate::life::Life;

/// The teams whose an incident is: those that its escalation may page, that whose project's errors it stands for, and
/// the one that is to look after it. None of an incident that is not there.
///
/// # Errors
/// When the database is gone.
pub fn teams_of(core: &Core, tx: &mut Tx<'_>, incident: Id) -> Result<HashSet<Id>> {
    let people = core.people(tx)?;
    let mut teams = HashSet::new();
    for it in store::escalations::of(tx, &[incident])? {
        teams.extend(people.teams_paged_by(it.policy));
    }
    let Some(head) = store::errors::head(tx, incident)? else { return Ok(teams) };
    teams.extend(core.projects(tx)?.get(head.issue.project).and_then(|it| it.project.team));
    let life = Life::from_column(&head.issue.life);
    teams.extend(life.assignee.strip_prefix("team:").and_then(|name| people.team_called(name)));
    Ok(teams)
}
