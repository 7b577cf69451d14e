//! All routes.

use axum::extract::Request;
use axum::http::{Method, Uri};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Extension, Router};
use tower::ServiceExt as _;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::error::{Kind, Problem};
use crate::front::{Front, front};
use crate::openapi::{self, Base, Description, complete, needs};
use crate::{api, doors, pages};

/// The routes and their description.
pub(crate) fn described() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    let routes = OpenApiRouter::with_openapi(Base::openapi());
    let (routes, mut openapi) = routes
        .merge(api::routes())
        .merge(pages::routes())
        .merge(doors::alertmanager::routes())
        .split_for_parts();
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
    let needs =
        needs(&openapi).into_iter().chain(doors::argus::needs()).chain(doors::sentry::needs()).collect();
    let guard = Front::new(app.clone(), needs);
    let routes = routes
        .merge(doors::plugins::routes())
        .merge(doors::argus::routes())
        .merge(doors::sentry::routes())
        .method_not_allowed_fallback(not_allowed);
    let description = Extension(Description(openapi::json(&openapi).into()));
    let without_slash = routes.clone().fallback(unknown);
    let (guarded, app_below) = (middleware::from_fn_with_state(guard, front), app.clone());
    let below = without_slash.layer(description.clone()).layer(guarded.clone()).with_state(app_below);
    let lost_below = prefix.clone();
    let routes = routes.fallback(move |request| unknown_or_slash(below, lost_below, request));
    let routes = routes.layer(description).layer(guarded).with_state(app);
    if prefix.is_empty() {
        return routes;
    }
    // where people look first
    let home = Redirect::temporary(&prefix);
    let routes = Router::new().nest(&prefix, routes).route(&format!("{prefix}/"), get(home.clone()));
    routes.route("/", get(home)).fallback(unknown)
}

/// As with Alertmanager, a slash at the end of its paths makes no difference; as with Argus, its paths need one.
async fn unknown_or_slash(below: Router, prefix: String, mut request: Request) -> Response {
    let uri = request.uri();
    if let Some(response) = doors::argus::lost(uri, &prefix) {
        return response;
    }
    let bare = uri.path().strip_suffix('/').filter(|path| path.starts_with("/api/v2/"));
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    match bare.and_then(|path| Uri::try_from(format!("{path}{query}")).ok()) {
        Some(bare) => {
            *request.uri_mut() = bare;
            below.oneshot(request).await.unwrap_or_else(|never| match never {})
        }
        None => unknown(uri.clone()).await,
    }
}

async fn unknown(uri: Uri) -> Response {
    if uri.path().starts_with("/api/v2/") {
        return doors::alertmanager::error::no_path(uri.path());
    }
    Problem::not_found("resource", format_args!("{}: GET / tells what there is", uri.path())).into_response()
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    let detail = format!("{} does not take {method}: the header Allow says what it takes", uri.path());
    Problem::new(Kind::MethodNotAllowed, detail).into_response()
}
