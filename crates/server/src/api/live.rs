//! Live changes as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::sse::{Event, KeepAlive, Sse};
use flow::driver::Update;
use futures::Stream;
use model::matcher::Matchers;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::ToSchema;

use crate::app::Shared;
use crate::error::{Answer, Problem};
use crate::input::matchers;
use crate::limits::{KEEP_ALIVE, MAX_LISTENERS};
use crate::query::Query;
use crate::views::incident::IncidentView;
use crate::views::words;

/// What an `incident` event carries.
#[derive(Serialize, ToSchema)]
#[schema(as = LiveUpdate)]
pub(super) struct UpdateView {
    /// The incident as it is now.
    incident: IncidentView,
    /// What happened to it.
    #[schema(value_type = Vec<words::ChangeKind>)]
    changes: Vec<&'static str>,
}

/// One listener.
struct Listener {
    app: Shared,
    updates: Receiver<Update>,
    matchers: Matchers,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

/// Sends what happens as it happens.
#[utoipa::path(
    get,
    path = "/api/v1/live",
    tag = "incidents",
    summary = "Send what happens to incidents as it happens",
    description = "Server-sent events. `ready`: from here on nothing is missed. `incident`: something \
        happened to one. `missed`: the listener was too slow for so many updates, and should ask for the \
        list again. With several nodes, only what happened on the one that answers.",
    security(("token" = ["read"])),
    params(("match" = Option<Vec<String>>, Query, description = "Only incidents whose labels match, such \
        as `team=\"db\"`; may be given several times")),
    responses((status = 200, description = "Events without an end; `data` is JSON",
        body = UpdateView, content_type = "text/event-stream")),
)]
pub(super) async fn live(
    State(app): State<Shared>,
    uri: Uri,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let query = Query::known(&uri, &["match"])?;
    let matchers = matchers("match", query.all("match"))?;
    let place = Arc::clone(&app.listeners).try_acquire_owned();
    let place = place
        .map_err(|_| Problem::unavailable(format!("{MAX_LISTENERS} listen already, which is the limit")))?;
    let updates = app.hub.updates();
    let listener = Listener { app, updates, matchers, begun: false, _place: place };
    let events = futures::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

impl Listener {
    /// The next event; `None` when the server stops.
    async fn next(&mut self) -> Option<Event> {
        if !self.begun {
            self.begun = true;
            return Some(Event::default().event("ready").data("{}"));
        }
        loop {
            let update = tokio::select! {
                () = self.app.stopping.cancelled() => return None,
                update = self.updates.recv() => update,
            };
            match update {
                Ok(it) if !self.matchers.matches(&it.incident.labels) => {}
                Ok(Update { incident, changes }) => {
                    let view = UpdateView { incident: incident.into(), changes };
                    // made of texts and numbers, which can always be written
                    let data = serde_json::to_string(&view).unwrap_or_default();
                    return Some(Event::default().event("incident").data(data));
                }
                Err(RecvError::Lagged(count)) => {
                    return Some(Event::default().event("missed").data(format!("{{\"updates\":{count}}}")));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
