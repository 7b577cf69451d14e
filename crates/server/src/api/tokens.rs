//! Tokens: what programs are known by.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::accounts::TokenIn;
use crate::app::Shared;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::{Name, PathId};
use crate::signed::{Signed, Visitor};
use crate::tries::Trying;
use crate::views::Page;
use crate::views::account::{NewTokenView, TokenView};

/// Lists tokens.
#[utoipa::path(
    get,
    path = "/api/v1/tokens",
    tag = "tokens",
    summary = "List tokens",
    description = "Newest first, those that have ended or were revoked, too. What they are is shown only \
        when they are made.",
    security(("token" = ["admin"])),
    responses((status = 200, description = "All tokens", body = Page<TokenView>)),
)]
pub(super) async fn list_tokens(State(app): State<Shared>, by: Signed) -> Answer<Json<Page<TokenView>>> {
    let tokens = app.desk(&by.caller, by.actor, |desk| desk.list_tokens()).await?;
    Ok(Json(Page::whole(tokens.into_iter().map(TokenView::from).collect())))
}

/// Makes a token.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "tokens",
    summary = "Make a token that belongs to nobody",
    description = "The answer has the token itself, which is kept nowhere and shown this once.",
    security(("token" = ["admin"])),
    request_body = TokenIn,
    responses(
        (status = 201, description = "The token", body = NewTokenView),
        (status = 429, description = "Too many were made: Retry-After says when to come again", body = Problem),
    ),
)]
pub(super) async fn create_token(
    State(app): State<Shared>,
    by: Signed,
    visitor: Visitor,
    JsonBody(it): JsonBody<TokenIn>,
) -> Answer<(StatusCode, Json<NewTokenView>)> {
    app.tries.take(&Trying::tokens(visitor.address), app.now())?;
    let made = app.desk(&by.caller, by.actor, move |desk| desk.create_token(it)).await?;
    Ok((StatusCode::CREATED, Json(NewTokenView::new(made.token, made.secret))))
}

/// Revokes a token.
#[utoipa::path(
    delete,
    path = "/api/v1/tokens/{id}",
    tag = "tokens",
    summary = "Revoke a token",
    description = "At once on the node that answers, within seconds on all others.",
    security(("token" = ["admin"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is of no use any more", body = TokenView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn revoke_token(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
) -> Answer<Json<TokenView>> {
    let token = app.desk(&by.caller, by.actor, move |desk| desk.revoke_token(None, id)).await?;
    app.auth.forget();
    Ok(Json(token.into()))
}

/// Lists a user's tokens.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}/tokens",
    tag = "tokens",
    summary = "List a user's tokens",
    description = "Newest first. For admins, and for the user when logged in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "The user's id or name")),
    responses(
        (status = 200, description = "Their tokens", body = Page<TokenView>),
        (status = 404, description = "There is no such user", body = Problem),
    ),
)]
pub(super) async fn list_tokens_of(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<Page<TokenView>>> {
    let tokens = app.desk(&by.caller, by.actor, move |desk| desk.list_tokens_of(&id)).await?;
    Ok(Json(Page::whole(tokens.into_iter().map(TokenView::from).collect())))
}

/// Makes a token of a user.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/tokens",
    tag = "tokens",
    summary = "Make a token of a user",
    description = "For admins, and for the user when logged in. It never does more than the user may, also when that \
        changes later, and is of no use while the user is disabled.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "The user's id or name")),
    request_body = TokenIn,
    responses(
        (status = 201, description = "The token", body = NewTokenView),
        (status = 404, description = "There is no such user", body = Problem),
        (status = 409, description = "The user is disabled, or has too many", body = Problem),
        (status = 429, description = "Too many were made: Retry-After says when to come again", body = Problem),
    ),
)]
pub(super) async fn create_token_of(
    State(app): State<Shared>,
    by: Signed,
    visitor: Visitor,
    Name(id): Name,
    JsonBody(it): JsonBody<TokenIn>,
) -> Answer<(StatusCode, Json<NewTokenView>)> {
    app.tries.take(&Trying::tokens(visitor.address), app.now())?;
    let made = app.desk(&by.caller, by.actor, move |desk| desk.create_token_of(&id, it)).await?;
    Ok((StatusCode::CREATED, Json(NewTokenView::new(made.token, made.secret))))
}

/// Revokes a user's token.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}/tokens/{token}",
    tag = "tokens",
    summary = "Revoke a user's token",
    description = "For admins, and for the user when logged in.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The user's id or name"),
        ("token" = String, Path, description = "The token's id"),
    ),
    responses(
        (status = 200, description = "It is of no use any more", body = TokenView),
        (status = 404, description = "There is no such user, or the token is not theirs", body = Problem),
    ),
)]
pub(super) async fn revoke_token_of(
    State(app): State<Shared>,
    by: Signed,
    Path((user, token)): Path<(String, String)>,
) -> Answer<Json<TokenView>> {
    let id = token.parse().map_err(|bad: model::id::BadId| Problem::wrong("token", bad.to_string()))?;
    let token = app.desk(&by.caller, by.actor, move |desk| desk.revoke_token(Some(&user), id)).await?;
    app.auth.forget();
    Ok(Json(token.into()))
}
