//! Envelopes: a line of header, then items, each a line of header and a payload.
//!
//! ```text
//! {"event_id":"9ec7…","sent_at":"2026-11-21T10:00:00Z"}
//! {"type":"event","length":1234}
//! <1234 bytes>
//! {"type":"session"}
//! <a line>
//! ```
//!
//! An item without a length ends with its line. The reader takes pieces of any size, keeps what a hub needs,
//! and reads over the rest while it streams by: an attachment of 20 MB does not fail the event that travels
//! with it, and takes no memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::body::Sink;
use crate::json::{self, Value};
use crate::limits::Limits;
use crate::refusal::Refusal;

/// What stands in the first line. All of it is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The id of the event; it wins over the one in the payload.
    pub event_id: Option<String>,
    /// When the client sent it, by its own clock: RFC 3339.
    pub sent_at: Option<String>,
    /// The DSN, from browsers behind a tunnel.
    pub dsn: Option<String>,
}

/// Kinds of items that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// An error, or a message.
    Event,
    /// A report that a browser makes of itself: CSP and its kin.
    Security,
    /// What a user wrote about an error.
    Feedback,
    /// The same, in the form it had before 2024.
    UserReport,
    /// A scheduled job says that it lives.
    CheckIn,
    /// What a client did not send, and why.
    ClientReport,
}

impl ItemKind {
    /// Whether it becomes an event: of these an envelope has one at the most.
    pub fn is_event(self) -> bool {
        matches!(self, ItemKind::Event | ItemKind::Security)
    }
}

/// An item that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// Its payload, as sent.
    pub payload: Vec<u8>,
}

/// A request that has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The first line.
    pub header: Header,
    /// What is kept. At most one of them is an event.
    pub items: Vec<Item>,
    /// What is not kept, by its type as sent: `session`, `transaction`, `attachment`, also of kinds that
    /// nobody knew when this was written. At most [`MAX_TYPES`] different ones; others count as `other`. What
    /// was too large counts as its type with ` too large` behind.
    pub dropped: BTreeMap<String, u64>,
}

/// Different types of dropped items that are told apart in one envelope.
pub const MAX_TYPES: usize = 30;
/// Characters of a type's name.
const MAX_TYPE_LENGTH: usize = 40;

impl Envelope {
    /// The event among the items.
    pub fn event(&self) -> Option<&Item> {
        self.items.iter().find(|item| item.kind.is_event())
    }

    pub(crate) fn drop_one(&mut self, kind: &str, why: &str) {
        let name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
        let mut kind: String = kind.chars().filter(|char| name(*char)).take(MAX_TYPE_LENGTH).collect();
        if kind.is_empty() || (self.dropped.len() >= MAX_TYPES && !self.dropped.contains_key(&kind)) {
            kind = "other".into();
        }
        *self.dropped.entry(kind + why).or_default() += 1;
    }
}

#[derive(Debug)]
enum Expecting {
    Header,
    ItemHeader,
    Payload {
        /// `None` when nobody wants it.
        kind: Option<ItemKind>,
        /// Bytes still to come; `None` when the line's end is the end.
        left: Option<usize>,
    },
    /// The line's end behind a payload whose length was given.
    LineEnd,
}

/// Reads an envelope piece by piece.
#[derive(Debug)]
pub(crate) struct Reader {
    limits: Limits,
    expecting: Expecting,
    /// The line or payload that has begun.
    begun: Vec<u8>,
    seen_items: usize,
    envelope: Envelope,
}

impl Envelope {
    /// Whether a report of a browser is there.
    pub fn has_report(&self) -> bool {
        self.items.iter().any(|it| it.kind == ItemKind::Security)
    }
}

impl Reader {
    pub(crate) fn new(limits: Limits) -> Self {
        Reader {
            limits,
            expecting: Expecting::Header,
            begun: Vec::new(),
            seen_items: 0,
            envelope: Envelope::default(),
        }
    }

    /// Whether an event is there or has begun.
    pub(crate) fn has_event(&self) -> bool {
        matches!(self.expecting, Expecting::Payload { kind: Some(kind), .. } if kind.is_event())
            || self.envelope.event().is_some()
    }

    /// The envelope, if it ended where one may end.
    pub(crate) fn finish(mut self) -> Result<Envelope, Refusal> {
        match self.expecting {
            Expecting::Header | Expecting::ItemHeader if !self.begun.is_empty() => self.line_is_whole()?,
            Expecting::Payload { left: None, .. } => self.payload_is_whole(),
            _ => {}
        }
        match self.expecting {
            Expecting::Payload { left: Some(left), .. } if left > 0 => Err(Refusal::malformed(format!(
                "item {} of the envelope ends {left} bytes before its length",
                self.seen_items
            ))),
            Expecting::Header => Err(Refusal::malformed("the envelope has no header")),
            _ => Ok(self.envelope),
        }
    }

    /// Takes what belongs to the present part, and says how much that was.
    fn step(&mut self, piece: &[u8]) -> Result<usize, Refusal> {
        match self.expecting {
            Expecting::Header | Expecting::ItemHeader => self.in_line(piece),
            Expecting::Payload { kind, left: Some(left) } => {
                let taken = left.min(piece.len());
                self.keep(kind, &piece[..taken])?;
                if let Expecting::Payload { left: Some(left), .. } = &mut self.expecting {
                    *left -= taken;
                }
                if taken == left {
                    self.payload_is_whole();
                    self.expecting = Expecting::LineEnd;
                }
                Ok(taken)
            }
            Expecting::Payload { kind, left: None } => match memchr::memchr(b'\n', piece) {
                Some(end) => {
                    self.keep(kind, &piece[..end])?;
                    self.payload_is_whole();
                    Ok(end + 1)
                }
                None => {
                    self.keep(kind, piece)?;
                    Ok(piece.len())
                }
            },
            Expecting::LineEnd => match piece {
                [b'\n', ..] => {
                    self.expecting = Expecting::ItemHeader;
                    Ok(1)
                }
                // some write the end of a line as others do
                [b'\r', ..] => Ok(1),
                _ => Err(Refusal::malformed(format!(
                    "item {} of the envelope goes on behind its length",
                    self.seen_items
                ))),
            },
        }
    }

    fn in_line(&mut self, piece: &[u8]) -> Result<usize, Refusal> {
        let end = memchr::memchr(b'\n', piece);
        let part = &piece[..end.unwrap_or(piece.len())];
        if self.begun.len() + part.len() > self.limits.header_bytes {
            return Err(Refusal::malformed(format!(
                "a header in the envelope is longer than {} bytes",
                self.limits.header_bytes
            )));
        }
        self.begun.extend_from_slice(part);
        if end.is_some() {
            self.line_is_whole()?;
        }
        Ok(part.len() + usize::from(end.is_some()))
    }

    fn line_is_whole(&mut self) -> Result<(), Refusal> {
        let line = std::mem::take(&mut self.begun);
        let text = json::text(&line);
        if matches!(self.expecting, Expecting::ItemHeader) && text.trim().is_empty() {
            return Ok(());
        }
        let place = match self.expecting {
            Expecting::Header => "the envelope's header".to_owned(),
            _ => format!("the header of item {} of the envelope", self.seen_items + 1),
        };
        let header = json::parse(&text).map_err(|error| Refusal::malformed(format!("{place}: {error}")))?;
        if !matches!(header, Value::Map(_)) {
            return Err(Refusal::malformed(format!("{place} is no JSON object")));
        }
        if matches!(self.expecting, Expecting::Header) {
            let text = |key: &str| header.get(key).and_then(Value::as_str).map(str::to_owned);
            self.envelope.header =
                Header { event_id: text("event_id"), sent_at: text("sent_at"), dsn: text("dsn") };
            self.expecting = Expecting::ItemHeader;
            return Ok(());
        }
        self.item_begins(&header, &place)
    }

    fn item_begins(&mut self, header: &Value<'_>, place: &str) -> Result<(), Refusal> {
        self.seen_items += 1;
        let left = match header.get("length") {
            None | Some(Value::Null) => None,
            Some(length) => match length.as_int().and_then(|length| usize::try_from(length).ok()) {
                Some(length) => Some(length),
                None => return Err(Refusal::malformed(format!("{place}: length is no number of bytes"))),
            },
        };
        let name = header.get("type").and_then(Value::as_str).unwrap_or("other");
        let kind = self.wanted(name, left);
        self.begun = Vec::with_capacity(match kind {
            Some(_) => left.unwrap_or(0).min(self.limits.event_bytes),
            None => 0,
        });
        self.expecting = Expecting::Payload { kind, left };
        if left == Some(0) {
            self.payload_is_whole();
            self.expecting = Expecting::LineEnd;
        }
        Ok(())
    }

    /// The kind of an item that is kept. What is not is counted here.
    fn wanted(&mut self, name: &str, length: Option<usize>) -> Option<ItemKind> {
        let kind = match name {
            "event" => Some(ItemKind::Event),
            "security" | "csp" | "hpkp" | "expectct" | "expectstaple" | "nel" => Some(ItemKind::Security),
            "feedback" => Some(ItemKind::Feedback),
            "user_report" => Some(ItemKind::UserReport),
            "check_in" => Some(ItemKind::CheckIn),
            "client_report" => Some(ItemKind::ClientReport),
            _ => None,
        };
        let Some(kind) = kind else {
            self.envelope.drop_one(name, "");
            return None;
        };
        let is_event = matches!(kind, ItemKind::Event | ItemKind::Security);
        let surplus = if is_event {
            self.envelope.event().is_some()
        } else {
            self.envelope.items.len() > self.limits.kept_items
        };
        // the event is what most of them are sent for, and comes last with some
        if surplus || (!is_event && self.seen_items > self.limits.items) {
            self.envelope.drop_one(name, " too many");
            return None;
        }
        if !is_event && length.is_some_and(|length| length > self.limits.item_bytes) {
            self.envelope.drop_one(name, " too large");
            return None;
        }
        Some(kind)
    }

    fn keep(&mut self, kind: Option<ItemKind>, part: &[u8]) -> Result<(), Refusal> {
        let Some(kind) = kind else { return Ok(()) };
        let limit = match kind {
            ItemKind::Event | ItemKind::Security => self.limits.event_bytes,
            _ => self.limits.item_bytes,
        };
        if self.begun.len() + part.len() <= limit {
            self.begun.extend_from_slice(part);
            return Ok(());
        }
        if matches!(kind, ItemKind::Event | ItemKind::Security) {
            return Err(Refusal::too_large(format!("the event is larger than {limit} bytes")));
        }
        // too large without having said so before
        self.begun = Vec::new();
        let name = serde_json::to_string(&kind).unwrap_or_default();
        self.envelope.drop_one(&name, " too large");
        if let Expecting::Payload { kind, .. } = &mut self.expecting {
            *kind = None;
        }
        Ok(())
    }

    fn payload_is_whole(&mut self) {
        let before = std::mem::replace(&mut self.expecting, Expecting::ItemHeader);
        let payload = std::mem::take(&mut self.begun);
        if let Expecting::Payload { kind: Some(kind), .. } = before {
            self.envelope.items.push(Item { kind, payload });
        }
    }
}

impl Sink for Reader {
    fn take(&mut self, mut piece: &[u8]) -> Result<(), Refusal> {
        while !piece.is_empty() {
            let taken = self.step(piece)?;
            piece = &piece[taken..];
        }
        Ok(())
    }
}
