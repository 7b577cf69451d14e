//! Built-in sources and destinations, one file each.
//!
//! [`listen`] hears what people answer to messages where they read them.
//!
//! A kind is a file in [`destinations`] or [`sources`] and a line in [`registry`]; the tests ask for one
//! more line, its fixture in `tests/support/fixtures.rs`. [`template`], [`texts`], [`words`], [`service`] and
//! [`shape`] are what they share.

pub mod destinations;
pub mod listen;
pub mod service;
pub mod shape;
pub mod sources;
pub mod template;
pub mod texts;
pub mod words;

#[cfg(test)]
#[path = "../tests/support/messages.rs"]
mod messages;

use destinations::*;
use sources::{Heartbeat, WebhookSource};

/// All kinds that are built in.
pub fn registry() -> sdk::Registry {
    sdk::Registry::default()
        .surroundings(template::built_in())
        .destination::<Discord>()
        .destination::<Email>()
        .destination::<Exec>()
        .destination::<Gotify>()
        .destination::<Inbox>()
        .destination::<Incidentio>()
        .destination::<Jira>()
        .destination::<Log>()
        .destination::<Mattermost>()
        .destination::<MsTeams>()
        .destination::<MsTeamsV2>()
        .destination::<Ntfy>()
        .destination::<Opsgenie>()
        .destination::<PagerDuty>()
        .destination::<Pushover>()
        .destination::<Rocketchat>()
        .destination::<Slack>()
        .destination::<Sms>()
        .destination::<Sns>()
        .destination::<Tcp>()
        .destination::<Telegram>()
        .destination::<VictorOps>()
        .destination::<Webex>()
        .destination::<Webhook>()
        .destination::<Wechat>()
        .source::<Heartbeat>()
        .source::<WebhookSource>()
}
