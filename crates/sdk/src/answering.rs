//! Answers to messages: what people do about what they were told, from where they read it; and who hears of it.

use std::time::Duration;

use futures::future::BoxFuture;

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever has the link, from this address.
    Page(String),
    /// Whoever writes from this e-mail address.
    Mail(String),
    /// Somebody in a chat, by what they are there to a kind of destination.
    Chat(&'static str, String),
}

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// They take it, for so long or until it is over.
    Acknowledge(Option<Duration>),
    /// They say that it is over.
    Resolve,
}

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it answers: the token that the message carried.
    pub token: String,
    /// Who.
    pub who: Who,
    /// What.
    pub verb: Verb,
    /// In their words; may be empty.
    pub note: String,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("who", &self.who).field("verb", &self.verb).finish_non_exhaustive()
    }
}

impl Who {
    /// Where from, for the audit log.
    pub fn address(&self) -> String {
        match self {
            Who::Page(address) => address.clone(),
            Who::Mail(address) => format!("mail from {address}"),
            Who::Chat(kind, id) => format!("{kind} {id}"),
        }
    }
}

impl Verb {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Acknowledge(_) => "ack",
            Verb::Resolve => "resolve",
        }
    }
}

/// Whoever is told of answers by those who listen for them.
pub trait Ear: Send + Sync {
    /// Takes an answer, and says in words for who gave it what came of it.
    ///
    /// # Errors
    /// In words, when it could not be taken now and may be given again.
    fn hear(&self, answer: Answer) -> BoxFuture<'_, Result<String, String>>;

    /// Whether it is for this node to listen somewhere where only one may; a yes holds for so long.
    fn is_ours<'a>(&'a self, place: &'a str, span: Duration) -> BoxFuture<'a, bool>;
}
