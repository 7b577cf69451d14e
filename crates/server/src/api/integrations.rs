//! Integrations: configured ways in.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use sdk::Request;
use serde::Serialize;
use utoipa::ToSchema;

use super::events::{AcceptedView, take_all};
use crate::app::Shared;
use crate::body::Raw;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::views::Page;

/// A way in.
#[derive(Serialize, ToSchema)]
#[schema(as = Integration)]
pub(super) struct IntegrationView {
    /// Its name.
    name: String,
    /// Its kind, such as `webhook`.
    kind: String,
    /// Where to send to.
    path: String,
}

/// Lists integrations.
#[utoipa::path(
    get,
    path = "/api/v1/integrations",
    tag = "sources",
    summary = "List the configured ways in",
    security(("token" = ["read"])),
    responses((status = 200, description = "All integrations, by name", body = Page<IntegrationView>)),
)]
pub(super) async fn list_integrations(State(app): State<Shared>) -> Json<Page<IntegrationView>> {
    let exposed = app.exposed();
    let view = |(name, it): (&String, &crate::app::Integration)| {
        let folder = if it.kind == "heartbeat" { "heartbeats" } else { "integrations" };
        let path = format!("{}/api/v1/{folder}/{name}", app.options.prefix);
        IntegrationView { name: name.clone(), kind: it.kind.clone(), path }
    };
    Json(Page::whole(exposed.integrations.iter().map(view).collect()))
}

/// Takes in what another system sends in its own words.
#[utoipa::path(
    post,
    path = "/api/v1/integrations/{name}",
    tag = "sources",
    summary = "Take in what another system sends in its own words",
    description = "How the body is read is configured. Of several events, good ones are taken in even when \
        others are not: then the answer is 400, with the wrong ones in `errors` and what was taken in in \
        `items`.",
    security(("token" = ["ingest"])),
    params(("name" = String, Path, description = "The integration")),
    request_body(content = Object, description = "Whatever the integration reads"),
    responses(
        (status = 200, description = "All events are on disk", body = Page<AcceptedView>),
        (status = 400, description = "The body, or some events of it, cannot be taken in", body = Problem),
        (status = 404, description = "There is no integration of this name", body = Problem),
    ),
)]
pub(super) async fn post_integration(
    State(app): State<Shared>,
    Name(name): Name,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Answer<Response> {
    let exposed = app.exposed();
    let integration = exposed.integrations.get(&name);
    let integration =
        integration.ok_or_else(|| Problem::not_found("integration", format_args!("{name:?}")))?;
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let request = Request { integration: &name, body: &body, content_type, now: app.now() };
    let events = integration.reader.parse(&request).map_err(|refusal| {
        app.hub.core.counters.refused.add(&format!("{}/{name}", integration.kind), 1);
        Problem::bad(refusal.to_string())
    })?;
    take_all(&app, &format!("{}/{name}", integration.kind), events).await
}
