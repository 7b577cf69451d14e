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
    pub kind: &'static str,
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

/// The kinds of problems: a status, a name for programs, and the same in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be understood or makes no sense.
    BadRequest,
    /// Who are you?
    Unauthorized,
    /// Name and password do not go together.
    WrongPassword,
    /// You may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It does not take this method.
    MethodNotAllowed,
    /// The body did not come in time.
    TooSlow,
    /// More than a limit allows.
    TooLarge,
    /// The name of a request is taken by another one.
    KeyTaken,
    /// There is one of this name.
    NameTaken,
    /// It is not in the state that this needs.
    NotInState,
    /// Are you sure?
    Confirm,
    /// You tried too often.
    TooMany,
    /// Not now.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Kind::BadRequest => {
                (StatusCode::BAD_REQUEST, "urn:nightbell:problem:bad-request", "The request is not right")
            }
            Kind::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "urn:nightbell:problem:unauthorized", "A token is needed")
            }
            Kind::WrongPassword => {
                (StatusCode::UNAUTHORIZED, "urn:nightbell:problem:wrong-password", "Not logged in")
            }
            Kind::Forbidden => (StatusCode::FORBIDDEN, "urn:nightbell:problem:forbidden", "Not allowed"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "urn:nightbell:problem:not-found", "Not found"),
            Kind::MethodNotAllowed => {
                let name = "urn:nightbell:problem:method-not-allowed";
                (StatusCode::METHOD_NOT_ALLOWED, name, "Method not allowed")
            }
            Kind::TooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "urn:nightbell:problem:too-slow", "The request came too slowly")
            }
            Kind::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "urn:nightbell:problem:too-large", "The request is too large")
            }
            Kind::KeyTaken => {
                (StatusCode::CONFLICT, "urn:nightbell:problem:key-taken", "The Idempotency-Key is taken")
            }
            Kind::NameTaken => {
                (StatusCode::CONFLICT, "urn:nightbell:problem:name-taken", "The name is taken")
            }
            Kind::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, "urn:nightbell:problem:too-many", "Too many tries")
            }
            Kind::NotInState => {
                (StatusCode::CONFLICT, "urn:nightbell:problem:not-in-state", "Not as it is now")
            }
            Kind::Confirm => (StatusCode::CONFLICT, "urn:nightbell:problem:confirm", "Are you sure?"),
            Kind::Unavailable => {
                let name = "urn:nightbell:problem:unavailable";
                (StatusCode::SERVICE_UNAVAILABLE, name, "Not available just now")
            }
            Kind::Internal => {
                let name = "urn:nightbell:problem:internal";
                (StatusCode::INTERNAL_SERVER_ERROR, name, "Something went wrong here")
            }
        }
    }
}

impl Problem {
    /// A problem of some kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, name, title) = kind.parts();
        Problem {
            kind: name,
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            more: serde_json::Map::new(),
            retry_after: (kind == Kind::Unavailable).then_some(RETRY_AFTER_SECONDS),
        }
    }

    /// 400: the request as it is cannot be understood or makes no sense.
    pub fn bad(detail: impl Into<String>) -> Self {
        Problem::new(Kind::BadRequest, detail)
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
        Problem::new(Kind::Unauthorized, detail)
    }

    /// 403: you may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Problem::new(Kind::Forbidden, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(what: &str, name: impl std::fmt::Display) -> Self {
        Problem::new(Kind::NotFound, format!("there is no {what} {name}"))
    }

    /// 409: it is not in the state that this needs.
    pub fn not_in_state(detail: impl Into<String>) -> Self {
        Problem::new(Kind::NotInState, detail)
    }

    /// 413: more than a limit allows.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Problem::new(Kind::TooLarge, detail)
    }

    /// 503 with Retry-After: not now.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Problem::new(Kind::Unavailable, detail)
    }

    /// 500: our fault.
    pub fn internal(detail: impl Into<String>) -> Self {
        Problem::new(Kind::Internal, detail)
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
            NotSilenced::Unknown => Problem::new(Kind::NotFound, error.to_string()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: impl Into<Problem>) -> (u16, String) {
        let response = error.into().into_response();
        let after = response.headers().get(header::RETRY_AFTER);
        (response.status().as_u16(), after.map_or("", |value| value.to_str().unwrap()).to_owned())
    }

    #[test]
    fn what_passes_says_when_to_come_again() {
        let full = || StoreError::Unavailable("database or disk is full".to_owned());
        assert_eq!(answer(full()), (503, "1".to_owned()));
        assert_eq!(answer(NotAccepted::Store(full())), (503, "1".to_owned()));
        assert_eq!(answer(NotSilenced::Store(full())), (503, "1".to_owned()));
        assert_eq!(answer(NotAccepted::Busy), (503, "1".to_owned()));
        assert_eq!(answer(StoreError::BadRow("x".to_owned())), (500, String::new()));
    }

    #[test]
    fn a_long_list_of_errors_is_cut() {
        let problem =
            Problem::all_wrong((0..1000).map(|n| Wrong::new(format!("[{n}]"), "is wrong")).collect());
        assert_eq!(problem.errors.len(), MAX_ERRORS);
        assert_eq!(problem.detail, "[0]: is wrong; [1]: is wrong; [2]: is wrong; and 997 more");
    }

    #[test]
    fn wrong_fields_are_named_from_the_body_on() {
        let long = BadEvent::TooLong { what: "a name in labels".into(), bytes: 5, limit: 4 };
        assert_eq!(wrong_event("[2]", &long).path, "[2].labels");
        assert_eq!(wrong_event("", &BadEvent::Nameless).path, "labels");
    }
}
