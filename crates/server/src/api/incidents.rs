//! Incidents: lists and timelines.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::incident::State as IncidentState;
use model::matcher::Matchers;
use model::{Incident, Severity};
use store::incidents::Which;

use crate::app::Shared;
use crate::error::{Answer, Problem};
use crate::input::{PathId, matchers, severity};
use crate::limits::MAX_SCAN;
use crate::query::Query;
use crate::views::Page;
use crate::views::incident::{IncidentView, LineView};

/// Which incidents a list shows.
struct Filter {
    which: Which,
    state: Option<IncidentState>,
    severity: Option<Severity>,
    source: Option<String>,
    key: Option<String>,
    matchers: Matchers,
    /// In lower case.
    search: String,
}

impl Filter {
    fn read(query: &Query) -> Answer<Self> {
        let (which, state) = match query.one("state")?.unwrap_or("all") {
            "all" => (Which::All, None),
            "active" => (Which::Active, None),
            "resolved" => (Which::Resolved, None),
            "flapping" => (Which::Flapping, None),
            word => match IncidentState::from_name(word) {
                Some(state) => (Which::Active, Some(state)),
                None => {
                    let known = "all, active, open, acknowledged, resolved, flapping";
                    return Err(Problem::wrong(
                        "state",
                        format!("{word:?} is not a state; known are {known}"),
                    ));
                }
            },
        };
        let level = query.one("severity")?.map(severity).transpose();
        Ok(Filter {
            which,
            state,
            severity: level.map_err(|why| Problem::wrong("severity", why))?,
            source: query.one("source")?.map(str::to_owned),
            key: query.one("key")?.map(str::to_owned),
            matchers: matchers("match", query.all("match"))?,
            search: query.one("search")?.unwrap_or_default().to_lowercase(),
        })
    }

    fn wants(&self, it: &Incident) -> bool {
        self.state.is_none_or(|state| it.state == state)
            && self.severity.is_none_or(|severity| it.severity == severity)
            && self.source.as_ref().is_none_or(|source| it.source == *source)
            && self.key.as_ref().is_none_or(|key| it.key == *key)
            && self.matchers.matches(&it.labels)
            && self.is_found(it)
    }

    fn is_found(&self, it: &Incident) -> bool {
        if self.search.is_empty() {
            return true;
        }
        let found = |text: &str| text.to_lowercase().contains(&self.search);
        found(&it.title)
            || found(&it.key)
            || it.labels.iter().any(|(_, value)| found(value))
            || it.annotations.iter().any(|(_, value)| found(value))
    }
}

/// Lists incidents.
#[utoipa::path(
    get,
    path = "/api/v1/incidents",
    tag = "incidents",
    summary = "List incidents",
    description = "Newest first. All filters together must fit.",
    security(("token" = ["read"])),
    params(
        ("state" = Option<String>, Query, description = "`all` (if not given), `active`, `open`, \
            `acknowledged`, `resolved`, or `flapping`: those that flap, whatever they are at the moment"),
        ("severity" = Option<String>, Query, description = "Only those of this severity"),
        ("source" = Option<String>, Query, description = "Only those whose last event came this way"),
        ("key" = Option<String>, Query, description = "Only those of this key"),
        ("match" = Option<Vec<String>>, Query, description = "A matcher such as `team=\"db\"`; may be \
            given several times"),
        ("search" = Option<String>, Query, description = "A text in title, key, label values or \
            annotations; case does not matter"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses(
        (status = 200, description = "A page of incidents", body = Page<IncidentView>),
    ),
)]
pub(super) async fn list_incidents(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<IncidentView>>> {
    const KNOWN: [&str; 8] = ["state", "severity", "source", "key", "match", "search", "limit", "cursor"];
    let query = Query::known(&uri, &KNOWN)?;
    let (filter, before, limit) = (Filter::read(&query)?, query.parsed("cursor")?, query.limit()?);
    let read = move |tx: &mut store::Tx<'_>| {
        store::incidents::page(tx, filter.which, before, limit, MAX_SCAN, |it| filter.wants(it))
    };
    let (found, next) = app.hub.store.read(read).await?;
    Ok(Json(Page::new(found.into_iter().map(IncidentView::from).collect(), next)))
}

/// Shows an incident.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}",
    tag = "incidents",
    summary = "Show an incident",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The incident", body = IncidentView),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn get_incident(
    State(app): State<Shared>,
    PathId(id): PathId,
) -> Answer<Json<IncidentView>> {
    let found = app.hub.store.read(move |tx| store::incidents::get(tx, id)).await?;
    found.map(|it| Json(it.into())).ok_or_else(|| Problem::not_found("incident", id))
}

/// Tells what happened to an incident.
#[utoipa::path(
    get,
    path = "/api/v1/incidents/{id}/timeline",
    tag = "incidents",
    summary = "Tell what happened to an incident",
    description = "The last lines of its timeline, the oldest first.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "Its id"),
        ("limit" = Option<usize>, Query, description = "How many lines, up to 500; 50 if not given"),
    ),
    responses(
        (status = 200, description = "The timeline", body = Page<LineView>),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn get_timeline(
    State(app): State<Shared>,
    PathId(id): PathId,
    uri: Uri,
) -> Answer<Json<Page<LineView>>> {
    let limit = Query::known(&uri, &["limit"])?.limit()? as i64;
    let found = app.hub.store.read(move |tx| match store::incidents::get(tx, id)? {
        Some(_) => store::ledger::timeline(tx, id, limit).map(Some),
        None => Ok(None),
    });
    let lines = found.await?.ok_or_else(|| Problem::not_found("incident", id))?;
    Ok(Json(Page::whole(lines.into_iter().map(LineView::from).collect())))
}
