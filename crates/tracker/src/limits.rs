//! How much of everything is taken in at the door. What an event may hold once it is read stands in
//! [`crate::normalise`].

/// Caps on one request. Over one that concerns the request, the sender hears 413; over one that concerns
/// something nobody needs, that is left out and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body after its encoding is taken off. An attachment that is skipped counts, too.
    pub body_bytes: usize,
    /// Bytes of the JSON of one event.
    pub event_bytes: usize,
    /// Bytes of any other item that is kept: feedback, a check-in, a report of what a client dropped.
    pub item_bytes: usize,
    /// Bytes of an envelope's first line, and of the line before each item.
    pub header_bytes: usize,
    /// Items of one envelope; those that follow are left out and counted.
    pub items: usize,
    /// Items of one envelope that are kept beside the event: the check-ins, feedback and reports.
    pub kept_items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes: 100 << 20,
            event_bytes: 2 << 20,
            item_bytes: 128 << 10,
            header_bytes: 8 << 10,
            items: 1_000,
            kept_items: 100,
        }
    }
}
