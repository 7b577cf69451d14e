//! `GET /api/v2/alerts/groups`.

use std::cmp::Ordering;
use std::collections::HashMap;

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use flow::Core;
use model::{Id, Incident, Labels, Time, order};
use serde::Serialize;
use store::Tx;
use store::groups::GroupRow;
use utoipa::ToSchema;

use super::alert::{AlertOut, ReceiverRef, Status, statuses};
use super::alerts::is_wanted;
use super::error::Wrong;
use super::filter::Filter;
use super::list::List;
use crate::app::{App, Shared};

/// Groups that are read at a time.
const STEP: i64 = 100;

/// A group of alerts.
#[derive(Serialize, ToSchema)]
#[schema(as = AlertGroup)]
pub(super) struct GroupOut<'a> {
    /// Its alerts.
    alerts: Vec<AlertOut<'a>>,
    /// The labels that make it.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: &'a Labels,
    /// Who is told of it.
    receiver: ReceiverRef<'a>,
}

/// Lists alerts by group.
#[utoipa::path(
    get,
    path = "/api/v2/alerts/groups",
    operation_id = "getAlertGroups",
    tag = "alertmanager",
    summary = "List alerts by group",
    description = "All that is wrong now, in the groups in which receivers are told of it.",
    security(("token" = ["read"])),
    params(
        ("filter" = Option<Vec<String>>, Query, description = "A matcher such as `alertname=\"DiskFull\"`; \
            may be given several times"),
        ("active" = Option<bool>, Query, description = "Whether to show alerts that nothing keeps back; \
            true if not given"),
        ("silenced" = Option<bool>, Query, description = "Whether to show silenced alerts; true if not \
            given"),
        ("inhibited" = Option<bool>, Query, description = "Whether to show inhibited alerts; true if not \
            given"),
        ("muted" = Option<bool>, Query, description = "Whether to show groups whose route is muted now; \
            true if not given"),
        ("receiver" = Option<String>, Query, description = "A regular expression for the whole name of a \
            receiver"),
    ),
    responses(
        (status = 200, description = "The groups", body = Vec<GroupOut>),
        (status = 400, description = "A parameter cannot be read", body = String),
        (status = 503, description = "The database is not available", body = String),
    ),
)]
pub(super) async fn get_groups(State(app): State<Shared>, uri: Uri) -> Response {
    match list(&app, &uri).await {
        Ok(list) => list.answer(),
        Err(wrong) => wrong.into_response(),
    }
}

async fn list(app: &App, uri: &Uri) -> Result<List<GroupOrder>, Wrong> {
    let filter = Filter::read(uri)?;
    let (core, now) = (app.hub.core.clone(), app.now());
    Ok(app.hub.store.read(move |tx| collect(&core, tx, &filter, now)).await?)
}

fn collect(core: &Core, tx: &mut Tx<'_>, filter: &Filter, now: Time) -> store::Result<List<GroupOrder>> {
    let (mut list, mut after) = (List::new(), Id(0));
    loop {
        let groups = store::groups::after(tx, after, STEP)?;
        let Some(last) = groups.last() else { return Ok(list) };
        after = last.id;
        let groups: Vec<GroupRow> =
            groups.into_iter().filter(|it| filter.wants_receiver(&it.receiver)).collect();
        let ids: Vec<Id> = groups.iter().map(|group| group.id).collect();
        let mut members: Vec<Vec<Incident>> = groups.iter().map(|_| Vec::new()).collect();
        for (place, member) in store::groups::members(tx, &ids)? {
            if is_wanted(&member.incident, filter, now) {
                members[place].push(member.incident);
            }
        }
        let statuses = statuses(core, tx, &members.iter().flatten().collect::<Vec<_>>(), now)?;
        for (group, members) in groups.into_iter().zip(members) {
            add(core, &mut list, group, members, &statuses, filter, now);
        }
    }
}

fn add(
    core: &Core,
    list: &mut List<GroupOrder>,
    group: GroupRow,
    mut members: Vec<Incident>,
    statuses: &HashMap<Id, Status>,
    filter: &Filter,
    now: Time,
) {
    let live = core.live();
    let route = live.rules.route(&group.route, &group.receiver);
    let mute = route.and_then(|route| live.rules.mute(route, now)).map(|hold| match hold {
        model::group::Hold::Mute { interval } => interval,
        other => other.to_string(),
    });
    if mute.is_some() && !filter.muted {
        return;
    }
    members.sort_by(|a, b| order::by_job_and_instance(&a.labels, &b.labels));
    let status = |it: &Incident| statuses.get(&it.id).cloned().unwrap_or_default();
    let members: Vec<(Incident, Status)> = members
        .into_iter()
        .map(|it| (status(&it), it))
        .filter(|(status, _)| filter.wants(status))
        .map(|(status, it)| (it, status.muted(mute.clone())))
        .collect();
    if members.is_empty() {
        return;
    }
    let latest = now + live.rules.resolve_timeout;
    let alerts = members.iter().map(|(incident, status)| {
        let routes = live.rules.root.find(&incident.labels, incident.severity);
        let names =
            routes.iter().map(|route| route.receiver.as_str()).filter(|name| filter.wants_receiver(name));
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        AlertOut::new(incident, names.into_iter().map(|name| ReceiverRef { name }).collect(), status, latest)
    });
    let alerts = alerts.collect();
    list.push(
        GroupOrder(group.labels.clone(), group.receiver.clone()),
        &GroupOut { alerts, labels: &group.labels, receiver: ReceiverRef { name: &group.receiver } },
    );
}

/// The order of groups: by labels, then by receiver.
#[derive(PartialEq, Eq)]
pub(super) struct GroupOrder(Labels, String);

impl Ord for GroupOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        order::by_labels(&self.0, &other.0).then_with(|| self.1.cmp(&other.1))
    }
}

impl PartialOrd for GroupOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
