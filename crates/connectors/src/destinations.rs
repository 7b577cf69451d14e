//! The built-in kinds of destinations.

pub mod email;
pub mod exec;
pub mod gotify;
pub mod inbox;
pub mod log;
pub mod mattermost;
pub mod ntfy;
pub mod opsgenie;
pub mod pagerduty;
pub mod rocketchat;
pub mod slack;
pub mod sms;
pub mod tcp;
pub mod webex;
pub mod webhook;

pub use email::Email;
pub use exec::Exec;
pub use gotify::Gotify;
pub use inbox::Inbox;
pub use log::Log;
pub use mattermost::Mattermost;
pub use ntfy::Ntfy;
pub use opsgenie::Opsgenie;
pub use pagerduty::PagerDuty;
pub use rocketchat::Rocketchat;
pub use slack::Slack;
pub use sms::Sms;
pub use tcp::Tcp;
pub use webex::Webex;
pub use webhook::Webhook;
