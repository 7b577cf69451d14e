//! What talking JSON to a service has in common: posting under the idempotency key, and reading the
//! service's own words out of its answer.

use std::fmt;
use std::time::Duration;

use model::Time;
use model::delivery::{Fault, Outcome};
use sdk::http::{HttpError, HttpSettings, Outgoing, Response};
use sdk::{Answer, Context, Message};
use serde::Serialize;
use serde_json::Value;

use crate::template::cut;

/// Characters of a service's own words that become part of a reason or receipt.
const MAX_WORD_CHARS: usize = 200;

/// Where a service's answers say what matters, as JSON pointers such as `/error/message`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    /// What is wrong: the first of these that there is.
    pub reasons: &'static [&'static str],
    /// What was made of the message, usually its id.
    pub receipt: &'static str,
}

impl Dialect {
    /// What an exchange means, in HTTP's terms, and with the service's own words.
    pub fn answer(&self, result: Result<Response, HttpError>, now: Time) -> Answer {
        let body = result.as_ref().map(|response| response.body.clone()).unwrap_or_default();
        let mut answer = Answer::from_http(result, now);
        let Ok(body) = serde_json::from_slice::<Value>(&body) else { return answer };
        match &mut answer.outcome {
            Outcome::Delivered { receipt } => {
                *receipt = word(&body, self.receipt).unwrap_or_default();
            }
            Outcome::Rejected { reason } | Outcome::Retry { reason, .. } => {
                if let Some(said) = self.reason(&body) {
                    *reason = format!("{reason}: {said}");
                }
            }
            Outcome::Accepted { .. } => {}
        }
        answer
    }

    /// What is wrong, as the service says it.
    pub fn reason(&self, body: &Value) -> Option<String> {
        self.reasons.iter().find_map(|pointer| word(body, pointer))
    }
}

/// A text, a number, or all texts of a list or a table.
fn word(body: &Value, pointer: &str) -> Option<String> {
    if pointer.is_empty() {
        return None;
    }
    let text = match body.pointer(pointer)? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let said = fields.iter().filter_map(|(name, value)| Some(format!("{name}: {}", value.as_str()?)));
            said.collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) => String::new(),
    };
    let text = cut(text.trim(), MAX_WORD_CHARS);
    (!text.is_empty()).then_some(text)
}

/// How long a service asks to be left alone, in seconds somewhere in its answer's JSON.
pub fn wait_of(result: &Result<Response, HttpError>, pointer: &str) -> Option<Duration> {
    let body: Value = serde_json::from_slice(&result.as_ref().ok()?.body).ok()?;
    Duration::try_from_secs_f64(body.pointer(pointer)?.as_f64()?).ok()
}

/// The same answer, with the wait that the service asked for in its own way.
pub fn waiting(mut answer: Answer, wait: Option<Duration>) -> Answer {
    if let (Outcome::Retry { after, fault: Fault::Pace, .. }, Some(wait)) = (&mut answer.outcome, wait) {
        *after = Some(wait);
    }
    answer
}

/// Something that is fetched and good for a while, such as a token. It is no setting, so it is never shown.
pub struct Cache<T>(tokio::sync::Mutex<Fetched<T>>);

/// What was fetched last, if anything.
pub struct Fetched<T>(Option<(T, Time)>);

impl<T> Cache<T> {
    /// Waits for who else fetches it at the moment.
    pub async fn lock(&self) -> tokio::sync::MutexGuard<'_, Fetched<T>> {
        self.0.lock().await
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache(tokio::sync::Mutex::new(Fetched(None)))
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl<T> Fetched<T> {
    /// It, while it is good.
    pub fn good_at(&self, now: Time) -> Option<&T> {
        self.0.as_ref().filter(|(_, end)| *end > now).map(|(it, _)| it)
    }

    /// Keeps it until its end.
    pub fn keep(&mut self, it: T, end: Time) {
        self.0 = Some((it, end));
    }

    /// It was refused before its end.
    pub fn forget(&mut self) {
        self.0 = None;
    }
}

/// A short name of a group of alerts that stays the same: the SHA-256 of its key in hexadecimal digits, as
/// Alertmanager names groups to services that tell incidents apart by such a name.
pub fn group_hash(message: &Message) -> String {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(message.notification.group_key.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request with JSON that carries the message's idempotency key.
pub fn request<'a>(
    context: &Context,
    message: &Message,
    url: &'a str,
    body: &impl Serialize,
) -> Result<Outgoing<'a>, String> {
    let body = serde_json::to_vec(body).map_err(|error| format!("the message is no JSON: {error}"))?;
    let mut request = Outgoing::json(url, body, context.timeout);
    request.headers.push(("idempotency-key", message.idempotency_key.clone()));
    Ok(request)
}

/// Where to post, and how.
pub struct Place<'a> {
    /// The address.
    pub url: &'a str,
    /// What the settings say of requests.
    pub http: &'a HttpSettings,
    /// What the kind adds to them.
    pub headers: Vec<(&'static str, String)>,
}

/// Posts what was made of a message.
pub async fn post(
    context: &Context,
    message: &Message,
    place: Place<'_>,
    body: impl Serialize,
    meaning: impl FnOnce(Result<Response, HttpError>) -> Answer,
) -> Answer {
    match request(context, message, place.url, &body) {
        Ok(mut request) => {
            request.headers.extend(place.headers);
            meaning(context.http.with(place.http).send(request).await)
        }
        Err(reason) => Answer::bare(Outcome::rejected(reason)),
    }
}

/// `Authorization: Bearer …`
pub fn bearer(token: &sdk::Secret) -> (&'static str, String) {
    ("authorization", format!("Bearer {}", token.expose()))
}

/// Whether a secret can stand in a header.
///
/// # Errors
/// When it cannot; in words that begin with the field.
pub fn check_token(field: &str, token: &sdk::Secret) -> Result<(), String> {
    let fits = !token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err(format!("{field}: cannot stand in a header")) }
}

/// Whether requests carry credentials once, if at all: a `token`, or what stands under `http`.
///
/// # Errors
/// When they do not; in words that begin with the field.
pub fn check_credentials(token: Option<&sdk::Secret>, http: &HttpSettings) -> Result<(), String> {
    match token {
        Some(_) if http.authorizes() => {
            Err("http: carries credentials, which have no meaning beside `token`".to_owned())
        }
        Some(token) => check_token("token", token),
        None => Ok(()),
    }
}

/// The same where a service asks for credentials in any case.
///
/// # Errors
/// When they are given twice or not at all; in words that begin with the field.
pub fn need_credentials(token: Option<&sdk::Secret>, http: &HttpSettings) -> Result<(), String> {
    match token.is_none() && !http.authorizes() {
        true => Err("token: is needed, or credentials under `http`".to_owned()),
        false => check_credentials(token, http),
    }
}

/// Whether a text is the URL of something on HTTP.
///
/// # Errors
/// When it is not; in words that begin with the field.
pub fn check_url(field: &str, url: &str) -> Result<(), String> {
    sdk::http::parse_url(url).map(drop).map_err(|error| format!("{field}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_service_s_own_words_are_found() {
        let dialect = Dialect { reasons: &["/error/message", "/errors"], receipt: "/id" };
        let said = |status, body: &'static str| {
            let response =
                Response { status, headers: Vec::new(), body: Bytes::from_static(body.as_bytes()) };
            dialect.answer(Ok(response), Time::default()).outcome
        };
        assert_eq!(said(200, r#"{"id": 7}"#), Outcome::Delivered { receipt: "7".to_owned() });
        assert_eq!(said(200, "ok"), Outcome::delivered());
        assert_eq!(said(400, r#"{"error":{"message":" No "}}"#), Outcome::rejected("answered 400: No"));
        assert_eq!(said(400, r#"{"errors":{"a":"b","c":1}}"#), Outcome::rejected("answered 400: a: b"));
        assert_eq!(said(404, r#"{"error":5}"#), Outcome::rejected("answered 404"));
        assert!(matches!(said(500, r#"{"errors":["x","y"]}"#),
            Outcome::Retry { reason, fault: Fault::Destination, .. } if reason == "answered 500: x, y"));
    }
}
