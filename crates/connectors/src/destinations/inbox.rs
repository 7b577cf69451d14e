//! Inbox: messages are kept in the database and read through the API.

use model::delivery::Outcome;
use schemars::JsonSchema;
use sdk::{Answer, Context, Destination, Facts, Message};
use serde::Deserialize;

/// The kind `inbox`.
pub struct Inbox;

/// There is nothing to set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({}))]
pub struct Settings {}

impl Destination for Inbox {
    const FACTS: Facts = Facts {
        kind: "inbox",
        title: "Inbox",
        about: "Keeps messages in the hub itself, to be read through the API and in the web app.",
        docs: "",
        deduplicates: true,
    };
    type Settings = Settings;

    async fn send(context: &Context, _: &Settings, message: &Message) -> Answer {
        let keeping = context.inbox.keep(&context.destination, message, context.now);
        let outcome = match tokio::time::timeout(context.timeout, keeping).await {
            Ok(Ok(())) => Outcome::delivered(),
            Ok(Err(reason)) => Outcome::down(reason),
            Err(_) => Outcome::down(format!("not kept within {:?}", context.timeout)),
        };
        Answer::bare(outcome)
    }
}
