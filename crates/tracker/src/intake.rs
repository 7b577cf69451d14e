//! One request's body, from the first piece to what is in it.

use serde_json::value::RawValue;

use crate::body::{Decoder, Sink, undo_base64};
use crate::envelope::{Envelope, Item, ItemKind, Reader};
use crate::limits::Limits;
use crate::normalise::is_report;
use crate::refusal::Refusal;

/// Reports of a browser that are taken from one request.
const MAX_REPORTS: usize = 100;

/// Where a request came in, which says what its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `/api/<project>/store/`: one event.
    Store,
    /// `/api/<project>/envelope/`.
    Envelope,
    /// `/api/<project>/security/` and its old names: what browsers report.
    Security,
}

/// Takes a body piece by piece and never holds more of it than is kept.
///
/// ```
/// use tracker::{Door, Intake, ItemKind, Limits};
///
/// let mut intake = Intake::new(Door::Envelope, None, "", Limits::default())?;
/// intake.push(b"{\"event_id\":\"9ec79c33ec9942ab8353589fcb2e04dc\"}\n{\"type\":\"event\"}\n")?;
/// intake.push(b"{\"message\":\"hello\"}\n")?;
/// let envelope = intake.finish()?;
/// assert_eq!(envelope.items[0].kind, ItemKind::Event);
/// # Ok::<(), tracker::Refusal>(())
/// ```
pub struct Intake(Decoder<Kept>);

enum Kept {
    Whole { kind: ItemKind, body: Vec<u8>, limit: usize },
    Envelope(Box<Reader>),
}

impl Sink for Kept {
    fn take(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        match self {
            Kept::Envelope(reader) => reader.take(piece),
            Kept::Whole { body, limit, .. } => {
                if body.len() + piece.len() > *limit {
                    return Err(Refusal::too_large(format!("the event is larger than {limit} bytes")));
                }
                body.extend_from_slice(piece);
                Ok(())
            }
        }
    }
}

impl Intake {
    /// For a request with these headers; a missing `Content-Encoding` is `""`. An unknown one is refused with
    /// 415.
    ///
    /// The content type matters only where an envelope is sent to the store endpoint: browsers send
    /// `text/plain` to save themselves a preflight, and Node says nothing.
    pub fn new(
        door: Door,
        content_type: Option<&str>,
        encoding: &str,
        limits: Limits,
    ) -> Result<Self, Refusal> {
        let is_envelope = content_type.is_some_and(|kind| kind.starts_with("application/x-sentry-envelope"));
        let (body_bytes, limit) = (limits.body_bytes, limits.event_bytes);
        let kept = match door {
            Door::Envelope => Kept::Envelope(Box::new(Reader::new(limits))),
            Door::Store if is_envelope => Kept::Envelope(Box::new(Reader::new(limits))),
            Door::Store => Kept::Whole { kind: ItemKind::Event, body: Vec::new(), limit },
            Door::Security => {
                Kept::Whole { kind: ItemKind::Security, body: Vec::new(), limit: limits.item_bytes }
            }
        };
        Ok(Intake(Decoder::new(encoding, body_bytes, kept)?))
    }

    /// The next piece as it came from the network. After an error nothing more need be read.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        self.0.feed(piece)
    }

    /// Whether an event has begun in what was pushed so far: before all of it is here, and for a fraction of the work.
    pub fn has_event(&self) -> bool {
        self.0.sink().is_some_and(|kept| match kept {
            Kept::Whole { .. } => true,
            Kept::Envelope(reader) => reader.has_event(),
        })
    }

    /// What was in it. A single event comes as an envelope without a header.
    pub fn finish(self) -> Result<Envelope, Refusal> {
        match self.0.finish()? {
            Kept::Envelope(reader) => reader.finish(),
            Kept::Whole { kind, mut body, limit } => {
                if kind == ItemKind::Event
                    && let Some(plain) = undo_base64(&body, limit)
                {
                    body = plain?;
                }
                if kind == ItemKind::Security {
                    return Ok(reports(body));
                }
                Ok(Envelope { items: vec![Item { kind, payload: body }], ..Envelope::default() })
            }
        }
    }

    /// For a body that is whole already.
    pub fn whole(
        door: Door,
        content_type: Option<&str>,
        encoding: &str,
        limits: Limits,
        body: &[u8],
    ) -> Result<Envelope, Refusal> {
        let mut intake = Intake::new(door, content_type, encoding, limits)?;
        intake.push(body)?;
        intake.finish()
    }
}

/// Reports that a browser put together, each by itself; what is no report that is known is counted.
fn reports(body: Vec<u8>) -> Envelope {
    let item = |payload| Item { kind: ItemKind::Security, payload };
    let mut envelope = Envelope::default();
    let list: Vec<&RawValue> = serde_json::from_slice(&body).unwrap_or_default();
    for report in list {
        if envelope.items.len() >= MAX_REPORTS {
            envelope.drop_one("security", " too many");
        } else if is_report(report.get().as_bytes()) {
            envelope.items.push(item(report.get().as_bytes().to_vec()));
        } else {
            envelope.drop_one("security", " unknown");
        }
    }
    // a single one, or none that is known: whoever reads it says so
    if envelope.items.is_empty() {
        envelope.items.push(item(body));
    }
    envelope
}

#[cfg(test)]
mod tests;
