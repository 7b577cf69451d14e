//! Doing something about an issue.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use flow::errors::acts::{Acted, Fixed, IssueAct};
use flow::life::{Ignore, More};
use model::Id;
use model::account::Team;
use model::alert_rule::MAX_COUNTED;
use model::time::span::format as spelt;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::body::Json as JsonBody;
use crate::error::{Answer, Problem};
use crate::input::{PathId, SpanIn, TimeIn, deadline, short};
use crate::signed::Signed;

/// What somebody wants done about an issue.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = IssueAction)]
pub(crate) enum ActionIn {
    /// It is over: now, in a release, or in the one after the last that it was seen in.
    Resolve {
        /// In this one.
        #[serde(default)]
        in_release: Option<String>,
        /// In the next one.
        #[serde(default)]
        in_next_release: bool,
    },
    /// It is not.
    Unresolve,
    /// Nobody wants to hear of it: for good, or until whatever comes first.
    Ignore {
        /// Until this time.
        #[serde(default)]
        #[schema(value_type = Option<String>, format = DateTime)]
        until: Option<TimeIn>,
        /// For so long, such as `2h`.
        #[serde(default, rename = "for")]
        #[schema(value_type = Option<String>)]
        span: Option<SpanIn>,
        /// Until it was seen so many times more.
        #[serde(default)]
        times: Option<u32>,
        /// Until it has hit so many users more.
        #[serde(default)]
        users: Option<u32>,
        /// Until it was seen so many `times` within so long, such as `1h`, instead of in all.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        times_within: Option<SpanIn>,
        /// Until it has hit so many `users` within so long.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        users_within: Option<SpanIn>,
    },
    /// Somebody wants to hear of it again.
    Unignore,
    /// Somebody looks after it: a user, or `team:` and a team; empty: nobody.
    Assign {
        /// Who.
        to: String,
    },
    /// Others count as this one from now on.
    Merge {
        /// Which.
        #[schema(value_type = Vec<String>)]
        issues: Vec<Id>,
    },
    /// They, or all if none is given, count as themselves again.
    Unmerge {
        /// Which.
        #[serde(default)]
        #[schema(value_type = Vec<String>)]
        issues: Vec<Id>,
    },
    /// It goes with all its errors, and no more like them are taken in.
    Discard,
    /// Somebody has something to say.
    Comment {
        /// What.
        text: String,
    },
}

/// Does something about an issue.
#[utoipa::path(
    post,
    path = "/api/v1/issues/{id}/actions",
    tag = "errors",
    summary = "Do something about an issue",
    security(("token" = ["respond:team"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = ActionIn,
    responses(
        (status = 204, description = "It is done"),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It cannot be, as it is now", body = Problem),
    ),
)]
pub(super) async fn act_on_issue(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
    JsonBody(action): JsonBody<ActionIn>,
) -> Answer<StatusCode> {
    let act = match action {
        ActionIn::Comment { text } => {
            let text = short("text", text)?;
            let note = flow::driver::Act::Note { by: by.caller.signed(""), text };
            let found = by.act(id, note).await?;
            return found.map(|_| StatusCode::NO_CONTENT).ok_or_else(|| Problem::not_found("issue", id));
        }
        other => meant(&app, other).await?,
    };
    match by.act_on_issue(id, act).await? {
        Acted::Done => Ok(StatusCode::NO_CONTENT),
        Acted::Unknown => Err(Problem::not_found("issue", id)),
        Acted::Not(why) => Err(Problem::not_in_state(why)),
    }
}

async fn meant(app: &App, action: ActionIn) -> Answer<IssueAct> {
    Ok(match action {
        ActionIn::Resolve { in_release: Some(_), in_next_release: true } => {
            return Err(Problem::wrong("in_release", "is given beside `in_next_release`: give one of them"));
        }
        ActionIn::Resolve { in_release: Some(release), .. } => {
            IssueAct::Resolve(Some(Fixed::In(short("in_release", release)?)))
        }
        ActionIn::Resolve { in_next_release, .. } => {
            IssueAct::Resolve(in_next_release.then_some(Fixed::InNext))
        }
        ActionIn::Unresolve => IssueAct::Unresolve,
        ActionIn::Ignore { until, span, times, users, times_within, users_within } => {
            IssueAct::Ignore(Ignore {
                until: deadline("until", until, span, app.now())?,
                times: more("times", times, times_within)?,
                users: more("users", users, users_within)?,
            })
        }
        ActionIn::Unignore => IssueAct::Unignore,
        ActionIn::Assign { to } => IssueAct::Assign(assignee(app, short("to", to)?).await?),
        ActionIn::Merge { issues } => IssueAct::Merge(issues),
        ActionIn::Unmerge { issues } => IssueAct::Unmerge(issues),
        ActionIn::Discard | ActionIn::Comment { .. } => IssueAct::Discard,
    })
}

/// So many more, in all or within a span.
fn more(field: &str, count: Option<u32>, within: Option<SpanIn>) -> Answer<Option<More>> {
    /// The longest span that something is counted in.
    const LONGEST: Duration = Duration::from_secs(30 * 86_400);
    let span_of = format!("{field}_within");
    match (count, within) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Problem::wrong(span_of, format!("is given without `{field}`"))),
        (Some(_), Some(SpanIn(span))) if span.is_zero() || span > LONGEST => {
            Err(Problem::wrong(span_of, format!("must be from 1s to {}", spelt(LONGEST))))
        }
        (Some(count), Some(_)) if count > MAX_COUNTED => Err(Problem::wrong(
            field,
            format!("is more than {MAX_COUNTED}, to which is counted within a span"),
        )),
        (Some(count), within) => Ok(Some(More { count, within: within.map(|it| it.0) })),
    }
}

/// Somebody who is there.
async fn assignee(app: &App, to: String) -> Answer<String> {
    if to.is_empty() {
        return Ok(to);
    }
    let named = to.clone();
    let found = app.hub.store.read(move |tx| match named.strip_prefix(Team::PREFIX) {
        Some(team) => Ok(store::teams::named(tx, team)?.map(|it| it.prefixed())),
        None => Ok(store::users::named(tx, &named)?.map(|it| it.name)),
    });
    found.await?.ok_or_else(|| Problem::wrong("to", format!("there is no {to:?}: name a user, or team:NAME")))
}
