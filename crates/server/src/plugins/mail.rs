//! Mails that plugins hand to the hub, which sends them as it sends its own: by the account that `[defaults.email]`
//! names.

use model::Severity;
use model::delivery::Outcome;
use plugin_protocol::Fault;
use plugin_protocol::limits::{MAIL_TIME, MAX_RECIPIENTS};
use plugin_protocol::wire::{INVALID_PARAMS, NOT_FOUND};
use sdk::{MessageKind, sample, secret};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;

/// The kind of the account.
const KIND: &str = "email";
/// What of the account is about the hub's own messages, and not about the server or the sender.
const OF_MESSAGES: [&str; 6] = ["to", "subject", "text", "html", "headers", "threads"];

/// A mail.
#[derive(Deserialize)]
struct Mail {
    to: Vec<String>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    html: String,
    #[serde(default)]
    reply_to: String,
    /// The same over all tries: then they are one mail.
    #[serde(default)]
    key: String,
}

/// Makes one try, and says what came of it, as of a delivery.
pub(super) async fn send(app: &App, plugin: &str, params: Value) -> Result<Value, Fault> {
    let wrong = |why: String| Fault::new(INVALID_PARAMS, why);
    let mail: Mail = serde_json::from_value(params).map_err(|error| wrong(error.to_string()))?;
    let account = app.hub.core.live().accounts.get(KIND).cloned().ok_or_else(|| {
        let why = "the hub has no account for mail: [defaults.email] with `host` and `from` names one";
        Fault::new(NOT_FOUND, why)
    })?;
    let settings = settings(account, &mail).map_err(wrong)?;
    let kinds = app.kinds();
    let secrets =
        kinds.destination_schema(KIND).map(|schema| secret::needles(&settings, schema)).unwrap_or_default();
    let ready = kinds.ready(KIND, settings).map_err(|error| wrong(error.to_string()))?;
    let now = app.now();
    let own = if mail.key.is_empty() { now.to_string() } else { mail.key };
    let key = format!("plugin/{plugin}/{own}");
    let mut message = sample::message(MessageKind::Test, &mail.subject, Severity::Info, &key, plugin, now);
    (message.title, message.body) = (mail.subject, mail.text);
    message.facts = vec![("html".to_owned(), mail.html)];
    let destination = format!("plugin/{plugin}");
    let answer = app.hub.try_once(ready, message, json!({}), MAIL_TIME, &destination).await;
    Ok(match answer.hiding(&secrets).outcome {
        Outcome::Delivered { receipt } | Outcome::Accepted { receipt, .. } => {
            json!({ "outcome": "delivered", "receipt": receipt })
        }
        Outcome::Retry { after, reason, .. } => {
            let after = after.and_then(|it| u64::try_from(it.as_millis()).ok());
            json!({ "outcome": "retry", "reason": reason, "after_ms": after })
        }
        Outcome::Rejected { reason } => json!({ "outcome": "rejected", "reason": reason }),
    })
}

/// The account's server and sender, with this mail's receivers; what it says stands in the message.
fn settings(mut account: Value, mail: &Mail) -> Result<Value, String> {
    if mail.to.is_empty() || mail.to.len() > MAX_RECIPIENTS {
        return Err(format!("to: has {} addresses, and may have 1 to {MAX_RECIPIENTS}", mail.to.len()));
    }
    // an address with these in it would be a template
    if mail.to.iter().chain([&mail.reply_to]).any(|address| address.contains(['{', '}'])) {
        return Err("to: an address has no braces".to_owned());
    }
    let fields = account.as_object_mut().ok_or("[defaults.email] is no table")?;
    fields.retain(|name, _| !OF_MESSAGES.contains(&name.as_str()));
    fields.insert("to".to_owned(), json!(mail.to));
    fields.insert("threads".to_owned(), "none".into());
    fields.insert("subject".to_owned(), "{{ title }}".into());
    fields.insert("text".to_owned(), "{{ body }}".into());
    let html = if mail.html.is_empty() { "" } else { "{{ facts[0][1] | safe }}" };
    fields.insert("html".to_owned(), html.into());
    if !mail.reply_to.is_empty() {
        fields.insert("reply_to".to_owned(), mail.reply_to.clone().into());
    }
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &[&str]) -> Mail {
        serde_json::from_value(json!({ "to": to, "subject": "s", "html": "<b>" })).unwrap()
    }

    #[test]
    fn server_and_sender_are_the_accounts_and_all_else_is_the_mails() {
        let account = json!({
            "host": "mail.example", "from": "bell@example.org", "password": "hush", "subject": "{{ kind }}",
            "headers": {"X-A": "b"}, "threads": "day", "to": ["everybody@example.org"],
        });
        let made = settings(account, &mail(&["ann@example.org"])).unwrap();
        let wanted = json!({
            "host": "mail.example", "from": "bell@example.org", "password": "hush", "subject": "{{ title }}",
            "text": "{{ body }}", "html": "{{ facts[0][1] | safe }}", "threads": "none",
            "to": ["ann@example.org"],
        });
        assert_eq!(made, wanted);
    }

    #[test]
    fn nobody_too_many_and_templates_are_no_receivers() {
        let many = ["a@x.example"; MAX_RECIPIENTS + 1];
        for to in [&[][..], &many, &["{{ labels.x }}@x.example"]] {
            assert!(settings(json!({}), &mail(to)).is_err(), "{to:?}");
        }
    }
}
