//! All routes.

use axum::http::{Method, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::error::{Kind, Problem};
use crate::front::{Front, front};
use crate::openapi::{self, Base, Description, complete, needs};
use crate::{api, doors};

/// The routes and their description.
pub(crate) fn described() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    let routes = OpenApiRouter::with_openapi(Base::openapi());
    let (routes, mut openapi) =
        routes.merge(api::routes()).merge(doors::alertmanager::routes()).split_for_parts();
    complete(&mut openapi);
    (routes, openapi)
}

/// The description of the API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().1
}

/// The description of the API as JSON, for `docs/reference/openapi.json`.
pub fn openapi_json() -> String {
    openapi::json(&openapi())
}

/// Everything that the server answers, under the prefix if there is one.
pub fn router(app: Shared) -> Router {
    let (routes, openapi) = described();
    let prefix = app.options.prefix.clone();
    let guard = Front::new(app.clone(), needs(&openapi));
    let routes = routes.fallback(unknown).method_not_allowed_fallback(not_allowed);
    let description = Extension(Description(openapi::json(&openapi).into()));
    let routes =
        routes.layer(description).layer(middleware::from_fn_with_state(guard, front)).with_state(app);
    if prefix.is_empty() {
        return routes;
    }
    // where people look first
    let home = Redirect::temporary(&prefix);
    let routes = Router::new().nest(&prefix, routes).route(&format!("{prefix}/"), get(home.clone()));
    routes.route("/", get(home)).fallback(unknown)
}

async fn unknown(uri: Uri) -> Response {
    if uri.path().starts_with("/api/v2/") {
        return doors::alertmanager::error::no_path(uri.path());
    }
    Problem::not_found("resource", format_args!("{}: GET / tells what there is", uri.path())).into_response()
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    if uri.path().starts_with("/api/v2/") {
        return doors::alertmanager::error::not_allowed(&method);
    }
    let detail = format!("{} does not take {method}: the header Allow says what it takes", uri.path());
    Problem::new(Kind::MethodNotAllowed, detail).into_response()
}
