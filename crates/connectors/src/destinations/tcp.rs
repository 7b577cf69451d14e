//! TCP: one connection per message, one line or whatever a template makes of it.

use model::delivery::{Outcome, answer_head};
use model::limits::MAX_ANSWER_BYTES;
use model::receiver::Audience;
use schemars::JsonSchema;
use sdk::http::HttpError;
use sdk::{Answer, Context, Destination, Facts, Message};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::shape;
use crate::template::{Plain, Template};
use crate::words::Words;

/// The kind `tcp`.
pub struct Tcp;

/// Where to, and what is expected back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({"host": "logs.example.org", "port": 5170}))]
#[schemars(example = serde_json::json!({
    "host": "pager.example.org",
    "port": 7777,
    "body": "PAGE {{ severity | upper }} {{ title }}",
    "expect": "OK",
}))]
pub struct Settings {
    /// The host: a name or an address.
    host: String,
    /// The port.
    port: u16,
    /// A template of what is sent, followed by a line's end; by default one line of JSON in our own shape.
    body: Option<Template<Plain>>,
    /// Reads a line back and wants it to begin like this; an empty text takes any line. Without it, a
    /// message counts as taken once it is handed to the network, which is less than that it arrived.
    expect: Option<String>,
}

impl Destination for Tcp {
    const FACTS: Facts = Facts {
        kind: "tcp",
        title: "TCP",
        about: "Opens a connection, writes the message, by default as one line of JSON, and reads a \
                line back if one is expected.",
        docs: "",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        match (settings.host.trim().is_empty(), settings.port) {
            (true, _) => Err("host: is empty".to_owned()),
            (_, 0) => Err("port: must not be zero".to_owned()),
            _ => Ok(()),
        }
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let written = match Words::of(message).say("body", settings.body.as_ref()) {
            Some(text) => Ok(text.into_bytes()),
            None => shape::json(message).map_err(|error| format!("body: {error}")),
        };
        let mut payload = match written {
            Ok(payload) => payload,
            Err(error) => return Answer::bare(Outcome::rejected(error)),
        };
        payload.push(b'\n');
        let exchange = tokio::time::timeout(context.timeout, exchange(context, settings, &payload)).await;
        match exchange.unwrap_or(Err(HttpError::Timeout(context.timeout))) {
            Ok(reply) => answer(settings, &reply),
            Err(error) => Answer::from_http(Err(error), context.now),
        }
    }
}

async fn exchange(context: &Context, settings: &Settings, payload: &[u8]) -> Result<Vec<u8>, HttpError> {
    let mut stream = context.http.connect(&settings.host, settings.port).await?;
    let talk = async {
        stream.write_all(payload).await?;
        let reply = if settings.expect.is_some() { line(&mut stream).await? } else { Vec::new() };
        stream.shutdown().await?;
        Ok::<_, std::io::Error>(reply)
    };
    talk.await.map_err(|error| HttpError::Broken(error.to_string()))
}

/// Reads up to a line's end, the connection's, or the limit.
async fn line(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut reply = Vec::new();
    let mut chunk = [0; MAX_ANSWER_BYTES];
    while reply.len() < MAX_ANSWER_BYTES && !reply.contains(&b'\n') {
        match stream.read(&mut chunk).await? {
            0 => break,
            length => reply.extend_from_slice(&chunk[..length]),
        }
    }
    Ok(reply)
}

fn answer(settings: &Settings, reply: &[u8]) -> Answer {
    let text = answer_head(reply);
    let first = text.lines().next().unwrap_or_default();
    let outcome = match &settings.expect {
        None => Outcome::delivered(),
        Some(_) if reply.is_empty() => Outcome::down("the connection ended without a reply"),
        Some(start) if first.starts_with(start.as_str()) => Outcome::delivered(),
        Some(start) => Outcome::down(format!("the reply does not begin with {start:?}")),
    };
    Answer { outcome, status: None, text }
}
