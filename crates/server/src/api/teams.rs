//! Teams.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};

use crate::accounts::{MemberIn, TeamChange, TeamIn};
use crate::app::Shared;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::query::Query;
use crate::signed::Signed;
use crate::views::Page;
use crate::views::account::{MemberView, TeamDetail, TeamView};

/// Lists teams.
#[utoipa::path(
    get,
    path = "/api/v1/teams",
    tag = "accounts",
    summary = "List teams",
    description = "In the order in which they were made.",
    security(("token" = ["read"])),
    params(
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of teams", body = Page<TeamView>)),
)]
pub(super) async fn list_teams(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<TeamView>>> {
    let query = Query::known(&uri, &["limit", "cursor"])?;
    let (after, limit) = (query.parsed("cursor")?, query.limit()?);
    let rows = app.hub.store.read(move |tx| store::teams::page(tx, after, limit as i64 + 1)).await?;
    Ok(Json(Page::cut(rows, limit, |it| it.id, TeamView::from)))
}

/// Makes a team.
#[utoipa::path(
    post,
    path = "/api/v1/teams",
    tag = "accounts",
    summary = "Make a team",
    security(("token" = ["manage"])),
    request_body = TeamIn,
    responses(
        (status = 201, description = "The team", body = TeamView),
        (status = 409, description = "There is one of this name", body = Problem),
    ),
)]
pub(super) async fn create_team(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(it): JsonBody<TeamIn>,
) -> Answer<(StatusCode, Json<TeamView>)> {
    let made = app.desk(&by.caller, by.actor, move |desk| desk.create_team(it)).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Shows a team.
#[utoipa::path(
    get,
    path = "/api/v1/teams/{id}",
    tag = "accounts",
    summary = "Show a team and who belongs to it",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id or name")),
    responses(
        (status = 200, description = "The team", body = TeamDetail),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(super) async fn get_team(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<TeamDetail>> {
    let (team, members) = app.desk(&by.caller, by.actor, move |desk| desk.get_team(&id)).await?;
    Ok(Json(TeamDetail { team: team.into(), members: members.into_iter().map(MemberView::from).collect() }))
}

/// Changes a team.
#[utoipa::path(
    patch,
    path = "/api/v1/teams/{id}",
    tag = "accounts",
    summary = "Change a team",
    description = "For those who run all teams, and for its managers when logged in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id or name")),
    request_body = TeamChange,
    responses(
        (status = 200, description = "The team as it is now", body = TeamView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "There is one of this name", body = Problem),
    ),
)]
pub(super) async fn change_team(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    JsonBody(change): JsonBody<TeamChange>,
) -> Answer<Json<TeamView>> {
    let changed = app.desk(&by.caller, by.actor, move |desk| desk.change_team(&id, change)).await?;
    Ok(Json(changed.into()))
}

/// Forgets a team.
#[utoipa::path(
    delete,
    path = "/api/v1/teams/{id}",
    tag = "accounts",
    summary = "Forget a team and what it has defined; its members stay",
    description = "What others need of it stands in the way: the answer names it in `used_by`. With `hand_over_to` \
        another owner gets what the team has defined, and another team its place in policies.",
    security(("token" = ["manage"])),
    params(
        ("id" = String, Path, description = "Its id or name"),
        ("hand_over_to" = Option<String>, Query,
            description = "Who gets what it has defined: a user, `team:` and a team, or `everybody`"),
    ),
    responses(
        (status = 200, description = "The team as it was", body = TeamView),
        (status = 404, description = "There is none", body = Problem),
        (status = 409, description = "Others need it", body = Problem),
    ),
)]
pub(super) async fn delete_team(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    uri: Uri,
) -> Answer<Json<TeamView>> {
    let heir = Query::known(&uri, &["hand_over_to"])?.one("hand_over_to")?.map(str::to_owned);
    let ground = app.ground();
    let gone = app.desk(&by.caller, by.actor, move |desk| desk.delete_team(&ground, &id, heir.as_deref()));
    let (team, _) = gone.await?;
    app.auth.forget();
    app.hub.ring();
    Ok(Json(team.into()))
}

/// Makes somebody a member.
#[utoipa::path(
    put,
    path = "/api/v1/teams/{id}/members/{name}",
    tag = "accounts",
    summary = "Make a user a member of a team, or give a member another role in it",
    description = "For those who run all teams, and for its managers when logged in; nobody gives more than they have.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The team's id or name"),
        ("name" = String, Path, description = "The user's id or name"),
    ),
    request_body = MemberIn,
    responses(
        (status = 200, description = "The member", body = MemberView),
        (status = 404, description = "There is no such team or user", body = Problem),
    ),
)]
pub(super) async fn put_member(
    State(app): State<Shared>,
    by: Signed,
    Path((team, user)): Path<(String, String)>,
    JsonBody(it): JsonBody<MemberIn>,
) -> Answer<Json<MemberView>> {
    let made = app.desk(&by.caller, by.actor, move |desk| desk.put_member(&team, &user, it.role)).await?;
    // what they may do in the team, they may at once
    app.auth.forget();
    Ok(Json(made.into()))
}

/// Ends a membership.
#[utoipa::path(
    delete,
    path = "/api/v1/teams/{id}/members/{name}",
    tag = "accounts",
    summary = "End a membership",
    description = "For those who run all teams, for its managers, and for the member when logged in.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The team's id or name"),
        ("name" = String, Path, description = "The user's id or name"),
    ),
    responses(
        (status = 204, description = "It has ended"),
        (status = 404, description = "There is no such team, user or member", body = Problem),
    ),
)]
pub(super) async fn remove_member(
    State(app): State<Shared>,
    by: Signed,
    Path((team, user)): Path<(String, String)>,
) -> Answer<StatusCode> {
    app.desk(&by.caller, by.actor, move |desk| desk.remove_member(&team, &user)).await?;
    app.auth.forget();
    Ok(StatusCode::NO_CONTENT)
}
