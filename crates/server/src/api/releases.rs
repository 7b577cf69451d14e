//! Releases: what one of them brought, and what it ended.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use serde::Serialize;
use store::Tx;
use store::errors::{Head, Looked, heads, tags_with};
use utoipa::ToSchema;

use super::issues::{project_number, slug};
use crate::app::Shared;
use crate::error::{Answer, Problem};
use crate::query::Query;
use crate::search::MAX_LOOKED_AT;
use crate::views::Page;
use crate::views::issue::IssueView;

/// An issue by two releases.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ReleaseChange)]
pub struct ReleaseChange {
    /// What the later release is to it: `new`, `more`, `less`, `same`, or `gone`.
    pub change: &'static str,
    /// How often it was seen in the one.
    pub times_before: i64,
    /// How often it was seen in the other.
    pub times_after: i64,
    /// The issue.
    pub issue: IssueView,
}

impl ReleaseChange {
    /// What comes first is what somebody has to look at first.
    fn order(&self) -> (usize, i64) {
        let order = ["new", "more", "same", "less", "gone"];
        let place = order.iter().position(|it| *it == self.change).unwrap_or(order.len());
        (place, -(self.times_after - self.times_before).abs())
    }
}

fn change(before: i64, after: i64) -> &'static str {
    match (before, after) {
        (0, _) => "new",
        (_, 0) => "gone",
        _ if after > before => "more",
        _ if after < before => "less",
        _ => "same",
    }
}

/// Compares two releases.
#[utoipa::path(
    get,
    path = "/api/v1/projects/{id}/compare",
    tag = "errors",
    summary = "Compare two releases of a project",
    description = "Issues that were seen in one of them or both: first what is new in the second, then what is there \
        more often, and at last what is gone.",
    security(("token" = ["read"])),
    params(
        ("id" = String, Path, description = "The project's number or slug"),
        ("before" = String, Query, description = "The one release"),
        ("after" = String, Query, description = "The other"),
        ("limit" = Option<usize>, Query, description = "How many issues, up to 500; 50 if not given"),
    ),
    responses((status = 200, description = "The issues", body = Page<ReleaseChange>)),
)]
pub(super) async fn compare_releases(
    State(app): State<Shared>,
    Path(named): Path<String>,
    uri: Uri,
) -> Answer<Json<Page<ReleaseChange>>> {
    let query = Query::known(&uri, &["before", "after", "limit"])?;
    let release = |name: &'static str| match query.one(name)? {
        Some(release) if !release.is_empty() => Ok(release.to_owned()),
        _ => Err(Problem::wrong(name, "is missing: a release, such as 1.4.2".to_owned())),
    };
    let (before, after, limit) = (release("before")?, release("after")?, query.limit()?);
    let (project, now) = (project_number(&app, &named)?, app.now());
    let read = move |tx: &mut Tx<'_>| {
        let (all, _) = heads(tx, Looked::newest(Some(project), MAX_LOOKED_AT))?;
        let ids: Vec<_> = all.iter().map(|it| it.issue.id).collect();
        let (before, after) =
            (tags_with(tx, &ids, "release", &before)?, tags_with(tx, &ids, "release", &after)?);
        let of =
            |counts: &std::collections::BTreeMap<usize, i64>, place| counts.get(&place).copied().unwrap_or(0);
        let counted =
            all.into_iter().enumerate().map(|(place, it)| (it, of(&before, place), of(&after, place)));
        let seen: Vec<(Head, i64, i64)> = counted.filter(|(_, before, after)| before + after > 0).collect();
        let ids: Vec<_> = seen.iter().map(|(it, ..)| it.issue.id).collect();
        Ok((seen, store::incidents::get_many(tx, &ids)?))
    };
    let (seen, incidents) = app.hub.store.read(read).await?;
    let incidents: std::collections::HashMap<_, _> =
        incidents.into_iter().map(|(_, it)| (it.id, it)).collect();
    let slug = slug(&app, project);
    let mut changes: Vec<ReleaseChange> = seen
        .into_iter()
        .map(|(it, times_before, times_after)| ReleaseChange {
            change: change(times_before, times_after),
            times_before,
            times_after,
            issue: IssueView::new(&it, incidents.get(&it.issue.id), &slug, now),
        })
        .collect();
    changes.sort_by_key(ReleaseChange::order);
    changes.truncate(limit);
    Ok(Json(Page::whole(changes)))
}
