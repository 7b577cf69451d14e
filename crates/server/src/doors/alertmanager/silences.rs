//! Alertmanager's silences.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use flow::verbs::{NewSilence, NotSilenced};
use model::matcher::{Matcher, Matchers, Op};
use model::silence::{BadSilence, SilenceState};
use model::{Silence, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::alert::Millis;
use super::error::{Framework, Wrong};
use super::filter;
use super::list::document;
use super::object::Object;
use super::post_alerts::{Stamp, must_be_json};
use crate::app::{App, Shared};
use crate::body;
use crate::query::Query;
use crate::signed::Signed;

/// A silence.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GettableSilence)]
pub(super) struct SilenceOut<'a> {
    /// Its id.
    id: &'a str,
    /// Where it stands.
    status: StatusOut,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Millis,
    /// Why.
    comment: &'a str,
    /// Who made it.
    created_by: &'a str,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    ends_at: Millis,
    /// What it silences: all of these must match.
    matchers: Vec<MatcherOut<'a>>,
    /// From when.
    #[schema(value_type = String, format = DateTime)]
    starts_at: Millis,
}

/// Where a silence stands.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertmanagerSilenceStatus)]
struct StatusOut {
    /// `active`, `pending` or `expired`.
    #[schema(value_type = crate::views::words::SilenceState)]
    state: SilenceState,
}

/// A matcher.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertmanagerMatcher)]
struct MatcherOut<'a> {
    is_equal: bool,
    is_regex: bool,
    name: &'a str,
    value: &'a str,
}

impl<'a> SilenceOut<'a> {
    fn new(silence: &'a Silence, now: Time) -> Self {
        let matcher = |it: &'a Matcher| MatcherOut {
            is_equal: it.is_equal(),
            is_regex: it.is_regex(),
            name: &it.name,
            value: &it.value,
        };
        SilenceOut {
            id: &silence.id,
            status: StatusOut { state: silence.state(now) },
            updated_at: Millis(silence.updated_at),
            comment: &silence.comment,
            created_by: &silence.created_by,
            ends_at: Millis(silence.ends_at),
            matchers: silence.matchers.0.iter().map(matcher).collect(),
            starts_at: Millis(silence.starts_at),
        }
    }
}

/// Lists silences.
#[utoipa::path(
    get,
    path = "/api/v2/silences",
    operation_id = "getSilences",
    tag = "alertmanager",
    summary = "List silences",
    description = "Active ones first, by their end; then pending ones, by their start; then expired ones, \
        the last first.",
    security(("token" = ["read"])),
    params(("filter" = Option<Vec<String>>, Query, description = "A matcher that the silence must have; may \
        be given several times")),
    responses(
        (status = 200, description = "The silences", body = Vec<SilenceOut>),
        (status = 400, description = "A filter cannot be read", body = String),
        (status = 503, description = "The database is not available", body = String),
    ),
)]
pub(super) async fn get_silences(State(app): State<Shared>, uri: Uri) -> Response {
    match list(&app, &uri).await {
        Ok(silences) => {
            let now = app.now();
            document(&silences.iter().map(|it| SilenceOut::new(it, now)).collect::<Vec<_>>())
        }
        Err(wrong) => wrong.into_response(),
    }
}

async fn list(app: &App, uri: &Uri) -> Result<Vec<Silence>, Wrong> {
    let (matchers, now) = (filter::matchers(&Query::of(uri))?, app.now());
    let mut silences = app.hub.store.read(|tx| store::silences::ending_after(tx, Time(i64::MIN))).await?;
    // a filter asks for a matcher of this very name, kind and value
    silences.retain(|silence| matchers.0.iter().all(|wanted| silence.matchers.0.contains(wanted)));
    silences.sort_by_key(|silence| match silence.state(now) {
        SilenceState::Active => (1, silence.ends_at.0),
        SilenceState::Pending => (2, silence.starts_at.0),
        SilenceState::Expired => (3, -silence.ends_at.0),
    });
    Ok(silences)
}

/// Shows a silence.
#[utoipa::path(
    get,
    path = "/api/v2/silence/{silenceID}",
    operation_id = "getSilence",
    tag = "alertmanager",
    summary = "Show a silence",
    security(("token" = ["read"])),
    params(("silenceID" = String, Path, description = "The silence's id, a UUID")),
    responses(
        (status = 200, description = "The silence", body = SilenceOut),
        (status = 404, description = "There is none with this id", body = String),
        (status = 422, description = "The id is no UUID", body = Framework),
        (status = 503, description = "The database is not available", body = String),
    ),
)]
pub(super) async fn get_silence(State(app): State<Shared>, Path(id): Path<String>) -> Response {
    if let Err(wrong) = must_be_uuid(&id) {
        return wrong.into_response();
    }
    match app.hub.store.read(move |tx| store::silences::get(tx, &id)).await {
        Ok(Some(silence)) => document(&SilenceOut::new(&silence, app.now())),
        Ok(None) => Wrong::not_found("silence not found").into_response(),
        Err(error) => Wrong::from(error).into_response(),
    }
}

/// Ends a silence.
#[utoipa::path(
    delete,
    path = "/api/v2/silence/{silenceID}",
    operation_id = "deleteSilence",
    tag = "alertmanager",
    summary = "End a silence",
    description = "One that has ended already stays as it is.",
    security(("token" = ["respond"])),
    params(("silenceID" = String, Path, description = "The silence's id, a UUID")),
    responses(
        (status = 200, description = "It has ended"),
        (status = 404, description = "There is none with this id", body = String),
        (status = 422, description = "The id is no UUID", body = Framework),
        (status = 503, description = "The database is not available", body = String),
    ),
)]
pub(super) async fn delete_silence(by: Signed, Path(id): Path<String>) -> Response {
    if let Err(wrong) = must_be_uuid(&id) {
        return wrong.into_response();
    }
    match by.hub.expire_silence(&id).await {
        Ok(Some(_)) => StatusCode::OK.into_response(),
        Ok(None) => Wrong::not_found("silence not found").into_response(),
        Err(error) => Wrong::from(error).into_response(),
    }
}

/// A silence as clients write it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PostableSilence)]
pub(super) struct SilenceIn {
    /// The one to change; none: a new one.
    #[serde(default)]
    id: Option<String>,
    /// What it silences: all of these must match.
    #[schema(required = true, nullable = false)]
    #[schema(value_type = Vec<MatcherIn>)]
    matchers: Option<Vec<Object<MatcherIn>>>,
    /// From when.
    #[serde(default)]
    #[schema(value_type = String, format = DateTime, required = true)]
    starts_at: Stamp,
    /// Until when.
    #[serde(default)]
    #[schema(value_type = String, format = DateTime, required = true)]
    ends_at: Stamp,
    /// Who makes it.
    #[schema(required = true, nullable = false)]
    created_by: Option<String>,
    /// Why.
    #[schema(required = true, nullable = false)]
    comment: Option<String>,
}

/// A matcher as clients write it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PostableMatcher)]
struct MatcherIn {
    #[schema(required = true, nullable = false)]
    name: Option<String>,
    #[schema(required = true, nullable = false)]
    value: Option<String>,
    #[schema(required = true, nullable = false)]
    is_regex: Option<bool>,
    /// True, if not given.
    is_equal: Option<bool>,
}

/// The id of a silence that was made or changed.
#[derive(Serialize, ToSchema)]
pub(super) struct Made {
    /// Its id, a UUID.
    #[serde(rename = "silenceID")]
    silence_id: String,
}

/// Makes or changes a silence.
#[utoipa::path(
    post,
    path = "/api/v2/silences",
    operation_id = "postSilences",
    tag = "alertmanager",
    summary = "Make or change a silence",
    description = "One whose matchers or start change is ended, and another made in its place.",
    security(("token" = ["respond"])),
    request_body = SilenceIn,
    responses(
        (status = 200, description = "It is in force, or will be", body = Made),
        (status = 400, description = "It cannot be: the text says why", body = String),
        (status = 404, description = "There is none with this id", body = String),
        (status = 415, description = "The body is not declared to be JSON", body = Framework),
        (status = 422, description = "It breaks the schema", body = Framework),
        (status = 503, description = "The database is not available", body = String),
    ),
)]
pub(super) async fn post_silences(
    State(app): State<Shared>,
    by: Signed,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match put(&app, &by, &headers, body).await {
        Ok(silence_id) => document(&Made { silence_id }),
        Err(wrong) => wrong.into_response(),
    }
}

async fn put(app: &App, by: &Signed, headers: &HeaderMap, body: Body) -> Result<String, Wrong> {
    must_be_json(headers)?;
    let options = &app.options;
    let bytes = body::read(body, options.max_body_bytes, options.body_timeout).await?;
    if bytes.is_empty() {
        return Err(Wrong::schema(602, "silence in body is required"));
    }
    let silence: Option<Object<SilenceIn>> = serde_json::from_slice(&bytes).map_err(|error| {
        Wrong::unreadable(format!("parsing silence body from \"\" failed, because {error}"))
    })?;
    let new = checked(silence.map(|it| it.0).unwrap_or_default(), app.now())?;
    by.hub.silence(new).await.map_err(|error| match error {
        NotSilenced::Unknown => Wrong::not_found(error.to_string()),
        NotSilenced::Bad(bad @ (BadSilence::EndsInThePast | BadSilence::EndsBeforeStart)) => {
            not_made(&bad.to_string())
        }
        NotSilenced::Bad(bad) => Wrong::bad(format!("silence invalid: {bad}")),
        NotSilenced::Store(error) => error.into(),
    })
}

fn not_made(why: &str) -> Wrong {
    Wrong::bad(format!("Failed to create silence: {why}"))
}

/// What Alertmanager checks, in its order and its words.
fn checked(silence: SilenceIn, now: Time) -> Result<NewSilence, Wrong> {
    let required = |field: &str| Wrong::schema(602, format!("{field} in body is required"));
    let comment = silence.comment.ok_or_else(|| required("comment"))?;
    let created_by = silence.created_by.ok_or_else(|| required("createdBy"))?;
    let ends_at = silence.ends_at.given();
    let ends_at = ends_at.ok_or_else(|| required("endsAt"))?;
    let matchers = silence.matchers.ok_or_else(|| required("matchers"))?;
    if matchers.is_empty() {
        return Err(Wrong::schema(612, "matchers in body should have at least 1 items"));
    }
    let matchers =
        matchers.into_iter().enumerate().map(|(n, it)| matcher(n, it.0)).collect::<Result<Vec<_>, _>>()?;
    let starts_at = silence.starts_at.given();
    let starts_at = starts_at.ok_or_else(|| required("startsAt"))?;
    if ends_at <= starts_at {
        return Err(not_made("start time must be before end time"));
    }
    if ends_at < now {
        return Err(not_made("end time can't be in the past"));
    }
    if matchers.len() > model::limits::MAX_MATCHERS {
        return Err(Wrong::bad(format!("silence invalid: {}", model::matcher::BadMatcher::TooMany)));
    }
    for (what, text) in [("createdBy", &created_by), ("comment", &comment)] {
        if text.len() > model::limits::MAX_NOTE_BYTES || text.contains('\0') {
            return Err(Wrong::bad(format!("silence invalid: {what} is too long or contains a NUL byte")));
        }
    }
    let matchers = Matchers(matchers);
    let id = silence.id.unwrap_or_default();
    Ok(NewSilence { id, matchers, starts_at, ends_at, recurrence: None, created_by, comment })
}

fn matcher(n: usize, it: MatcherIn) -> Result<Matcher, Wrong> {
    let required = |field: &str| Wrong::schema(602, format!("matchers.{n}.{field} in body is required"));
    let is_regex = it.is_regex.ok_or_else(|| required("isRegex"))?;
    let name = it.name.ok_or_else(|| required("name"))?;
    let value = it.value.ok_or_else(|| required("value"))?;
    let invalid = |why: String| Wrong::bad(format!("silence invalid: invalid label matcher {n}: {why}"));
    if name.is_empty() {
        return Err(invalid("invalid label name \"\"".to_owned()));
    }
    if name.contains('\0') || value.contains('\0') {
        return Err(invalid("it contains a NUL byte".to_owned()));
    }
    let op = Op::from_flags(is_regex, it.is_equal.unwrap_or(true));
    Matcher::new(name, op, value).map_err(|bad| invalid(bad.to_string()))
}

fn must_be_uuid(id: &str) -> Result<(), Wrong> {
    let groups: Vec<&str> = id.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let hex = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if hex && lengths == [8, 4, 4, 4, 12] {
        return Ok(());
    }
    Err(Wrong::schema(601, format!("silenceID in path must be of type uuid: {id:?}")))
}
