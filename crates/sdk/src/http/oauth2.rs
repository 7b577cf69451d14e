//! Tokens that do not last: OAuth 2's client credentials (RFC 6749, section 4.4).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::proxy::Proxy;
use super::tls::Tls;
use super::transport::Transport;
use super::{Http, HttpError, Outgoing, Response, parse_url};
use crate::secret::Secret;

/// How long before its end a token is no longer used: a request takes time, and clocks differ.
const SPARE: Duration = Duration::from_secs(10);
/// Characters of the other side's own words in an error.
const MAX_WORD_CHARS: usize = 60;

/// Where tokens are had, and in exchange for what.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// The client's name.
    client_id: String,
    /// The client's secret.
    client_secret: Option<Secret>,
    /// Where tokens are asked for.
    token_url: String,
    /// What the tokens shall be good for.
    #[serde(default)]
    scopes: Vec<String>,
    /// What the request for a token says besides. The values count as secret.
    #[serde(default)]
    endpoint_params: BTreeMap<String, Secret>,
    /// How connections to that URL are encrypted.
    #[serde(default)]
    tls: Tls,
    /// Which proxy requests to that URL go through.
    #[serde(default)]
    proxy: Proxy,
}

/// A source of tokens.
#[derive(Debug, PartialEq)]
pub(super) struct Tokens {
    settings: OAuth2,
    transport: Option<Arc<Transport>>,
}

/// What is remembered of a source of tokens.
#[derive(Default)]
pub(super) struct Kept {
    token: Option<Token>,
    /// Whether the client says who it is in the body: some take it there only.
    in_body: bool,
}

struct Token {
    /// The whole value of `Authorization`.
    header: Secret,
    until: Option<Instant>,
}

/// What is answered; `expires_in` is a text with some.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: serde_json::Value,
}

impl Tokens {
    pub(super) fn new(settings: OAuth2) -> Result<Self, String> {
        if settings.client_id.is_empty() {
            return Err("client_id: must be given".to_owned());
        }
        parse_url(&settings.token_url).map_err(|error| format!("token_url: {error}"))?;
        let transport = Transport::unusual(&settings.tls, &settings.proxy, true);
        Transport::check(transport.as_ref())?;
        Ok(Tokens { settings, transport })
    }

    /// The form that asks for a token.
    fn request(&self, in_body: bool) -> Outgoing<'_> {
        let OAuth2 { client_id, client_secret, scopes, endpoint_params, .. } = &self.settings;
        let secret = client_secret.as_ref().map(Secret::expose).unwrap_or_default();
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        form.extend_pairs(endpoint_params.iter().map(|(name, value)| (name, value.expose())));
        let mut headers = vec![
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        if in_body {
            form.append_pair("client_id", client_id);
            if !secret.is_empty() {
                form.append_pair("client_secret", secret);
            }
        } else {
            let word = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            let both = STANDARD.encode(format!("{}:{}", word(client_id), word(secret)));
            headers.push(("authorization", format!("Basic {both}")));
        }
        Outgoing {
            url: &self.settings.token_url,
            method: reqwest::Method::POST,
            headers,
            body: Bytes::from(form.finish()),
            // all of it is within the time of the message that it is for
            timeout: Duration::MAX,
        }
    }
}

impl Http {
    /// The value of `Authorization`: the one that is kept while it lasts, unless it is `refused` already.
    pub(super) async fn token(
        &self,
        tokens: &Arc<Tokens>,
        refused: Option<&Secret>,
    ) -> Result<Secret, HttpError> {
        let slot = self.kept_tokens(tokens);
        // whoever comes meanwhile waits for the same token
        let mut kept = slot.lock().await;
        let lasts = |token: &&Token| token.until.is_none_or(|until| Instant::now() < until);
        if let Some(token) = kept.token.as_ref().filter(lasts)
            && refused != Some(&token.header)
        {
            return Ok(token.header.clone());
        }
        kept.token = None;
        let mut response = self.ask(tokens, kept.in_body).await?;
        if matches!(response.status, 400..=403) {
            kept.in_body = !kept.in_body;
            response = self.ask(tokens, kept.in_body).await?;
        }
        let token = read_token(&response)?;
        let header = token.header.clone();
        kept.token = Some(token);
        Ok(header)
    }

    async fn ask(&self, tokens: &Tokens, in_body: bool) -> Result<Response, HttpError> {
        let response = self.follow(tokens.transport.as_ref(), &tokens.request(in_body), true).await?;
        Ok(super::head_of(response, super::BODY_TIMEOUT).await)
    }
}

fn read_token(response: &Response) -> Result<Token, HttpError> {
    if !(200..300).contains(&response.status) {
        let said = serde_json::from_slice::<serde_json::Value>(&response.body).ok();
        let word = said.as_ref().and_then(|said| said.get("error")?.as_str()).unwrap_or_default();
        let word: String = word.chars().take(MAX_WORD_CHARS).collect();
        let word = if word.is_empty() { word } else { format!(": {word}") };
        return Err(HttpError::NoToken(format!("the token URL answered {}{word}", response.status)));
    }
    let wrong = |_| HttpError::NoToken("what the token URL answered holds no token".to_owned());
    let answer: Answer = serde_json::from_slice(&response.body).map_err(wrong)?;
    let kind = match answer.token_type.to_lowercase().as_str() {
        "" | "bearer" => "Bearer",
        _ => answer.token_type.as_str(),
    };
    let header = format!("{kind} {}", answer.access_token);
    if answer.access_token.is_empty() || reqwest::header::HeaderValue::from_str(&header).is_err() {
        return Err(HttpError::NoToken("what the token URL answered holds no token".to_owned()));
    }
    let seconds = match &answer.expires_in {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_f64(),
    };
    let lasts = seconds.filter(|seconds| *seconds > 0.0).and_then(|it| Duration::try_from_secs_f64(it).ok());
    // one that lasts less than the spare time is good for this one request
    let until = lasts.and_then(|lasts| Instant::now().checked_add(lasts.saturating_sub(SPARE)));
    Ok(Token { header: Secret::new(header), until })
}
