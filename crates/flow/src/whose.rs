//! Whose an incident is: the teams that look after it, whose responders may act on it whatever else they may.
//! And what becomes of issues when whoever looks after them is called otherwise, or goes.

use std::collections::HashSet;

use model::Id;
use model::account::Team;
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
    teams.extend(life.assignee.strip_prefix(Team::PREFIX).and_then(|name| people.team_called(name)));
    Ok(teams)
}

/// Gives all issues that a user, or [`Team::PREFIX`] and a team, looks after to another name: that of the same one from
/// now on, of who takes their place, or of nobody (empty). Goes through all issues, as seldom as names change. To be
/// called before anything else is written: it waits for the flow, which must not wait for this.
///
/// # Errors
/// When the database is gone or full.
pub fn hand_over_issues(tx: &mut Tx<'_>, from: &str, to: &str) -> Result<()> {
    if from == to {
        return Ok(());
    }
    // whoever has read an issue at another node writes it first
    tx.lock_flow()?;
    // quotes of any other text in there have a backslash before them: this is found nowhere else
    let said = |name: &str| format!("\"assignee\":{}", serde_json::Value::from(name));
    store::errors::replace_in_lives(tx, &said(from), &said(to))
}
