//! Our own API, one file a resource.

use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;

/// All of its routes.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
}
