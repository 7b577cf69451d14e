//! The inbox: messages for people who read them here.

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use model::{Id, Time};
use serde::Serialize;
use store::inbox::Item;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::error::Answer;
use crate::query::Query;
use crate::views::Page;

/// A message.
#[derive(Serialize, ToSchema)]
#[schema(as = InboxItem)]
pub(super) struct ItemView {
    /// Its id.
    #[schema(value_type = String)]
    id: Id,
    /// The destination that it was sent to.
    destination: String,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// What it says: title, body, facts and the rest.
    #[schema(value_type = Object)]
    message: serde_json::Value,
}

impl From<Item> for ItemView {
    fn from(it: Item) -> Self {
        ItemView { id: it.id, destination: it.destination, at: it.at, message: it.message }
    }
}

/// Lists messages.
#[utoipa::path(
    get,
    path = "/api/v1/inbox",
    tag = "receivers",
    summary = "List the messages that destinations of the kind `inbox` were sent",
    description = "Newest first.",
    security(("token" = ["read"])),
    params(
        ("destination" = Option<String>, Query, description = "Only those to this destination, such as \
            `ops/inbox/0`"),
        ("limit" = Option<usize>, Query, description = "How many, up to 500; 50 if not given"),
        ("cursor" = Option<String>, Query, description = "Go on from here: `next` of the page before"),
    ),
    responses((status = 200, description = "A page of messages", body = Page<ItemView>)),
)]
pub(super) async fn list_inbox(State(app): State<Shared>, uri: Uri) -> Answer<Json<Page<ItemView>>> {
    let query = Query::known(&uri, &["destination", "limit", "cursor"])?;
    let (before, limit) = (query.parsed("cursor")?, query.limit()?);
    let destination = query.one("destination")?.map(str::to_owned);
    let read = move |tx: &mut store::Tx<'_>| {
        store::inbox::page(tx, destination.as_deref(), before, limit as i64 + 1)
    };
    let rows = app.hub.store.read(read).await?;
    Ok(Json(Page::cut(rows, limit, |it| it.id, ItemView::from)))
}
