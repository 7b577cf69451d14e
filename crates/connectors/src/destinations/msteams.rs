//! Microsoft Teams by an Office 365 connector, which Microsoft has replaced by workflows (`msteamsv2`).

use model::Time;
use model::delivery::{Fault, Outcome};
use schemars::JsonSchema;
use sdk::http::{HttpError, HttpSettings, Response};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::{Deserialize, Serialize};

use super::msteamsv2::{MAX_TEXT_BYTES, MAX_TITLE_BYTES, buttons, cut_json, facts, lines};
use super::slack::colour;
use crate::service::{self, Dialect, Place};
use crate::template::{Plain, Template};
use crate::words::{Words, escape_markdown, one_line};

/// What a connector says instead of a status when the card did not go on, with the status of the next
/// (<https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>).
const FAILED: &str = "Microsoft Teams endpoint returned HTTP error ";

const ANSWERS: Dialect = Dialect { reasons: &["/error/message", "/message"], receipt: "" };

/// The kind `msteams`.
pub struct MsTeams;

/// Where to, and with which words.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"url": "https://example.webhook.office.com/webhookb2/the-id"}))]
pub struct Settings {
    /// The URL of the connector.
    url: Secret,
    /// A template of the title, in place of the message's own.
    title: Option<Template<Plain>>,
    /// A template of what notifications show; by default the title.
    summary: Option<Template<Plain>>,
    /// A template of the text, in place of the message's own with its table of labels and its links. May be
    /// Markdown.
    text: Option<Template<Plain>>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

impl Destination for MsTeams {
    const FACTS: Facts = Facts {
        kind: "msteams",
        title: "Microsoft Teams (connector)",
        about: "Posts a card to a Teams channel through an Office 365 connector. Microsoft retires these: for \
                new places there is `msteamsv2`.",
        docs: "https://learn.microsoft.com/en-us/outlook/actionable-messages/message-card-reference",
        deduplicates: false,
    };
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::check_url("url", settings.url.expose())
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let card = Card::of(settings, message);
        let meaning = |result| meaning(result, context.now);
        let place = Place { url: settings.url.expose(), http: &settings.http, headers: Vec::new() };
        service::post(context, message, place, card, meaning).await
    }
}

/// What is posted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Card {
    #[serde(rename = "@context")]
    context: &'static str,
    #[serde(rename = "@type")]
    r#type: &'static str,
    title: String,
    summary: String,
    text: String,
    theme_color: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sections: Vec<Section>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    potential_action: Vec<Action>,
}

#[derive(Serialize)]
struct Section {
    facts: Vec<Fact>,
}

#[derive(Serialize)]
struct Fact {
    name: String,
    value: String,
}

#[derive(Serialize)]
struct Action {
    #[serde(rename = "@type")]
    r#type: &'static str,
    name: String,
    targets: [Target; 1],
}

#[derive(Serialize)]
struct Target {
    os: &'static str,
    uri: String,
}

impl Card {
    fn of(settings: &Settings, message: &Message) -> Self {
        let words = Words::of(message);
        let own_title = || escape_markdown(&one_line(&message.title));
        let title = words.say("title", settings.title.as_ref()).unwrap_or_else(own_title);
        let summary = words.say("summary", settings.summary.as_ref()).unwrap_or_else(|| title.clone());
        let (text, is_own) = match words.say("text", settings.text.as_ref()) {
            Some(text) => (text, false),
            None => (lines(&message.body), true),
        };
        let mut card = Card {
            context: "http://schema.org/extensions",
            r#type: "MessageCard",
            title: cut_json(&title, MAX_TITLE_BYTES),
            summary: cut_json(&summary, MAX_TITLE_BYTES),
            text: cut_json(&text, MAX_TEXT_BYTES),
            theme_color: colour(message).trim_start_matches('#'),
            sections: Vec::new(),
            potential_action: Vec::new(),
        };
        if is_own {
            let facts: Vec<Fact> = facts(message).map(|(name, value)| Fact { name, value }).collect();
            card.sections.extend((!facts.is_empty()).then_some(Section { facts }));
            let targets = |uri| [Target { os: "default", uri }];
            let action = |(name, url)| Action { r#type: "OpenUri", name, targets: targets(url) };
            card.potential_action.extend(buttons(message).map(action));
        }
        card
    }
}

/// A connector says 200 to most of what Teams refuses; what it means is in the text.
fn meaning(result: Result<Response, HttpError>, now: Time) -> Answer {
    let after = result.as_ref().ok().and_then(|response| sdk::answer::retry_after_of(response, now));
    let mut answer = ANSWERS.answer(result, now);
    if !matches!(answer.outcome, Outcome::Delivered { .. }) {
        return answer;
    }
    let status = answer.text.split_once(FAILED).and_then(|(_, rest)| rest.get(..3)?.parse::<u16>().ok());
    let reason = |status| format!("the connector says that Teams answered {status}");
    match status {
        None => {}
        Some(429) => answer.outcome = Outcome::Retry { after, reason: reason(429), fault: Fault::Pace },
        Some(status @ (408 | 500..=599)) => answer.outcome = Outcome::down(reason(status)),
        Some(status) => answer.outcome = Outcome::rejected(reason(status)),
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::super::msteamsv2::MAX_MESSAGE_BYTES;
    use super::*;
    use crate::messages;
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::json;

    fn said(body: &str) -> Outcome {
        let body = Bytes::copy_from_slice(body.as_bytes());
        meaning(Ok(Response { status: 200, headers: Vec::new(), body }), Time::default()).outcome
    }

    #[test]
    fn two_hundred_is_not_always_yes() {
        let failed = |status| {
            format!(
                "Webhook message delivery failed with error: {FAILED}{status} with ContextId tcid=0,server=x"
            )
        };
        assert_eq!(said("1"), Outcome::delivered());
        assert!(matches!(said(&failed(429)), Outcome::Retry { fault: Fault::Pace, .. }));
        assert!(matches!(said(&failed(503)), Outcome::Retry { fault: Fault::Destination, .. }));
        assert_eq!(said(&failed(413)), Outcome::rejected("the connector says that Teams answered 413"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_a_card_within_the_limit(message in messages::arbitrary()) {
            let own = json!({"url": "https://x", "title": "{{ title }}", "text": "{{ body }}", "summary": ""});
            for settings in [json!({"url": "https://x"}), own] {
                let card = Card::of(&serde_json::from_value(settings).unwrap(), &message);
                prop_assert!(serde_json::to_vec(&card).unwrap().len() <= MAX_MESSAGE_BYTES);
            }
        }
    }
}
