//! The few pages that people need before they have anything else: to log in, to accept an invitation, to read what a
//! message is about, and to take it. Plain HTML, and no script.

mod ack;
mod incident;
mod oidc;

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sdk::Secret;
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::{AcceptIn, LoggedIn, Login};
use crate::admission::refuse_foreign_forms;
use crate::api::session::ended;
use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::body;
use crate::cookies;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::limits::MAX_FORM_BYTES;
use crate::signed::{Signed, Visitor};

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem}\
    label{display:block;margin:1rem 0}\
    pre{white-space:pre-wrap;margin:0}dt{font-weight:bold}dd{margin:0 0 .5rem}\
    input,select{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}\
    button{font:inherit;padding:.4rem 1.5rem}.wrong{border-left:.3rem solid #b00;padding-left:.7rem}";

/// What a page may do in a browser: send its own form, and look as it does.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// All of them.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(login_page, login_form))
        .routes(routes!(logout_form))
        .routes(routes!(invite_page, invite_form))
        .merge(ack::routes())
        .merge(incident::routes())
        .merge(oidc::routes())
}

/// The page to log in on.
#[utoipa::path(
    get,
    path = "/login",
    tag = "pages",
    summary = "The page to log in on",
    security(()),
    params(("next" = Option<String>, Query, description = "The page of an incident to go on to")),
    responses((status = 200, description = "A form", body = String, content_type = "text/html")),
)]
async fn login_page(State(app): State<Shared>, uri: Uri) -> Response {
    let asked = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let next = asked.into_owned().find(|(name, _)| name == "next").map(|(_, path)| path);
    login(&app, "", &next.unwrap_or_default(), None)
}

/// Takes what was filled in there.
#[utoipa::path(
    post,
    path = "/login",
    tag = "pages",
    summary = "Log in by the form",
    security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Logged in"),
        (status = 400, description = "The form says why", body = String, content_type = "text/html"),
        (status = 401, description = "The form says why", body = String, content_type = "text/html"),
        (status = 403, description = "A page of another site asks", body = String, content_type = "text/html"),
        (status = 429, description = "Too many tries", body = String, content_type = "text/html"),
        (status = 503, description = "Not now", body = String, content_type = "text/html"),
    ),
)]
async fn login_form(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Response {
    let form = match filled(&app, &headers, body).await {
        Ok(form) => form,
        Err(problem) => return login(&app, "", "", Some(problem)),
    };
    let next = form.get("next");
    let login_in = Login { name: form.get("name"), password: Secret::new(form.get("password")) };
    match app.log_in(login_in, &visitor).await {
        Ok(begun) => home(&app, &begun, incident::next(&next)),
        Err(problem) => login(&app, &form.get("name"), &next, Some(problem)),
    }
}

/// Ends a session.
#[utoipa::path(
    post,
    path = "/logout",
    tag = "pages",
    summary = "Log out by a form",
    security(("token" = ["read"])),
    responses(
        (status = 303, description = "Logged out"),
        (status = 409, description = "There is no session to end", body = Problem),
    ),
)]
async fn logout_form(State(app): State<Shared>, by: Signed) -> Answer<Response> {
    let cookie = ended(&app, by).await?;
    Ok((cookie, Redirect::to(&format!("{}/login", app.options.prefix))).into_response())
}

/// The page to accept an invitation on. Looking at it uses nothing up: mail programs look at links, too.
#[utoipa::path(
    get,
    path = "/invite/{name}",
    tag = "pages",
    summary = "The page to accept an invitation on",
    security(()),
    params(("name" = String, Path, description = "What the invitation's link ends with")),
    responses(
        (status = 200, description = "A form", body = String, content_type = "text/html"),
        (status = 404, description = "It is not good", body = String, content_type = "text/html"),
    ),
)]
async fn invite_page(State(app): State<Shared>, Name(secret): Name) -> Response {
    invite(&app, secret, None).await
}

/// Takes what was filled in there.
#[utoipa::path(
    post,
    path = "/invite/{name}",
    tag = "pages",
    summary = "Accept an invitation by the form",
    security(()),
    params(("name" = String, Path, description = "What the invitation's link ends with")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "Logged in"),
        (status = 400, description = "The form says why", body = String, content_type = "text/html"),
        (status = 403, description = "A page of another site asks", body = String, content_type = "text/html"),
        (status = 404, description = "It is not good", body = String, content_type = "text/html"),
        (status = 409, description = "The name is taken", body = String, content_type = "text/html"),
        (status = 429, description = "Too many tries", body = String, content_type = "text/html"),
        (status = 503, description = "Not now", body = String, content_type = "text/html"),
    ),
)]
async fn invite_form(
    State(app): State<Shared>,
    visitor: Visitor,
    Name(secret): Name,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Response {
    let accepted = async {
        let form = filled(&app, &headers, body).await?;
        let zone = form.get("time_zone");
        let it = AcceptIn {
            secret: Secret::new(secret.clone()),
            name: form.get("name"),
            full_name: form.get("full_name"),
            time_zone: if zone.is_empty() { None } else { Some(zone) },
            password: Secret::new(form.get("password")),
        };
        app.accept_invitation(it, &visitor).await
    };
    match accepted.await {
        Ok(begun) => home(&app, &begun, None),
        Err(problem) => invite(&app, secret, Some(problem)).await,
    }
}

/// What was filled in.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> String {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

async fn filled(app: &App, headers: &HeaderMap, body: axum::body::Body) -> Answer<Form> {
    refuse_foreign_forms(app, headers)?;
    let bytes = body::read(body, MAX_FORM_BYTES, app.options.body_timeout).await?;
    Ok(Form(form_urlencoded::parse(&bytes).into_owned().collect()))
}

/// To where people begin, or wanted to go, with a session.
fn home(app: &App, begun: &LoggedIn, next: Option<&str>) -> Response {
    let cookie = [(header::SET_COOKIE, cookies::give(app, &begun.secret))];
    (cookie, Redirect::to(&format!("{}{}", app.options.prefix, next.unwrap_or("/")))).into_response()
}

fn login(app: &App, name: &str, next: &str, problem: Option<Problem>) -> Response {
    let name = escaped(name);
    let next = incident::next(next)
        .map(|path| format!("<input type=\"hidden\" name=\"next\" value=\"{path}\">"))
        .unwrap_or_default();
    let form = format!(
        "<form method=\"post\" action=\"{}/login\">\
         <label>Name <input name=\"name\" value=\"{name}\" autocomplete=\"username\" required></label>\
         <label>Password <input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>\
         {next}<button>Log in</button></form>",
        app.options.prefix
    );
    let by_provider = app.oidc.as_ref().map(|oidc| {
        let label = escaped(&oidc.settings.label);
        format!("<p><a href=\"{}/auth/oidc/start\">Log in by {label}</a></p>", app.options.prefix)
    });
    page("Log in", &format!("{form}{}", by_provider.unwrap_or_default()), problem)
}

async fn invite(app: &App, secret: String, problem: Option<Problem>) -> Response {
    let (caller, asked) = (std::sync::Arc::new(Caller::system("invitation")), secret.clone());
    let actor = caller.actor(None);
    let found = app.desk(&caller, actor, move |desk| desk.invitation_of(&asked)).await;
    let invitation = match found {
        Ok(invitation) => invitation,
        Err(why) => return page("Invitation", "", Some(why)),
    };
    let mut fields = String::new();
    if invitation.name.is_empty() {
        fields.push_str(
            "<label>Name, to log in with <input name=\"name\" autocomplete=\"username\" required></label>",
        );
    } else {
        let _ = write!(fields, "<p>Your name here is <b>{}</b>.</p>", escaped(&invitation.name));
    }
    if invitation.user.is_none() {
        fields.push_str(
            "<label>Full name <input name=\"full_name\" autocomplete=\"name\"></label>\
             <label>Time zone, such as Europe/Berlin <input name=\"time_zone\"></label>",
        );
    }
    let form = format!(
        "<form method=\"post\" action=\"{}/invite/{}\">{fields}\
         <label>Password, 12 characters or more <input name=\"password\" type=\"password\" \
         autocomplete=\"new-password\" minlength=\"12\" required></label><button>Accept</button></form>",
        app.options.prefix,
        escaped(&secret)
    );
    page("Welcome", &form, problem)
}

fn page(title: &str, form: &str, problem: Option<Problem>) -> Response {
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::code);
    let wrong = problem.as_ref().map(|it| format!("<p class=\"wrong\">{}</p>", escaped(&it.detail)));
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title} - Nightbell</title><style>{STYLE}</style>\
         <h1>{title}</h1>{}{form}</html>",
        wrong.unwrap_or_default()
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // a link's secret is nobody else's
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (status, headers, Html(text)).into_response();
    if let Some(seconds) = problem.and_then(|it| it.retry_after) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A text as it stands in a page, between tags or in an attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
