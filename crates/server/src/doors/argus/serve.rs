//! Serving the routes: from a request to its handler, and from what that gives to an answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::any;
use axum::{Extension, Router};

use super::asker::Asker;
use super::call::{Answer, Call, Route, Version};
use super::refused::Refused;
use super::table::{ROUTES, UNVERSIONED};
use crate::app::Shared;
use crate::auth::{Caller, Need, Peer, Scope};
use crate::body;
use crate::openapi::Needs;
use crate::query::Query;

/// Answers a request to one of the routes.
async fn serve(
    State(app): State<Shared>,
    Extension(route): Extension<&'static Route>,
    caller: Option<Extension<Arc<Caller>>>,
    params: RawPathParams,
    request: Request,
) -> Response<Body> {
    let path = params.iter().map(|(_, value)| value.to_owned()).collect();
    match answer(app, route, caller.map(|Extension(it)| it), path, request).await {
        Ok(reply) => reply.into_response(),
        Err(refused) => {
            let allow = (refused.status() == StatusCode::METHOD_NOT_ALLOWED).then(|| route.allow());
            let mut response = refused.into_response();
            if let Some(allow) = allow.and_then(|it| HeaderValue::try_from(it).ok()) {
                response.headers_mut().insert(header::ALLOW, allow);
            }
            response
        }
    }
}

async fn answer(
    app: Shared,
    route: &'static Route,
    caller: Option<Arc<Caller>>,
    path: Vec<String>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
    let verb = route.verb(&method).ok_or_else(|| Refused::method(method.as_str()))?;
    let asker = match caller {
        Some(caller) => Some(Asker::find(&app, caller).await?),
        None => None,
    };
    let version = if parts.uri.path().contains("/api/v3/") { Version::V3 } else { Version::V2 };
    let body = body::read(body, app.options.max_body_bytes, app.options.body_timeout).await?;
    let peer = parts.extensions.get::<Peer>().copied();
    let query = Query::of(&parts.uri);
    let (uri, headers, routes) = (parts.uri, parts.headers, [ROUTES, UNVERSIONED]);
    let call = Call { app, routes, asker, version, path, query, uri, headers, peer, body };
    (verb.run)(call).await
}

/// What no route is for: a path of this API whose slash at the end is missing, one that is gone since its version 1,
/// or one that there is none of; `None` for paths of others.
pub(crate) fn lost(uri: &Uri, prefix: &str) -> Option<Response<Body>> {
    let path = uri.path();
    if let Some(rest) = path.strip_prefix("/api/v1/").filter(|rest| rest.ends_with('/')) {
        let text = "version 1 of this API is gone: use /api/v2/";
        let gone = || Refused::Detail(StatusCode::GONE, text.to_owned()).into_response();
        return is_theirs(rest).then(gone);
    }
    let versioned = path.strip_prefix("/api/v2/").or_else(|| path.strip_prefix("/api/v3/"));
    let is_bare = || UNVERSIONED.iter().any(|route| route.path.strip_suffix('/') == Some(path));
    if !versioned.map_or_else(is_bare, is_theirs) {
        return None;
    }
    if path.ends_with('/') {
        return Some(Refused::not_found().into_response());
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let place = HeaderValue::try_from(format!("{prefix}{path}/{query}")).ok()?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(header::LOCATION, place);
    Some(response)
}

/// All paths with their routes.
fn paths() -> impl Iterator<Item = (String, &'static Route)> {
    let versioned = ROUTES.iter().flat_map(|route| route.paths().map(move |path| (path, route)));
    versioned.chain(UNVERSIONED.iter().map(|route| (route.path.to_owned(), route)))
}

/// The routes, to be served.
pub(crate) fn routes() -> Router<Shared> {
    paths().fold(Router::new(), |routes, (path, route)| {
        routes.route(&path, any(serve).layer(axum::Extension(route)))
    })
}

/// What each needs. A method that a path does not take needs what anybody may do who is known.
pub(crate) fn needs() -> Needs {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let all = paths().flat_map(|(path, route)| {
        let open = route.verbs.iter().all(|verb| verb.need.is_none());
        let needs = methods.clone().map(move |method| {
            let known = if open { None } else { Some(Need::Everywhere(Scope::Read)) };
            (method.clone(), route.verb(&method).map_or(known, |verb| verb.need))
        });
        needs.into_iter().map(move |(method, need)| (method, path.clone(), need))
    });
    all.collect()
}

/// The first parts of paths after the version.
const FIRST: &[&str] =
    &["incidents", "notificationprofiles", "plannedmaintenance", "auth", "token-auth", "schema"];

/// Whether a path, as it goes on after the version, is one of this API's, be there a route or not.
fn is_theirs(rest: &str) -> bool {
    FIRST.contains(&rest.split('/').next().unwrap_or_default())
}

/// Whether a route, by its path, is one of this API's.
pub(crate) fn is_ours(path: &str) -> bool {
    let versioned = path.strip_prefix("/api/v2/").or_else(|| path.strip_prefix("/api/v3/"));
    versioned.is_some_and(is_theirs) || UNVERSIONED.iter().any(|route| route.path == path)
}

#[cfg(test)]
mod tests {
    use super::super::schema::described;
    use super::*;

    #[test]
    fn what_is_described_is_what_is_served() {
        for (version, prefix) in [(Version::V2, "/api/v2/"), (Version::V3, "/api/v3/")] {
            let described = described(version, [ROUTES, UNVERSIONED]);
            let said = described["paths"].as_object().unwrap();
            let served: Vec<String> = paths().map(|(path, _)| path).collect();
            assert!(said.keys().all(|path| served.contains(path)));
            let of_version = |path: &&String| path.starts_with(prefix);
            assert_eq!(said.keys().filter(of_version).count(), served.iter().filter(of_version).count());
        }
        let ids = described(Version::V2, [ROUTES, UNVERSIONED]);
        let ids: Vec<&str> = ids["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|it| it.as_object().unwrap().values())
            .filter_map(|it| it["operationId"].as_str())
            .collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len());
    }
}
