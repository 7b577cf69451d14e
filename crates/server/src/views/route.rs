//! Routes and what was found about them.

use std::time::Duration;

use model::flap::OnFlapping;
use model::route::{GroupBy, Route, Verdict, VerdictKind};
use model::time::span;
use serde::Serialize;
use utoipa::ToSchema;

use super::words;

/// A node of the routing tree, with all that it inherits filled in.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Route)]
pub struct RouteView {
    /// Its path from the root, such as `{}/{team="db"}`.
    pub path: String,
    /// Who is told.
    pub receiver: String,
    /// What must match.
    pub matchers: Vec<String>,
    /// What must hold besides.
    pub condition: Option<String>,
    /// The labels that make a group; `...` stands for all.
    pub group_by: Vec<String>,
    /// How long a new group gathers before it is told for the first time.
    #[serde(with = "span")]
    #[schema(value_type = String)]
    pub group_wait: Duration,
    /// How long after that until it is told of what is new.
    #[serde(with = "span")]
    #[schema(value_type = String)]
    pub group_interval: Duration,
    /// How long until it is told again although nothing is new.
    #[serde(with = "span")]
    #[schema(value_type = String)]
    pub repeat_interval: Duration,
    /// Names of time intervals in which nobody is told.
    pub mute: Vec<String>,
    /// Names of time intervals outside of which nobody is told.
    pub active: Vec<String>,
    /// What is done about incidents that flap; null: what the configuration says for all.
    #[schema(value_type = Option<words::OnFlapping>)]
    pub on_flapping: Option<OnFlapping>,
    /// Whether siblings after a match are asked, too.
    pub r#continue: bool,
    /// More particular routes; left out in the flat list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub children: Option<Vec<RouteView>>,
}

impl RouteView {
    /// The node alone.
    pub fn flat(it: &Route) -> Self {
        RouteView {
            path: it.path.clone(),
            receiver: it.receiver.clone(),
            matchers: it.matchers.0.iter().map(ToString::to_string).collect(),
            condition: it.condition.as_ref().map(|condition| condition.source().to_owned()),
            group_by: match &it.group_by {
                GroupBy::All => vec!["...".to_owned()],
                GroupBy::Labels(names) => names.clone(),
            },
            group_wait: it.timing.group_wait,
            group_interval: it.timing.group_interval,
            repeat_interval: it.timing.repeat_interval,
            mute: it.mute.clone(),
            active: it.active.clone(),
            on_flapping: it.on_flapping,
            r#continue: it.r#continue,
            children: None,
        }
    }

    /// The node with everything below it.
    pub fn tree(it: &Route) -> Self {
        let children = it.children.iter().map(RouteView::tree).collect();
        RouteView { children: Some(children), ..RouteView::flat(it) }
    }
}

/// What was found about a node.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = RouteVerdictLine)]
pub struct VerdictView {
    /// The node's path.
    pub path: String,
    /// Its receiver.
    pub receiver: String,
    /// What was found.
    #[schema(value_type = words::RouteVerdict)]
    pub verdict: VerdictKind,
    /// In words: the matcher that failed, the child that was chosen.
    pub because: String,
}

impl From<Verdict> for VerdictView {
    fn from(it: Verdict) -> Self {
        VerdictView { path: it.path, receiver: it.receiver, verdict: it.verdict, because: it.because }
    }
}
