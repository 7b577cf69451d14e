//! Who is on call, by all schedules and by one; and what one would come to.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::Time;
use model::period::Period;
use serde::Deserialize;
use serde_json::{Map, Value};
use store::definitions::Definition;
use utoipa::ToSchema;

use crate::accounts::schedule_named;
use crate::app::{App, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::limits::{MAX_SHOWN_DAYS, MAX_SHOWN_SHIFTS};
use crate::query::Query;
use crate::signed::Signed;
use crate::views::Page;
use crate::views::duty::{OnCallView, ShiftsView, Shown};

/// How much is shown when nobody says until when.
const USUAL: Duration = Duration::from_secs(14 * 86_400);
const DAY: u64 = 86_400;

/// A schedule as it would be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SchedulePreview)]
pub(super) struct PreviewIn {
    /// As for a schedule that is kept.
    #[schema(value_type = Object)]
    spec: Map<String, Value>,
    /// The schedule that it would replace, by id or name: what is hidden is as it is there.
    of: Option<String>,
    /// From when; now, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    from: Option<Time>,
    /// Until when; two weeks later, if not given.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Time>,
}

/// Who is on call.
#[utoipa::path(
    get,
    path = "/api/v1/on-call",
    tag = "people",
    summary = "Who is on call now, or at a time, and who is next",
    security(("token" = ["read"])),
    params(
        ("at" = Option<String>, Query, description = "When; now, if not given"),
        ("schedule" = Option<String>, Query, description = "By this schedule only, by id or name"),
        ("user" = Option<String>, Query, description = "Only where this user is on call or next, by id or name"),
    ),
    responses((status = 200, description = "A line for each schedule, by name", body = Page<OnCallView>)),
)]
pub(super) async fn on_call(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<OnCallView>>> {
    let query = Query::known(&uri, &["at", "schedule", "user"])?;
    let at = query.parsed("at")?.unwrap_or_else(|| app.now());
    let text = |name: &str| Ok::<_, Problem>(query.one(name)?.map(str::to_owned));
    let (schedule, user) = (text("schedule")?, text("user")?);
    let core = app.hub.core.clone();
    let found = app.look_up(move |tx| {
        let only = schedule.map(|text| schedule_named(tx, &text)).transpose()?.map(|it| it.id);
        let user = match user {
            Some(text) => {
                let found = store::users::named(tx, &text)?;
                Some(found.ok_or_else(|| Problem::not_found("user", format_args!("{text:?}")))?.id)
            }
            None => None,
        };
        let people = core.people(tx)?;
        let mut schedules: Vec<_> =
            people.schedules().filter(|it| only.is_none_or(|id| it.id == id)).collect();
        schedules.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        let shown = schedules.into_iter().map(|it| Shown::new(&people, &it.body).on_call(it, at));
        let concerns = |it: &OnCallView| {
            user.is_none_or(|id| it.on_call.iter().chain(&it.next).any(|duty| duty.user.id == id))
        };
        Ok(shown.filter(concerns).collect::<Vec<_>>())
    });
    Ok(Json(Page::whole(found.await?)))
}

/// The shifts of a schedule.
#[utoipa::path(
    get,
    path = "/api/v1/schedules/{id}/shifts",
    tag = "people",
    summary = "The shifts and gaps of a schedule, with reasons",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The schedule's id or name"),
        ("from" = Option<String>, Query, description = "From when; now, if not given"),
        ("to" = Option<String>, Query, description = "Until when, up to 100 days later; two weeks, if not given"),
    ),
    responses(
        (status = 200, description = "Who is on call when, and why", body = ShiftsView),
        (status = 404, description = "There is no such schedule", body = Problem),
    ),
)]
pub(super) async fn shifts(State(app): State<Shared>, Name(id): Name, uri: Uri) -> Answer<Json<ShiftsView>> {
    let query = Query::known(&uri, &["from", "to"])?;
    let period = period(&app, query.parsed("from")?, query.parsed("to")?, "to")?;
    let core = app.hub.core.clone();
    let shown = app.look_up(move |tx| {
        let found = schedule_named(tx, &id)?;
        let people = core.people(tx)?;
        let calendars = store::calendars::of(tx, found.id)?;
        let known: Option<&Definition<_>> = people.schedule(found.id);
        Ok(known.and_then(|it| Shown::new(&people, &it.body).shifts(&it.name, period, calendars)))
    });
    shown.await?.map(Json).ok_or_else(too_many)
}

/// What a schedule would come to.
#[utoipa::path(
    post,
    path = "/api/v1/schedules/preview",
    tag = "people",
    summary = "The shifts and gaps of a schedule that is not kept",
    security(("token" = ["read"])),
    request_body = PreviewIn,
    responses(
        (status = 200, description = "Who would be on call when, and why", body = ShiftsView),
        (status = 400, description = "It makes no sense: where, and why", body = Problem),
    ),
)]
pub(super) async fn preview(
    State(app): State<Shared>,
    by: Signed,
    JsonBody(it): JsonBody<PreviewIn>,
) -> Answer<Json<ShiftsView>> {
    let period = period(&app, it.from, it.until, "until")?;
    let ground = app.ground();
    let shown = app.desk(&by.caller, by.actor, move |desk| {
        let rota = desk.preview_schedule(&ground, it.of.as_deref(), it.spec)?;
        let people = ground.core.people(desk.tx)?;
        Ok(Shown::new(&people, &rota).shifts(&rota.schedule.name, period, Vec::new()))
    });
    shown.await?.map(Json).ok_or_else(too_many)
}

fn too_many() -> Problem {
    Problem::bad(format!("there are more than {MAX_SHOWN_SHIFTS} shifts in that time: ask about less of it"))
}

fn period(app: &App, from: Option<Time>, until: Option<Time>, last: &str) -> Answer<Period> {
    let from = from.unwrap_or_else(|| app.now());
    let until = until.unwrap_or(from + USUAL);
    if until <= from {
        return Err(Problem::wrong(last, format!("is {until}, which is not after from, {from}")));
    }
    if until > from + Duration::from_secs(MAX_SHOWN_DAYS * DAY) {
        return Err(Problem::wrong(last, format!("is more than {MAX_SHOWN_DAYS} days after from")));
    }
    Ok(Period::new(from, until))
}
