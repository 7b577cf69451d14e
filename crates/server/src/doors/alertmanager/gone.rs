//! Version 1 of Alertmanager's API, which is gone since 0.27. Where our own API has no such path, those who still
//! ask hear the same as there.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::list::document;

/// Paths of it that mean nothing else here.
pub(super) const PATHS: [&str; 2] = ["/api/v1/alerts", "/api/v1/silence/{id}"];

#[derive(Serialize)]
struct Gone {
    status: &'static str,
    error: &'static str,
}

/// Says that it is gone.
pub(super) async fn gone() -> Response {
    let error = "The Alertmanager v1 API was deprecated in version 0.16.0 and is removed as of version 0.27.0 - \
                 please use the equivalent route in the v2 API";
    (StatusCode::GONE, document(&Gone { status: "deprecated", error })).into_response()
}
