//! The door to plugins' own routes: `/plugins/ID/…`.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use plugin_host::Terms;
use plugin_protocol::calls::{self, HttpAnswer, HttpRequest, Principal};
use plugin_protocol::provides::{Access, Route};

use crate::admission;
use crate::app::{App, Shared};
use crate::auth::{Peer, Scope};
use crate::body;
use crate::error::{Answer, Kind, Problem};
use crate::limits::MAX_PLUGIN_BODY_BYTES;

/// Headers that are between the client and us, and not for the plugin, nor from it.
const BETWEEN: [&str; 8] = [
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "host",
    "transfer-encoding",
    "upgrade",
    "set-cookie",
];

/// Its routes.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/plugins/{id}/{*path}", any(ask))
}

async fn ask(
    State(app): State<Shared>,
    Path((id, path)): Path<(String, String)>,
    request: Request,
) -> Answer<Response> {
    let unknown = || Problem::not_found("route of a plugin", format_args!("/plugins/{id}/{path}"));
    let plugin = app.plugins.plugin(&id).ok_or_else(unknown)?;
    let not_ready = || Problem::unavailable(format!("the plugin {id} is not ready"));
    let running = plugin.running().ok_or_else(not_ready)?;
    let path = format!("/{path}");
    let (method, headers, uri) = (request.method().clone(), request.headers().clone(), request.uri().clone());
    let on_path: Vec<_> =
        running.routes.iter().filter_map(|route| Some((route, matched(&route.path, &path)?))).collect();
    if on_path.is_empty() {
        return Err(unknown());
    }
    let takes = |route: &Route| route.taken().any(|it| it == method.as_str());
    let Some((route, arguments)) = on_path.into_iter().find(|(route, _)| takes(route)) else {
        let detail = format!("/plugins/{id}{path} does not take {method}");
        return Err(Problem::new(Kind::MethodNotAllowed, detail));
    };
    let principal = admitted(&app, route, &method, &headers, request.extensions().get::<Peer>()).await?;
    let asked = HttpRequest {
        route: route.path.clone(),
        arguments,
        method: method.as_str().to_owned(),
        path,
        query: uri.query().unwrap_or_default().to_owned(),
        headers: headers_for_guest(&headers),
        principal,
        ..HttpRequest::default()
    };
    let limit = MAX_PLUGIN_BODY_BYTES.min(app.options.max_body_bytes);
    let bytes = body::read(request.into_body(), limit, app.options.body_timeout).await?;
    let asked = with_body(asked, &bytes);
    // a place is held until it answers, however late: one that is stuck is asked no more
    let busy = || Problem::unavailable(format!("the plugin {id} has more to do than it may at once"));
    let permit = running.calls.clone().try_acquire_owned().map_err(|_| busy())?;
    let terms = Terms { limit: plugin.spec().limits.call(), permit: Some(permit), ..Terms::default() };
    let answered = running.peer.ask_on::<calls::Request>(&asked, terms).await;
    let answered = answered
        .map_err(|why| Problem::unavailable(plugin.journal.hidden(format!("the plugin {id}: {why}"))))?;
    answer(answered).map_err(|why| Problem::internal(format!("the plugin {id}: {why}")))
}

async fn admitted(
    app: &App,
    route: &Route,
    method: &Method,
    headers: &HeaderMap,
    peer: Option<&Peer>,
) -> Answer<Option<Principal>> {
    if route.auth == Access::None {
        return Ok(None);
    }
    let caller = admission::who(app, headers, method, peer.copied()).await?;
    let only_looks = matches!(*method, Method::GET | Method::HEAD);
    if !(caller.may(Scope::Respond) || caller.may(Scope::Ingest) || (only_looks && caller.may(Scope::Read))) {
        let needs = if only_looks { "read, respond or ingest" } else { "respond or ingest" };
        return Err(Problem::forbidden(format!("this needs a token with the scope {needs}")));
    }
    Ok(Some(Principal { name: caller.signed("") }))
}

/// The parts of a path that stand where a pattern such as `/item/<id>` has names; a name may have a type after a
/// colon, which
/// the plugin looks at.
fn matched(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut wanted, mut have) = (pattern.split('/'), path.split('/'));
    let mut arguments = BTreeMap::new();
    loop {
        match (wanted.next(), have.next()) {
            (None, None) => return Some(arguments),
            (Some(wanted), Some(have)) => {
                match wanted.strip_prefix('<').and_then(|name| name.strip_suffix('>')) {
                    Some(name) if !have.is_empty() => {
                        let name = name.split(':').next().unwrap_or(name);
                        arguments.insert(name.to_owned(), have.to_owned());
                    }
                    None if wanted == have => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}

fn headers_for_guest(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        let wanted = !BETWEEN.contains(&name.as_str());
        wanted.then(|| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))?
    };
    headers.iter().filter_map(text).collect()
}

fn with_body(mut asked: HttpRequest, bytes: &[u8]) -> HttpRequest {
    match std::str::from_utf8(bytes) {
        Ok(text) => asked.body = Some(text.to_owned()),
        Err(_) => asked.body_base64 = Some(BASE64.encode(bytes)),
    }
    asked
}

fn answer(answered: HttpAnswer) -> Result<Response, String> {
    let status = StatusCode::from_u16(answered.status).ok().filter(|status| !status.is_informational());
    let status = status.ok_or_else(|| format!("status {} is none", answered.status))?;
    let body = match (answered.body, answered.body_base64) {
        (Some(text), _) => text.into_bytes(),
        (None, Some(text)) => BASE64.decode(text).map_err(|error| format!("body_base64: {error}"))?,
        (None, None) => Vec::new(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    for (name, value) in answered.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is no name of a header"))?;
        if BETWEEN.contains(&name.as_str()) {
            continue;
        }
        let value = HeaderValue::from_str(&value).map_err(|_| format!("the value of {name} is none"))?;
        response.headers_mut().insert(name, value);
    }
    // what a plugin writes is not ours: a page of it may not act as one
    let policy = HeaderValue::from_static("sandbox allow-forms allow-scripts");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_path_stand_for_one_part_each() {
        let item = |path: &str| matched("/item/<id:int>/x", path).map(|it| it["id"].clone());
        assert_eq!(item("/item/7/x").as_deref(), Some("7"));
        for path in ["/item//x", "/item/7/8/x", "/item/7", "/item/7/x/"] {
            assert_eq!(item(path), None, "{path}");
        }
        assert_eq!(matched("/teapot", "/teapot"), Some(BTreeMap::new()));
    }
}
