//! Deliveries: what was told to whom, how that went, and the dead letters.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::delivery::DeliveryState;
use model::limits::MAX_NOTE_BYTES;
use model::{Delivery, Id};
use serde::Deserialize;
use store::Tx;
use utoipa::ToSchema;

use crate::app::{App, Shared};
use crate::body::OptionalJson;
use crate::error::{Answer, Problem};
use crate::input::{PathId, text};
use crate::limits::MAX_SCAN;
use crate::query::Query;
use crate::signed::Signed;
use crate::views::Page;
use crate::views::delivery::{DeliveryDetail, DeliveryView};

/// Deliveries that are read at a time when a filter leaves some out.
const STEP: i64 = 500;

/// Which deliveries a list shows.
struct Filter {
    state: Option<DeliveryState>,
    destination: Option<String>,
    receiver: Option<String>,
}

impl Filter {
    fn read(query: &Query) -> Answer<Self> {
        let state = query.one("state")?.map(|word| {
            let known = || DeliveryState::ALL.map(DeliveryState::name).join(", ");
            let unknown =
                || Problem::wrong("state", format!("{word:?} is not a state; known are {}", known()));
            DeliveryState::from_name(word).ok_or_else(unknown)
        });
        let name = |name| Ok::<_, Problem>(query.one(name)?.map(str::to_owned));
        Ok(Filter {
            state: state.transpose()?,
            destination: name("destination")?,
            receiver: name("receiver")?,
        })
    }

    fn wants(&self, it: &Delivery) -> bool {
        self.state.is_none_or(|state| it.state == state)
            && self.destination.as_ref().is_none_or(|destination| it.destination == *destination)
            && self.receiver.as_ref().is_none_or(|receiver| it.receiver == *receiver)
    }

    /// A page, and where to go on. Looks at a bounded number of rows.
    fn page(
        &self,
        tx: &mut Tx<'_>,
        before: Option<Id>,
        limit: usize,
    ) -> store::Result<(Vec<Delivery>, Option<Id>)> {
        // states that few deliveries are in, and destinations, have an index; any other filter is ours
        let rare = self.state.filter(|it| *it != DeliveryState::Delivered);
        let destination = self.destination.as_deref();
        let (mut found, mut at, mut looked_at) = (Vec::new(), before, 0);
        while looked_at < MAX_SCAN {
            let rows = store::deliveries::page(tx, rare, destination, at, STEP)?;
            let last_page = (rows.len() as i64) < STEP;
            looked_at += rows.len() as i64;
            for row in rows {
                at = Some(row.id);
                if self.wants(&row) {
                    found.push(row);
                    if found.len() == limit {
                        return Ok((found, at));
                    }
                }
            }
            if last_page {
                return Ok((found, None));
            }
        }
        Ok((found, at))
    }
}

/// Lists deliveries.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries",
    tag = "deliveries",
    summary = "List deliveries",
    description = "Newest first. With `state=dead` these are the dead letters.",
    security(("token" = ["read"])),
    params(
        ("state" = Option<String>, Query, description = "`pending`, `delivered`, `dead` or `buried`"),
        ("destination" = Option<String>, Query, description = "Only those to this destination, such as \
            `ops/slack/0`"),
        ("receiver" = Option<String>, Query, description = "Only those to this receiver"),
        ("incident" = Option<String>, Query, description = "Only those that tell of the incident with this \
            id: the last of them, without a cursor"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of deliveries", body = Page<DeliveryView>)),
)]
pub(super) async fn list_deliveries(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<DeliveryView>>> {
    let query = Query::known(&uri, &["state", "destination", "receiver", "incident", "limit", "cursor"])?;
    let (filter, before, limit) = (Filter::read(&query)?, query.parsed("cursor")?, query.limit()?);
    let (found, next) = match query.parsed::<Id>("incident")? {
        Some(incident) => (of_incident(&app, incident, filter, limit).await?, None),
        None => app.hub.store.read(move |tx| filter.page(tx, before, limit)).await?,
    };
    Ok(Json(Page::new(found.into_iter().map(DeliveryView::from).collect(), next)))
}

async fn of_incident(app: &App, incident: Id, filter: Filter, limit: usize) -> store::Result<Vec<Delivery>> {
    let read = move |tx: &mut Tx<'_>| {
        let mut found = Vec::new();
        for id in store::ledger::deliveries_of(tx, incident, limit as i64)? {
            found.extend(store::deliveries::get(tx, id)?.filter(|it| filter.wants(it)));
        }
        Ok(found)
    };
    app.hub.store.read(read).await
}

/// Shows a delivery.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries/{id}",
    tag = "deliveries",
    summary = "Show a delivery with every try",
    security(("token" = ["read"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "The delivery", body = DeliveryDetail),
        (status = 404, description = "There is none with this id", body = Problem),
    ),
)]
pub(super) async fn get_delivery(
    State(app): State<Shared>,
    PathId(id): PathId,
) -> Answer<Json<DeliveryDetail>> {
    show(&app, id).await
}

async fn show(app: &App, id: Id) -> Answer<Json<DeliveryDetail>> {
    let found = app.hub.store.read(move |tx| {
        let Some(delivery) = store::deliveries::get(tx, id)? else { return Ok(None) };
        let attempts = store::deliveries::attempts(tx, id)?;
        Ok(Some(DeliveryDetail::new(delivery, attempts, store::deliveries::notification(tx, id)?)))
    });
    found.await?.map(Json).ok_or_else(|| Problem::not_found("delivery", id))
}

/// Sends a dead or buried delivery again.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/{id}/retry",
    tag = "deliveries",
    summary = "Send a dead or buried delivery again",
    security(("token" = ["respond"])),
    params(("id" = String, Path, description = "Its id")),
    responses(
        (status = 200, description = "It is pending again", body = DeliveryDetail),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It is neither dead nor buried", body = Problem),
    ),
)]
pub(super) async fn retry_delivery(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
) -> Answer<Json<DeliveryDetail>> {
    let revived = by.hub.retry_delivery(id).await?;
    answer(&app, id, revived, "only dead and buried ones are sent again").await
}

/// Why a delivery is taken off the list.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Bury)]
pub(super) struct BuryIn {
    /// Why.
    #[serde(default)]
    note: String,
}

/// Takes a delivery off the dead letters or the queue, unsent.
#[utoipa::path(
    post,
    path = "/api/v1/deliveries/{id}/bury",
    tag = "deliveries",
    summary = "Take a delivery off the dead letters or the queue, unsent",
    security(("token" = ["respond"])),
    params(("id" = String, Path, description = "Its id")),
    request_body = Option<BuryIn>,
    responses(
        (status = 200, description = "It is buried", body = DeliveryDetail),
        (status = 404, description = "There is none with this id", body = Problem),
        (status = 409, description = "It is neither dead nor pending", body = Problem),
    ),
)]
pub(super) async fn bury_delivery(
    State(app): State<Shared>,
    by: Signed,
    PathId(id): PathId,
    OptionalJson(it): OptionalJson<BuryIn>,
) -> Answer<Json<DeliveryDetail>> {
    let note = text("note", it.note, MAX_NOTE_BYTES)?;
    let note = if note.is_empty() { "buried by a person".to_owned() } else { note };
    let buried = by.hub.bury_delivery(id, &note).await?;
    answer(&app, id, buried, "only dead and pending ones are buried").await
}

async fn answer(app: &App, id: Id, done: bool, rule: &str) -> Answer<Json<DeliveryDetail>> {
    let shown = show(app, id).await?;
    if done {
        return Ok(shown);
    }
    let detail = format!("delivery {id} is {}: {rule}", shown.0.core.state.name());
    Err(Problem::not_in_state(detail))
}
