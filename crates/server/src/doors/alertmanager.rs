//! Alertmanager's API, version 2, and its management endpoints, so that Prometheus, amtool and everything
//! else that speaks it work unchanged.
//!
//! Errors are as Alertmanager's: a JSON string, or `{code, message}` for what its framework refuses.

pub mod error;
mod manage;
mod post_alerts;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;

/// All of its routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(post_alerts::post_alerts))
        .routes(routes!(manage::healthy))
        .routes(routes!(manage::ready))
        .routes(routes!(manage::reload))
        .routes(routes!(manage::metrics))
}
