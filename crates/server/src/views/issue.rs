//! Issues and their errors as they are shown.

use flow::life::{Life, ResolvedIn};
use model::{Id, Incident, Time};
use serde::Serialize;
use serde_json::Value;
use store::errors::{EventRow, Feedback, Head, TagCount};
use utoipa::ToSchema;

/// A page of a search of issues.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuePage {
    /// The page.
    pub items: Vec<IssueView>,
    /// Give this as `cursor` to go on; null at the end.
    pub next: Option<String>,
    /// Whether there are issues too old for one search to look at. One looks at the newest 20,000; in one project
    /// it reaches further back than in all.
    pub older_not_searched: bool,
}

/// An issue: errors that are alike.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Issue)]
pub struct IssueView {
    /// Its id, which is its incident's.
    #[schema(value_type = String)]
    pub id: Id,
    /// The project's slug.
    pub project: String,
    /// What went wrong, in a line.
    pub title: String,
    /// Where in the program.
    pub culprit: String,
    /// How bad it is: `debug`, `info`, `warning`, `error` or `fatal`.
    pub level: String,
    /// `unresolved` or `resolved`.
    pub status: &'static str,
    /// `new`, `ongoing`, `regressed`, `escalating` or `ignored`; of one that is resolved, `resolved`.
    pub substatus: &'static str,
    /// How often it was seen.
    pub times_seen: i64,
    /// Users that it has hit.
    pub users_seen: i64,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Time,
    /// When it was last seen.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
    /// The release that it was first seen in; empty: unknown.
    pub first_release: String,
    /// The release that it was last seen in; empty: unknown.
    pub last_release: String,
    /// Who looks after it: a user, or `team:` and a team; empty: nobody.
    pub assignee: String,
    /// The release by which it is over; empty: simply over, or not.
    pub resolved_in: String,
    /// Until when nobody wants to hear of it: `until`, `times`, `users`; null: everybody may.
    #[schema(value_type = Option<Object>)]
    pub ignored: Value,
    /// The issue that it counts as.
    #[schema(value_type = Option<String>)]
    pub merged_into: Option<Id>,
}

impl IssueView {
    /// An issue with its incident.
    pub fn new(head: &Head, incident: Option<&Incident>, project: &str, now: Time) -> Self {
        let life = Life::from_column(&head.issue.life);
        let label = |name: &str| incident.and_then(|it| it.labels.get(name)).unwrap_or_default().to_owned();
        let is_over = head.state == model::incident::State::Resolved;
        IssueView {
            id: head.issue.id,
            project: project.to_owned(),
            title: incident.map(|it| it.title.clone()).unwrap_or_default(),
            culprit: label("culprit"),
            level: label("level"),
            status: if is_over { "resolved" } else { "unresolved" },
            substatus: if is_over { "resolved" } else { life.substatus(head.first_seen, now) },
            times_seen: head.times_seen,
            users_seen: head.issue.users_seen,
            first_seen: head.first_seen,
            last_seen: head.last_seen,
            first_release: head.issue.first_release.clone(),
            last_release: head.issue.last_release.clone(),
            assignee: life.assignee,
            resolved_in: match life.resolved_in {
                None => String::new(),
                Some(ResolvedIn::Release(release)) => release,
                Some(ResolvedIn::After(release)) => format!("the one after {release}"),
            },
            ignored: serde_json::to_value(&life.mute).unwrap_or_default(),
            merged_into: head.issue.merged_into,
        }
    }
}

/// An issue with what is known of it besides.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = IssueDetail)]
pub struct IssueDetail {
    /// The issue.
    #[serde(flatten)]
    pub issue: IssueView,
    /// Issues that count as it.
    #[schema(value_type = Vec<String>)]
    pub merged: Vec<Id>,
    /// The sums by which errors are put to it, and by which algorithm each was made.
    pub hashes: Vec<HashView>,
    /// What the rules of its project said of it last, and why.
    #[schema(value_type = Vec<Object>)]
    pub verdicts: Value,
    /// How often it was seen in each hour of the last two weeks in which it was.
    pub hours: Vec<HourView>,
    /// What users said about it, newest first.
    #[schema(value_type = Vec<Object>)]
    pub feedback: Vec<Value>,
    /// Its newest error.
    pub latest: Option<ErrorView>,
}

/// A sum of errors.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = IssueHash)]
pub struct HashView {
    /// The sum.
    pub hash: String,
    /// What made it.
    pub algorithm: String,
}

/// How often something was, in an hour.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = IssueHour)]
pub struct HourView {
    /// When the hour began.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// How often.
    pub times: i64,
}

impl HourView {
    /// An hour since the epoch.
    pub fn new((hour, times): (i64, i64)) -> Self {
        HourView { at: Time(hour * store::errors::HOUR), times }
    }
}

/// An error.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ErrorEvent)]
pub struct ErrorView {
    /// Its id here.
    #[schema(value_type = String)]
    pub id: Id,
    /// The id that its client gave it.
    pub event_id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// When it arrived.
    #[schema(value_type = String, format = DateTime)]
    pub received_at: Time,
    /// The one before it in its issue; null: it is the oldest that is kept.
    #[schema(value_type = Option<String>)]
    pub previous: Option<Id>,
    /// The one after it; null: it is the newest.
    #[schema(value_type = Option<String>)]
    pub next: Option<Id>,
    /// All that it says, without secrets.
    #[schema(value_type = Object)]
    pub event: tracker::Event,
}

impl ErrorView {
    /// An error with its neighbours.
    pub fn new(row: &EventRow, event: tracker::Event, (previous, next): (Option<Id>, Option<Id>)) -> Self {
        ErrorView {
            id: row.id,
            event_id: event.event_id.clone(),
            at: row.at,
            received_at: row.id.made_at(),
            previous,
            next,
            event,
        }
    }
}

/// A line of a list of errors.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ErrorLine)]
pub struct ErrorLine {
    /// Its id here.
    #[schema(value_type = String)]
    pub id: Id,
    /// The id that its client gave it.
    pub event_id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// What went wrong, in a line.
    pub title: String,
    /// Its release.
    pub release: Option<String>,
    /// Its environment.
    pub environment: Option<String>,
    /// Whom it happened to.
    pub user: Option<String>,
    /// Where.
    pub server_name: Option<String>,
}

impl ErrorLine {
    /// An error.
    pub fn new(row: &EventRow, event: tracker::Event) -> Self {
        ErrorLine {
            id: row.id,
            at: row.at,
            user: event.user.as_ref().and_then(tracker::event::User::identity),
            event_id: event.event_id,
            title: event.title,
            release: event.release,
            environment: event.environment,
            server_name: event.server_name,
        }
    }
}

/// A value of a tag, and how often it came.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TagCount)]
pub struct TagView {
    /// The tag.
    pub name: String,
    /// Its value.
    pub value: String,
    /// How often.
    pub times: i64,
    /// When it came last.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
}

impl From<TagCount> for TagView {
    fn from(it: TagCount) -> Self {
        TagView { name: it.name, value: it.value, times: it.times, last_seen: it.last_seen }
    }
}

/// What a user said.
pub fn feedback(it: Feedback) -> Value {
    let mut said: Value = serde_json::from_str(&it.said).unwrap_or_default();
    said["at"] = serde_json::to_value(it.at).unwrap_or_default();
    said
}
