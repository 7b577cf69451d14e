//! Reports of browsers that cannot send: an image is asked for, and what happened stands in its address.
//!
//! `GET /api/<project>/store/?sentry_version=…&sentry_key=…&sentry_data=…`, as raven-js before its third version has
//! it: JSON, or the same in base64, compressed or not. How much there can be is bounded by what the head of a request
//! may have.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use tracker::auth::pairs_of_query;
use tracker::{Door, Refusal};

use super::answer;
use crate::app::Shared;

/// Where the image is said to be.
pub(super) const PATHS: [&str; 2] = ["/api/{project}/store", "/api/{project}/store/"];
/// One transparent dot.
const DOT: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// Takes what stands in the address as what would be sent, and answers with the image.
pub(super) async fn take(
    State(app): State<Shared>,
    Path(project): Path<String>,
    mut request: Request,
) -> Response {
    let Some(data) = sent(request.uri().query().unwrap_or_default()) else {
        let why = "sentry_data is missing: what happened belongs into the query, or is sent with POST";
        return answer::refused(&Refusal::malformed(why));
    };
    *request.method_mut() = Method::POST;
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH] {
        request.headers_mut().remove(name);
    }
    *request.body_mut() = Body::from(data);
    let mut response = super::take(&app, Door::Store, Some(project), request).await;
    if response.status().is_success() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/gif"));
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(DOT);
    }
    response
}

/// What happened, as it would be sent.
fn sent(query: &str) -> Option<String> {
    let data = pairs_of_query(query).find(|(name, _)| name == "sentry_data").map(|(_, data)| data)?;
    // a plus of base64 that was not escaped is read as a blank
    let is_base64 = !data.trim_start().starts_with('{');
    Some(if is_base64 { data.replace(' ', "+") } else { data.into_owned() }).filter(|data| !data.is_empty())
}
