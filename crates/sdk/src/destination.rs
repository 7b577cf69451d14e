//! Destinations: kinds of places that can be told something.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use model::Time;
use model::limits::MAX_ALERTS_PER_NOTIFICATION;
use model::receiver::Audience;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::Answer;
use crate::http::Http;
use crate::message::Message;
use crate::people::Told;

/// What a kind of destination says of itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Facts {
    /// The word for it in configuration, e.g. `slack`.
    pub kind: &'static str,
    /// Its name for people, e.g. `Slack`.
    pub title: &'static str,
    /// One or two sentences for the reference page: what it does, what is needed on the other side.
    pub about: &'static str,
    /// Where the other side documents its interface; empty when there is no other side.
    pub docs: &'static str,
    /// Whether the other side drops what it has seen under the same idempotency key.
    pub deduplicates: bool,
}

/// A text that lives as long as the program: what plugins say of their kinds, which are known late. The same text is
/// kept
/// once, so that reading plugins again costs nothing.
pub fn lasting(text: &str) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text) {
        return known;
    }
    let new: &'static str = Box::leak(text.to_owned().into_boxed_str());
    kept.insert(new);
    new
}

/// A kind of destination. Implement this in a file of your own and register it: that is all.
pub trait Destination: Send + Sync + 'static {
    /// What it says of itself.
    const FACTS: Facts;
    /// Who reads it, unless the configuration says otherwise. Programs, and systems that put together by
    /// themselves what belongs together, are machines.
    const AUDIENCE: Audience = Audience::People;
    /// What it needs to know of each place of its kind; every field with a doc comment, which becomes the
    /// schema's description, and one example in the schema.
    type Settings: DeserializeOwned + JsonSchema + Debug + Send + Sync + 'static;

    /// Whether it does something on the machine that the hub runs on, such as to run a program: then only who may write
    /// the configuration file sets it up.
    const LOCAL: bool = false;

    /// Settings that say where somebody is reached, and nothing of through whose account: a person who gives only
    /// these is told through the account that `[defaults.KIND]` describes.
    const ADDRESS: &'static [&'static str] = &[];

    /// Where settings that are a person's own reach them, in the one form in which addresses are compared; `None`:
    /// that cannot be said. Puts what is written in another form into this one.
    ///
    /// # Errors
    /// What is wrong with it, beginning with the field.
    fn address(settings: &mut Value) -> Result<Option<String>, String> {
        let _ = settings;
        Ok(None)
    }

    /// Whether an address is one person's own account there, by which they are known when they press a button. Two
    /// people cannot be known by the same.
    fn is_account(address: &str) -> bool {
        let _ = address;
        false
    }

    /// What the schema cannot say: whether a URL is one, an address has an `@`.
    ///
    /// # Errors
    /// What is wrong, beginning with the field: `url: not a URL`.
    fn check(settings: &Self::Settings) -> Result<(), String> {
        let _ = settings;
        Ok(())
    }

    /// Alerts that one message carries at the most, where the configuration names no smaller number. The default is
    /// more than anybody reads, and what templates cope with; who hands alerts on as data can take more.
    fn most_alerts(settings: &Self::Settings) -> usize {
        let _ = settings;
        MAX_ALERTS_PER_NOTIFICATION
    }

    /// Tells the place. Bounded by `context.timeout` from outside as well; never panics, never retries by
    /// itself.
    fn send(
        context: &Context,
        settings: &Self::Settings,
        message: &Message,
    ) -> impl Future<Output = Answer> + Send;
}

/// What a destination is given beside settings and message.
#[derive(Clone)]
pub struct Context {
    /// The only way out over HTTP.
    pub http: Http,
    /// Where the `inbox` destination keeps what it is told.
    pub inbox: Arc<dyn Inbox>,
    /// The time of the try.
    pub now: Time,
    /// How long the try may take.
    pub timeout: Duration,
    /// The destination's id, e.g. `ops/inbox/0`.
    pub destination: String,
    /// Whom it is for.
    pub people: Arc<Told>,
}

/// A place in the database for messages that are read through the API.
pub trait Inbox: Send + Sync {
    /// Keeps a message once, however often it comes with the same idempotency key.
    ///
    /// # Errors
    /// In words, when it could not be kept.
    fn keep(&self, destination: &str, message: &Message, at: Time) -> BoxFuture<'_, Result<(), String>>;
}
