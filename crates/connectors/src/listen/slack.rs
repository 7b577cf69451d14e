//! Buttons in Slack, by Socket Mode: a WebSocket that is opened from here
//! (<https://docs.slack.dev/apis/events-api/using-socket-mode>).

use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use sdk::Secret;
use sdk::answering::{Answer, Ear, Verb, Who};
use sdk::http::{Duplex, Http, Outgoing, Tls};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use super::Pause;
use crate::destinations::slack::post::{ACK, RESOLVE};
use crate::template::cut;

/// How long opening may take, each part of it.
const OPENING: Duration = Duration::from_secs(15);
/// How long nothing may come: Slack asks every few seconds whether somebody is there.
const SILENCE: Duration = Duration::from_secs(120);
/// Bytes of a message.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Buttons that one message from Slack may say were pressed; there is one.
const MAX_ACTIONS: usize = 10;
/// Characters of what Slack says that are repeated in the log.
const MAX_WORDS: usize = 200;

/// Which app is listened for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The app's token with the scope `connections:write`.
    pub app_token: Secret,
    /// Where the Web API is.
    pub api_url: String,
}

/// What comes over the socket.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    envelope_id: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    payload: Value,
}

/// What was pressed.
#[derive(Deserialize)]
struct Pressed {
    #[serde(default)]
    r#type: String,
    user: Person,
    #[serde(default)]
    actions: Vec<Action>,
    #[serde(default)]
    response_url: String,
}

#[derive(Deserialize)]
struct Person {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    action_id: String,
    #[serde(default)]
    value: String,
}

/// Listens until it is dropped.
pub async fn run(settings: Settings, http: Http, ear: Arc<dyn Ear>) {
    let app = App { settings, http };
    let mut pause = Pause::new();
    loop {
        match app.open().await {
            Ok(socket) => match app.listen(socket, &*ear, &mut pause).await {
                // Slack changes connections every few hours, and says so
                Ok(reason) => tracing::debug!(reason, "Slack's socket is opened anew"),
                Err(reason) => tracing::warn!(reason, "Slack's socket was lost"),
            },
            Err(reason) => tracing::warn!(reason, "Slack's socket cannot be opened"),
        }
        pause.wait(None).await;
    }
}

type Socket = WebSocketStream<Box<dyn Duplex>>;

struct App {
    settings: Settings,
    http: Http,
}

impl App {
    async fn open(&self) -> Result<Socket, String> {
        let url = self.address().await?;
        let url = Url::parse(&url).map_err(|error| format!("the socket's address is none: {error}"))?;
        let tls = match url.scheme() {
            "wss" => Some(Tls::default()),
            "ws" => None,
            other => return Err(format!("the socket's address begins with {other:?}")),
        };
        let host = url.host_str().ok_or("the socket's address names no host")?;
        let port = url.port().unwrap_or(if tls.is_some() { 443 } else { 80 });
        let stream = self.http.stream(host, port, tls.as_ref()).await.map_err(|error| error.to_string())?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let opening = tokio_tungstenite::client_async_with_config(url.as_str(), stream, Some(limits));
        match tokio::time::timeout(OPENING, opening).await {
            Ok(Ok((socket, _))) => Ok(socket),
            // the address is as good as a password, and an error may repeat it
            Ok(Err(error)) => Err(sdk::secret::hide(error.to_string(), &[Secret::new(url.as_str())])),
            Err(_) => Err(format!("no answer within {OPENING:?}")),
        }
    }

    /// Where the socket is this time.
    async fn address(&self) -> Result<String, String> {
        let url = format!("{}/apps.connections.open", self.settings.api_url.trim_end_matches('/'));
        let mut request = Outgoing::json(&url, "", OPENING);
        request.headers[0].1 = "application/x-www-form-urlencoded".to_owned();
        request.headers.push(("authorization", format!("Bearer {}", self.settings.app_token.expose())));
        let response = self.http.send(request).await.map_err(|error| error.to_string())?;
        let reply: Value = serde_json::from_slice(&response.body)
            .map_err(|_| format!("answered {} without JSON", response.status))?;
        match (reply["ok"].as_bool(), reply["url"].as_str()) {
            (Some(true), Some(url)) => Ok(url.to_owned()),
            _ => Err(format!(
                "Slack says: {}",
                cut(reply["error"].as_str().unwrap_or("no address"), MAX_WORDS)
            )),
        }
    }

    /// Hears until the socket is closed; says why that was.
    async fn listen(&self, mut socket: Socket, ear: &dyn Ear, pause: &mut Pause) -> Result<String, String> {
        loop {
            let next = tokio::time::timeout(SILENCE, socket.next()).await;
            let frame = match next {
                Err(_) => return Err(format!("nothing was heard for {SILENCE:?}")),
                Ok(None) => return Err("it was closed".to_owned()),
                Ok(Some(frame)) => frame.map_err(|error| error.to_string())?,
            };
            let text = match frame {
                Frame::Text(text) => text,
                Frame::Close(_) => return Err("it was closed".to_owned()),
                // pings are answered below this
                _ => continue,
            };
            let Ok(envelope) = serde_json::from_str::<Envelope>(text.as_str()) else {
                tracing::info!("Slack said something that is no envelope");
                continue;
            };
            match envelope.r#type.as_str() {
                "hello" => pause.reset(),
                "disconnect" => return Ok(envelope.reason),
                _ => {}
            }
            if envelope.envelope_id.is_empty() {
                continue;
            }
            let came = match envelope.r#type.as_str() {
                "interactive" => hear(ear, &envelope.payload).await,
                _ => Vec::new(),
            };
            let taken = json!({ "envelope_id": envelope.envelope_id }).to_string();
            let sent = tokio::time::timeout(OPENING, socket.send(Frame::text(taken))).await;
            sent.map_err(|_| "nothing can be said".to_owned())?.map_err(|error| error.to_string())?;
            // only then: Slack waits three seconds to hear that it is taken, and sends it again otherwise
            for (url, words) in came {
                self.tell(&url, &words).await;
            }
        }
    }

    /// Tells only who has pressed.
    async fn tell(&self, url: &str, words: &str) {
        if url.is_empty() {
            return;
        }
        let text = crate::template::escape_slack(words);
        let body = json!({ "response_type": "ephemeral", "replace_original": false, "text": text });
        let told = self.http.send(Outgoing::json(url, body.to_string(), OPENING)).await;
        if let Err(error) = told {
            // it is done, whether they are told or not
            tracing::info!(%error, "who pressed a button could not be told what came of it");
        }
    }
}

/// Takes what was pressed; returns what to tell who did, and where.
async fn hear(ear: &dyn Ear, payload: &Value) -> Vec<(String, String)> {
    let Ok(pressed) = Pressed::deserialize(payload) else { return Vec::new() };
    let mut came = Vec::new();
    if pressed.r#type != "block_actions" {
        return came;
    }
    for action in pressed.actions.iter().take(MAX_ACTIONS) {
        let verb = match action.action_id.as_str() {
            ACK => Verb::Acknowledge(None),
            RESOLVE => Verb::Resolve,
            _ => continue,
        };
        let who = Who::Chat("slack", pressed.user.id.clone());
        let answer = Answer { token: action.value.clone(), who, verb, note: String::new() };
        let words = match ear.hear(answer).await {
            Ok(words) => words,
            Err(error) => {
                tracing::warn!(error, "what was pressed in Slack could not be done");
                "This could not be done now: press again in a moment.".to_owned()
            }
        };
        came.push((pressed.response_url.clone(), words));
    }
    came
}
