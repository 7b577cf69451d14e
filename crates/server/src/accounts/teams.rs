//! Teams, and who belongs to them.

use model::Id;
use model::account::{Membership, Role, Team, User, name_key};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{Desk, Done, checked, shown};
use crate::auth::Scope;
use crate::error::{Kind, Problem};
use crate::views::words;

/// A team as somebody asks for it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTeam)]
pub struct TeamIn {
    /// What it is called.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub about: String,
}

/// What is to be otherwise about a team; what is not given stays as it is.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TeamChange)]
pub struct TeamChange {
    /// What it is called.
    pub name: Option<String>,
    /// What it is for.
    pub about: Option<String>,
}

/// What somebody is to be to a team.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewMember)]
pub struct MemberIn {
    /// What they are to it.
    #[schema(value_type = words::Role)]
    pub role: Role,
}

impl Desk<'_, '_> {
    /// Makes a team. Who makes it belongs to it, if they are a user.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn create_team(&mut self, it: TeamIn) -> Done<Team> {
        self.must(Scope::Manage)?;
        let team = Team { id: self.id(), name: it.name, about: it.about, created_at: self.now };
        checked(team.problems())?;
        if !store::teams::insert(self.tx, &team)? {
            return Err(taken(&team.name).into());
        }
        self.note("team.create", ("team", &team.id.to_string()), None, shown(&team))?;
        Ok(team)
    }

    /// A team by name or id, and who belongs to it.
    ///
    /// # Errors
    /// When there is none.
    pub fn get_team(&mut self, text: &str) -> Done<(Team, Vec<(Membership, User)>)> {
        let team = self.team(text)?;
        let mut members = Vec::new();
        for it in store::teams::members(self.tx, team.id)? {
            if let Some(user) = store::users::get(self.tx, it.user)? {
                members.push((it, user));
            }
        }
        Ok((team, members))
    }

    /// Teams after one of them, in the order in which they were made.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn list_teams(&mut self, after: Option<Id>, limit: i64) -> Done<Vec<Team>> {
        Ok(store::teams::page(self.tx, after, limit)?)
    }

    /// The teams that a user belongs to, and what they are to them.
    ///
    /// # Errors
    /// When the database is gone.
    pub fn teams_of(&mut self, user: Id) -> Done<Vec<(Membership, Team)>> {
        let mut found = Vec::new();
        for it in store::teams::of_user(self.tx, user)? {
            if let Some(team) = store::teams::get(self.tx, it.team)? {
                found.push((it, team));
            }
        }
        Ok(found)
    }

    /// Changes a team.
    ///
    /// # Errors
    /// When it must not or cannot be.
    pub fn change_team(&mut self, text: &str, change: TeamChange) -> Done<Team> {
        let before = self.team(text)?;
        self.must_run(&before)?;
        let mut team = before.clone();
        team.name = change.name.unwrap_or(team.name);
        team.about = change.about.unwrap_or(team.about);
        if team == before {
            return Ok(team);
        }
        checked(team.problems())?;
        let key = name_key(&team.name);
        if key != name_key(&before.name) && store::teams::by_name(self.tx, &team.name)?.is_some() {
            return Err(taken(&team.name).into());
        }
        flow::whose::hand_over_issues(self.tx, &before.prefixed(), &team.prefixed())?;
        store::teams::update(self.tx, &team)?;
        self.note("team.update", ("team", &team.id.to_string()), shown(&before), shown(&team))?;
        Ok(team)
    }

    /// Makes a user a member of a team, or gives a member another role in it.
    ///
    /// # Errors
    /// When it must not be, or one of them is not there.
    pub fn put_member(&mut self, team: &str, user: &str, role: Role) -> Done<(Membership, User)> {
        let (team, user) = (self.team(team)?, self.user(user)?);
        let before = store::teams::member(self.tx, team.id, user.id)?;
        self.must_grant(&team, role.max(before.map_or(role, |it| it.role)))?;
        let member = Membership { team: team.id, user: user.id, role };
        if before != Some(member) {
            store::teams::put_member(self.tx, member, self.now)?;
            let was = before.as_ref().and_then(shown);
            self.note("team.member", ("team", &team.id.to_string()), was, shown(&member))?;
        }
        Ok((member, user))
    }

    /// Ends a membership. Everybody may end their own.
    ///
    /// # Errors
    /// When it must not be, or there is none.
    pub fn remove_member(&mut self, team: &str, user: &str) -> Done<()> {
        let (team, user) = (self.team(team)?, self.user(user)?);
        let member = store::teams::member(self.tx, team.id, user.id)?;
        let member = member.ok_or_else(|| {
            Problem::not_found("member", format_args!("{:?} of {:?}", user.name, team.name))
        })?;
        if !self.caller.is_at_desk_of(user.id) {
            self.must_grant(&team, member.role)?;
        }
        store::teams::remove_member(self.tx, team.id, user.id, self.now)?;
        self.note("team.member", ("team", &team.id.to_string()), shown(&member), None)?;
        Ok(())
    }

    pub(super) fn team(&mut self, text: &str) -> Done<Team> {
        let found = store::teams::named(self.tx, text)?;
        found.ok_or_else(|| Problem::not_found("team", format_args!("{text:?}")).into())
    }

    /// What who asks may do with a team: what they are to it, or to all teams.
    fn standing(&mut self, team: &Team) -> Done<Option<Role>> {
        if self.caller.may(Scope::Admin) {
            return Ok(Some(Role::Admin));
        }
        if self.caller.may(Scope::Manage) {
            return Ok(Some(Role::Manager));
        }
        // a token that may do little does little in its user's teams, too
        let user = self.caller.user.filter(|_| self.caller.session.is_some());
        let Some(user) = user else { return Ok(None) };
        Ok(store::teams::member(self.tx, team.id, user)?.map(|it| it.role))
    }

    pub(super) fn must_run(&mut self, team: &Team) -> Done<()> {
        self.must_grant(team, Role::Manager)
    }

    /// Makes sure that who asks runs a team, and may give somebody this role in it.
    fn must_grant(&mut self, team: &Team, role: Role) -> Done<()> {
        let standing = self.standing(team)?;
        if standing.is_some_and(|own| own >= Role::Manager && own >= role) {
            return Ok(());
        }
        let why = format!(
            "team {:?}: this takes a manager of it, of all teams, or an admin, and nobody gives more than they have",
            team.name
        );
        Err(Problem::forbidden(why).into())
    }
}

fn taken(name: &str) -> Problem {
    Problem::new(Kind::NameTaken, format!("there is a team {name:?} already, however it is written"))
}
