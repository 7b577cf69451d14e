//! What stands before every handler: how many at once, who asks, how long it may take, and counting it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use model::Topic;
use serde_json::json;

use crate::admission;
use crate::app::Shared;
use crate::auth::{Need, Peer, Scope};
use crate::doors::alertmanager::error;
use crate::doors::{argus, sentry};
use crate::error::{Answer, Problem};
use crate::openapi::Needs;

/// What [`front`] goes by.
#[derive(Clone)]
pub struct Front {
    app: Shared,
    routes: Arc<HashMap<String, Route>>,
    other: Arc<str>,
}

/// A route as it is counted and guarded.
struct Route {
    name: Arc<str>,
    /// What each method needs; `None`: anybody may.
    needs: Vec<(Method, Option<Need>)>,
}

impl Route {
    /// Methods that it takes, GET first.
    fn methods(&self) -> impl Iterator<Item = &Method> {
        let methods = || self.needs.iter().map(|(method, _)| method);
        methods().filter(|it| *it == Method::GET).chain(methods().filter(|it| *it != Method::GET))
    }

    /// What a method needs; a method that is not there needs nothing, since it leads nowhere.
    fn need(&self, method: &Method) -> Option<Need> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.needs.iter().find(|(have, _)| have == method).and_then(|(_, need)| *need)
    }
}

impl Front {
    /// For routes that need this.
    pub fn new(app: Shared, needs: Needs) -> Self {
        let prefix = &app.options.prefix;
        let mut routes: HashMap<String, Route> = HashMap::new();
        for (method, path, need) in needs {
            let route = routes.entry(format!("{prefix}{path}"));
            let route = route.or_insert_with(|| Route { name: path.into(), needs: Vec::new() });
            route.needs.push((method, need));
        }
        Front { app, routes: Arc::new(routes), other: "other".into() }
    }
}

/// Lets a request through to its handler, or answers in the handler's place.
pub async fn front(State(front): State<Front>, mut request: Request, next: Next) -> Response {
    let app = &front.app;
    let began = app.now();
    let matched = request.extensions().get::<MatchedPath>().and_then(|path| front.routes.get(path.as_str()));
    let (name, need) = match matched {
        Some(route) => (&route.name, route.need(request.method())),
        None => (&front.other, None),
    };
    let (method, asked) = (word(request.method()), request.method().clone());
    let is_argus = argus::is_ours(name);
    let is_theirs = name.starts_with("/api/v2/") && !is_argus;
    let share = is_theirs && request.headers().contains_key(header::ORIGIN);
    let answer = match preflight(&request, share) {
        Some(response) => Ok(response),
        None => match admit(app, name, need, &mut request).await {
            Ok(()) => run(app, name, request, next).await,
            Err(problem) => Err(problem),
        },
    };
    let mut response = match answer {
        Ok(response) => response,
        Err(problem) if is_argus => argus::from_problem(problem),
        Err(problem) if sentry::is_ours(name) => sentry::from_problem(&problem),
        Err(problem) => problem.into_response(),
    };
    if let Some(route) = matched.filter(|_| is_theirs && response.status() == StatusCode::METHOD_NOT_ALLOWED)
    {
        let allow = response.headers_mut().remove(header::ALLOW);
        response = error::not_allowed(&asked, route.methods());
        allow.into_iter().for_each(|allow| drop(response.headers_mut().insert(header::ALLOW, allow)));
    }
    if share && matches!(method, "GET" | "HEAD") {
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
    }
    let (status, now) = (response.status().as_u16(), app.now());
    app.http.count(name, method, status, now.since(began));
    app.hub.in_passing(Topic::RequestServed, now, || {
        let duration_ms = now.since(began).as_secs_f64() * 1000.0;
        json!({ "route": &**name, "method": method, "status": status, "duration_ms": duration_ms })
    });
    response
}

async fn admit(app: &Shared, name: &str, need: Option<Need>, request: &mut Request) -> Answer<()> {
    let Some(need) = need else { return Ok(()) };
    let peer = request.extensions().get::<Peer>().copied();
    let caller = admission::who(app, request.headers(), request.method(), peer).await;
    let caller = caller.inspect_err(|problem| {
        if problem.code() == StatusCode::UNAUTHORIZED {
            let what = format!("{} {}", word(request.method()), name);
            let from = app.address(request.headers(), peer);
            app.refusals.note(&what, from, &problem.detail, app.now());
        }
    })?;
    if !caller.has(need) {
        return Err(Problem::forbidden(caller.lacks(need.scope())));
    }
    // a link on a page somewhere leads here with the cookie of a session: to look, and not to act
    if caller.session.is_some() && need.scope() != Scope::Read {
        admission::refuse_foreign_forms(app, request.headers())?;
    }
    request.extensions_mut().insert(caller);
    Ok(())
}

async fn run(app: &Shared, name: &str, request: Request, next: Next) -> Answer<Response> {
    let place = (!sentry::has_places(name)).then(|| app.requests.try_acquire());
    let Ok(_permit) = place.transpose() else {
        return Err(Problem::unavailable("too many requests at once, try again in a moment"));
    };
    let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(app.options.request_timeout, handled).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => {
            tracing::error!("a handler panicked");
            Err(Problem::internal("a bug of this server: please report it"))
        }
        Err(_) => {
            let seconds = app.options.request_timeout.as_secs_f64();
            Err(Problem::unavailable(format!("it took more than {seconds} seconds and was given up")))
        }
    }
}

/// What a browser asks before it lets a page of another site read here. As with Alertmanager, it may.
fn preflight(request: &Request, share: bool) -> Option<Response> {
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    if !share || request.method() != Method::OPTIONS {
        return None;
    }
    let mut headers = HeaderMap::new();
    if asked == "GET" || asked == "HEAD" {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        let allowed = HeaderValue::from_static("Accept, Authorization, Content-Type, Origin");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    Some((StatusCode::NO_CONTENT, headers).into_response())
}

/// The method as a label: there may be any number of others.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
