//! Events: taking them in, and looking at what came in.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flow::driver::{Once, Taken};
use flow::ingest::Accepted;
use model::{Action, Id, NewEvent, Severity, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::auth::{Caller, hash_hex};
use crate::body;
use crate::error::{Answer, Kind, Problem, Wrong, wrong_event};
use crate::input::{AnnotationsIn, LabelsIn, PathId, SeverityIn, SpanIn, TimeIn, past, time};
use crate::limits::MAX_IDEMPOTENCY_KEY_BYTES;
use crate::query::Query;
use crate::views::event::EventView;
use crate::views::{Page, words};

/// The source that these events are counted under.
const SOURCE: &str = "api";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An event as a sender writes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewEvent)]
pub(super) struct EventIn {
    /// What it is about: events of one key make one incident. Without it, the labels are.
    #[serde(default)]
    key: String,
    /// What it says; `raise`, if not given.
    #[serde(default)]
    #[schema(value_type = Option<words::Action>)]
    action: Action,
    /// How bad it is; without it, what the label `severity` says.
    #[schema(value_type = Option<words::Severity>)]
    severity: Option<SeverityIn>,
    /// One line for people; without it, one is made of annotations and labels.
    #[serde(default)]
    title: String,
    /// What it is about, for routing and grouping. Needed when there is no key.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    labels: LabelsIn,
    /// More about it, for people.
    #[serde(default)]
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    annotations: AnnotationsIn,
    /// Where it came from.
    #[serde(default)]
    link: String,
    /// When it began; now, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<TimeIn>,
    /// When it is over if nothing is heard until then; in the past: it is over.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<TimeIn>,
    /// Over after this long without a word, such as `30m`; for when `ends_at` is not given.
    #[schema(value_type = Option<String>)]
    resolve_after: Option<SpanIn>,
}

/// One event or many.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes what `read` reads")]
pub(super) enum EventsIn {
    /// One.
    One(EventIn),
    /// Many.
    Many(Vec<EventIn>),
}

/// What became of an event.
#[derive(Serialize, ToSchema)]
#[schema(as = AcceptedEvent)]
pub(super) struct AcceptedView {
    /// Its place in the request, from 0.
    index: usize,
    /// Its id.
    #[schema(value_type = String)]
    event: Id,
    /// The incident that it belongs to; null: nothing came of it.
    #[schema(value_type = Option<String>)]
    incident: Option<Id>,
    /// In a word: `opened`, `repeated`, `resolved`, …
    verdict: String,
}

/// Takes events in.
#[utoipa::path(
    post,
    path = "/api/v1/events",
    tag = "events",
    summary = "Take events in",
    description = "One event, or a list of them. The answer is 200 once they are on disk. Of a list, valid \
        events are taken in even when others are not: then the answer is 400, with the wrong ones in \
        `errors` and what was taken in in `items`.",
    security(("token" = ["ingest"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A name for this request: another one with the \
same name and body gets the same answer, and nothing is taken in twice. Kept for a day.")),
    request_body = EventsIn,
    responses(
        (status = 200, description = "All events are on disk", body = Page<AcceptedView>),
        (status = 400, description = "The request, or some events of it, cannot be taken in", body = Problem),
        (status = 409, description = "Another request had this Idempotency-Key", body = Problem),
    ),
)]
pub(super) async fn post_events(
    State(app): State<Shared>,
    Extension(caller): Extension<std::sync::Arc<Caller>>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Response> {
    let options = &app.options;
    let key = idempotency_key(&headers)?;
    let bytes = body::read(body, options.max_body_bytes, options.body_timeout).await?;
    let (mut events, wrong) = parse(&bytes, app.now())?;
    events.iter_mut().for_each(|(_, event)| event.chain = caller.chain);
    let once = key.map(|key| {
        // a name belongs to whoever gave it
        let whose = caller.token.map(|id| id.to_string()).unwrap_or_default();
        Once { key: format!("{whose}:{key}"), body_hash: hash_hex(&bytes) }
    });
    take(&app, SOURCE, events, wrong, once).await
}

fn idempotency_key(headers: &HeaderMap) -> Answer<Option<String>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let name = "Idempotency-Key";
    let key = value.to_str().map_err(|_| Problem::wrong(name, "has characters other than ASCII"))?;
    match key.len() {
        1..=MAX_IDEMPOTENCY_KEY_BYTES => Ok(Some(key.to_owned())),
        _ => Err(Problem::wrong(name, format!("must have from 1 to {MAX_IDEMPOTENCY_KEY_BYTES} characters"))),
    }
}

/// Reads a body: the events that are good, with their places, and what is wrong with the others.
///
/// # Errors
/// When nothing of it can be taken in, since it cannot be read.
pub fn parse(bytes: &[u8], now: Time) -> Answer<Sorted> {
    Ok(sort_out(read(bytes)?, now))
}

/// The events, each with where it stands in the body.
fn read(bytes: &[u8]) -> Answer<Vec<(String, EventIn)>> {
    if bytes.trim_ascii_start().first() != Some(&b'[') {
        return Ok(vec![(String::new(), body::json(bytes)?)]);
    }
    let events: Vec<EventIn> = body::json(bytes)?;
    Ok(events.into_iter().enumerate().map(|(n, event)| (format!("[{n}]"), event)).collect())
}

/// Events that are good, with their places, and what is wrong with the others.
type Sorted = (Vec<(usize, NewEvent)>, Vec<Wrong>);

fn sort_out(events: Vec<(String, EventIn)>, now: Time) -> Sorted {
    let (mut good, mut wrong) = (Vec::with_capacity(events.len()), Vec::new());
    for (n, (path, event)) in events.into_iter().enumerate() {
        match checked(&path, event, now) {
            Ok(event) => good.push((n, event)),
            Err(it) => wrong.push(it),
        }
    }
    (good, wrong)
}

fn checked(path: &str, it: EventIn, now: Time) -> Result<NewEvent, Wrong> {
    let dot = if path.is_empty() { "" } else { "." };
    let started_at =
        it.started_at.map(|TimeIn(at)| past(&format!("{path}{dot}started_at"), at, now)).transpose()?;
    let ends_at = it.ends_at.map(|TimeIn(at)| time(&format!("{path}{dot}ends_at"), at)).transpose()?;
    let event = NewEvent {
        source: SOURCE.to_owned(),
        key: it.key,
        action: it.action,
        severity: it.severity.map(|SeverityIn(severity)| severity),
        title: it.title,
        labels: it.labels.0,
        annotations: it.annotations.0,
        link: it.link,
        started_at,
        ends_at,
        resolve_after: it.resolve_after.map(|SpanIn(span)| span),
        extra: None,
        chain: 0,
    };
    check(path, &event)?;
    Ok(event)
}

/// What the model says about an event, and what only PostgreSQL would say.
fn check(path: &str, event: &NewEvent) -> Result<(), Wrong> {
    event.check().map_err(|bad| wrong_event(path, &bad))?;
    let dot = if path.is_empty() { "" } else { "." };
    let texts =
        [("key", &event.key), ("title", &event.title), ("link", &event.link), ("source", &event.source)];
    match texts.into_iter().find(|(_, text)| text.contains('\0')) {
        Some((name, _)) => Err(Wrong::new(format!("{path}{dot}{name}"), "contains a NUL byte")),
        None => Ok(()),
    }
}

/// Takes in what another way in has read, as far as it is good.
pub(super) async fn take_all(app: &App, source: &str, events: Vec<NewEvent>) -> Answer<Response> {
    let (mut good, mut wrong) = (Vec::with_capacity(events.len()), Vec::new());
    for (n, event) in events.into_iter().enumerate() {
        match check(&format!("[{n}]"), &event) {
            Ok(()) => good.push((n, event)),
            Err(it) => wrong.push(it),
        }
    }
    take(app, source, good, wrong, None).await
}

async fn take(
    app: &App,
    source: &str,
    good: Vec<(usize, NewEvent)>,
    wrong: Vec<Wrong>,
    once: Option<Once>,
) -> Answer<Response> {
    let (count, limit) = (good.len() + wrong.len(), app.options.max_events);
    if count > limit {
        return Err(Problem::too_large(format!("{count} events in one request, the limit is {limit}")));
    }
    app.hub.core.counters.refused.add(source, wrong.len() as u64);
    if good.is_empty() && !wrong.is_empty() {
        return Err(Problem::all_wrong(wrong));
    }
    let (places, events): (Vec<usize>, Vec<NewEvent>) = good.into_iter().unzip();
    let Some(once) = once else {
        let accepted = app.hub.accept(events).await?;
        return Ok(answer(&reply(&places, &accepted, wrong)));
    };
    let name = once.key.split_once(':').map(|(_, name)| name.to_owned()).unwrap_or_default();
    let write = move |accepted: &[Accepted]| reply(&places, accepted, wrong).to_string();
    match app.hub.accept_once(events, once, write).await? {
        Taken::Now(text) => Ok(answer(&serde_json::from_str(&text).unwrap_or_default())),
        Taken::Before(text) => {
            let mut response = answer(&serde_json::from_str(&text).unwrap_or_default());
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Ok(response)
        }
        Taken::Another => {
            let detail = format!(
                "another request had the Idempotency-Key {name:?}, with another body: choose another name"
            );
            Err(Problem::new(Kind::KeyTaken, detail))
        }
    }
}

/// Status and body of the answer, as they are kept for the next request of the same name.
fn reply(places: &[usize], accepted: &[Accepted], wrong: Vec<Wrong>) -> Value {
    let view = |(index, it): (&usize, &Accepted)| AcceptedView {
        index: *index,
        event: it.event,
        incident: it.incident,
        verdict: it.verdict.clone(),
    };
    let items: Vec<AcceptedView> = places.iter().zip(accepted).map(view).collect();
    if wrong.is_empty() {
        return json!({ "status": 200, "body": Page::whole(items) });
    }
    json!({ "status": 400, "body": Problem::all_wrong(wrong).with("items", items) })
}

fn answer(reply: &Value) -> Response {
    let status =
        reply["status"].as_u64().and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok());
    let status = status.unwrap_or(StatusCode::OK);
    let mut response = (status, Json(&reply["body"])).into_response();
    if status != StatusCode::OK {
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(axum::http::header::CONTENT_TYPE, problem);
    }
    response
}

/// Lists events.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "events",
    summary = "List events",
    description = "What came in, newest first.",
    security(("token" = ["read"])),
    params(
        ("incident" = Option<String>, Query, description = "Only those of the incident with this id"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of events", body = Page<EventView>),
    ),
)]
pub(super) async fn list_events(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<EventView>>> {
    let query = Query::known(&uri, &["incident", "limit", "cursor"])?;
    let (incident, before, limit) = (query.parsed("incident")?, query.parsed("cursor")?, query.limit()?);
    let rows =
        app.hub.store.read(move |tx| store::events::list(tx, incident, before, limit as i64 + 1)).await?;
    Ok(Json(Page::cut(rows, limit, |it| it.event.id, EventView::from)))
}

/// Shows an event.
#[utoipa::path(
    get,
    path = "/api/v1/events/{id}",
    tag = "events",
    summary = "Show an event",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The event, and what became of it", body = EventView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn get_event(State(app): State<Shared>, PathId(id): PathId) -> Answer<Json<EventView>> {
    let found = app.hub.store.read(move |tx| store::events::get(tx, id)).await?;
    found.map(|it| Json(it.into())).ok_or_else(|| Problem::not_found("event", id))
}

/// A severity for parts that take one beside labels.
pub(super) fn severity_of(given: Option<SeverityIn>, labels: &model::Labels) -> Severity {
    let by_label = || labels.get("severity").and_then(Severity::from_word);
    given.map(|SeverityIn(it)| it).or_else(by_label).unwrap_or_default()
}
