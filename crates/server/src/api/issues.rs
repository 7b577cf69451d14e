//! Issues: errors that are alike, what is known of them, and doing something about them.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use flow::life::Life;
use flow::tracked::pack::event_of;
use model::{Id, Time};
use serde_json::{Value, json};
use store::errors::{self, EventRow, Head, Step};
use store::{Result as Read, Tx};

use crate::app::{App, Shared};
use crate::error::{Answer, Problem};
use crate::input::PathId;
use crate::query::Query;
use crate::search::{Found, Paging, Search};
use crate::views::Page;
use crate::views::issue::{
    ErrorLine, ErrorView, HashView, HourView, IssueDetail, IssuePage, IssueView, TagView, feedback,
};

/// Said of an error that is where rules of another time have put it.
const CHANGED: &str = "the rules of the project, or the way errors are grouped, have changed since it came: by \
                       those of today it would not be in this issue";
/// How far back the hours of an issue are shown.
const HOURS: Duration = Duration::from_secs(14 * 86_400);
/// Words of users that an issue shows.
const MAX_FEEDBACK: i64 = 50;

/// A project's number by its slug or number, as it is known here.
pub(super) fn project_number(app: &App, text: &str) -> Answer<i64> {
    let projects = app.hub.core.known_projects();
    projects
        .named(text)
        .map(|it| it.project.id)
        .ok_or_else(|| Problem::wrong("project", format!("there is no project {text:?}")))
}

pub(super) fn slug(app: &App, project: i64) -> String {
    app.hub
        .core
        .known_projects()
        .get(project)
        .map_or_else(|| project.to_string(), |it| it.project.slug.clone())
}

/// Lists issues.
#[utoipa::path(
    get,
    path = "/api/v1/issues",
    tag = "errors",
    summary = "Search issues",
    description = "Errors that are alike are an issue, which is an incident of the same id. Words of the search: \
        `is:unresolved`, `is:resolved`, `is:ignored`, `is:new`, `is:ongoing`, `is:regressed`, `is:escalating`, \
        `is:assigned`, `assigned:ann`, `level:error`, `release:1.2`, `times:>100`, any tag as `name:value`; other \
        words must be in title, messages or stack. `!` before a word turns it round.",
    security(("token" = ["read"])),
    params(
        ("project" = Option<String>, Query, description = "Only those of this project, by slug or number"),
        ("query" = Option<String>, Query, description = "What to look for"),
        ("sort" = Option<String>, Query, description = "`last_seen` (if not given), `first_seen`, `times`, `users`"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<usize>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of issues", body = IssuePage)),
)]
pub(super) async fn list_issues(State(app): State<Shared>, uri: Uri) -> Answer<Json<IssuePage>> {
    let query = Query::known(&uri, &["project", "query", "sort", "limit", "cursor"])?;
    let project = query.one("project")?.map(|it| project_number(&app, it)).transpose()?;
    let search = Search::read(query.one("query")?.unwrap_or_default())?;
    let (from, limit) = (query.parsed::<usize>("cursor")?.unwrap_or(0), query.limit()?);
    let order: fn(&Head) -> i64 = match query.one("sort")?.unwrap_or("last_seen") {
        "last_seen" => |it| it.last_seen.0,
        "first_seen" => |it| it.first_seen.0,
        "times" => |it| it.times_seen,
        "users" => |it| it.issue.users_seen,
        other => {
            let known = "last_seen, first_seen, times, users";
            return Err(Problem::wrong("sort", format!("{other:?} is none; known are {known}")));
        }
    };
    let now = app.now();
    let read = move |tx: &mut Tx<'_>| {
        let Found { page, more, older } = search.find(tx, project, Paging { order, from, limit }, now)?;
        let ids: Vec<Id> = page.iter().map(|it| it.issue.id).collect();
        let incidents = store::incidents::get_many(tx, &ids)?;
        Ok((page, incidents, more, older))
    };
    let (page, incidents, more, older) = app.hub.store.read(read).await?;
    let incident = |id: Id| incidents.iter().find(|(_, it)| it.id == id).map(|(_, it)| it);
    let items = page
        .iter()
        .map(|it| IssueView::new(it, incident(it.issue.id), &slug(&app, it.issue.project), now))
        .collect();
    Ok(Json(IssuePage { items, next: more.then(|| (from + limit).to_string()), older_not_searched: older }))
}

/// Shows an issue.
#[utoipa::path(
    get,
    path = "/api/v1/issues/{id}",
    tag = "errors",
    summary = "Show an issue with its newest error",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The issue", body = IssueDetail),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn get_issue(State(app): State<Shared>, PathId(id): PathId) -> Answer<Json<IssueDetail>> {
    let now = app.now();
    let read = move |tx: &mut Tx<'_>| {
        let Some(head) = errors::head(tx, id)? else { return Ok(None) };
        let family = errors::family(tx, id)?;
        let mut hashes = Vec::new();
        for it in &family {
            hashes.extend(errors::hashes_of(tx, *it)?);
        }
        let incident = store::incidents::get(tx, id)?;
        let hours = errors::times_by_hour(tx, &family, now - HOURS)?;
        let said = errors::feedback_of(tx, &family, MAX_FEEDBACK)?;
        let latest = match errors::navigate(tx, &family, Step::Last)? {
            Some(row) => Some(shown(tx, &family, &row)?),
            None => None,
        };
        Ok(Some((head, incident, family, hashes, hours, said, latest)))
    };
    let found = app.hub.store.read(read).await?;
    let (head, incident, family, hashes, hours, said, latest) =
        found.ok_or_else(|| Problem::not_found("issue", id))?;
    let verdicts = serde_json::to_value(Life::from_column(&head.issue.life).verdicts).unwrap_or_default();
    Ok(Json(IssueDetail {
        issue: IssueView::new(&head, incident.as_ref(), &slug(&app, head.issue.project), now),
        merged: family.into_iter().skip(1).collect(),
        hashes: hashes.into_iter().map(|(hash, algorithm)| HashView { hash, algorithm }).collect(),
        verdicts,
        hours: hours.into_iter().map(HourView::new).collect(),
        feedback: said.into_iter().map(feedback).collect(),
        latest,
    }))
}

fn shown(tx: &mut Tx<'_>, family: &[Id], row: &EventRow) -> Read<ErrorView> {
    let event = event_of(tx, row)?;
    let before = errors::navigate(tx, family, Step::Before(row.id))?.map(|it| it.id);
    let after = errors::navigate(tx, family, Step::After(row.id))?.map(|it| it.id);
    Ok(ErrorView::new(row, event, (before, after)))
}

/// Lists errors of an issue.
#[utoipa::path(
    get,
    path = "/api/v1/issues/{id}/events",
    tag = "errors",
    summary = "List the errors of an issue",
    description = "Newest first.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The issue's id"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of errors", body = Page<ErrorLine>)),
)]
pub(super) async fn list_issue_events(
    State(app): State<Shared>,
    PathId(id): PathId,
    uri: Uri,
) -> Answer<Json<Page<ErrorLine>>> {
    let query = Query::known(&uri, &["limit", "cursor"])?;
    let (before, limit) = (query.parsed::<Id>("cursor")?.unwrap_or(Id(i64::MAX)), query.limit()?);
    let read = move |tx: &mut Tx<'_>| {
        let family = errors::family(tx, id)?;
        let rows = errors::page(tx, &family, before, limit as i64 + 1)?;
        let mut lines = Vec::new();
        for row in rows {
            let event = event_of(tx, &row)?;
            lines.push(ErrorLine::new(&row, event));
        }
        Ok(lines)
    };
    let lines = app.hub.store.read(read).await?;
    Ok(Json(Page::cut(lines, limit, |it| it.id, |it| it)))
}

/// Shows an error.
#[utoipa::path(
    get,
    path = "/api/v1/issues/{id}/events/{event}",
    tag = "errors",
    summary = "Show an error of an issue, with the ones before and after it",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The issue's id"),
        ("event" = String, Path, description = "Its id here, the one that its client gave it, `first` or `latest`"),
    ),
    responses(
        (status = 200, description = "The error", body = ErrorView),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(super) async fn get_issue_event(
    State(app): State<Shared>,
    Path((id, event)): Path<(String, String)>,
) -> Answer<Json<ErrorView>> {
    let id: Id = id.parse().map_err(|bad: model::id::BadId| Problem::wrong("id", bad.to_string()))?;
    let named = event.clone();
    let read = move |tx: &mut Tx<'_>| {
        let family = errors::family(tx, id)?;
        let Some(row) = event_named(tx, &family, &named)? else { return Ok(None) };
        shown(tx, &family, &row).map(Some)
    };
    let found = app.hub.store.read(read).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("error", format_args!("{event:?} of issue {id}")))
}

fn event_named(tx: &mut Tx<'_>, family: &[Id], named: &str) -> Read<Option<EventRow>> {
    match named {
        "first" => errors::navigate(tx, family, Step::First),
        "latest" | "last" => errors::navigate(tx, family, Step::Last),
        _ => match tracker::normalise::event_id(named) {
            Some(event_id) => {
                let Some(issue) = errors::head(tx, family[0])? else { return Ok(None) };
                let key = flow::errors::report::event_key(issue.issue.project, &event_id);
                Ok(errors::event_by_key(tx, key)?.filter(|it| family.contains(&it.issue)))
            }
            None => match named.parse() {
                Ok(id) => errors::navigate(tx, family, Step::At(id)),
                Err(_) => Ok(None),
            },
        },
    }
}

/// Counts tags.
#[utoipa::path(
    get,
    path = "/api/v1/issues/{id}/tags",
    tag = "errors",
    summary = "Count the values of an issue's tags",
    description = "Each tag's most frequent value first.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The issue's id"),
        ("name" = Option<String>, Query, description = "Only this tag"),
    ),
    responses((status = 200, description = "The values", body = Page<TagView>)),
)]
pub(super) async fn list_issue_tags(
    State(app): State<Shared>,
    PathId(id): PathId,
    uri: Uri,
) -> Answer<Json<Page<TagView>>> {
    let name = Query::known(&uri, &["name"])?.one("name")?.map(str::to_owned);
    let read = move |tx: &mut Tx<'_>| {
        let family = errors::family(tx, id)?;
        errors::tags_of(tx, &family, name.as_deref())
    };
    let found = app.hub.store.read(read).await?;
    Ok(Json(Page::whole(found.into_iter().map(TagView::from).collect())))
}

/// Explains a grouping.
#[utoipa::path(
    get,
    path = "/api/v1/issues/{id}/events/{event}/grouping",
    tag = "errors",
    summary = "Explain why an error is in its issue",
    description = "What was looked at, what of it counted, and what did not and why.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The issue's id"),
        ("event" = String, Path, description = "The error, as for showing it"),
    ),
    responses(
        (status = 200, description = "The explanation", body = Object),
        (status = 404, description = "There is none", body = Problem),
    ),
)]
pub(super) async fn explain_grouping(
    State(app): State<Shared>,
    Path((id, event)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    let id: Id = id.parse().map_err(|bad: model::id::BadId| Problem::wrong("id", bad.to_string()))?;
    let (named, projects) = (event.clone(), app.hub.core.known_projects());
    let read = move |tx: &mut Tx<'_>| {
        let family = errors::family(tx, id)?;
        let Some(row) = event_named(tx, &family, &named)? else { return Ok(None) };
        let event = event_of(tx, &row)?;
        let known = projects.get(row.project);
        let plain = tracker::Rules::default();
        let grouping = tracker::group(&event, known.map_or(&plain, |it| &it.grouping));
        let hashes = grouping.hashes();
        let mut leads = Vec::new();
        for hash in &hashes {
            let found = errors::by_hashes(tx, &[(row.project, hash.value.as_str())])?;
            let issue = found.into_iter().next().map(|(_, it)| match it {
                errors::Found::Issue(head) => head.issue.id.to_string(),
                errors::Found::Discarded => "discarded".to_owned(),
            });
            leads.push(json!({ "variant": hash.variant, "hash": hash.value, "issue": issue }));
        }
        let ours: Vec<String> = family.iter().map(Id::to_string).collect();
        let leads_here = |it: &Value| it["issue"].as_str().is_some_and(|id| ours.iter().any(|own| own == id));
        let note = (!leads.iter().any(leads_here)).then_some(CHANGED);
        Ok(Some(json!({ "grouping": grouping, "hashes": leads, "note": note })))
    };
    let found = app.hub.store.read(read).await?;
    found.map(Json).ok_or_else(|| Problem::not_found("error", format_args!("{event:?} of issue {id}")))
}

/// Tells what a project sends.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{id}/sent",
    tag = "errors",
    summary = "Tell what a project sent of late",
    description = "What was kept, what was not and why, what its clients say that they lost, and the releases and \
        environments that it was heard of in.",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its number or slug")),
    responses((status = 200, description = "What it sent in the last two weeks", body = Object)),
)]
pub(super) async fn get_project_sent(
    State(app): State<Shared>,
    Path(named): Path<String>,
) -> Answer<Json<Value>> {
    const MOST: i64 = 200;
    let (project, since) = (project_number(&app, &named)?, app.now() - HOURS);
    let read = move |tx: &mut Tx<'_>| {
        let hours = errors::project_hours(tx, project, since)?;
        let releases = errors::seen(tx, project, "release", MOST)?;
        let environments = errors::seen(tx, project, "environment", MOST)?;
        Ok((hours, releases, environments, errors::weigh(tx, project)?))
    };
    let (hours, releases, environments, kept) = app.hub.store.read(read).await?;
    let mut totals = std::collections::BTreeMap::<String, i64>::new();
    for (_, what, times) in &hours {
        *totals.entry(what.clone()).or_default() += times;
    }
    let shown = |all: Vec<(String, Time, Time, i64)>| -> Vec<Value> {
        let mut shown = Vec::new();
        for (name, first, last, times) in all {
            shown.push(json!({ "name": name, "first_seen": first, "last_seen": last, "times": times }));
        }
        shown
    };
    let hours: Vec<Value> = hours
        .into_iter()
        .map(|(hour, what, times)| json!({ "at": Time(hour * errors::HOUR), "what": what, "times": times }))
        .collect();
    Ok(Json(json!({
        "totals": totals,
        "kept": { "events": kept.events, "bytes": kept.bytes },
        "releases": shown(releases),
        "environments": shown(environments),
        "hours": hours,
    })))
}
