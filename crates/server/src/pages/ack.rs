//! The page behind the link in a message: it shows what is wrong, and who reads it takes it there. Looking changes
//! nothing, so that programs that look at mails take nothing.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use flow::answers::{Answer as Given, Answerable, NotTaken, Verb, Who};
use model::Incident;
use model::incident::State as IncidentState;
use model::limits::MAX_NOTE_BYTES;
use model::time::span;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{escaped, filled, page};
use crate::app::{App, Shared};
use crate::error::{Answer, Kind, Problem};
use crate::input::{Name, text};
use crate::signed::Visitor;

/// Incidents that the page lists; a message may be about more.
const LISTED: usize = 20;
/// What the page offers as times after which others are told again.
const SPANS: [(&str, &str); 5] =
    [("", "until it is over"), ("30m", "30 minutes"), ("2h", "2 hours"), ("8h", "8 hours"), ("1d", "a day")];
/// The longest time for which somebody takes something by a form.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

const TITLE: &str = "Acknowledge";

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(ack_page, ack_form))
}

/// Shows what can be taken.
#[utoipa::path(
    get,
    path = "/ack/{name}",
    tag = "pages",
    summary = "The page behind the link in a message, to take what it is about; looking changes nothing",
    security(()),
    params(("name" = String, Path, description = "What the link ends with")),
    responses(
        (status = 200, description = "A form", body = String, content_type = "text/html"),
        (status = 404, description = "It is not good any more", body = String, content_type = "text/html"),
        (status = 409, description = "It was used, or all is over", body = String, content_type = "text/html"),
    ),
)]
async fn ack_page(State(app): State<Shared>, Name(token): Name) -> Response {
    show(&app, &token, None).await
}

/// Takes it.
#[utoipa::path(
    post,
    path = "/ack/{name}",
    tag = "pages",
    summary = "Take what a message is about, by the form",
    security(()),
    params(("name" = String, Path, description = "What the link ends with")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "It is taken", body = String, content_type = "text/html"),
        (status = 400, description = "The form says why not", body = String, content_type = "text/html"),
        (status = 403, description = "They may not", body = String, content_type = "text/html"),
        (status = 404, description = "It is not good any more", body = String, content_type = "text/html"),
        (status = 409, description = "It was used, or all is over", body = String, content_type = "text/html"),
        (status = 503, description = "Not now", body = String, content_type = "text/html"),
    ),
)]
async fn ack_form(
    State(app): State<Shared>,
    visitor: Visitor,
    Name(token): Name,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Response {
    let given = async {
        let form = filled(&app, &headers, body).await?;
        let span = how_long(&form.get("for"))?;
        let note = text("note", form.get("note"), MAX_NOTE_BYTES)?;
        let from = visitor.address.map(|it| it.to_string()).unwrap_or_default();
        let answer =
            Given { token: token.clone(), who: Who::Page(from), verb: Verb::Acknowledge(span), note };
        app.hub.take_answer(answer).await?.map_err(problem)
    };
    match given.await {
        Ok(taken) => {
            let by = escaped(&taken.by);
            let text = format!("<p><b>{by}</b> has it now. Thank you.</p>{}", list(&taken.incidents));
            page("Taken", &text, None)
        }
        // what was filled in wrongly can be put right
        Err(wrong) if wrong.code() == StatusCode::BAD_REQUEST => show(&app, &token, Some(wrong)).await,
        Err(wrong) => page(TITLE, "", Some(wrong)),
    }
}

/// How long somebody takes something by a form; `None`: until it is over.
///
/// # Errors
/// When it is no span, or too long a one.
pub(super) fn how_long(text: &str) -> Answer<Option<Duration>> {
    match span::parse(text.trim()) {
        _ if text.trim().is_empty() => Ok(None),
        Ok(span) if !span.is_zero() && span <= LONGEST => Ok(Some(span)),
        Ok(_) => Err(Problem::wrong("for", "must be longer than zero and no more than 30 days")),
        Err(bad) => Err(Problem::wrong("for", bad.to_string())),
    }
}

fn problem(why: NotTaken) -> Problem {
    let kind = match why {
        NotTaken::Unknown | NotTaken::Expired | NotTaken::Withdrawn => Kind::NotFound,
        NotTaken::Stranger(_) | NotTaken::Several(_) | NotTaken::MayNot(_) => Kind::Forbidden,
        NotTaken::Given | NotTaken::Over => Kind::NotInState,
    };
    let mut words = why.to_string();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Problem::new(kind, format!("{words}."))
}

async fn show(app: &App, token: &str, wrong: Option<Problem>) -> Response {
    match app.hub.answerable(token).await {
        Err(error) => page(TITLE, "", Some(error.into())),
        Ok(Err(why)) => page(TITLE, "", Some(problem(why))),
        Ok(Ok((about, given))) => {
            let Answerable { person, incidents, .. } = &about;
            let is_active = incidents.iter().any(Incident::is_active);
            match person {
                None => page(TITLE, "", Some(problem(NotTaken::Withdrawn))),
                Some(_) if given => page(TITLE, &list(incidents), Some(problem(NotTaken::Given))),
                Some(_) if !is_active => page(TITLE, &list(incidents), Some(problem(NotTaken::Over))),
                Some(person) => page(TITLE, &form(app, token, &person.name, incidents), wrong),
            }
        }
    }
}

fn form(app: &App, token: &str, name: &str, incidents: &[Incident]) -> String {
    format!(
        "{}<form method=\"post\" action=\"{}/ack/{}\"><p>You act as <b>{}</b>.</p>{}\
         <button>Acknowledge</button></form>",
        list(incidents),
        app.options.prefix,
        escaped(token),
        escaped(name),
        fields(),
    )
}

/// What somebody may say who takes something.
pub(super) fn fields() -> String {
    let spans = SPANS.map(|(span, words)| format!("<option value=\"{span}\">{words}</option>")).concat();
    format!(
        "<label>Note <input name=\"note\" maxlength=\"500\"></label>\
         <label>For how long <select name=\"for\">{spans}</select></label>"
    )
}

/// What a message was about, as it is now.
fn list(incidents: &[Incident]) -> String {
    let line = |it: &Incident| {
        let by = match (it.state, &it.acknowledged_by) {
            (IncidentState::Acknowledged, Some(by)) => format!(", {} has it", escaped(by)),
            _ => String::new(),
        };
        format!("<li><b>{}</b> ({}, {}{by})</li>", escaped(&it.title), it.severity.name(), it.state.name())
    };
    let more = match incidents.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("<li>and {more} more</li>"),
    };
    format!("<ul>{}{more}</ul>", incidents.iter().take(LISTED).map(line).collect::<String>())
}
