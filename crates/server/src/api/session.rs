//! Sessions: logging in and out, and who one is.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use model::account::ActorKind;
use model::{Id, Time};
use serde::Serialize;
use utoipa::ToSchema;

use super::users::view;
use crate::accounts::{LoggedIn, Login};
use crate::admission::{csrf, refuse_foreign_forms};
use crate::app::{App, Shared};
use crate::auth::Scope;
use crate::body::Json as JsonBody;
use crate::cookies;
use crate::error::{Answer, Problem};
use crate::signed::{Signed, Visitor};
use crate::views::account::UserView;
use crate::views::words;

/// A session that has just begun.
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedIn)]
pub(crate) struct LoggedInView {
    /// Who is logged in.
    user: UserView,
    /// When the session ends, however busy it is.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Time,
    /// What requests that change something show in the header X-CSRF-Token, where a browser sends no `Origin`.
    csrf_token: String,
}

/// Who asks.
#[derive(Serialize, ToSchema)]
#[schema(as = Whoami)]
pub(super) struct WhoView {
    /// What kind of somebody.
    #[schema(value_type = words::ActorKind)]
    kind: ActorKind,
    /// What they are called; empty for somebody at this very machine.
    name: String,
    /// What they may do.
    #[schema(value_type = Vec<words::Scope>)]
    scopes: Vec<Scope>,
    /// Teams, by id, for which they may do what needs `respond`, though it be for no others.
    #[schema(value_type = Vec<String>)]
    responds_for: Vec<Id>,
    /// The user, if it is one.
    user: Option<UserView>,
    /// The token that they came with.
    #[schema(value_type = Option<String>)]
    token: Option<Id>,
    /// The session that they came with.
    #[schema(value_type = Option<String>)]
    session: Option<Id>,
    /// With a session: what requests that change something show in the header X-CSRF-Token, where a browser sends no
    /// `Origin`.
    csrf_token: Option<String>,
}

/// What gives a browser its session.
pub(crate) type GivenCookie = [(HeaderName, HeaderValue); 2];

/// The answer to who has just logged in.
pub(crate) fn begun(app: &App, it: LoggedIn) -> (GivenCookie, Json<LoggedInView>) {
    let view = LoggedInView {
        expires_at: it.session.expires_at,
        csrf_token: csrf(&it.secret),
        user: UserView::new(it.user, true),
    };
    (with_cookie(cookies::give(app, &it.secret)), Json(view))
}

fn with_cookie(cookie: HeaderValue) -> GivenCookie {
    [(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]
}

/// Logs in.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "accounts",
    summary = "Log in with name and password",
    description = "The answer sets a cookie, which stands for the user from then on.",
    security(()),
    request_body = Login,
    responses(
        (status = 200, description = "Logged in", body = LoggedInView),
        (status = 401, description = "Name and password do not go together", body = Problem),
        (status = 403, description = "A page of another site asks", body = Problem),
        (status = 429, description = "Too many tries: Retry-After says when to come again", body = Problem),
        (status = 503, description = "There is too much to do: try again", body = Problem),
    ),
)]
pub(super) async fn log_in(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    JsonBody(login): JsonBody<Login>,
) -> Answer<(GivenCookie, Json<LoggedInView>)> {
    refuse_foreign_forms(&app, &headers)?;
    Ok(begun(&app, app.log_in(login, &visitor).await?))
}

/// Says who asks.
#[utoipa::path(
    get,
    path = "/api/v1/session",
    tag = "accounts",
    summary = "Say who asks, and what they may",
    security(("token" = ["read"])),
    responses((status = 200, description = "Who asks", body = WhoView)),
)]
pub(super) async fn who_am_i(
    State(app): State<Shared>,
    by: Signed,
    headers: HeaderMap,
) -> Answer<Json<WhoView>> {
    let caller = by.caller;
    let user = match caller.user {
        Some(id) => app.hub.store.read(move |tx| store::users::get(tx, id)).await?,
        None => None,
    };
    let secret = caller.session.and_then(|_| cookies::session(&app, &headers));
    Ok(Json(WhoView {
        kind: caller.kind,
        name: caller.name.clone(),
        scopes: caller.scopes.clone(),
        responds_for: caller.teams.clone(),
        user: user.map(|user| view(user, &caller)),
        token: caller.token,
        session: caller.session,
        csrf_token: secret.map(|secret| csrf(&secret)),
    }))
}

/// Logs out.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "accounts",
    summary = "Log out",
    security(("token" = ["read"])),
    responses(
        (status = 204, description = "Logged out"),
        (status = 409, description = "There is no session to end", body = Problem),
    ),
)]
pub(super) async fn log_out(State(app): State<Shared>, by: Signed) -> Answer<(StatusCode, GivenCookie)> {
    let ended = ended(&app, by).await?;
    Ok((StatusCode::NO_CONTENT, ended))
}

/// Ends the session of who asks; what their browser is to hear of it.
pub(crate) async fn ended(app: &App, by: Signed) -> Answer<GivenCookie> {
    app.desk(&by.caller, by.actor, |desk| desk.log_out()).await?;
    app.auth.forget();
    Ok(with_cookie(cookies::take_back(app)))
}
