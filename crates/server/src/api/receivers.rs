//! Receivers: who can be told, how their destinations are doing, and test messages.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::delivery::Health;
use model::receiver::{Manners, Place};
use model::time::span;
use model::{Id, Time};
use sdk::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::error::{Answer, Problem};
use crate::input::Name;
use crate::signed::Signed;
use crate::views::Page;

/// Somebody who can be told.
#[derive(Serialize, ToSchema)]
#[schema(as = ReceiverWithDestinations)]
pub(super) struct ReceiverView {
    /// The name that routes use.
    name: String,
    /// Where messages for it go: to all of these.
    destinations: Vec<DestinationView>,
}

/// A place that messages go to.
#[derive(Serialize, ToSchema)]
#[schema(as = Destination)]
struct DestinationView {
    /// What deliveries and metrics know it by, such as `ops/slack/0`.
    id: String,
    /// The kind of destination, such as `slack`.
    kind: String,
    /// How it is doing.
    health: HealthView,
    /// What it wants to hear, and how it wants to be treated.
    manners: MannersView,
    /// What its kind needs to know, without secrets.
    #[schema(value_type = Object)]
    settings: serde_json::Value,
}

/// How a destination is doing.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthView {
    /// `ok`, `failing` (the last tries failed), `paused` (it asked to be left alone) or `down` (it is only
    /// probed until it is back).
    state: &'static str,
    /// Tries in a row that failed for its sake.
    faults: u32,
    /// Since when it is down.
    #[schema(value_type = Option<String>, format = DateTime)]
    down_since: Option<Time>,
    /// When the next probe may go.
    #[schema(value_type = Option<String>, format = DateTime)]
    probe_at: Option<Time>,
    /// Until when it asked to be left alone.
    #[schema(value_type = Option<String>, format = DateTime)]
    paused_until: Option<Time>,
    /// What the last fault was; empty when all is well.
    last_fault: String,
}

/// What a destination wants to hear, and how it wants to be treated.
#[derive(Serialize, ToSchema)]
#[schema(as = Manners)]
struct MannersView {
    /// Whether it is told when something is over.
    send_resolved: bool,
    /// Whether it is told when somebody has taken an incident.
    send_acknowledged: bool,
    /// Alerts that one message carries at the most; 0: as many as the hub's own limit.
    max_alerts: usize,
    /// Messages under way to it at once.
    concurrency: usize,
    /// Messages a second that it may get on average; 0: any number.
    per_second: f64,
    /// How long one try may take.
    timeout: String,
    /// How long a message is worth sending.
    give_up_after: String,
    /// Whom it is for, where it is told of people: users, and `team:` with a team.
    recipients: Vec<String>,
    /// The schedules that say who is on duty, where it is told of people.
    on_duty: Vec<String>,
}

impl From<&Manners> for MannersView {
    fn from(it: &Manners) -> Self {
        MannersView {
            send_resolved: it.send_resolved,
            send_acknowledged: it.send_acknowledged,
            max_alerts: it.max_alerts,
            concurrency: it.concurrency,
            per_second: it.per_second,
            timeout: span::format(it.timeout),
            give_up_after: span::format(it.give_up_after),
            recipients: it.recipients.clone(),
            on_duty: it.on_duty.clone(),
        }
    }
}

/// The word for how a destination is doing.
pub(crate) fn state_of(health: &Health, now: Time) -> &'static str {
    match health {
        it if it.open_since.is_some() => "down",
        it if it.paused_until.is_some_and(|until| until > now) => "paused",
        it if it.faults > 0 => "failing",
        _ => "ok",
    }
}

impl HealthView {
    fn new(it: Health, now: Time) -> Self {
        HealthView {
            state: state_of(&it, now),
            faults: it.faults,
            down_since: it.open_since,
            probe_at: it.probe_at.filter(|_| it.open_since.is_some()),
            paused_until: it.paused_until.filter(|until| *until > now),
            last_fault: it.last_fault,
        }
    }
}

/// Lists receivers.
#[utoipa::path(
    get,
    path = "/api/v1/receivers",
    tag = "receivers",
    summary = "List receivers with their destinations",
    security(("token" = ["read"])),
    responses((status = 200, description = "All receivers, by name", body = Page<ReceiverView>)),
)]
pub(super) async fn list_receivers(State(app): State<Shared>) -> Answer<Json<Page<ReceiverView>>> {
    let healths = app.hub.store.read(store::deliveries::healths).await?;
    let mut healths: HashMap<String, Health> = healths.into_iter().collect();
    let (live, now) = (app.hub.core.live(), app.now());
    let mut destination = |place: &Place| DestinationView {
        id: place.id.clone(),
        kind: place.kind.clone(),
        health: HealthView::new(healths.remove(&place.id).unwrap_or_default(), now),
        manners: (&place.manners).into(),
        settings: without_secrets(&app.kinds(), place),
    };
    let receivers = live.rules.receivers.values().map(|receiver| ReceiverView {
        name: receiver.name.clone(),
        destinations: receiver.destinations.iter().map(&mut destination).collect(),
    });
    Ok(Json(Page::whole(receivers.collect())))
}

/// Settings as they may be shown: nothing at all of a kind that is not known.
fn without_secrets(kinds: &Registry, place: &Place) -> serde_json::Value {
    let Some(schema) = kinds.destination_schema(&place.kind) else { return serde_json::Value::Null };
    let mut settings = place.settings.clone();
    sdk::secret::redact(&mut settings, schema);
    settings
}

/// Deliveries that were planned.
#[derive(Serialize, ToSchema)]
pub(super) struct Planned {
    /// Their ids.
    #[schema(value_type = Vec<String>)]
    deliveries: Vec<Id>,
}

/// Sends a test message.
#[utoipa::path(
    post,
    path = "/api/v1/receivers/{name}/test",
    tag = "receivers",
    summary = "Send a test message to every destination of a receiver",
    description = "What came of it can be asked of the deliveries.",
    security(("token" = ["respond"])),
    params(("name" = String, Path, description = "The receiver")),
    responses(
        (status = 202, description = "The messages are on their way", body = Planned),
        (status = 404, description = "There is no receiver of this name", body = Problem),
    ),
)]
pub(super) async fn test_receiver(by: Signed, Name(name): Name) -> Answer<(StatusCode, Json<Planned>)> {
    match by.hub.test_receiver(&name).await? {
        Some(deliveries) => Ok((StatusCode::ACCEPTED, Json(Planned { deliveries }))),
        None => Err(Problem::not_found("receiver", format_args!("{name:?}"))),
    }
}
