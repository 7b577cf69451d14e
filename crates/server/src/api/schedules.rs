//! What is otherwise than a schedule says, and the calendars that its layers go by.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use flow::calendars::Text;
use model::Id;
use model::Time;
use model::period::Period;
use model::schedule::Override;

use crate::accounts::{OverrideIn, SwapIn, schedule_named};
use crate::app::{App, Shared};
use crate::body::{Json as JsonBody, Raw};
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::signed::Signed;
use crate::views::Page;
use crate::views::duty::{CalendarView, OverrideView, Shown};

async fn shown(app: &App, schedule: Id, all: Vec<Override>) -> Answer<Vec<OverrideView>> {
    let core = app.hub.core.clone();
    let read = app.hub.store.read(move |tx| {
        let people = core.people(tx)?;
        let rota = people.schedule(schedule).map(|it| it.body.clone());
        Ok(rota.map(|rota| {
            let shown = Shown::new(&people, &rota);
            all.iter().map(|it| shown.over(it)).collect::<Vec<_>>()
        }))
    });
    read.await?.ok_or_else(|| Problem::not_found("schedule", schedule))
}

/// Lists overrides.
#[utoipa::path(
    get,
    path = "/api/v1/schedules/{id}/overrides",
    tag = "people",
    summary = "What is otherwise than a schedule says, now and later",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "The schedule's id or name")),
    responses(
        (status = 200, description = "Those that are not over", body = Page<OverrideView>),
        (status = 404, description = "There is no such schedule", body = Problem),
    ),
)]
pub(super) async fn list_schedule_overrides(
    State(app): State<Shared>,
    Name(id): Name,
) -> Answer<Json<Page<OverrideView>>> {
    let now = app.now();
    let core = app.hub.core.clone();
    let found = app.look_up(move |tx| {
        let schedule = schedule_named(tx, &id)?;
        let people = core.people(tx)?;
        Ok(Shown::new(&people, &schedule.body).overrides(Period::new(now, Time::MAX)))
    });
    Ok(Json(Page::whole(found.await?)))
}

/// Makes an override.
#[utoipa::path(
    post,
    path = "/api/v1/schedules/{id}/overrides",
    tag = "people",
    summary = "Let something be otherwise than a schedule says, for a while",
    description = "Who runs the schedule does all of it. Who is on it, or in the team whose it is, takes and gives \
        their own shifts.",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "The schedule's id or name")),
    request_body = OverrideIn,
    responses(
        (status = 201, description = "The override", body = OverrideView),
        (status = 404, description = "There is no such schedule", body = Problem),
        (status = 409, description = "There are too many", body = Problem),
    ),
)]
pub(super) async fn make_schedule_override(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    JsonBody(it): JsonBody<OverrideIn>,
) -> Answer<(StatusCode, Json<OverrideView>)> {
    let ground = app.ground();
    let (schedule, made) =
        app.desk(&by.caller, by.actor, move |desk| desk.add_override(&ground, &id, it)).await?;
    app.hub.ring();
    let mut shown = shown(&app, schedule, vec![made]).await?;
    Ok((StatusCode::CREATED, Json(shown.remove(0))))
}

/// Swaps two shifts.
#[utoipa::path(
    post,
    path = "/api/v1/schedules/{id}/swaps",
    tag = "people",
    summary = "Let two users take each other's shifts",
    description = "Each stands in for the other during a shift: two overrides. One of both may do it, or who runs the \
        schedule.",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "The schedule's id or name")),
    request_body = SwapIn,
    responses(
        (status = 201, description = "The overrides", body = Page<OverrideView>),
        (status = 404, description = "There is no such schedule", body = Problem),
        (status = 409, description = "There are too many overrides", body = Problem),
    ),
)]
pub(super) async fn swap_shifts(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
    JsonBody(it): JsonBody<SwapIn>,
) -> Answer<(StatusCode, Json<Page<OverrideView>>)> {
    let ground = app.ground();
    let (schedule, made) = app.desk(&by.caller, by.actor, move |desk| desk.swap(&ground, &id, it)).await?;
    app.hub.ring();
    let shown = shown(&app, schedule, made).await?;
    Ok((StatusCode::CREATED, Json(Page::whole(shown))))
}

/// Takes an override back.
#[utoipa::path(
    delete,
    path = "/api/v1/schedules/{id}/overrides/{name}",
    tag = "people",
    summary = "Take an override back",
    description = "Who runs the schedule, and whom the override names.",
    security(("token" = ["respond:team"])),
    params(
        ("id" = String, Path, description = "The schedule's id or name"),
        ("name" = String, Path, description = "The override's id"),
    ),
    responses(
        (status = 204, description = "The schedule holds as it is"),
        (status = 404, description = "There is no such schedule or override", body = Problem),
    ),
)]
pub(super) async fn remove_schedule_override(
    State(app): State<Shared>,
    by: Signed,
    Path((schedule, id)): Path<(String, Id)>,
) -> Answer<StatusCode> {
    app.desk(&by.caller, by.actor, move |desk| desk.remove_override(&schedule, id)).await?;
    app.hub.ring();
    Ok(StatusCode::NO_CONTENT)
}

/// Shows what is known of calendars.
#[utoipa::path(
    get,
    path = "/api/v1/schedules/{id}/calendars",
    tag = "people",
    summary = "What is known of the calendars that a schedule's layers go by",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "The schedule's id or name")),
    responses(
        (status = 200, description = "One for each that was fetched or uploaded", body = Page<CalendarView>),
        (status = 404, description = "There is no such schedule", body = Problem),
    ),
)]
pub(super) async fn list_calendars(
    State(app): State<Shared>,
    Name(id): Name,
) -> Answer<Json<Page<CalendarView>>> {
    let found = app.look_up(move |tx| {
        let schedule = schedule_named(tx, &id)?;
        Ok(store::calendars::of(tx, schedule.id)?)
    });
    Ok(Json(Page::whole(found.await?.into_iter().map(CalendarView::from).collect())))
}

/// Takes a calendar.
#[utoipa::path(
    put,
    path = "/api/v1/schedules/{id}/calendars/{name}",
    tag = "people",
    summary = "Upload the calendar that a layer goes by",
    description = "For a layer whose calendar has no URL. For who runs the schedule.",
    security(("token" = ["respond:team"])),
    params(
        ("id" = String, Path, description = "The schedule's id or name"),
        ("name" = String, Path, description = "The layer's name"),
    ),
    request_body(content = String, content_type = "text/calendar"),
    responses(
        (status = 200, description = "What it says", body = CalendarView),
        (status = 400, description = "It is no calendar", body = Problem),
        (status = 404, description = "There is no such schedule", body = Problem),
        (status = 409, description = "The layer goes by no calendar, or by one that is fetched", body = Problem),
    ),
)]
pub(super) async fn upload_calendar(
    State(app): State<Shared>,
    by: Signed,
    Path((schedule, layer)): Path<(String, String)>,
    Raw(body): Raw,
) -> Answer<Json<CalendarView>> {
    let (name, of) = (schedule.clone(), layer.clone());
    let may = app.desk(&by.caller, by.actor.clone(), move |desk| desk.calendar_layer(&name, &of));
    let (_, zone) = may.await?;
    // nobody who writes waits until it is read
    let read = Text::new(&String::from_utf8_lossy(&body), zone).read_beside(app.now()).await?;
    let ground = app.ground();
    let known = app
        .desk(&by.caller, by.actor, move |desk| desk.upload_calendar(&ground, &schedule, &layer, read))
        .await?;
    app.hub.ring();
    Ok(Json(known.into()))
}

/// Fetches calendars.
#[utoipa::path(
    post,
    path = "/api/v1/schedules/{id}/fetch",
    tag = "people",
    summary = "Fetch the calendars of a schedule now, rather than when it is time to",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "The schedule's id or name")),
    responses(
        (status = 202, description = "They will be, within seconds"),
        (status = 404, description = "There is no such schedule", body = Problem),
        (status = 409, description = "None of its layers goes by a calendar that is fetched", body = Problem),
    ),
)]
pub(super) async fn fetch_calendars(
    State(app): State<Shared>,
    by: Signed,
    Name(id): Name,
) -> Answer<StatusCode> {
    match app.desk(&by.caller, by.actor, move |desk| desk.fetch_calendars(&id)).await? {
        0 => Err(Problem::not_in_state("none of its layers goes by a calendar that is fetched")),
        _ => Ok(StatusCode::ACCEPTED),
    }
}
