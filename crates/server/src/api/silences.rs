//! Silences: what need not be told for a while.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use flow::verbs::{NewSilence, PREVIEW_SCAN, Preview};
use model::limits::MAX_NOTE_BYTES;
use model::matcher::Matchers;
use model::silence::SilenceState;
use model::time_interval::TimeInterval;
use model::{Silence, Time};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::auth::Caller;
use crate::body::Json as JsonBody;
use crate::error::{Answer, Kind, Problem};
use crate::input::{Name, SpanIn, TimeIn, matchers, short, text, time};
use crate::query::Query;
use crate::signed::Signed;
use crate::views::Page;
use crate::views::preview::PreviewView;
use crate::views::silence::SilenceView;

/// A silence as somebody asks for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSilence)]
pub(super) struct SilenceIn {
    /// What it silences, such as `team="db"`: all of these must match.
    matchers: Vec<String>,
    /// From when; from now on, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    starts_at: Option<TimeIn>,
    /// Until when. Either this or `for` is needed.
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<TimeIn>,
    /// For how long from its start, such as `2h`.
    #[schema(value_type = Option<String>)]
    r#for: Option<SpanIn>,
    /// Within which times only, as Alertmanager's `time_intervals` write them: `name` and `time_intervals`.
    #[schema(value_type = Option<Object>)]
    recurrence: Option<TimeInterval>,
    /// Who asks; the token's name, if not given.
    #[serde(default)]
    created_by: String,
    /// Why.
    #[serde(default)]
    comment: String,
    /// Yes, even when it catches more than the configured share of everything.
    #[serde(default)]
    confirm: bool,
}

impl SilenceIn {
    fn checked(self, id: String, caller: &Caller, now: Time) -> Answer<(NewSilence, bool)> {
        let as_problem = |wrong| Problem::all_wrong(vec![wrong]);
        let starts_at = time("starts_at", self.starts_at.map_or(now, |TimeIn(at)| at)).map_err(as_problem)?;
        let ends_at = match (self.ends_at, self.r#for) {
            (Some(_), Some(_)) => {
                return Err(Problem::wrong("for", "is given beside `ends_at`: give one of them"));
            }
            (Some(TimeIn(at)), None) => time("ends_at", at).map_err(as_problem)?,
            (None, Some(SpanIn(span))) => starts_at + span,
            (None, None) => {
                return Err(Problem::wrong("ends_at", "is missing: give this, or `for` such as \"2h\""));
            }
        };
        if ends_at <= starts_at {
            return Err(Problem::wrong("ends_at", format!("{ends_at} is not after its start, {starts_at}")));
        }
        let new = NewSilence {
            id,
            matchers: matchers("matchers", self.matchers.iter().map(String::as_str))?,
            starts_at,
            ends_at,
            recurrence: self.recurrence,
            created_by: caller.signed(&short("created_by", self.created_by)?),
            comment: text("comment", self.comment, MAX_NOTE_BYTES)?,
        };
        Ok((new, self.confirm))
    }
}

/// Lists silences.
#[utoipa::path(
    get,
    path = "/api/v1/silences",
    tag = "silences",
    summary = "List silences",
    description = "Active ones first, by their end; then pending ones, by their start; then expired ones, \
        the last first.",
    security(("token" = ["read"])),
    params(
        ("state" = Option<String>, Query, description = "`active`, `pending`, `expired` or `all`; active \
            and pending ones, if not given"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of silences", body = Page<SilenceView>)),
)]
pub(super) async fn list_silences(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<SilenceView>>> {
    let query = Query::known(&uri, &["state", "limit", "cursor"])?;
    let (limit, from, now) = (query.limit()?, query.parsed::<usize>("cursor")?.unwrap_or(0), app.now());
    let (since, state) = match query.one("state")? {
        None => (now, None),
        Some("active") => (now, Some(SilenceState::Active)),
        Some("pending") => (now, Some(SilenceState::Pending)),
        Some("expired") => (Time(i64::MIN), Some(SilenceState::Expired)),
        Some("all") => (Time(i64::MIN), None),
        Some(word) => {
            let known = "active, pending, expired, all";
            return Err(Problem::wrong("state", format!("{word:?} is not a state; known are {known}")));
        }
    };
    let mut silences = app.hub.store.read(move |tx| store::silences::ending_after(tx, since)).await?;
    silences.retain(|it| state.is_none_or(|state| it.state(now) == state));
    silences.sort_by_key(|it| match it.state(now) {
        SilenceState::Active => (1, it.ends_at.0),
        SilenceState::Pending => (2, it.starts_at.0),
        SilenceState::Expired => (3, -it.ends_at.0),
    });
    let more = silences.len() > from.saturating_add(limit);
    let items = silences.into_iter().skip(from).take(limit).map(|it| SilenceView::new(it, now)).collect();
    Ok(Json(Page { items, next: more.then(|| (from + limit).to_string()) }))
}

/// Shows a silence.
#[utoipa::path(
    get,
    path = "/api/v1/silences/{id}",
    tag = "silences",
    summary = "Show a silence",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The silence", body = SilenceView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn get_silence(State(app): State<Shared>, Name(id): Name) -> Answer<Json<SilenceView>> {
    show(&app, id).await.map(Json)
}

async fn show(app: &App, id: String) -> Answer<SilenceView> {
    find(app, id).await.map(|it| SilenceView::new(it, app.now()))
}

async fn find(app: &App, id: String) -> Answer<Silence> {
    let wanted = id.clone();
    let found = app.hub.store.read(move |tx| store::silences::get(tx, &wanted)).await?;
    found.ok_or_else(|| Problem::not_found("silence", id))
}

/// Makes a silence.
#[utoipa::path(
    post,
    path = "/api/v1/silences",
    tag = "silences",
    summary = "Make a silence",
    description = "One that would catch more than the configured share of everything that is wrong (or, \
        when nothing is, of the last week's incidents) must be confirmed: the answer is 409 with the share, \
        until `confirm` is true.",
    security(("token" = ["respond"])),
    request_body = SilenceIn,
    responses(
        (status = 201, description = "It is in force, or will be", body = SilenceView),
        (status = 409, description = "It catches a lot: are you sure?", body = Problem),
    ),
)]
pub(super) async fn add_silence(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(it): JsonBody<SilenceIn>,
) -> Answer<(StatusCode, Json<SilenceView>)> {
    let silence = put(&app, it, String::new(), &by).await?;
    Ok((StatusCode::CREATED, Json(silence)))
}

/// Changes a silence.
#[utoipa::path(
    put,
    path = "/api/v1/silences/{id}",
    tag = "silences",
    summary = "Change a silence",
    description = "As with Alertmanager, one whose matchers or start change is ended and another made in \
        its place: the answer has the id of the one in force.",
    security(("token" = ["respond"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = SilenceIn,
    responses(
        (status = 200, description = "The silence as it is now", body = SilenceView),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It catches a lot: are you sure?", body = Problem),
    ),
)]
pub(super) async fn update_silence(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    JsonBody(mut it): JsonBody<SilenceIn>,
) -> Answer<Json<SilenceView>> {
    let old = find(&app, id.clone()).await?;
    // what is not said stays as it is
    it.starts_at = it.starts_at.or(Some(TimeIn(old.starts_at)));
    if it.created_by.is_empty() && by.caller.name.is_empty() {
        it.created_by = old.created_by;
    }
    put(&app, it, id, &by).await.map(Json)
}

async fn put(app: &App, it: SilenceIn, id: String, by: &Signed) -> Answer<SilenceView> {
    let (new, confirmed) = it.checked(id, &by.caller, app.now())?;
    check(&new, app.now())?;
    if !confirmed {
        guard(app, &new.matchers).await?;
    }
    let id = by.hub.silence(new).await?;
    show(app, id).await
}

/// What would be wrong with it anyway is said before anything is asked.
fn check(new: &NewSilence, now: Time) -> Answer<()> {
    let silence = Silence {
        id: String::new(),
        matchers: new.matchers.clone(),
        starts_at: new.starts_at,
        ends_at: new.ends_at,
        recurrence: None,
        created_by: String::new(),
        comment: String::new(),
        updated_at: now,
    };
    silence.check(now).map_err(|bad| Problem::bad(bad.to_string()))
}

/// Asks before a silence catches too much.
async fn guard(app: &App, matchers: &Matchers) -> Answer<()> {
    let (limit, preview) = (app.options.silence_share, preview(app, matchers.clone()).await?);
    let share = preview.share();
    if share <= limit {
        return Ok(());
    }
    let (part, whole, what) = match preview.active_total {
        0 => (preview.last_week, preview.last_week_total, "the last week's incidents"),
        total => (preview.active.len(), total, "the incidents that are active now"),
    };
    let detail = format!(
        "it would catch {part} of {whole} of {what}, more than a share of {limit}: send it again with \
         \"confirm\": true if this is meant"
    );
    Err(Problem::new(Kind::Confirm, detail)
        .with("share", share)
        .with("limit", limit)
        .with("active", preview.active.len())
        .with("active_total", preview.active_total)
        .with("last_week", preview.last_week)
        .with("last_week_total", preview.last_week_total)
        .with("confirm", true))
}

async fn preview(app: &App, matchers: Matchers) -> Answer<Preview> {
    let now = app.now();
    let takes = move |it: &model::Incident, _| matchers.matches(&it.labels);
    Ok(app.hub.store.read(move |tx| flow::verbs::preview(tx, takes, PREVIEW_SCAN, now)).await?)
}

/// Ends a silence.
#[utoipa::path(
    delete,
    path = "/api/v1/silences/{id}",
    tag = "silences",
    summary = "End a silence",
    description = "One that has ended already stays as it is.",
    security(("token" = ["respond"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The silence as it is now", body = SilenceView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn expire_silence(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<Json<SilenceView>> {
    match by.hub.expire_silence(&id).await? {
        Some(_) => show(&app, id).await.map(Json),
        None => Err(Problem::not_found("silence", id)),
    }
}

/// A silence that might be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SilenceQuestion)]
pub(super) struct PreviewIn {
    /// What it would silence, such as `team="db"`: all of these must match.
    matchers: Vec<String>,
}

/// Tells what a silence would catch.
#[utoipa::path(
    post,
    path = "/api/v1/silences/preview",
    tag = "silences",
    summary = "Tell what a silence would catch, without making it",
    security(("token" = ["read"])),
    request_body = PreviewIn,
    responses((status = 200, description = "What it would catch now, and would have caught in the last \
        week", body = PreviewView)),
)]
pub(super) async fn preview_silence(
    State(app): State<Shared>,
    JsonBody(it): JsonBody<PreviewIn>,
) -> Answer<Json<PreviewView>> {
    let matchers = matchers("matchers", it.matchers.iter().map(String::as_str))?;
    let found = preview(&app, matchers).await?;
    let needs_confirmation = found.share() > app.options.silence_share;
    Ok(Json(PreviewView::new(found, needs_confirmation)))
}
