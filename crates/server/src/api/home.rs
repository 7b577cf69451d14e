//! The way in for a person with a browser, and the description of the API for a program.

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::app::Shared;
use crate::openapi::Description;

/// The page. Everything in it is ours, so there is nothing to escape but the prefix, which is plain.
const PAGE: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">
<title>Nightbell</title></head>
<body>
<h1>Nightbell</h1>
<p>An alert hub: it takes in that something happened, works out who must know, and tells them.
It also answers as Alertmanager does, under <code>PREFIX/api/v2/</code>.</p>
<ul>
<li><a href=\"PREFIX/api/v1/incidents?state=active\">What is wrong now</a></li>
<li><a href=\"PREFIX/api/v1/status\">How this server is doing</a></li>
<li><a href=\"PREFIX/api/v1/openapi.json\">The API (OpenAPI 3.1)</a></li>
<li><a href=\"PREFIX/metrics\">Metrics</a>, <a href=\"PREFIX/-/healthy\">health</a>,
<a href=\"PREFIX/-/ready\">readiness</a></li>
</ul>
<p>ACCESS</p>
</body>
</html>
";
const LOCAL: &str = "Without a token, it answers only requests from the very machine that it runs on; all \
    others need <code>Authorization: Bearer nb_…</code>.";
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
pub(super) async fn home(State(app): State<Shared>) -> Html<String> {
    let access = if app.options.allow_anonymous_loopback { LOCAL } else { CLOSED };
    Html(PAGE.replace("PREFIX", &app.options.prefix).replace("ACCESS", access))
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
