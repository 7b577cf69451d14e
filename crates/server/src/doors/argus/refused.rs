//! Errors in the shapes that Django REST framework has for them, all four of which Argus' clients meet.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use flow::driver::NotAccepted;
use serde_json::{Value, json};
use store::StoreError;

use crate::error::Problem;
use crate::limits::RETRY_AFTER_SECONDS;

/// Where what concerns several fields is said.
pub(super) const WHOLE: &str = "non_field_errors";

/// Why something was not done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refused {
    /// What is wrong, by field.
    Fields(BTreeMap<String, Vec<String>>),
    /// A sentence, under `detail`.
    Detail(StatusCode, String),
    /// A bare string.
    Bare(StatusCode, String),
    /// A bare list of sentences.
    List(Vec<String>),
}

impl Refused {
    /// 400 for one field.
    pub fn field(name: &str, what: impl Into<String>) -> Self {
        Refused::Fields([(name.to_owned(), vec![what.into()])].into())
    }

    /// 400 for several fields together.
    pub fn whole(what: impl Into<String>) -> Self {
        Refused::field(WHOLE, what)
    }

    /// 403.
    pub fn forbidden(what: impl Into<String>) -> Self {
        Refused::Detail(StatusCode::FORBIDDEN, what.into())
    }

    /// 404.
    pub fn not_found() -> Self {
        Refused::Detail(StatusCode::NOT_FOUND, "Not found.".to_owned())
    }

    /// 405.
    pub fn method(name: &str) -> Self {
        Refused::Detail(StatusCode::METHOD_NOT_ALLOWED, format!("Method {name:?} is not allowed here."))
    }

    /// The same, with fields that are called otherwise.
    pub fn with_fields(self, called: impl Fn(&str) -> &str) -> Self {
        let Refused::Fields(fields) = self else { return self };
        let mut renamed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, what) in fields {
            renamed.entry(called(&name).to_owned()).or_default().extend(what);
        }
        Refused::Fields(renamed)
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Refused::Fields(_) | Refused::List(_) => StatusCode::BAD_REQUEST,
            Refused::Detail(status, _) | Refused::Bare(status, _) => *status,
        }
    }

    /// The body of the answer.
    pub fn body(&self) -> Value {
        match self {
            Refused::Fields(fields) => json!(fields),
            Refused::Detail(_, text) => json!({ "detail": text }),
            Refused::Bare(_, text) => json!(text),
            Refused::List(texts) => json!(texts),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response<Body> {
        let status = self.status();
        let mut response = Response::new(Body::from(self.body().to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        response
    }
}

/// What went wrong here is told in the same words as by our own API: by field, where it says which.
impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        let status = problem.code();
        if status != StatusCode::BAD_REQUEST || problem.errors.is_empty() {
            return Refused::Detail(status, problem.detail);
        }
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for wrong in problem.errors {
            let name = if wrong.path.is_empty() { WHOLE.to_owned() } else { wrong.path };
            fields.entry(name).or_default().push(wrong.reason);
        }
        Refused::Fields(fields)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl From<NotAccepted> for Refused {
    fn from(error: NotAccepted) -> Self {
        Problem::from(error).into()
    }
}

/// What stands before the handlers answers in this shape, too.
pub(crate) fn from_problem(problem: Problem) -> Response<Body> {
    Refused::from(problem).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_shapes_are_as_clients_know_them() {
        let bare = Refused::Bare(StatusCode::BAD_REQUEST, "no".into());
        let shapes =
            [Refused::field("level", "no"), Refused::whole("no"), Refused::List(vec!["no".into()]), bare];
        let bodies = shapes.map(|it| it.body().to_string());
        assert_eq!(bodies, [r#"{"level":["no"]}"#, r#"{"non_field_errors":["no"]}"#, r#"["no"]"#, r#""no""#]);
        let wrong = Refused::from(Problem::wrong("name", "is empty"));
        assert_eq!(wrong, Refused::field("name", "is empty"));
        assert_eq!(Refused::from(Problem::forbidden("no")).body(), json!({ "detail": "no" }));
    }
}
