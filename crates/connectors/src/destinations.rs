//! The built-in kinds of destinations.

pub mod email;
pub mod exec;
pub mod inbox;
pub mod log;
pub mod mattermost;
pub mod rocketchat;
pub mod slack;
pub mod tcp;
pub mod webhook;

pub use email::Email;
pub use exec::Exec;
pub use inbox::Inbox;
pub use log::Log;
pub use mattermost::Mattermost;
pub use rocketchat::Rocketchat;
pub use slack::Slack;
pub use tcp::Tcp;
pub use webhook::Webhook;
