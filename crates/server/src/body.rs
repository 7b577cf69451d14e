//! Reading bodies: bounded in size and time, strict in shape.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::app::Shared;
use crate::error::{Answer, Kind, Problem};

/// A body that is this many times over the limit is not even thrown away: the connection is cut instead.
const PATIENCE: u64 = 8;

/// Reads a body whole.
///
/// # Errors
/// 413 over the limit, 408 when it takes too long, 400 when it breaks off.
pub async fn read(body: Body, limit: usize, timeout: Duration) -> Answer<Bytes> {
    let too_large = || {
        Problem::too_large(format!("the body may have {limit} bytes: send it in several smaller requests"))
    };
    if body.size_hint().lower() > (limit as u64).saturating_mul(PATIENCE) {
        return Err(too_large());
    }
    match tokio::time::timeout(timeout, collect(body, limit)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(error)) => Err(Problem::bad(format!("the body could not be read to its end: {error}"))),
        Err(_) => {
            let seconds = timeout.as_secs_f64();
            Err(Problem::new(Kind::TooSlow, format!("the body did not arrive within {seconds} seconds")))
        }
    }
}

/// The body, or `None` when it is over the limit. One that is over is read to its end all the same, within
/// reason: a client that is still sending would not see the answer otherwise.
async fn collect(mut body: Body, limit: usize) -> Result<Option<Bytes>, axum::Error> {
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    let mut length = 0u64;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len() as u64;
        if length > (limit as u64).saturating_mul(PATIENCE) {
            return Ok(None);
        }
        if length > limit as u64 {
            rest = None;
            first = Bytes::new();
            continue;
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            // nearly every body comes in one piece, which need not be copied
            None if first.is_empty() => first = data,
            None => {
                let expected = usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit);
                let mut all = BytesMut::with_capacity(first.len() + data.len() + expected);
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                rest = Some(all);
            }
        }
    }
    if length > limit as u64 {
        return Ok(None);
    }
    Ok(Some(rest.map_or(first, BytesMut::freeze)))
}

/// Reads JSON, saying what is wrong and where.
///
/// # Errors
/// 400 when it is no JSON or not of this shape.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    if bytes.is_empty() {
        return Err(Problem::bad("the body is empty: a JSON document is expected"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| Problem::wrong(place(error.path()), error.into_inner().to_string()))?;
    deserializer.end().map_err(|error| Problem::bad(format!("after the document: {error}")))?;
    Ok(read)
}

/// Where in a document something is wrong; empty: it is the document as a whole. Where a document breaks off
/// within something, it is there.
pub(crate) fn place(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    text.trim_end_matches(['.', '?']).to_owned()
}

/// A body of JSON.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Shared> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Answer<Self> {
        let options = &app.options;
        let bytes = read(request.into_body(), options.max_body_bytes, options.body_timeout).await?;
        json(&bytes).map(Json)
    }
}

/// A body of JSON, or none at all: then it is as if everything had been left out.
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Shared> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Answer<Self> {
        let options = &app.options;
        let bytes = read(request.into_body(), options.max_body_bytes, options.body_timeout).await?;
        if bytes.is_empty() { Ok(OptionalJson(T::default())) } else { json(&bytes).map(OptionalJson) }
    }
}

/// The bytes of a body.
pub struct Raw(pub Bytes);

impl FromRequest<Shared> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Answer<Self> {
        let options = &app.options;
        read(request.into_body(), options.max_body_bytes, options.body_timeout).await.map(Raw)
    }
}
