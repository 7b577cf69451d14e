//! Kinds for the tests, with the settings that the built-in kinds of these names have (as far as the tests
//! need them). The built-in ones themselves are in a crate of the same layer as ours.

use std::collections::BTreeMap;

use model::NewEvent;
use model::delivery::Outcome;
use schemars::JsonSchema;
use sdk::{Answer, Context, Destination, Facts, Message, Refusal, Registry, Request, Secret, Source};
use serde::{Deserialize, Serialize};

/// All of them.
pub fn registry() -> Registry {
    Registry::default()
        .destination::<Email>()
        .destination::<Inbox>()
        .destination::<Slack>()
        .destination::<Webhook>()
        .source::<Heartbeat>()
        .source::<WebhookSource>()
}

macro_rules! facts {
    ($kind:literal, $title:literal) => {
        const FACTS: Facts =
            Facts { kind: $kind, title: $title, about: "For tests.", docs: "", deduplicates: false };
    };
}

macro_rules! destination {
    ($name:ident, $settings:ty, $kind:literal, $title:literal, $check:expr) => {
        pub struct $name;

        impl Destination for $name {
            facts!($kind, $title);
            type Settings = $settings;

            fn check(settings: &$settings) -> Result<(), String> {
                $check(settings)
            }

            async fn send(_: &Context, _: &$settings, _: &Message) -> Answer {
                Answer::bare(Outcome::delivered())
            }
        }
    };
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors only")]
pub struct WebhookSettings {
    url: Secret,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    username: Option<String>,
    password: Option<Secret>,
    bearer_token: Option<Secret>,
    #[serde(default)]
    old_signing_secrets: Vec<Secret>,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// As Alertmanager's webhooks are.
    #[default]
    Alertmanager,
    /// Our own.
    Nightbell,
}

destination!(Webhook, WebhookSettings, "webhook", "Webhook", |settings: &WebhookSettings| {
    let url = sdk::http::parse_url(settings.url.expose());
    url.map(drop).map_err(|error| format!("url: {error}"))
});

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors only")]
pub struct EmailSettings {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    tls: Tls,
    username: Option<String>,
    password: Option<Secret>,
    #[serde(default)]
    insecure_auth: bool,
    hello: Option<String>,
    from: String,
    to: Vec<String>,
    reply_to: Option<String>,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Tls {
    #[default]
    Required,
    Opportunistic,
    Implicit,
    None,
}

destination!(Email, EmailSettings, "email", "E-mail", |settings: &EmailSettings| {
    match settings.to.iter().position(|address| !address.contains('@')) {
        Some(n) => Err(format!("to[{n}]: is not an address")),
        None if settings.username.is_some() != settings.password.is_some() => {
            Err("password: is needed for `username`".to_owned())
        }
        None => Ok(()),
    }
});

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors only")]
pub struct SlackSettings {
    url: Option<Secret>,
    token: Option<Secret>,
    channel: Option<String>,
    #[serde(default = "slack_api")]
    api_url: String,
    username: Option<String>,
    icon_emoji: Option<String>,
    icon_url: Option<String>,
    #[serde(default)]
    link_names: bool,
    title: Option<String>,
    text: Option<String>,
}

fn slack_api() -> String {
    "https://slack.com/api".to_owned()
}

destination!(Slack, SlackSettings, "slack", "Slack", |settings: &SlackSettings| {
    match (&settings.url, &settings.token) {
        (None, None) => Err("url: or `token` must be given".to_owned()),
        (None, Some(_)) if settings.channel.is_none() => Err("channel: is needed for `token`".to_owned()),
        _ => Ok(()),
    }
});

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

destination!(Inbox, NoSettings, "inbox", "Inbox", |_: &NoSettings| Ok(()));

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors only")]
pub struct HeartbeatSettings {
    #[serde(with = "model::time::span")]
    #[schemars(with = "String")]
    every: std::time::Duration,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    title: Option<String>,
    severity: Option<String>,
    grace: Option<String>,
}

pub struct Heartbeat;

impl Source for Heartbeat {
    facts!("heartbeat", "Heartbeat");
    type Settings = HeartbeatSettings;

    fn parse(_: &HeartbeatSettings, _: &Request<'_>) -> Result<Vec<NewEvent>, Refusal> {
        Ok(Vec::new())
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "read for its errors only")]
pub struct WebhookSourceSettings {
    items: Option<String>,
    key: Option<String>,
    title: Option<String>,
    severity: Option<String>,
    action: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

pub struct WebhookSource;

impl Source for WebhookSource {
    facts!("webhook", "Webhook");
    type Settings = WebhookSourceSettings;

    fn parse(_: &WebhookSourceSettings, _: &Request<'_>) -> Result<Vec<NewEvent>, Refusal> {
        Ok(Vec::new())
    }
}
