//! The way in for a person with a browser, and the description of the API for a program.

use std::sync::LazyLock;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::app::Shared;
use crate::openapi::Description;

/// The page. Everything in it is ours, so there is nothing to escape but the prefix, which is plain.
const PAGE: &str = include_str!("home/page.html");
/// What makes links as Alertmanager's templates write them lead to something.
const SCRIPT: &str = include_str!("home/page.js");
/// What the page may do in a browser: run its own script, and ask this server.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{hash}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});
const LOCAL: &str = "Without a token, it answers only requests from the very machine that it runs on, to \
    <code>localhost</code>; all others need <code>Authorization: Bearer nb_…</code>.";
const CLOSED: &str = "Every request needs <code>Authorization: Bearer nb_…</code>.";

/// Says what this is.
#[utoipa::path(
    get,
    path = "/",
    tag = "server",
    summary = "Say what this is",
    security(()),
    responses((status = 200, description = "A page with links", body = String, content_type = "text/html")),
)]
pub(super) async fn home(State(app): State<Shared>) -> impl IntoResponse {
    let access = if app.options.allow_anonymous_loopback { LOCAL } else { CLOSED };
    let page = PAGE.replace("PREFIX", &app.options.prefix).replace("ACCESS", access);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, Html(page.replace("SCRIPT", SCRIPT)))
}

/// Describes the API.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "server",
    summary = "Describe this API",
    security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", body = Object)),
)]
pub(super) async fn description(Extension(description): Extension<Description>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], description.0.to_string())
}
