//! `GET /api/v2/alerts`.

use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use flow::Core;
use model::{Id, Incident, Time};
use store::Tx;

use super::alert::{AlertOut, ReceiverRef, Status, statuses};
use super::error::Wrong;
use super::filter::Filter;
use super::list::List;
use crate::app::{App, Shared};

/// Incidents that are read at a time.
const STEP: i64 = 500;

/// Lists alerts.
#[utoipa::path(
    get,
    path = "/api/v2/alerts",
    operation_id = "getAlerts",
    tag = "alertmanager",
    summary = "List alerts",
    description = "All that is wrong now, in the order of fingerprints.",
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
        ("unprocessed" = Option<bool>, Query, description = "Overlooked: no alert is shown before it is \
            processed"),
        ("receiver" = Option<String>, Query, description = "A regular expression for the whole name of a \
            receiver"),
    ),
    responses(
        (status = 200, description = "The alerts", body = Vec<AlertOut>),
        (status = 400, description = "A parameter cannot be read", body = String),
        (status = 503, description = "The database is not available", body = String),
    ),
)]
pub(super) async fn get_alerts(State(app): State<Shared>, uri: Uri) -> Response {
    match list(&app, &uri).await {
        Ok(list) => list.answer(),
        Err(wrong) => wrong.into_response(),
    }
}

async fn list(app: &App, uri: &Uri) -> Result<List<u64>, Wrong> {
    let filter = Filter::read(uri)?;
    let (core, now) = (app.hub.core.clone(), app.now());
    Ok(app.hub.store.read(move |tx| collect(&core, tx, &filter, now)).await?)
}

fn collect(core: &Core, tx: &mut Tx<'_>, filter: &Filter, now: Time) -> store::Result<List<u64>> {
    let live = core.live();
    let (mut list, mut after) = (List::new(), Id(0));
    let latest = now + live.rules.resolve_timeout;
    loop {
        let incidents = store::incidents::active_after(tx, after, STEP)?;
        let Some(last) = incidents.last() else { return Ok(list) };
        after = last.id;
        let wanted: Vec<&Incident> = incidents.iter().filter(|it| is_wanted(it, filter, now)).collect();
        let statuses = statuses(core, tx, &wanted, now)?;
        let free = Status::default();
        for incident in wanted {
            let routes = live.rules.root.find(&incident.labels, incident.severity);
            let receivers: Vec<_> =
                routes.iter().map(|route| ReceiverRef { name: &route.receiver }).collect();
            let status = statuses.get(&incident.id).unwrap_or(&free);
            if filter.wants(status) && receivers.iter().any(|it| filter.wants_receiver(it.name)) {
                let alert = AlertOut::new(incident, receivers, status, latest);
                list.push(incident.labels.fingerprint(), &alert);
            }
        }
    }
}

/// Whether it fires and has labels that are asked for. What has just ended is not shown, even if nothing
/// has noticed yet.
pub(super) fn is_wanted(incident: &Incident, filter: &Filter, now: Time) -> bool {
    incident.is_active()
        && incident.ends_at.is_none_or(|end| end >= now)
        && filter.matchers.matches(&incident.labels)
}
