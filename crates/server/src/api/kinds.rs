//! The kinds of destinations and sources that this program knows.

use axum::Json;
use axum::extract::State;
use sdk::Facts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::views::Page;

/// A kind of destination or source.
#[derive(Serialize, ToSchema)]
#[schema(as = Kind)]
pub(super) struct KindView {
    /// The word for it in configuration, such as `slack`.
    kind: &'static str,
    /// `destination` or `source`.
    what: &'static str,
    /// Its name for people.
    title: &'static str,
    /// What it does.
    about: &'static str,
    /// Where the other side documents its interface; may be empty.
    docs: &'static str,
    /// Whether the other side drops what it has seen under the same idempotency key.
    deduplicates: bool,
    /// The settings of a person's own destination that says only where they are reached: the rest is the hub's own
    /// account's.
    own: &'static [&'static str],
    /// The JSON Schema of its settings.
    #[schema(value_type = Object)]
    settings: serde_json::Value,
}

impl KindView {
    fn new(
        what: &'static str,
        facts: &Facts,
        own: &'static [&'static str],
        schema: &serde_json::Value,
    ) -> Self {
        KindView {
            kind: facts.kind,
            what,
            title: facts.title,
            about: facts.about,
            docs: facts.docs,
            deduplicates: facts.deduplicates,
            own,
            settings: schema.clone(),
        }
    }
}

/// Lists kinds.
#[utoipa::path(
    get,
    path = "/api/v1/kinds",
    tag = "server",
    summary = "List the kinds of destinations and sources",
    security(("token" = ["read"])),
    responses((status = 200, description = "Destinations, then sources, by name", body = Page<KindView>)),
)]
pub(super) async fn list_kinds(State(app): State<Shared>) -> Json<Page<KindView>> {
    let kinds = app.kinds();
    let destination = |(facts, schema): (&Facts, _)| {
        KindView::new("destination", facts, kinds.address_fields(facts.kind), schema)
    };
    let destinations = kinds.destinations().map(destination);
    let sources = kinds.sources().map(|(facts, schema)| KindView::new("source", facts, &[], schema));
    Json(Page::whole(destinations.chain(sources).collect()))
}
