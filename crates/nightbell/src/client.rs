//! The small HTTP client of the commands: asks a running server, and says in one line what went wrong.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{Method, Response, StatusCode};
use sdk::Secret;
use serde_json::Value;
use url::{Host, Url};

/// How long a question may take altogether.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Characters of an answer that is not ours that an error repeats.
const MAX_REPEATED: usize = 200;

/// A server that did not do what it was asked to.
#[derive(Debug)]
pub struct Refused {
    /// Its answer's status.
    pub status: StatusCode,
    /// Why.
    pub said: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}: {}", self.status.as_u16(), self.said)
    }
}

impl std::error::Error for Refused {}

/// A running server.
pub struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Secret>,
}

impl Client {
    /// For the server at this address, with this token.
    pub fn new(server: &str, token: Option<Secret>) -> Result<Self> {
        let base = base(server)?;
        Ok(Client { http: http(&base)?, base, token })
    }

    /// Reads something. `path` begins with a slash.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        self.ask(Method::GET, path, query, None).await
    }

    /// Does something.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, &[], Some(body)).await
    }

    /// Changes something.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::PATCH, path, &[], Some(body)).await
    }

    /// Sets something.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::PUT, path, &[], Some(body)).await
    }

    /// Ends something.
    pub async fn delete(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        self.ask(Method::DELETE, path, query, None).await
    }

    /// Sends a file.
    pub async fn upload(&self, path: &str, content_type: &str, bytes: Vec<u8>) -> Result<Value> {
        let request = self.request(Method::PUT, path, &[]).header("content-type", content_type).body(bytes);
        let answer = request.send().await.map_err(|error| self.unreached(&error))?;
        self.understand(answer).await
    }

    /// Reads a text.
    pub async fn text(&self, path: &str) -> Result<String> {
        let answer = self.send(Method::GET, path, &[], None).await?;
        answer.error_for_status()?.text().await.map_err(|error| self.unreached(&error))
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Value> {
        let answer = self.send(method, path, query, body).await?;
        self.understand(answer).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Result<Response> {
        let mut request = self.request(method, path, query);
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.map_err(|error| self.unreached(&error))
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, String)]) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// Why there is no answer.
    fn unreached(&self, error: &reqwest::Error) -> anyhow::Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let what = if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() };
        let hint = "is it running? another address goes into --server or NIGHTBELL_SERVER";
        anyhow!("cannot reach the server at {}: {what}; {hint}", shown(&self.base))
    }

    async fn understand(&self, answer: Response) -> Result<Value> {
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| self.unreached(&error))?;
        if status.is_success() {
            if body.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&body).with_context(|| {
                format!("the answer of {} is not of a nightbell server", shown(&self.base))
            });
        }
        let problem: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let said = problem["detail"].as_str().or(problem["title"].as_str());
        let said = said.map_or_else(|| repeated(&body), str::to_owned);
        match status {
            StatusCode::UNAUTHORIZED => {
                let hint = "give a token with --token or NIGHTBELL_TOKEN; `nightbell token create` makes one";
                bail!("the server does not know you ({said}): {hint}")
            }
            StatusCode::FORBIDDEN => bail!("your token is not enough for this: {said}"),
            _ => Err(Refused { status, said }.into()),
        }
    }
}

/// The server's own words, as far as they help.
fn repeated(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.trim().replace(['\n', '\r'], " ");
    if line.is_empty() { "it gave no reason".to_owned() } else { line.chars().take(MAX_REPEATED).collect() }
}

fn base(server: &str) -> Result<Url> {
    let right = "write it like http://127.0.0.1:8440";
    // an address without a scheme is what people type
    let text = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let url =
        Url::parse(&text).map_err(|error| anyhow!("the server's address is not a URL ({error}): {right}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
        bail!("the server's address has a scheme other than http and https, or a `?` or `#`: {right}");
    }
    Ok(url)
}

/// An address without user and password.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!(
        "{}://{}{port}{}",
        url.scheme(),
        url.host_str().unwrap_or_default(),
        url.path().trim_end_matches('/')
    )
}

/// No proxy leads to this machine.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "it asks our own server, where the user says that it is")]
fn http(base: &Url) -> Result<reqwest::Client> {
    let mut client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        // a token goes to the server that it was given for and to no other
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("nightbell/", env!("CARGO_PKG_VERSION")));
    if is_this_machine(base) {
        client = client.no_proxy();
    }
    client.build().context("setting up HTTP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_type_them() {
        assert_eq!(base("127.0.0.1:8440").unwrap().as_str(), "http://127.0.0.1:8440/");
        assert_eq!(base("https://bell.example/night").unwrap().path(), "/night");
        assert!(base("ftp://x").is_err() && base("http://x?y").is_err() && base("").is_err());
    }

    #[test]
    fn passwords_in_addresses_are_not_shown() {
        let url = base("http://me:hush@bell.example:1/night/").unwrap();
        assert_eq!(shown(&url), "http://bell.example:1/night");
    }
}
