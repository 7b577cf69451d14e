//! Buttons in Telegram, by long polling: the bot asks for what was pressed, and the answer comes when something was
//! (<https://core.telegram.org/bots/api#getupdates>).

use std::sync::Arc;
use std::time::Duration;

use sdk::Secret;
use sdk::answering::{Answer, Ear, Verb, Who};
use sdk::http::{Http, HttpError, Outgoing, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{OTHERS_TURN, Pause, TURN};
use crate::destinations::telegram::{ACK, RESOLVE};
use crate::template::cut;

/// How long the other side may hold a question back.
const HELD_SECONDS: u64 = 25;
/// How long a question may take altogether.
const PATIENCE: Duration = Duration::from_secs(40);
/// Characters that are shown to who has pressed a button.
const MAX_WORDS: usize = 200;

/// Which bot is listened for.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Its token.
    pub token: Secret,
    /// Where the Bot API is.
    pub api_url: String,
}

/// What was pressed.
#[derive(Deserialize)]
struct Update {
    update_id: i64,
    /// What was pressed, if it can be read: what cannot must not keep all that follows waiting.
    #[serde(default)]
    callback_query: Value,
}

#[derive(Deserialize)]
struct Pressed {
    id: String,
    from: Person,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Person {
    id: i64,
}

/// What the API answers.
#[derive(Deserialize)]
struct Reply {
    ok: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    parameters: Value,
}

/// Why a question was in vain.
struct Trouble {
    reason: String,
    after: Option<Duration>,
}

/// Listens until it is dropped.
pub async fn run(settings: Settings, http: Http, ear: Arc<dyn Ear>) {
    let bot = Bot { settings, http };
    // two who ask for one bot get in each other's way; a bot's number is no secret, its token is
    let number = bot.settings.token.expose().split(':').next().unwrap_or_default();
    let place = format!("telegram {number}");
    let (mut pause, mut next) = (Pause::new(), 0);
    loop {
        if !ear.is_ours(&place, TURN).await {
            tokio::time::sleep(OTHERS_TURN).await;
            continue;
        }
        match bot.updates(next).await {
            Ok(updates) => {
                pause.reset();
                for update in updates {
                    if !bot.hear(&*ear, &update).await {
                        pause.wait(None).await;
                        break;
                    }
                    next = update.update_id + 1;
                }
            }
            Err(trouble) => {
                tracing::warn!(reason = trouble.reason, "Telegram cannot be asked what was pressed");
                pause.wait(trouble.after).await;
            }
        }
    }
}

struct Bot {
    settings: Settings,
    http: Http,
}

impl Bot {
    async fn ask(&self, method: &str, body: &Value, limit: Duration) -> Result<Value, Trouble> {
        let api = self.settings.api_url.trim_end_matches('/');
        let url = format!("{api}/bot{}/{method}", self.settings.token.expose());
        let response = self.http.send(Outgoing::json(&url, body.to_string(), limit)).await;
        read(response).map_err(|trouble| {
            let secrets = [self.settings.token.clone()];
            Trouble { reason: sdk::secret::hide(trouble.reason, &secrets), ..trouble }
        })
    }

    /// What comes next: one at a time, since one is sure to fit into what is read of an answer.
    async fn updates(&self, next: i64) -> Result<Vec<Update>, Trouble> {
        let wanted = ["callback_query"];
        let question =
            json!({ "offset": next, "limit": 1, "timeout": HELD_SECONDS, "allowed_updates": wanted });
        let found = self.ask("getUpdates", &question, PATIENCE).await?;
        serde_json::from_value(found).map_err(|error| Trouble { reason: error.to_string(), after: None })
    }

    /// Takes what was pressed, and tells who did what came of it; `false`: it has to come again.
    async fn hear(&self, ear: &dyn Ear, update: &Update) -> bool {
        let Ok(pressed) = Pressed::deserialize(&update.callback_query) else { return true };
        let words = match answer(&pressed) {
            None => "This button is not known here.".to_owned(),
            Some(answer) => match ear.hear(answer).await {
                Ok(words) => words,
                Err(error) => {
                    tracing::warn!(error, "what was pressed in Telegram waits");
                    return false;
                }
            },
        };
        let shown =
            json!({ "callback_query_id": pressed.id, "text": cut(&words, MAX_WORDS), "show_alert": true });
        if let Err(trouble) = self.ask("answerCallbackQuery", &shown, PATIENCE).await {
            // it is done, whether they are told or not
            tracing::info!(reason = trouble.reason, "who pressed a button could not be told what came of it");
        }
        true
    }
}

fn answer(pressed: &Pressed) -> Option<Answer> {
    let words = [(ACK, Verb::Acknowledge(None)), (RESOLVE, Verb::Resolve)];
    let (token, verb) =
        words.into_iter().find_map(|(word, verb)| Some((pressed.data.strip_prefix(word)?, verb)))?;
    let who = Who::Chat("telegram", pressed.from.id.to_string());
    Some(Answer { token: token.to_owned(), who, verb, note: String::new() })
}

fn read(response: Result<Response, HttpError>) -> Result<Value, Trouble> {
    let response = response.map_err(|error| Trouble { reason: error.to_string(), after: None })?;
    let reply: Reply = serde_json::from_slice(&response.body)
        .map_err(|_| Trouble { reason: format!("answered {} without JSON", response.status), after: None })?;
    if reply.ok {
        return Ok(reply.result);
    }
    let after = reply.parameters["retry_after"].as_u64().map(Duration::from_secs);
    let reason = format!("answered {}: {}", response.status, cut(&reply.description, MAX_WORDS));
    Err(Trouble { reason, after })
}
