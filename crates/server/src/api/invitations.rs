//! Invitations: how people come to be users.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::session::{GivenCookie, LoggedInView, begun};
use crate::accounts::{AcceptIn, InvitationIn};
use crate::admission::refuse_foreign_forms;
use crate::app::Shared;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::PathId;
use crate::signed::{Signed, Visitor};
use crate::views::Page;
use crate::views::account::{InvitationView, InvitedView};

/// Lists invitations.
#[utoipa::path(
    get,
    path = "/api/v1/invitations",
    tag = "accounts",
    summary = "List invitations, newest first",
    security(("token" = ["admin"])),
    responses((status = 200, description = "The newest of them", body = Page<InvitationView>)),
)]
pub(super) async fn list_invitations(
    State(app): State<Shared>,
    by: Signed,
) -> Answer<Json<Page<InvitationView>>> {
    let found = app.desk(&by.caller, by.actor, |desk| desk.list_invitations()).await?;
    Ok(Json(Page::whole(found.into_iter().map(InvitationView::from).collect())))
}

/// Makes an invitation.
#[utoipa::path(
    post,
    path = "/api/v1/invitations",
    tag = "accounts",
    summary = "Invite somebody to become a user, or a user to choose a password",
    description = "The answer has a link, which is good once and shown this once.",
    security(("token" = ["admin"])),
    request_body = InvitationIn,
    responses(
        (status = 201, description = "The invitation", body = InvitedView),
        (status = 404, description = "There is no such user", body = Problem),
    ),
)]
pub(super) async fn invite(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(it): JsonBody<InvitationIn>,
) -> Answer<(StatusCode, Json<InvitedView>)> {
    let invited = app.desk(&by.caller, by.actor, move |desk| desk.invite(it)).await?;
    Ok((StatusCode::CREATED, Json(InvitedView::new(invited.invitation, invited.secret, &app.base_url()))))
}

/// Takes an invitation back.
#[utoipa::path(
    delete,
    path = "/api/v1/invitations/{id}",
    tag = "accounts",
    summary = "Take an invitation back",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 204, description = "It is of no use any more"),
        (status = 404, description = "There is none that is good with this id", body = Problem),
    ),
)]
pub(super) async fn withdraw(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
) -> Answer<StatusCode> {
    app.desk(&by.caller, by.actor, move |desk| desk.withdraw(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accepts an invitation.
#[utoipa::path(
    post,
    path = "/api/v1/invitations/accept",
    tag = "accounts",
    summary = "Accept an invitation, and choose a password",
    description = "Whoever does is logged in: the answer sets a cookie.",
    security(()),
    request_body = AcceptIn,
    responses(
        (status = 200, description = "Logged in", body = LoggedInView),
        (status = 403, description = "A page of another site asks", body = Problem),
        (status = 404, description = "It is not good: used, ended, or never made", body = Problem),
        (status = 409, description = "The name is taken", body = Problem),
        (status = 429, description = "Too many tries: Retry-After says when to come again", body = Problem),
        (status = 503, description = "There is too much to do: try again", body = Problem),
    ),
)]
pub(super) async fn accept(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    JsonBody(it): JsonBody<AcceptIn>,
) -> Answer<(GivenCookie, Json<LoggedInView>)> {
    refuse_foreign_forms(&app, &headers)?;
    Ok(begun(&app, app.accept_invitation(it, &visitor).await?))
}
