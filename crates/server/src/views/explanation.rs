//! Explanations.

use flow::explain::Explanation;
use model::{Id, Labels, Time};
use serde::Serialize;
use store::groups::GroupRow;
use utoipa::ToSchema;

use super::delivery::DeliveryDetail;
use super::event::EventView;
use super::incident::{IncidentView, LineView};
use super::person::PersonView;
use super::route::VerdictView;

/// Why somebody was told, or was not.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
pub struct ExplanationView {
    /// What the question was about: `event`, `incident`, `delivery` or `labels`.
    pub subject: &'static str,
    /// The answer in sentences.
    pub text: Vec<String>,
    /// The event, when one was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventView>,
    /// The incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentView>,
    /// Its last events, newest first.
    pub events: Vec<EventView>,
    /// What happened to it, the oldest first.
    pub timeline: Vec<LineView>,
    /// Who is told of it by the rules that it was last routed by.
    pub receivers: Vec<String>,
    /// What every route said about it, by these rules.
    pub routes: Vec<VerdictView>,
    /// The version of these rules; 0: those in force.
    pub rules: i64,
    /// The groups that it is in now.
    pub groups: Vec<GroupView>,
    /// What keeps it back now, in words.
    pub held_by: Vec<String>,
    /// The messages that told of it, newest first, each with its tries.
    pub deliveries: Vec<DeliveryDetail>,
    /// What it was to the `user` that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonView>,
}

/// What a receiver is told of together.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: Id,
    /// The path of the route that made it.
    pub route: String,
    /// Who is told.
    pub receiver: String,
    /// Alertmanager's group key.
    pub group_key: String,
    /// The labels that make it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub labels: Labels,
    /// When it was last told of.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub told_at: Option<Time>,
    /// When it is looked at next; null: when something happens.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Time>,
}

impl From<GroupRow> for GroupView {
    fn from(it: GroupRow) -> Self {
        GroupView {
            id: it.id,
            route: it.route,
            receiver: it.receiver,
            group_key: it.group_key,
            labels: it.labels,
            told_at: it.clock.told_at,
            due_at: it.due_at,
        }
    }
}

impl From<Explanation> for ExplanationView {
    fn from(it: Explanation) -> Self {
        let text = it.text();
        let chosen = it.routes.iter().filter(|verdict| verdict.verdict == model::route::VerdictKind::Chosen);
        let detail = |(delivery, attempts)| DeliveryDetail::new(delivery, attempts, None);
        ExplanationView {
            subject: it.subject,
            text,
            receivers: chosen.map(|verdict| verdict.receiver.clone()).collect(),
            event: it.event.map(EventView::from),
            incident: it.incident.map(IncidentView::from),
            events: it.events.into_iter().map(EventView::from).collect(),
            timeline: it.timeline.into_iter().map(LineView::from).collect(),
            routes: it.routes.into_iter().map(VerdictView::from).collect(),
            rules: it.rules,
            groups: it.groups.into_iter().map(GroupView::from).collect(),
            held_by: it.held_by,
            deliveries: it.deliveries.into_iter().map(detail).collect(),
            person: it.person.map(PersonView::from),
        }
    }
}
