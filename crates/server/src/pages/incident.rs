//! The page behind the link to an incident: what is wrong, and what has happened about it. Looking changes nothing; who
//! may act on it finds a form to take it, to give it back, and to say that it is over.

use std::fmt::Write as _;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use flow::driver::Act;
use model::incident::State as IncidentState;
use model::limits::MAX_NOTE_BYTES;
use model::{Id, Incident, Labels, Time};
use store::ledger::Line;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::ack::{fields, how_long};
use super::{escaped, filled, page};
use crate::admission::who;
use crate::app::{App, Shared};
use crate::auth::{Peer, Scope};
use crate::error::{Answer, Problem};
use crate::input::{Name, is_web, text as bounded};
use crate::signed::Signed;

/// Lines of the timeline that are shown: the last ones.
const LINES: i64 = 100;
/// Where such pages are.
const PATH: &str = "/incidents/";
/// Letters and digits of an id, and more than any has.
const MAX_ID_BYTES: usize = 40;

const TITLE: &str = "Incident";

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(incident_page, incident_form))
}

/// Shows an incident.
#[utoipa::path(
    get,
    path = "/incidents/{name}",
    tag = "pages",
    summary = "The page of an incident, to which messages link",
    security(()),
    params(("name" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "What is wrong, and its timeline", body = String, content_type = "text/html"),
        (status = 303, description = "Nobody is logged in: to the form for that, and then back"),
        (status = 403, description = "They may not read", body = String, content_type = "text/html"),
        (status = 404, description = "There is none with this id", body = String, content_type = "text/html"),
    ),
)]
async fn incident_page(
    State(app): State<Shared>,
    Name(id): Name,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    match shown(&app, &id, &headers, peer.map(|Extension(peer)| peer)).await {
        Ok((title, text)) => page(&escaped(&title), &text, None),
        Err(problem)
            if problem.code() == StatusCode::UNAUTHORIZED && next(&format!("{PATH}{id}")).is_some() =>
        {
            Redirect::to(&format!("{}/login?next={PATH}{id}", app.options.prefix)).into_response()
        }
        Err(problem) => page(TITLE, "", Some(problem)),
    }
}

/// Where somebody may go on after logging in: to such a page, and nowhere else.
pub(super) fn next(path: &str) -> Option<&str> {
    let id = path.strip_prefix(PATH)?;
    let is_id = (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_id.then_some(path)
}

/// Does something to an incident.
#[utoipa::path(
    post,
    path = "/incidents/{name}",
    tag = "pages",
    summary = "Take an incident, give it back, or say that it is over, by the form",
    security(()),
    params(("name" = String, Path, description = "Its id")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 303, description = "It is done: back to the page; or to the login"),
        (status = 400, description = "The page says why not", body = String, content_type = "text/html"),
        (status = 403, description = "They may not", body = String, content_type = "text/html"),
        (status = 404, description = "There is none with this id", body = String, content_type = "text/html"),
        (status = 409, description = "It is over", body = String, content_type = "text/html"),
        (status = 503, description = "Not now", body = String, content_type = "text/html"),
    ),
)]
async fn incident_form(
    State(app): State<Shared>,
    Name(id): Name,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Response {
    let peer = peer.map(|Extension(peer)| peer);
    let back = Redirect::to(&format!("{}{PATH}{id}", app.options.prefix));
    match acted(&app, &id, &headers, peer, body).await {
        // who is not logged in any more is led to the login from there
        Err(problem)
            if problem.code() == StatusCode::UNAUTHORIZED && next(&format!("{PATH}{id}")).is_some() =>
        {
            back.into_response()
        }
        Ok(()) => back.into_response(),
        Err(problem) => page(TITLE, "", Some(problem)),
    }
}

async fn acted(
    app: &App,
    id: &str,
    headers: &HeaderMap,
    peer: Option<Peer>,
    body: axum::body::Body,
) -> Answer<()> {
    let by = Signed::of(app, who(app, headers, &Method::POST, peer).await?, headers, peer);
    let form = filled(app, headers, body).await?;
    let id: Id = id.parse().map_err(|_| Problem::not_found(TITLE, id))?;
    let note = bounded("note", form.get("note"), MAX_NOTE_BYTES)?;
    let name = by.caller.signed("");
    let act = match form.get("act").as_str() {
        "acknowledge" => {
            let until = how_long(&form.get("for"))?.map(|span| app.now() + span);
            Act::Acknowledge { by: name, until, note }
        }
        "unacknowledge" => Act::Unacknowledge { by: name },
        "resolve" => Act::Resolve { by: name, note, end: None },
        other => {
            let known = "known are acknowledge, unacknowledge and resolve";
            return Err(Problem::wrong("act", format!("{other:?} is nothing that can be done: {known}")));
        }
    };
    by.accomplish(id, act).await.map(drop)
}

async fn shown(app: &App, id: &str, headers: &HeaderMap, peer: Option<Peer>) -> Answer<(String, String)> {
    let caller = who(app, headers, &Method::GET, peer).await?;
    if !caller.may(Scope::Read) {
        return Err(Problem::forbidden(caller.lacks(Scope::Read)));
    }
    let unknown = || Problem::not_found(TITLE, id);
    let id: Id = id.parse().map_err(|_| unknown())?;
    let by = Signed::of(app, caller, headers, peer);
    let found = app.hub.store.read(move |tx| {
        let Some(incident) = store::incidents::get(tx, id)? else { return Ok(None) };
        Ok(Some((incident, store::ledger::timeline(tx, id, LINES)?)))
    });
    let (incident, lines) = found.await?.ok_or_else(unknown)?;
    let form = match incident.is_active() && by.must_respond_to(id).await.is_ok() {
        true => form(app, &incident, &by.caller.signed("")),
        false => String::new(),
    };
    Ok((incident.title.clone(), text(&incident, &form, &lines)))
}

/// What can be done about an incident that is not over.
fn form(app: &App, incident: &Incident, name: &str) -> String {
    let button = |act: &str, words: &str| format!("<button name=\"act\" value=\"{act}\">{words}</button> ");
    let give_back = match incident.state {
        IncidentState::Acknowledged => button("unacknowledge", "Give it back"),
        _ => String::new(),
    };
    format!(
        "<form method=\"post\" action=\"{}{PATH}{}\"><p>You act as <b>{}</b>.</p>{}{}{give_back}{}</form>",
        app.options.prefix,
        incident.id,
        escaped(name),
        fields(),
        button("acknowledge", "Acknowledge"),
        button("resolve", "It is over"),
    )
}

fn text(incident: &Incident, form: &str, lines: &[Line]) -> String {
    let seen = match incident.times_seen {
        1 => format!("seen once, {}", time(incident.first_seen)),
        times => {
            let (first, last) = (time(incident.first_seen), time(incident.last_seen));
            format!("seen {times} times, first {first}, last {last}")
        }
    };
    let mut text = format!("<p>{}, {}; {seen}</p>", incident.state.name(), incident.severity.name());
    if let Some(by) = &incident.acknowledged_by {
        let _ = write!(text, "<p>{} has it</p>", escaped(by));
    }
    if is_web(&incident.link) {
        let link = escaped(&incident.link);
        let _ = write!(text, "<p><a rel=\"noreferrer\" href=\"{link}\">{link}</a></p>");
    }
    text.push_str(form);
    pairs(&mut text, "Labels", &incident.labels);
    pairs(&mut text, "Annotations", &incident.annotations);
    text.push_str("<h2>Timeline</h2><ol>");
    for line in lines {
        let change = &line.change;
        let by = if change.by.is_empty() { String::new() } else { format!(" by {}", escaped(&change.by)) };
        let detail = escaped(&change.detail);
        let colon = if detail.is_empty() { "" } else { ": " };
        let _ = write!(text, "<li>{} {}{by}{colon}{detail}</li>", time(line.at), change.kind.name());
    }
    text.push_str("</ol>");
    text
}

fn pairs(text: &mut String, title: &str, pairs: &Labels) {
    if pairs.iter().next().is_none() {
        return;
    }
    let _ = write!(text, "<h2>{title}</h2><dl>");
    for (name, value) in pairs.iter() {
        let _ = write!(text, "<dt>{}</dt><dd><pre>{}</pre></dd>", escaped(name), escaped(value));
    }
    text.push_str("</dl>");
}

/// A time as people read it, and to the microsecond for whoever needs it.
fn time(at: Time) -> String {
    let words = at.to_timestamp().strftime("%Y-%m-%d %H:%M:%S UTC");
    format!("<time datetime=\"{at}\">{words}</time>")
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn after_logging_in_nobody_is_led_elsewhere() {
        assert_eq!(next("/incidents/00000000000z9"), Some("/incidents/00000000000z9"));
        for elsewhere in
            ["", "/", "/incidents/", "/incidents/../login", "//evil.example/incidents/1", "/incidents/a?b"]
        {
            assert_eq!(next(elsewhere), None, "{elsewhere}");
        }
    }
}
