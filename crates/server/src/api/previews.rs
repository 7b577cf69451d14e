//! What filters, profiles and maintenance would take: decided by what tells.

use axum::Json;
use axum::extract::State;
use flow::verbs::{AsOf, PREVIEW_SCAN, Preview};
use model::maintenance::Maintenance;
use model::profile::{Filter, MAX_FILTERS, Subject, tags_of};
use model::refusal::Refusal;
use model::{Id, Incident, Time};
use serde::Deserialize;
use serde_json::{Map, Value};
use store::definitions::{self, Kind};
use utoipa::ToSchema;

use crate::accounts::{MAX_GUARDED, read_spec, whole, would_cover};
use crate::app::{App, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::views::preview::PreviewView;

/// A filter or a maintenance that might be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpecQuestion)]
pub(super) struct SpecQuestion {
    /// What it says.
    #[schema(value_type = Object)]
    spec: Map<String, Value>,
}

/// Filters of a profile that might be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProfileQuestion)]
pub(super) struct ProfileQuestion {
    /// The ids of filters.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    filters: Vec<Id>,
}

/// Tells what a filter would take.
#[utoipa::path(
    post,
    path = "/api/v1/filters/preview",
    tag = "people",
    summary = "Tell what a filter would take, without making it",
    security(("token" = ["read"])),
    request_body = SpecQuestion,
    responses(
        (status = 200, description = "What it would take now, and would have taken in the last week",
            body = PreviewView),
        (status = 400, description = "It makes no sense", body = Problem),
    ),
)]
pub(super) async fn preview_filter(
    State(app): State<Shared>,
    JsonBody(it): JsonBody<SpecQuestion>,
) -> Answer<Json<PreviewView>> {
    let filter: Filter = read_spec(it.spec)?;
    filter.check().map_err(refused)?;
    Ok(Json(PreviewView::new(any_of(&app, vec![filter]).await?, false)))
}

/// Tells what a profile would take.
#[utoipa::path(
    post,
    path = "/api/v1/profiles/preview",
    tag = "people",
    summary = "Tell what a profile with these filters would take, whatever the hour",
    security(("token" = ["read"])),
    request_body = ProfileQuestion,
    responses(
        (status = 200, description = "What it would take now, and would have taken in the last week",
            body = PreviewView),
        (status = 400, description = "There is no such filter", body = Problem),
    ),
)]
pub(super) async fn preview_profile(
    State(app): State<Shared>,
    JsonBody(it): JsonBody<ProfileQuestion>,
) -> Answer<Json<PreviewView>> {
    if it.filters.len() > MAX_FILTERS {
        let why = format!("has {} entries, the limit is {MAX_FILTERS}", it.filters.len());
        return Err(Problem::wrong("filters", why));
    }
    let found = app.hub.store.read(move |tx| {
        let get = |id: &Id| Ok((*id, definitions::get::<Filter>(tx, Kind::Filter, *id)?));
        it.filters.iter().map(get).collect::<store::Result<Vec<_>>>()
    });
    let unknown = |id: Id| Problem::wrong("filters", format!("there is no filter {id}"));
    let filters = found.await?.into_iter().map(|(id, it)| Ok(it.ok_or_else(|| unknown(id))?.body));
    let filters = filters.collect::<Answer<Vec<Filter>>>()?;
    Ok(Json(PreviewView::new(any_of(&app, filters).await?, false)))
}

/// Tells what a maintenance would cover.
#[utoipa::path(
    post,
    path = "/api/v1/maintenance/preview",
    tag = "people",
    summary = "Tell what a planned maintenance would cover, without making it",
    security(("token" = ["read"])),
    request_body = SpecQuestion,
    responses(
        (status = 200, description = "What it would cover now, and would have covered in the last week",
            body = PreviewView),
        (status = 400, description = "It makes no sense", body = Problem),
    ),
)]
pub(super) async fn preview_maintenance(
    State(app): State<Shared>,
    JsonBody(it): JsonBody<SpecQuestion>,
) -> Answer<Json<PreviewView>> {
    let it: Maintenance = read_spec(it.spec)?;
    it.check().map_err(refused)?;
    let now = app.now();
    let found = app.hub.store.read(move |tx| {
        let it = whole(it, tx)?;
        let covers = |incident: &Incident, as_of| would_cover(&it, incident, as_of, now);
        // as many as its guard looks at: what is said here is what is insisted on then
        let found = flow::verbs::preview(tx, covers, MAX_GUARDED, now)?;
        let too_broad = it.guard(found.last_week as u64, found.last_week_total as u64).is_err();
        Ok(PreviewView::new(found, too_broad))
    });
    Ok(Json(found.await?))
}

async fn any_of(app: &App, filters: Vec<Filter>) -> Answer<Preview> {
    let now: Time = app.now();
    let takes = move |it: &Incident, as_of: AsOf| {
        let tags = tags_of(it);
        Filter::any(&filters, &as_of.of(Subject::of(it, &tags, None, now)))
    };
    Ok(app.hub.store.read(move |tx| flow::verbs::preview(tx, takes, PREVIEW_SCAN, now)).await?)
}

fn refused(bad: Refusal) -> Problem {
    let bad = bad.within("spec");
    Problem::wrong(bad.field, bad.reason)
}
