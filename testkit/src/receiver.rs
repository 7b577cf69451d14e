//! Scripted receivers: what they answer, and what they have seen.

use std::time::Duration;

use model::delivery::{Fault, Outcome};
use model::{Id, Notification, Time};
use sdk::destination::{Context, Destination, Facts};
use sdk::{Answer, Message};

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// It takes everything.
    #[default]
    Well,
    /// It answers 500.
    Broken,
    /// It never answers; whether it has the message, nobody knows: it has.
    Mute,
    /// It asks to be left alone for so many seconds.
    Busy(u64),
    /// It refuses everything.
    Refusing,
    /// It takes everything to see to it later, and never says whether it arrived.
    Vague,
}

/// A message that arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// When.
    pub at: Time,
    /// The delivery.
    pub delivery: Id,
    /// Its lane.
    pub lane: i64,
    /// What it said.
    pub says: Notification,
    /// Whether the receiver took it, as far as it knows.
    pub taken: bool,
}

impl Mode {
    /// Whether a receiver in this mode has the message after it was sent.
    pub fn takes(self) -> bool {
        matches!(self, Mode::Well | Mode::Mute | Mode::Vague)
    }

    /// What the sender learns.
    pub fn answer(self) -> Answer {
        Answer::bare(match self {
            Mode::Well => Outcome::delivered(),
            Mode::Broken => Outcome::down("answered 500"),
            Mode::Mute => Outcome::down("no answer within 10s"),
            Mode::Busy(seconds) => Outcome::Retry {
                after: Some(Duration::from_secs(seconds)),
                reason: "429: too many requests".to_owned(),
                fault: Fault::Pace,
            },
            Mode::Refusing => Outcome::rejected("answered 400"),
            Mode::Vague => Outcome::Accepted { receipt: "7".to_owned(), ask_after: Duration::from_secs(60) },
        })
    }
}

/// The kind of destination that worlds use. It is never sent to: the world itself plays the receiver.
pub struct Scripted;

/// What can be set.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct Settings {
    /// By which account its owner is known there.
    #[expect(dead_code, reason = "it is read as an address")]
    account: Option<String>,
}

impl Destination for Scripted {
    const FACTS: Facts = Facts {
        kind: "scripted",
        title: "Scripted",
        about: "Played by the world.",
        docs: "",
        deduplicates: false,
    };
    type Settings = Settings;

    fn address(settings: &mut serde_json::Value) -> Result<Option<String>, String> {
        Ok(settings["account"].as_str().map(str::to_owned))
    }

    async fn send(_: &Context, _: &Settings, _: &Message) -> Answer {
        Answer::bare(Outcome::delivered())
    }
}
