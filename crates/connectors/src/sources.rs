//! The built-in kinds of sources.

pub mod heartbeat;
pub mod webhook;

pub use heartbeat::{Heartbeat, HeartbeatSettings};
pub use webhook::WebhookSource;
