//! Sources: kinds of requests that say that something happened.

use model::{NewEvent, Time};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::destination::Facts;

/// A request as a source sees it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The integration's name, for the events' `source`.
    pub integration: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Its content type; empty when none was given.
    pub content_type: &'a str,
    /// When it arrived.
    pub now: Time,
}

/// Why a request cannot be taken in: becomes a 400 with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// A kind of source: bytes in, events out, pure.
pub trait Source: Send + Sync + 'static {
    /// What it says of itself.
    const FACTS: Facts;
    /// What it needs to know of each integration of its kind.
    type Settings: DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// What the schema cannot say.
    ///
    /// # Errors
    /// What is wrong, beginning with the field: `every: must not be zero`.
    fn check(settings: &Self::Settings) -> Result<(), String> {
        let _ = settings;
        Ok(())
    }

    /// Reads a request.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    fn parse(settings: &Self::Settings, request: &Request<'_>) -> Result<Vec<NewEvent>, Refusal>;
}
