//! The one place where errors become answers: `application/problem+json` (RFC 9457).

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use flow::driver::NotAccepted;
use flow::verbs::NotSilenced;
use model::event::BadEvent;
use model::matcher::BadMatcher;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

use crate::limits::{MAX_ERRORS, RETRY_AFTER_SECONDS};

/// What went wrong, for a program and for a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Problem {
    /// Names the kind of problem: `urn:nightbell:problem:` and a word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words, the same each time.
    pub title: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong with this very request, and what to do about it.
    pub detail: String,
    /// Each thing that is wrong, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Wrong>,
    /// What was done all the same, or what would be done.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub more: serde_json::Map<String, serde_json::Value>,
    /// Seconds after which the same request may work.
    #[serde(skip)]
    pub retry_after: Option<u32>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Wrong {
    /// Where: a path into the body such as `[2].labels.team`, or the name of a parameter or header.
    pub path: String,
    /// What.
    pub reason: String,
}

impl Wrong {
    /// Something that is wrong somewhere.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Wrong { path: path.into(), reason: reason.into() }
    }
}

/// What handlers return.
pub type Answer<T> = std::result::Result<T, Problem>;

impl Problem {
    /// A problem of some kind.
    pub fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Problem {
            kind: format!("urn:nightbell:problem:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            more: serde_json::Map::new(),
            retry_after: None,
        }
    }

    /// 400: the request as it is cannot be understood or makes no sense.
    pub fn bad(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The request is not right", detail)
    }

    /// 400 for one thing that is wrong somewhere.
    pub fn wrong(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Problem::all_wrong(vec![Wrong::new(path, reason)])
    }

    /// 400 for several things.
    pub fn all_wrong(mut errors: Vec<Wrong>) -> Self {
        let more = errors.len().saturating_sub(MAX_ERRORS);
        errors.truncate(MAX_ERRORS);
        let text = |it: &Wrong| {
            if it.path.is_empty() { it.reason.clone() } else { format!("{}: {}", it.path, it.reason) }
        };
        let mut detail = errors.iter().take(3).map(text).collect::<Vec<_>>().join("; ");
        let unsaid = errors.len().saturating_sub(3) + more;
        if unsaid > 0 {
            detail.push_str(&format!("; and {unsaid} more"));
        }
        Problem { errors, ..Problem::bad(detail) }
    }

    /// 401: who are you?
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "A token is needed", detail)
    }

    /// 403: you may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        let detail = format!("there is no {what} {name}");
        Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 408: the body did not come in time.
    pub fn too_slow(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "The request came too slowly", detail)
    }

    /// 409: not in the state that things are in.
    pub fn conflict(kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::CONFLICT, kind, title, detail)
    }

    /// 413: more than the limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    /// 503 with Retry-After: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let problem = Problem::new(status, "unavailable", "Not available just now", detail);
        Problem { retry_after: Some(RETRY_AFTER_SECONDS), ..problem }
    }

    /// 500: our fault.
    pub fn internal(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here", detail)
    }

    /// The same, with something to say besides.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.more.insert(name.to_owned(), value);
        self
    }

    /// The status of the answer.
    pub fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        // a problem is made of texts, which can always be written
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.code();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED.as_u16() {
            let challenge = HeaderValue::from_static("Bearer realm=\"nightbell\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request could not be served");
                Problem::unavailable(format!(
                    "{error}; nothing of this request was kept, try again in a moment"
                ))
            }
            error => {
                tracing::error!(%error, "a request failed");
                Problem::internal(error.to_string())
            }
        }
    }
}

impl From<NotAccepted> for Problem {
    fn from(error: NotAccepted) -> Self {
        match error {
            NotAccepted::Busy => Problem::unavailable(error.to_string()),
            NotAccepted::Store(error) => error.into(),
        }
    }
}

impl From<NotSilenced> for Problem {
    fn from(error: NotSilenced) -> Self {
        match error {
            NotSilenced::Bad(bad) => Problem::bad(bad.to_string()),
            NotSilenced::Unknown => {
                Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found", error.to_string())
            }
            NotSilenced::Store(error) => error.into(),
        }
    }
}

/// Where in an event something is wrong, and what.
pub fn wrong_event(path: &str, bad: &BadEvent) -> Wrong {
    let field = match bad {
        BadEvent::Nameless => "labels",
        BadEvent::EmptyName { what } | BadEvent::NulByte { what } => what,
        BadEvent::TooLong { what, .. } | BadEvent::TooMany { what, .. } => what,
        BadEvent::EndsBeforeStart { .. } => "ends_at",
    };
    let field = field.strip_prefix("a name in ").unwrap_or(field);
    let dot = if path.is_empty() { "" } else { "." };
    Wrong::new(format!("{path}{dot}{field}"), bad.to_string())
}

/// Where a matcher is wrong, and what.
pub fn wrong_matcher(path: impl Into<String>, bad: &BadMatcher) -> Problem {
    Problem::wrong(path, bad.to_string())
}
