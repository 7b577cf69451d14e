//! Alertmanager's API, version 2, and its management endpoints, so that Prometheus, amtool and everything
//! else that speaks it work unchanged.
//!
//! Errors are as Alertmanager's: a JSON string, or `{code, message}` for what its framework refuses. It is
//! stricter than Alertmanager where that would lose something: a label that is given twice, bytes that are
//! no UTF-8 and text behind the document are refused.

mod alert;
mod alerts;
mod config;
pub mod error;
mod filter;
mod gone;
mod groups;
mod list;
mod manage;
mod object;
mod post_alerts;
mod silences;
mod status;

pub use post_alerts::parse as parse_alerts;

use axum::routing::any;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;

/// All of its routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    let gone = |routes: OpenApiRouter<Shared>, path| routes.route(path, any(gone::gone));
    let routes = gone::PATHS.into_iter().fold(OpenApiRouter::new(), gone);
    routes
        .routes(routes!(alerts::get_alerts, post_alerts::post_alerts))
        .routes(routes!(groups::get_groups))
        .routes(routes!(silences::get_silences, silences::post_silences))
        .routes(routes!(silences::get_silence, silences::delete_silence))
        .routes(routes!(status::get_status))
        .routes(routes!(status::get_receivers))
        .routes(routes!(manage::healthy))
        .routes(routes!(manage::ready))
        .routes(routes!(manage::reload, manage::reload_by_put))
        .routes(routes!(manage::metrics))
}
