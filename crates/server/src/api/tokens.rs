//! Tokens: who may use the API.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Id, Time};
use serde::{Deserialize, Serialize};
use store::Durability;
use store::tokens::Token;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::auth::{Scope, mint};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::{PathId, SpanIn, TimeIn, deadline, short};
use crate::views::Page;

/// A token without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct TokenView {
    /// Its id.
    #[schema(value_type = String)]
    id: Id,
    /// What its owner calls it.
    name: String,
    /// What it allows.
    scopes: Vec<Scope>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
    /// When it ends; null: when it is revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Time>,
}

impl From<Token> for TokenView {
    fn from(it: Token) -> Self {
        TokenView {
            id: it.id,
            scopes: it.scopes.split_whitespace().filter_map(Scope::from_name).collect(),
            name: it.name,
            created_at: it.created_at,
            expires_at: it.expires_at,
            revoked_at: it.revoked_at,
        }
    }
}

/// A new token, with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenWithSecret)]
pub(super) struct NewTokenView {
    /// The token itself. It is shown this once.
    secret: String,
    /// What is known about it.
    #[serde(flatten)]
    token: TokenView,
}

/// A token as somebody asks for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(super) struct TokenIn {
    /// What to call it: who or what uses it.
    name: String,
    /// What it allows.
    scopes: Vec<Scope>,
    /// When it ends; when it is revoked, if neither this nor `for` is given.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<TimeIn>,
    /// How long it is good, such as `90d`.
    #[schema(value_type = Option<String>)]
    r#for: Option<SpanIn>,
}

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
pub(super) async fn list_tokens(State(app): State<Shared>) -> Answer<Json<Page<TokenView>>> {
    let tokens = app.hub.store.read(store::tokens::list).await?;
    Ok(Json(Page::whole(tokens.into_iter().map(TokenView::from).collect())))
}

/// Makes a token.
#[utoipa::path(
    post,
    path = "/api/v1/tokens",
    tag = "tokens",
    summary = "Make a token",
    description = "The answer has the token itself, which is kept nowhere and shown this once.",
    security(("token" = ["admin"])),
    request_body = TokenIn,
    responses((status = 201, description = "The token", body = NewTokenView)),
)]
pub(super) async fn create_token(
    State(app): State<Shared>,
    JsonBody(it): JsonBody<TokenIn>,
) -> Answer<(StatusCode, Json<NewTokenView>)> {
    let (now, name) = (app.now(), short("name", it.name.trim().to_owned())?);
    if name.is_empty() {
        return Err(Problem::wrong("name", "is empty: say who or what uses the token"));
    }
    if it.scopes.is_empty() {
        let known = Scope::ALL.map(Scope::name).join(", ");
        return Err(Problem::wrong("scopes", format!("is empty: known are {known}")));
    }
    let mut scopes = it.scopes;
    scopes.sort_unstable();
    scopes.dedup();
    let expires_at = deadline("expires_at", it.expires_at, it.r#for, now)?;
    let (token, secret, hash) = mint(app.hub.core.id(now), &name, &scopes, now, expires_at);
    let kept = token.clone();
    app.hub.store.write(Durability::Disk, move |tx| store::tokens::insert(tx, &kept, &hash)).await?;
    Ok((StatusCode::CREATED, Json(NewTokenView { secret, token: token.into() })))
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
pub(super) async fn revoke_token(State(app): State<Shared>, PathId(id): PathId) -> Answer<Json<TokenView>> {
    let now = app.now();
    let revoked = app.hub.store.write(Durability::Disk, move |tx| {
        store::tokens::revoke(tx, id, now)?;
        Ok(store::tokens::list(tx)?.into_iter().find(|token| token.id == id))
    });
    let token = revoked.await?.ok_or_else(|| Problem::not_found("token", id))?;
    app.auth.forget();
    Ok(Json(token.into()))
}
