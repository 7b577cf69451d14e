//! The two stops of a login by a provider of identities: where a browser sets out, and where it comes back.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{home, login};
use crate::accounts::LoggedIn;
use crate::app::{App, Shared};
use crate::cookies;
use crate::error::{Answer, Problem};
use crate::query::Query;
use crate::signed::Visitor;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(callback))
}

/// Sends a browser to the provider.
#[utoipa::path(
    get,
    path = "/auth/oidc/start",
    tag = "pages",
    summary = "Log in by the provider of identities: sends the browser there",
    security(()),
    responses(
        (status = 303, description = "To the provider"),
        (status = 404, description = "No provider is configured", body = String, content_type = "text/html"),
        (status = 429, description = "Too many tries", body = String, content_type = "text/html"),
        (status = 503, description = "Not now", body = String, content_type = "text/html"),
    ),
)]
async fn start(State(app): State<Shared>, visitor: Visitor) -> Response {
    match app.set_out(&visitor).await {
        Ok(start) => {
            let cookie = [(header::SET_COOKIE, cookies::give_state(&app, &start.state))];
            (cookie, Redirect::to(&start.url)).into_response()
        }
        Err(problem) => login(&app, "", "", Some(problem)),
    }
}

/// Takes a browser in that comes back from the provider.
#[utoipa::path(
    get,
    path = "/auth/oidc/callback",
    tag = "pages",
    summary = "Where the provider of identities sends browsers back to",
    security(()),
    params(
        ("code" = Option<String>, Query, description = "What the provider gives for a token"),
        ("state" = Option<String>, Query, description = "Which login it is"),
        ("error" = Option<String>, Query, description = "Why there is none"),
    ),
    responses(
        (status = 303, description = "Logged in"),
        (status = 400, description = "This login did not begin here, or is over", body = String,
            content_type = "text/html"),
        (status = 401, description = "The user may not log in", body = String, content_type = "text/html"),
        (status = 403, description = "The provider or the configuration lets nobody in like this", body = String,
            content_type = "text/html"),
        (status = 404, description = "No provider is configured", body = String, content_type = "text/html"),
        (status = 409, description = "The name is somebody else's", body = String, content_type = "text/html"),
        (status = 503, description = "Not now", body = String, content_type = "text/html"),
    ),
)]
async fn callback(State(app): State<Shared>, visitor: Visitor, headers: HeaderMap, uri: Uri) -> Response {
    let mut response = match come_back(&app, &visitor, &headers, &uri).await {
        Ok(begun) => home(&app, &begun, None),
        Err(problem) => login(&app, "", "", Some(problem)),
    };
    response.headers_mut().append(header::SET_COOKIE, cookies::take_state_back(&app));
    debug_assert_ne!(response.status(), StatusCode::OK);
    response
}

async fn come_back(app: &App, visitor: &Visitor, headers: &HeaderMap, uri: &Uri) -> Answer<LoggedIn> {
    let query = Query::of(uri);
    if let Some(why) = query.last("error") {
        let why: String = why.chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(Problem::forbidden(format!("the provider says: {why}")));
    }
    let (Some(code), Some(state)) = (query.one("code")?, query.one("state")?) else {
        return Err(Problem::wrong("code", "is not there, or `state` is not: begin again"));
    };
    // whoever comes back is the browser that set out, and not one that was handed somebody else's link
    if cookies::state(app, headers).as_deref() != Some(state) {
        return Err(Problem::wrong("state", "this login did not begin in this browser: begin again"));
    }
    app.log_in_by_provider(state, code, visitor).await
}
