//! What a connector's author needs: [`Destination`], [`Source`], [`Message`], guarded HTTP.
//!
//! A built-in destination is one file in `connectors` that implements [`Destination`], and one line that
//! puts it into the [`Registry`]. Everything else follows from what it says of itself: validation, the
//! settings form, redaction, the reference page, metrics labels and the conformance tests.

pub mod answer;
pub mod answering;
pub mod destination;
pub mod http;
pub mod listener;
pub mod message;
pub mod people;
mod private;
pub mod recent;
pub mod reference;
pub mod registry;
pub mod remarks;
pub mod sample;
pub mod secret;
pub mod source;
pub mod surroundings;

pub use answer::Answer;
pub use destination::{Context, Destination, Facts, Inbox};
pub use listener::{Listener, Subscriber};
pub use message::{Message, MessageKind};
pub use people::{OfProjects, Somebody, Told};
pub use private::make_private;
pub use recent::Recent;
pub use reference::reference_markdown;
pub use registry::{BadSettings, Registry};
pub use remarks::remark;
pub use secret::Secret;
pub use source::{Refusal, Request, Source};
pub use surroundings::Surroundings;
