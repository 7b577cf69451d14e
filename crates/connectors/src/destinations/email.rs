//! E-mail over SMTP: one connection per message.

pub(super) mod letter;
pub(super) mod server;

use std::collections::BTreeMap;

use model::delivery::Outcome;
use schemars::JsonSchema;
use sdk::{Answer, Context, Destination, Facts, Message};
use serde::Deserialize;

use crate::template::{Html, Plain, Template};
use server::{Address, with_server};

/// The kind `email`.
pub struct Email;

with_server! {
/// Through which server, from whom, to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "host": "mail.example.org",
    "from": "Nightbell <nightbell@example.org>",
    "to": ["ops@example.org", "Ann <ann@example.org>"],
    "username": "nightbell",
    "password": "the-password",
}))]
pub struct Settings {
    /// The sender, e.g. `Nightbell <nightbell@example.org>`.
    from: Address,
    /// The recipients: all of them get the same mail.
    #[schemars(length(min = 1))]
    to: Vec<Address>,
    /// Where answers go, if not to the sender.
    reply_to: Option<Address>,
    /// A template of the subject, in place of the message's title.
    subject: Option<Template<Plain>>,
    /// A template of the plain text, in place of the built-in one.
    text: Option<Template<Plain>>,
    /// A template of the HTML, in place of the built-in one. Values are escaped.
    html: Option<Template<Html>>,
    /// Headers to add.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}
}

impl Destination for Email {
    const FACTS: Facts = Facts {
        kind: "email",
        title: "E-mail",
        about: "Sends a mail over SMTP, as plain text and HTML. Mails about the same trouble stand \
                in one thread, and a mail that is sent again has the same Message-ID.",
        docs: "",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.to.is_empty() {
            return Err("to: needs an address".to_owned());
        }
        settings.headers.iter().try_for_each(|(name, value)| letter::check_header(name, value))?;
        settings.server().check()
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        match letter::write(settings, message) {
            Ok(mail) => settings.server().send(context, &mail).await,
            Err(reason) => Answer::bare(Outcome::rejected(reason)),
        }
    }
}
