//! The section `[answers]`: where people's answers to messages are heard, beside the page that links lead to.

use std::time::Duration;

use schemars::JsonSchema;
use sdk::Secret;
use sdk::message::TOKEN;
use serde::{Deserialize, Deserializer, Serialize};

use crate::sections::{base_url, some_time};

/// Where people's answers to messages are heard. What is not there is not listened to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    /// A mailbox that answers to mails come into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailAnswers>,
    /// An app in Slack, whose buttons are heard through Socket Mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<SlackAnswers>,
    /// A bot in Telegram, whose buttons are heard by long polling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telegram: Option<TelegramAnswers>,
}

/// A mailbox that is looked into over IMAP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MailAnswers {
    /// The server's name.
    pub host: String,
    /// Its port; by default 993, or 143 with `tls = "none"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is encrypted: `implicit` (from the first byte on) or `none`.
    #[serde(default)]
    pub tls: ImapTls,
    /// The authorities that the server's certificate must come from, as PEM, in place of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Secret>,
    /// Who logs in.
    pub username: String,
    /// With which password.
    pub password: Secret,
    /// The folder that answers come into. What is in it and not seen yet is read, and counts as seen then.
    #[serde(default = "inbox")]
    pub folder: String,
    /// The address that answers go to. With `{token}` in it, as in `bell+{token}@example.org`, it says by itself which
    /// message is answered, also where a mail program does not.
    #[serde(deserialize_with = "address")]
    pub address: String,
    /// How often it is looked into. Not zero.
    #[serde(
        default = "every",
        serialize_with = "model::time::span::serialize",
        deserialize_with = "some_time"
    )]
    #[schemars(with = "String", extend("format" = "span"))]
    pub every: Duration,
}

/// How a connection to a mailbox is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImapTls {
    /// From the first byte on.
    #[default]
    Implicit,
    /// Not: for a server on this machine.
    None,
}

/// An app in Slack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlackAnswers {
    /// The app's token with the scope `connections:write`, which begins with `xapp-`.
    pub app_token: Secret,
    /// Where Slack's Web API is: for proxies.
    #[serde(default = "slack_api", deserialize_with = "base_url")]
    #[schemars(with = "String")]
    pub api_url: String,
}

/// A bot in Telegram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TelegramAnswers {
    /// The bot's token. Messages that this bot sends get buttons.
    pub token: Secret,
    /// Where the Bot API is: for proxies and servers of one's own.
    #[serde(default = "telegram_api", deserialize_with = "base_url")]
    #[schemars(with = "String")]
    pub api_url: String,
}

fn inbox() -> String {
    "INBOX".to_owned()
}

fn every() -> Duration {
    Duration::from_secs(15)
}

fn slack_api() -> String {
    "https://slack.com/api".to_owned()
}

fn telegram_api() -> String {
    "https://api.telegram.org".to_owned()
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let plain = text.replacen(TOKEN, "x", 1);
    let odd = |c: char| c.is_whitespace() || "<>,;:\"()[]{}\\".contains(c);
    let fits = plain.rsplit_once('@').is_some_and(|(user, domain)| {
        !user.is_empty() && !user.contains('@') && domain.split('.').all(|part| !part.is_empty())
    });
    if fits && !plain.contains(odd) && text.rfind(TOKEN) < text.rfind('@') {
        return Ok(text);
    }
    let right = "is no address like bell@example.org or bell+{token}@example.org";
    Err(serde::de::Error::custom(format!("{text:?} {right}")))
}
