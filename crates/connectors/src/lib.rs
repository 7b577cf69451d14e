//! Built-in sources and destinations, one file each.
//!
//! A kind is a file in [`destinations`] or [`sources`] and a line in [`registry`]; the tests ask for one
//! more line, its fixture in `tests/support/fixtures.rs`. [`template`] and [`shape`] are what they share.

pub mod destinations;
pub mod shape;
pub mod sources;
pub mod template;

#[cfg(test)]
#[path = "../tests/support/messages.rs"]
mod messages;

use destinations::{Email, Exec, Inbox, Log, Slack, Tcp, Webhook};
use sources::{Heartbeat, WebhookSource};

/// All kinds that are built in.
pub fn registry() -> sdk::Registry {
    sdk::Registry::default()
        .destination::<Email>()
        .destination::<Exec>()
        .destination::<Inbox>()
        .destination::<Log>()
        .destination::<Slack>()
        .destination::<Tcp>()
        .destination::<Webhook>()
        .source::<Heartbeat>()
        .source::<WebhookSource>()
}
