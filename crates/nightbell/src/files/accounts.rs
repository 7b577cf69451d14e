//! Users, teams, invitations, tokens and projects in the files of a stopped server: what the server does, done at the
//! same desk.

use std::sync::Arc;

use model::Id;
use model::account::Actor;
use model::id::IdMaker;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use server::accounts::{Desk, Done, Fail, fresh_public_key};
use server::auth::Caller;
use server::error::Problem;
use server::limits::MAX_PAGE;
use server::passwords;
use server::views::Page;
use server::views::account::{
    InvitationView, InvitedView, MemberView, NewTokenView, TeamDetail, TeamView, TokenView, UserDetail,
    UserView,
};
use server::views::artifacts::ArtifactsView;
use server::views::project::{ProjectKeyView, ProjectView};
use store::Tx;

use super::{Found, shown};
use crate::words;

/// Whether a path leads here, and to what; `body` is what was sent along.
pub fn answer(tx: &mut Tx<'_>, node: i64, method: &str, path: &[&str], body: &Value) -> Option<Found> {
    let at = Asked { node };
    Some(match (method, path) {
        ("GET", ["users"]) => at.desk(tx, |desk| {
            let users = desk.list_users(None, MAX_PAGE as i64)?;
            Ok(Page::whole(users.into_iter().map(|it| UserView::new(it, true)).collect()))
        }),
        ("GET", ["users", user]) => at.desk(tx, |desk| {
            let it = desk.get_user(user)?;
            let teams = desk.teams_of(it.id)?.into_iter().map(Into::into).collect();
            Ok(UserDetail { user: UserView::new(it, true), teams })
        }),
        ("POST", ["users"]) => {
            at.desk(tx, |desk| Ok(UserView::new(desk.create_user(read(body)?, None)?, true)))
        }
        ("PATCH", ["users", user]) => {
            at.desk(tx, |desk| Ok(UserView::new(desk.change_user(user, read(body)?)?, true)))
        }
        ("PUT", ["users", user, "password"]) => at.desk(tx, |desk| {
            let password = body["password"].as_str().unwrap_or_default();
            passwords::check(password).map_err(|wrong| Problem::all_wrong(vec![wrong]))?;
            let hash = passwords::hash_now(password).map_err(Problem::internal)?;
            Ok(UserView::new(desk.set_password(user, &hash)?, true))
        }),
        ("POST", ["invitations"]) => at.desk(tx, |desk| {
            let made = desk.invite(read(body)?)?;
            Ok(InvitedView::new(made.invitation, made.secret, ""))
        }),
        ("GET", ["invitations"]) => at.desk(tx, |desk| {
            let found = desk.list_invitations()?;
            Ok(Page::whole(found.into_iter().map(InvitationView::from).collect()))
        }),
        ("GET", ["teams"]) => at.desk(tx, |desk| {
            let teams = desk.list_teams(None, MAX_PAGE as i64)?;
            Ok(Page::whole(teams.into_iter().map(TeamView::from).collect()))
        }),
        ("GET", ["teams", team]) => at.desk(tx, |desk| {
            let (team, members) = desk.get_team(team)?;
            let members = members.into_iter().map(MemberView::from).collect();
            Ok(TeamDetail { team: team.into(), members })
        }),
        ("POST", ["teams"]) => at.desk(tx, |desk| Ok(TeamView::from(desk.create_team(read(body)?)?))),
        ("PUT", ["teams", team, "members", user]) => at.desk(tx, |desk| {
            let it: server::accounts::MemberIn = read(body)?;
            Ok(MemberView::from(desk.put_member(team, user, it.role)?))
        }),
        ("DELETE", ["teams", team, "members", user]) => at.desk(tx, |desk| desk.remove_member(team, user)),
        ("GET", ["tokens"]) => at.desk(tx, |desk| {
            let tokens = desk.list_tokens()?;
            Ok(Page::whole(tokens.into_iter().map(TokenView::from).collect()))
        }),
        ("POST", ["tokens"]) => at.desk(tx, |desk| {
            let made = desk.create_token(read(body)?)?;
            Ok(NewTokenView::new(made.token, made.secret))
        }),
        ("POST", ["users", user, "tokens"]) => at.desk(tx, |desk| {
            let made = desk.create_token_of(user, read(body)?)?;
            Ok(NewTokenView::new(made.token, made.secret))
        }),
        ("DELETE", ["tokens", id]) => {
            at.desk(tx, |desk| Ok(TokenView::from(desk.revoke_token(None, super::id(id))?)))
        }
        _ => return projects(&at, tx, method, path, body),
    })
}

/// The same for projects.
fn projects(at: &Asked, tx: &mut Tx<'_>, method: &str, path: &[&str], body: &Value) -> Option<Found> {
    let base = match base_url(tx) {
        Ok(base) => base,
        Err(error) => return Some(Err(error)),
    };
    Some(match (method, path) {
        ("GET", ["projects"]) => at.desk(tx, |desk| {
            let found = desk.list_projects(0, MAX_PAGE as i64)?;
            Ok(Page::whole(found.into_iter().map(|it| ProjectView::new(it, &base)).collect()))
        }),
        ("GET", ["projects", id]) => at.desk(tx, |desk| Ok(ProjectView::new(desk.get_project(id)?, &base))),
        ("POST", ["projects"]) => at.desk(tx, |desk| {
            Ok(ProjectView::new(desk.create_project(read(body)?, fresh_public_key())?, &base))
        }),
        ("PATCH", ["projects", id]) => {
            at.desk(tx, |desk| Ok(ProjectView::new(desk.change_project(id, read(body)?)?, &base)))
        }
        ("DELETE", ["projects", id]) => at.desk(tx, |desk| desk.delete_project(id)),
        ("GET", ["projects", id, "artifacts"]) => at.desk(tx, |desk| {
            let found = desk.list_artifacts(id, Id(i64::MAX), MAX_PAGE as i64)?;
            Ok(Page::whole(found.into_iter().map(ArtifactsView::new).collect()))
        }),
        ("DELETE", ["projects", id, "artifacts", upload]) => {
            at.desk(tx, |desk| desk.delete_artifacts(id, super::id(upload)))
        }
        ("POST", ["projects", id, "keys"]) => at.desk(tx, |desk| {
            let (_, key) = desk.add_project_key(id, read(body)?, fresh_public_key())?;
            Ok(ProjectKeyView::new(key, &base))
        }),
        ("PATCH", ["projects", id, "keys", key]) => at.desk(tx, |desk| {
            Ok(ProjectKeyView::new(desk.change_project_key(id, key, read(body)?)?.1, &base))
        }),
        _ => return None,
    })
}

/// Where the server that these files are of is reached: as its last configuration says, or where it listens unless told
/// otherwise.
fn base_url(tx: &mut Tx<'_>) -> store::Result<String> {
    let newest = store::rules::newest(tx)?;
    let rules = store::rules::get(tx, newest)?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let known = rules.as_ref().and_then(|it| it["external_url"].as_str()).filter(|url| !url.is_empty());
    Ok(known.unwrap_or("http://127.0.0.1:8440").to_owned())
}

/// What was asked.
struct Asked {
    node: i64,
}

impl Asked {
    fn desk<T: Serialize>(&self, tx: &mut Tx<'_>, work: impl FnOnce(&mut Desk<'_, '_>) -> Done<T>) -> Found {
        let (maker, now) = (IdMaker::new(self.node), words::now());
        let ids = || maker.next(now);
        let done = Desk::open(tx, &ids, now, (&Caller::local(), Arc::new(somebody())), work)?;
        Ok(match done {
            Ok(it) => shown(&it),
            Err(problem) => Err(problem.detail),
        })
    }
}

/// Who sits at the keyboard, for the audit log.
pub fn somebody() -> Actor {
    Actor { name: words::somebody(), ..Actor::local() }
}

fn read<T: DeserializeOwned>(body: &Value) -> Result<T, Fail> {
    serde_json::from_value(body.clone()).map_err(|error| Problem::bad(error.to_string()).into())
}
