//! Kinds for tests: a destination that writes down what it is told, and a source that reads lines.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use model::{NewEvent, Outcome};
use schemars::JsonSchema;
use sdk::{Answer, Context, Destination, Facts, Message, Refusal, Registry, Request, Secret, Source};
use serde::Deserialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

static CHANNELS: Mutex<Option<HashMap<String, UnboundedSender<Message>>>> = Mutex::new(None);
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A channel of its own for each test.
pub fn channel() -> (String, UnboundedReceiver<Message>) {
    let name = format!("channel {}", COUNT.fetch_add(1, Ordering::SeqCst));
    let (sender, receiver) = unbounded_channel();
    let mut channels = CHANNELS.lock().unwrap_or_else(PoisonError::into_inner);
    channels.get_or_insert_default().insert(name.clone(), sender);
    (name, receiver)
}

pub fn registry() -> Registry {
    Registry::default().destination::<Scripted>().destination::<Email>().source::<Lines>()
}

/// Stands for mail, which people are reached by: what it is told is written down under their address.
pub struct Email;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Whom it goes to.
    to: Vec<String>,
    /// Through which server; part of the hub's own account.
    #[serde(rename = "host")]
    _host: String,
}

impl Destination for Email {
    const FACTS: Facts =
        Facts { kind: "email", title: "E-mail", about: "For tests.", docs: "", deduplicates: false };
    type Settings = Mail;
    const ADDRESS: &'static [&'static str] = &["to"];

    fn address(settings: &mut serde_json::Value) -> Result<Option<String>, String> {
        let one = settings["to"][0].as_str().filter(|it| it.contains('@'));
        one.map(|it| Some(it.to_lowercase())).ok_or_else(|| "to: is no address".to_owned())
    }

    async fn send(_: &Context, settings: &Mail, message: &Message) -> Answer {
        let channels = CHANNELS.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = channels.as_ref().and_then(|all| all.get(&settings.to[0]));
        sender.into_iter().for_each(|sender| drop(sender.send(message.clone())));
        Answer::bare(Outcome::delivered())
    }
}

/// What is written down under an address.
pub fn mailbox(address: &str) -> UnboundedReceiver<Message> {
    let (sender, receiver) = unbounded_channel();
    let mut channels = CHANNELS.lock().unwrap_or_else(PoisonError::into_inner);
    channels.get_or_insert_default().insert(address.to_owned(), sender);
    receiver
}

/// Writes down what it is told, and refuses what has `refuse` in its title.
pub struct Scripted;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where it is written down.
    channel: String,
    /// Not to be shown.
    password: Secret,
}

impl Destination for Scripted {
    const FACTS: Facts =
        Facts { kind: "scripted", title: "Scripted", about: "For tests.", docs: "", deduplicates: true };
    type Settings = Settings;

    fn address(settings: &mut serde_json::Value) -> Result<Option<String>, String> {
        Ok(settings["channel"].as_str().filter(|it| it.starts_with("account ")).map(str::to_owned))
    }

    fn is_account(address: &str) -> bool {
        address.ends_with(" of a person")
    }

    async fn send(_: &Context, settings: &Settings, message: &Message) -> Answer {
        assert_eq!(settings.password.expose(), "hush-hush");
        let channels = CHANNELS.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = channels.as_ref().and_then(|all| all.get(&settings.channel));
        // a test that is over does not listen
        sender.into_iter().for_each(|sender| drop(sender.send(message.clone())));
        if message.title.contains("refuse") {
            return Answer { status: Some(400), ..Answer::bare(Outcome::rejected("as scripted")) };
        }
        Answer { outcome: Outcome::delivered(), status: Some(200), text: "thanks".into() }
    }
}

/// Each line of a body is an event with that key.
pub struct Lines;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

impl Source for Lines {
    const FACTS: Facts =
        Facts { kind: "lines", title: "Lines", about: "For tests.", docs: "", deduplicates: false };
    type Settings = NoSettings;

    fn parse(_: &NoSettings, request: &Request<'_>) -> Result<Vec<NewEvent>, Refusal> {
        let text = std::str::from_utf8(request.body).map_err(|_| Refusal("the body is not UTF-8".into()))?;
        let event = |line: &str| NewEvent {
            key: line.to_owned(),
            ..NewEvent::raise(&format!("lines/{}", request.integration), Default::default())
        };
        Ok(text.lines().map(event).collect())
    }
}
