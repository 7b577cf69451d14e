//! What a client is told when its request is not taken in.

use std::fmt;

use serde::Serialize;

/// An answer that says no: the status, and what is wrong in words.
///
/// SDKs look at the status only; people read `detail`, in the body or in the header `X-Sentry-Error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of no it is.
    pub kind: RefusalKind,
    /// One sentence: what is wrong, and where.
    pub detail: String,
}

/// Kinds of refusals, each with its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The body cannot be read: 400.
    Malformed,
    /// No key, two keys, or not the project's: 403.
    Forbidden,
    /// More than may be sent at once: 413.
    TooLarge,
    /// Encoded in a way that nobody here reads: 415.
    Unsupported,
}

/// The body of a refusal, as SDKs and Relay know it.
#[derive(Debug, Serialize)]
struct Body<'a> {
    detail: &'a str,
    causes: [&'a str; 0],
}

impl Refusal {
    /// The body cannot be read.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Refusal { kind: RefusalKind::Malformed, detail: detail.into() }
    }

    /// The sender may not.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Refusal { kind: RefusalKind::Forbidden, detail: detail.into() }
    }

    /// Too much at once.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Refusal { kind: RefusalKind::TooLarge, detail: detail.into() }
    }

    /// An unknown encoding.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Refusal { kind: RefusalKind::Unsupported, detail: detail.into() }
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self.kind {
            RefusalKind::Malformed => 400,
            RefusalKind::Forbidden => 403,
            RefusalKind::TooLarge => 413,
            RefusalKind::Unsupported => 415,
        }
    }

    /// The JSON body: `{"detail": "…", "causes": []}`.
    pub fn body(&self) -> String {
        serde_json::to_string(&Body { detail: &self.detail, causes: [] }).unwrap_or_default()
    }

    /// The value of the header `X-Sentry-Error`: printable ASCII, at most 200 characters.
    pub fn header(&self) -> String {
        let printable = |char: char| if char == ' ' || char.is_ascii_graphic() { char } else { '?' };
        self.detail.chars().take(200).map(printable).collect()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Refusal {}
