//! The description of the API: made of what the handlers say of themselves, and obeyed by the server. Which
//! scope a route needs is read from here, so that what is written and what is done cannot differ.

use std::sync::Arc;

use axum::http::Method;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr};
use utoipa::{Modify, OpenApi};

use crate::auth::{Need, Scope};

/// Methods, paths and the scopes that they need; `None`: anybody may.
pub type Needs = Vec<(Method, String, Option<Need>)>;

const ABOUT: &str = "An alert hub: it takes in that something happened from every system a team runs, \
    works out who must know, tells them through any channel, and never loses one on the way. What is under \
    `/api/v1` is its own; `/api/v2` is Alertmanager's, for Prometheus, amtool and everything else that \
    speaks it. Errors of its own are `application/problem+json`.";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nightbell", description = ABOUT, version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Tokens),
    components(schemas(crate::error::Problem)),
    tags(
        (name = "alertmanager", description = "Alertmanager's API, version 2, and its management endpoints"),
        (name = "events", description = "Saying that something happened"),
        (name = "incidents", description = "What is wrong, and doing something about it"),
        (name = "deliveries", description = "What was told to whom, and how that went"),
        (name = "receivers", description = "Who can be told"),
        (name = "routes", description = "Who is told of what"),
        (name = "silences", description = "What need not be told for a while"),
        (name = "explain", description = "Why somebody was told, or was not"),
        (name = "sources", description = "Configured ways in"),
        (name = "plugins", description = "Plugins"),
        (name = "accounts", description = "Users, teams, sessions, invitations, and who changed what"),
        (name = "people", description = "What people define for themselves, and who is on call"),
        (name = "errors", description = "Programs that report their errors, and what they reported"),
        (name = "tokens", description = "What programs are known by"),
        (name = "pages", description = "Pages for people"),
        (name = "server", description = "The server itself"),
    )
)]
pub(crate) struct Base;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let about = "A token of this server (nb_…) as bearer, or as the password of basic authentication. \
            Roles are the scopes: read, ingest, respond (covers read), manage (covers respond), admin (covers all); \
            respond:team is respond, or to be a responder in the team whose the thing is, or of what is one's own. \
            The cookie of a session stands for its user. Requests from the \
            very machine that the server runs on need none, unless it is configured otherwise.";
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The description as text, for whoever asks.
#[derive(Clone)]
pub struct Description(pub Arc<str>);

/// The description as JSON.
pub fn json(openapi: &utoipa::openapi::OpenApi) -> String {
    // made of texts and maps, which can always be written
    let mut text = serde_json::to_string_pretty(openapi).unwrap_or_default();
    text.push('\n');
    text
}

/// Adds to every operation what the front answers in its place.
pub(crate) fn complete(openapi: &mut utoipa::openapi::OpenApi) {
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let guarded = need(operation).is_some();
            let (body, takes) = (operation.request_body.is_some(), operation.parameters.is_some());
            let usual = [
                (body || takes, "400", "The request is not right: `errors` says what and where"),
                (guarded, "401", "A token is needed, or this one is not good"),
                (guarded, "403", "The token does not allow this"),
                (body, "408", "The body did not arrive in time"),
                (body, "413", "The body is over the limit"),
                (guarded, "503", "The database is not available, or there is too much to do: try again"),
            ];
            for response in operation.responses.responses.values_mut() {
                as_problem(response);
            }
            for (_, status, about) in usual.into_iter().filter(|(wanted, ..)| *wanted) {
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| problem(about));
            }
        }
    }
}

/// A problem has a type of content of its own.
fn as_problem(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else { return };
    let ours = |content: &RefOr<Content>| match content {
        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
            schema.ref_location.ends_with("/Problem")
        }
        _ => false,
    };
    if let Some(content) = response.content.get("application/json").filter(|it| ours(it)).cloned() {
        response.content.clear();
        response.content.insert("application/problem+json".to_owned(), content);
    }
}

fn problem(about: &str) -> RefOr<Response> {
    let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
    RefOr::T(Response::builder().description(about).content("application/problem+json", content).build())
}

/// Which scope each route needs, by the description. What names no security is for admins only, so that a
/// forgotten line locks out instead of letting in.
pub(crate) fn needs(openapi: &utoipa::openapi::OpenApi) -> Needs {
    let mut needs = Needs::new();
    for (path, item) in &openapi.paths.paths {
        let operations = [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
            (Method::OPTIONS, &item.options),
            (Method::HEAD, &item.head),
            (Method::PATCH, &item.patch),
            (Method::TRACE, &item.trace),
        ];
        for (method, operation) in operations {
            if let Some(operation) = operation {
                needs.push((method, path.clone(), need(operation)));
            }
        }
    }
    needs
}

fn need(operation: &Operation) -> Option<Need> {
    // what a requirement says can only be read in its written form
    let security =
        operation.security.as_ref().and_then(|it| serde_json::to_value(it).ok()).unwrap_or_default();
    let first = &security[0];
    if first.as_object().is_some_and(serde_json::Map::is_empty) {
        return None;
    }
    let named = first["token"][0].as_str().and_then(Need::from_name);
    Some(named.unwrap_or(Need::Everywhere(Scope::Admin)))
}
