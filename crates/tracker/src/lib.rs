//! Errors that programs report: bytes of any Sentry SDK in, events out that are normalised, scrubbed and
//! grouped.
//!
//! Pure: no I/O, no clock, no random source. The door hands in what came and when; this crate says what it
//! is, or why not.
//!
//! 1. [`auth::credentials`] finds the key.
//! 2. [`Intake`] takes the body piece by piece, takes its encoding off, and gives an [`Envelope`]: the items
//!    that are kept, and how many of which others there were. Everything is bounded by [`Limits`].
//! 3. [`process`] makes an [`Event`] of an event's or security report's payload: normalised, scrubbed,
//!    described. Where there may be source maps for its frames ([`sourcemap::wanted`]), its halves are called
//!    instead: [`read`], [`sourcemap::apply`], [`finish`]. How maps get here is in [`uploads`].
//! 4. [`group()`] says by which hashes its group is found, and why.
//!
//! Beside events, [`items`] reads check-ins, feedback and reports of what a client dropped; [`release`] says
//! which of two releases is older.
//!
//! What is refused is a [`Refusal`], which has its HTTP status, its body and its header.
//!
//! ```
//! use tracker::{Arrival, Door, Intake, Limits, Rules, Scrubber, group, process};
//!
//! let body = br#"{"exception": [{"type": "KeyError", "value": "'id'"}], "platform": "python"}"#;
//! let envelope = Intake::whole(Door::Store, None, "", Limits::default(), body)?;
//! let item = envelope.event().expect("the store endpoint takes events");
//! let event = process(item, &Arrival::default(), &Scrubber::default())?;
//! assert_eq!(event.title, "KeyError: 'id'");
//! let rules = Rules::default();
//! assert_eq!(group(&event, &rules).hashes().len(), 1);
//! # Ok::<(), tracker::Refusal>(())
//! ```

pub mod auth;
mod body;
pub mod describe;
pub mod envelope;
pub mod event;
pub mod form;
pub mod group;
mod intake;
pub mod items;
pub mod json;
mod limits;
pub mod normalise;
mod refusal;
pub mod release;
pub mod scrub;
pub mod sourcemap;
mod texts;
pub mod uploads;

pub use self::auth::{Credentials, Places};
pub use self::envelope::{Envelope, Item, ItemKind};
pub use self::event::{Event, Level};
pub use self::group::{Grouping, Hash, Rules, group};
pub use self::intake::{Door, Intake};
pub use self::limits::Limits;
pub use self::normalise::Arrival;
pub use self::refusal::{Refusal, RefusalKind};
pub use self::scrub::Scrubber;

/// From the payload of an event or a security report to the event that is kept, where there are no source maps.
pub fn process(item: &Item, arrival: &Arrival<'_>, scrubber: &Scrubber) -> Result<Event, Refusal> {
    let mut event = read(item, arrival)?;
    finish(&mut event, scrubber);
    Ok(event)
}

/// The first half of [`process`]: read and normalised, with secrets in it. Source maps are applied now.
pub fn read(item: &Item, arrival: &Arrival<'_>) -> Result<Event, Refusal> {
    match item.kind {
        ItemKind::Security => normalise::security_report(&item.payload, arrival),
        _ => normalise::event(&item.payload, arrival),
    }
}

/// The second half of [`process`]: scrubbed and described.
pub fn finish(event: &mut Event, scrubber: &Scrubber) {
    scrubber.scrub(event);
    describe::describe(event);
}
