//! Errors as Alertmanager answers them.

use axum::body::Body;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::error::Problem;
use crate::limits::RETRY_AFTER_SECONDS;

/// What is wrong, in Alertmanager's ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Its handlers' way: a status and a text, sent as a JSON string.
    Text(StatusCode, String),
    /// Its framework's way: a status, a code and a text.
    Framework(StatusCode, Framework),
}

/// What Alertmanager's framework answers to what it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Framework {
    /// The status of the answer, or a number of 600 and more for what breaks the schema.
    code: u16,
    /// What is wrong.
    message: String,
}

impl Framework {
    /// A code and a text.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Framework { code, message: message.into() }
    }
}

impl Wrong {
    /// 400 with a text.
    pub fn bad(text: impl Into<String>) -> Self {
        Wrong::Text(StatusCode::BAD_REQUEST, text.into())
    }

    /// 404 with a text.
    pub fn not_found(text: impl Into<String>) -> Self {
        Wrong::Text(StatusCode::NOT_FOUND, text.into())
    }

    /// What cannot be read at all.
    pub fn unreadable(message: impl Into<String>) -> Self {
        Wrong::Framework(StatusCode::BAD_REQUEST, Framework::new(400, message))
    }

    /// What breaks the schema; the code says how.
    pub fn schema(code: u16, message: impl Into<String>) -> Self {
        Wrong::Framework(StatusCode::UNPROCESSABLE_ENTITY, Framework::new(code, message))
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response<Body> {
        let (status, body) = match self {
            Wrong::Text(status, text) => (status, serde_json::to_vec(&text)),
            Wrong::Framework(status, it) => (status, serde_json::to_vec(&it)),
        };
        let mut response = Response::new(Body::from(body.unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}

/// What went wrong here is told in the same words as by our own API, as a JSON string.
impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        Wrong::Text(problem.code(), problem.detail)
    }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

/// A path that Alertmanager does not know either.
pub(crate) fn no_path(path: &str) -> Response<Body> {
    let message = format!("path {path} was not found");
    Wrong::Framework(StatusCode::NOT_FOUND, Framework::new(404, message)).into_response()
}

/// A method that the path does not take, beside those that it does.
pub(crate) fn not_allowed<'a>(method: &Method, allowed: impl Iterator<Item = &'a Method>) -> Response<Body> {
    let allowed: Vec<&str> = allowed.map(Method::as_str).collect();
    let message = format!("method {method} is not allowed, but [{}] are", allowed.join(","));
    Wrong::Framework(StatusCode::METHOD_NOT_ALLOWED, Framework::new(405, message)).into_response()
}
