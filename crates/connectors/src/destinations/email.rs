//! E-mail over SMTP.

mod kept;
pub(crate) mod letter;
mod login;
pub(super) mod server;
mod talk;

use std::collections::BTreeMap;

use model::delivery::Outcome;
use schemars::JsonSchema;
use sdk::{Answer, Context, Destination, Facts, Message};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::template::{Html, Plain, Template};
use server::{Address, Addresses, with_server};

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
    /// The sender, e.g. `Nightbell <nightbell@example.org>`, or a template of it.
    from: Addresses,
    /// The recipients: all of them get the same mail. Each is an address, or a template of addresses with commas
    /// between them.
    #[schemars(length(min = 1))]
    to: Vec<Addresses>,
    /// Where answers go, if not to the sender.
    reply_to: Option<Address>,
    /// A template of the subject, in place of the message's title.
    subject: Option<Template<Plain>>,
    /// A template of the plain text, in place of the built-in one. When it says nothing, there is only HTML.
    text: Option<Template<Plain>>,
    /// A template of the HTML, in place of the built-in one. Values are escaped. When it says nothing, there is
    /// only plain text.
    html: Option<Template<Html>>,
    /// Templates of headers to add, or to show in place of the mail's own: with `To` or `Cc` it shows other names,
    /// and goes to the same people. One that says nothing is left out.
    #[serde(default)]
    headers: BTreeMap<String, Template<Plain>>,
    /// Which mails stand in one thread.
    #[serde(default)]
    threads: Threads,
}
}

/// Which mails stand in one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Threads {
    /// Those about the same trouble: next week's stands apart.
    #[default]
    Trouble,
    /// Those about the same group of alerts.
    Group,
    /// Those about the same group of alerts on one day, in UTC.
    Day,
    /// None.
    None,
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
    const ADDRESS: &'static [&'static str] = &["to"];

    fn address(settings: &mut Value) -> Result<Option<String>, String> {
        let one = match &settings["to"] {
            Value::Array(all) => match all.as_slice() {
                [one] => one.as_str(),
                _ => return Err("to: must be one address: make a destination for each".to_owned()),
            },
            other => other.as_str(),
        };
        let text = one.ok_or("to: is missing: write an address such as ann@example.org")?.trim();
        let mailbox = server::mailbox(text).map_err(|error| format!("to: {error}"))?;
        let address = mailbox.email.to_string().to_lowercase();
        settings["to"] = json!([text]);
        Ok(Some(address))
    }

    fn check(settings: &Settings) -> Result<(), String> {
        if settings.to.is_empty() {
            return Err("to: needs an address".to_owned());
        }
        settings.headers.keys().try_for_each(|name| letter::check_header(name))?;
        settings.server().check()
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        match letter::write(settings, message) {
            Ok(mail) => settings.server().send(context, &mail).await,
            Err(reason) => Answer::bare(Outcome::rejected(reason)),
        }
    }
}
