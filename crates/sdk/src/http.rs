//! HTTP with a guard: the one way out.
//!
//! A URL in a receiver's settings is the word of whoever may write settings, and must not become a way to
//! talk to what only this machine can reach. So addresses are judged where a connection is made, after
//! names are resolved (a name may resolve differently a moment later), and again after every redirect. The
//! same holds for a proxy and for the URL that tokens are had from.
//!
//! [`HttpSettings`] is how a destination says how its requests are made; [`Http::with`] makes them so.

mod guard;
mod headers;
mod oauth2;
mod proxy;
mod settings;
mod stream;
mod tls;
mod transport;

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;
use url::{Host, Url};

pub use guard::{Guard, Network};
pub use settings::{Credentials, HttpSettings};
pub use stream::{Duplex, encrypted};
pub use tls::Tls;

use crate::recent::Recent;
use crate::secret::{Secret, hide};
use guard::{ForbiddenName, GuardedNames};
use oauth2::{Kept, Tokens};
use transport::Transport;

/// Redirects that are followed: 307 and 308, which keep method and body, and all of them for a GET.
const MAX_REDIRECTS: usize = 3;
/// Headers that may follow a redirect to another host; every other may hold a secret.
const HARMLESS_HEADERS: [&str; 6] = [
    "accept",
    "content-type",
    "idempotency-key",
    "if-modified-since",
    "if-none-match",
    "x-nightbell-signature",
];
/// Bytes that are read of an answer.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long is waited for the body once the status is known: a body that does not come must not turn a
/// message that was taken into one that is sent again.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not a URL of HTTP.
    #[error("{reason}")]
    BadUrl {
        /// In words, without the URL, which may hold a secret.
        reason: String,
    },
    /// The address may not be asked.
    #[error("{host} is at {address}, a private address; allow it under [outbound] if that is meant")]
    Forbidden {
        /// The host's name.
        host: String,
        /// Where it is.
        address: IpAddr,
    },
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// No connection, or it broke.
    #[error("{0}")]
    Broken(String),
    /// There is no token to send along.
    #[error("{0}")]
    NoToken(String),
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Header names in lower case, and values that are text.
    pub headers: Vec<(String, String)>,
    /// The body, as far as it was read.
    pub body: Bytes,
}

impl Response {
    /// A header's value, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The same with none of these in its body.
    fn hiding(mut self, secrets: &[Secret]) -> Self {
        if let Ok(text) = std::str::from_utf8(&self.body)
            && secrets.iter().any(|secret| text.contains(secret.expose()))
        {
            self.body = Bytes::from(hide(text.to_owned(), secrets));
        }
        self
    }
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// Where to. May hold secrets, so it never appears in errors.
    pub url: &'a str,
    /// `POST` unless said otherwise.
    pub method: reqwest::Method,
    /// Names and values.
    pub headers: Vec<(&'a str, String)>,
    /// The body.
    pub body: Bytes,
    /// How long all of it may take.
    pub timeout: Duration,
}

impl<'a> Outgoing<'a> {
    /// A GET.
    pub fn get(url: &'a str, timeout: Duration) -> Self {
        Outgoing { url, method: reqwest::Method::GET, headers: Vec::new(), body: Bytes::new(), timeout }
    }

    /// A POST of JSON.
    pub fn json(url: &'a str, body: impl Into<Bytes>, timeout: Duration) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Outgoing { url, method: reqwest::Method::POST, headers, body: body.into(), timeout }
    }
}

/// The guarded way out. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    guard: Arc<Guard>,
    /// For all who have no wishes.
    usual: reqwest::Client,
    /// For the others, by what they wish.
    clients: Recent<Arc<Transport>, reqwest::Client>,
    tokens: Recent<Arc<Tokens>, Arc<tokio::sync::Mutex<Kept>>>,
    /// What channels keep that speak something else, by their types.
    others: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

/// The way out for one destination.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    http: &'a Http,
    settings: &'a HttpSettings,
}

static USUAL: LazyLock<HttpSettings> = LazyLock::new(HttpSettings::default);

impl Sender<'_> {
    /// Sends a request and reads the head of the answer.
    ///
    /// # Errors
    /// When there is no answer; a status that means failure is an answer.
    pub async fn send(&self, mut request: Outgoing<'_>) -> Result<Response, HttpError> {
        let timeout = request.timeout;
        let own = self.settings.headers().iter().map(|(name, value)| (name.as_str(), value.clone()));
        let headers = std::mem::take(&mut request.headers).into_iter().chain(own).collect();
        let answering = tokio::time::timeout(timeout, self.answer(Outgoing { headers, ..request }));
        let (response, token) = answering.await.unwrap_or(Err(HttpError::Timeout(timeout)))?;
        let response = head_of(response, BODY_TIMEOUT.min(timeout)).await;
        // a server may repeat what it was sent
        let bare = token.iter().filter_map(|header| header.expose().split_once(' '));
        let made = self.settings.made().iter().cloned().chain(bare.map(|(_, token)| Secret::new(token)));
        Ok(response.hiding(&made.collect::<Vec<_>>()))
    }

    /// The answer, and the token that went with the request.
    async fn answer(&self, request: Outgoing<'_>) -> Result<(reqwest::Response, Option<Secret>), HttpError> {
        const UNAUTHORIZED: u16 = 401;
        let (transport, follow) = (self.settings.transport(), self.settings.follow_redirects());
        let Some(tokens) = self.settings.tokens() else {
            return Ok((self.http.follow(transport, &request, follow).await?, None));
        };
        let mut token = self.http.token(tokens, None).await?;
        let with = |token: &Secret| {
            let mut request = request.clone();
            request.headers.push(("authorization", token.expose().to_owned()));
            request
        };
        let mut response = self.http.follow(transport, &with(&token), follow).await?;
        if response.status().as_u16() == UNAUTHORIZED {
            // it may have been withdrawn before its time; a new one gets one try
            token = self.http.token(tokens, Some(&token)).await?;
            response = self.http.follow(transport, &with(&token), follow).await?;
        }
        Ok((response, Some(token)))
    }
}

impl Http {
    /// A client that asks only what `guard` allows.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn new(guard: Guard) -> Result<Self, HttpError> {
        let guard = Arc::new(guard);
        let usual = client(&guard, None)?;
        let (clients, tokens, others) = (Recent::default(), Recent::default(), Mutex::default());
        Ok(Http(Arc::new(Shared { guard, usual, clients, tokens, others })))
    }

    /// The way out for a destination with these settings.
    pub fn with<'a>(&'a self, settings: &'a HttpSettings) -> Sender<'a> {
        Sender { http: self, settings }
    }

    /// Sends a request the usual way and reads the head of the answer.
    ///
    /// # Errors
    /// When there is no answer; a status that means failure is an answer.
    pub async fn send(&self, request: Outgoing<'_>) -> Result<Response, HttpError> {
        self.with(&USUAL).send(request).await
    }

    /// Asks for something that is wanted whole, at most so many bytes of it.
    ///
    /// # Errors
    /// When there is no answer, or its body is longer or breaks off. A status that means failure is an answer, and of
    /// its body no more counts than there is.
    pub async fn fetch(&self, request: Outgoing<'_>, most: usize) -> Result<Response, HttpError> {
        let timeout = request.timeout;
        let fetching = async {
            let mut response = self.follow(None, &request, true).await?;
            if !response.status().is_success() {
                return Ok(head_of(response, BODY_TIMEOUT.min(timeout)).await);
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = response.chunk().await.map_err(broken)? {
                if body.len() + chunk.len() > most {
                    return Err(HttpError::Broken(format!("the answer has more than {most} bytes")));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Response {
                status: response.status().as_u16(),
                headers: headers_of(&response),
                body: body.freeze(),
            })
        };
        tokio::time::timeout(timeout, fetching).await.unwrap_or(Err(HttpError::Timeout(timeout)))
    }

    fn kept_tokens(&self, tokens: &Arc<Tokens>) -> Arc<tokio::sync::Mutex<Kept>> {
        let none = || Ok::<_, std::convert::Infallible>(Arc::default());
        match self.0.tokens.get_or(tokens, none) {
            Ok(kept) => kept,
            Err(never) => match never {},
        }
    }

    async fn follow(
        &self,
        transport: Option<&Arc<Transport>>,
        request: &Outgoing<'_>,
        follow: bool,
    ) -> Result<reqwest::Response, HttpError> {
        let client = match transport {
            None => self.0.usual.clone(),
            Some(wished) => self.0.clients.get_or(wished, || client(&self.0.guard, Some(wished)))?,
        };
        let mut url = parse_url(request.url)?;
        for _ in 0..=MAX_REDIRECTS {
            self.judge(&url, transport.is_some_and(|transport| transport.proxy.is_used())).await?;
            let response = exchange(&client, &url, request).await?;
            let next = redirect_target(&url, &response, &request.method).filter(|_| follow);
            let Some(next) = next else { return Ok(response) };
            judge_redirect(&url, &next, request)?;
            url = next;
        }
        Err(HttpError::BadUrl { reason: format!("more than {MAX_REDIRECTS} redirects") })
    }

    /// Names are judged when the client resolves them; addresses that are written out, and names that a
    /// proxy resolves, are judged here. A name that only the proxy knows is left to it.
    async fn judge(&self, url: &Url, proxied: bool) -> Result<(), HttpError> {
        let host = url.host_str().unwrap_or_default();
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            _ if proxied => {
                let port = url.port_or_known_default().unwrap_or_default();
                return match self.resolve(host, port).await {
                    Err(error @ HttpError::Forbidden { .. }) => Err(error),
                    _ => Ok(()),
                };
            }
            _ => return Ok(()),
        };
        match self.0.guard.allows(address) {
            true => Ok(()),
            false => Err(HttpError::Forbidden { host: host.to_owned(), address }),
        }
    }

    /// The addresses of a host that may be asked, for channels that speak something else than HTTP.
    ///
    /// # Errors
    /// When the host is not known, or only at addresses that may not be asked.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let found = tokio::net::lookup_host((bare, port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| HttpError::Broken(error.to_string()))?.collect();
        match (self.0.guard.pick(&found), found.first()) {
            (allowed, _) if !allowed.is_empty() => Ok(allowed),
            (_, Some(first)) => Err(HttpError::Forbidden { host: host.to_owned(), address: first.ip() }),
            (_, None) => Err(HttpError::Broken(format!("{host} has no address"))),
        }
    }

    /// A guarded connection over TCP.
    ///
    /// # Errors
    /// When there is none, or the address may not be asked.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, HttpError> {
        let addresses = self.resolve(host, port).await?;
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(addresses.as_slice()));
        let connected = connecting.await.map_err(|_| HttpError::Timeout(CONNECT_TIMEOUT))?;
        let stream = connected.map_err(|error| HttpError::Broken(error.to_string()))?;
        // else what ends a message waits until the other side has confirmed what came before, often 40 ms
        stream.set_nodelay(true).map_err(|error| HttpError::Broken(error.to_string()))?;
        Ok(stream)
    }
}

/// A client that connects as it is wished.
#[expect(clippy::disallowed_methods, reason = "this is the one place where clients are made")]
fn client(guard: &Arc<Guard>, wished: Option<&Arc<Transport>>) -> Result<reqwest::Client, HttpError> {
    let mut builder = reqwest::Client::builder()
        .dns_resolver(Arc::new(GuardedNames(guard.clone())))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(concat!("Nightbell/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(Transport { tls, proxy, http2 }) = wished.map(AsRef::as_ref) {
        let mut tls = tls.config().map_err(HttpError::Broken)?.as_ref().clone();
        tls.alpn_protocols = if *http2 { vec![b"h2".to_vec()] } else { Vec::new() };
        tls.alpn_protocols.push(b"http/1.1".to_vec());
        builder = builder.tls_backend_preconfigured(tls);
        builder = if *http2 { builder } else { builder.http1_only() };
        builder = proxy.proxies(guard)?.into_iter().fold(builder, reqwest::ClientBuilder::proxy);
    }
    builder.build().map_err(|error| HttpError::Broken(error.to_string()))
}

async fn exchange(
    client: &reqwest::Client,
    url: &Url,
    request: &Outgoing<'_>,
) -> Result<reqwest::Response, HttpError> {
    let mut builder = client.request(request.method.clone(), url.clone());
    for (name, value) in &request.headers {
        builder = builder.header(*name, value.as_str());
    }
    builder.body(request.body.clone()).send().await.map_err(broken)
}

async fn head_of(response: reqwest::Response, patience: Duration) -> Response {
    let (status, headers) = (response.status().as_u16(), headers_of(&response));
    Response { status, headers, body: read_head(response, patience).await }
}

fn headers_of(response: &reqwest::Response) -> Vec<(String, String)> {
    let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    response.headers().iter().filter_map(text).collect()
}

/// As much of a body as there is room and time for. The status says what became of the message, so a body
/// that breaks off is no error.
async fn read_head(mut response: reqwest::Response, patience: Duration) -> Bytes {
    let mut body = BytesMut::new();
    let reading = async {
        while body.len() < MAX_RESPONSE_BYTES {
            let Ok(Some(chunk)) = response.chunk().await else { break };
            let room = MAX_RESPONSE_BYTES - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        }
    };
    let _ = tokio::time::timeout(patience, reading).await;
    body.freeze()
}

fn redirect_target(url: &Url, response: &reqwest::Response, method: &reqwest::Method) -> Option<Url> {
    let keeps = match response.status().as_u16() {
        307 | 308 => true,
        301..=303 => *method == reqwest::Method::GET,
        _ => false,
    };
    if !keeps {
        return None;
    }
    let next = url.join(response.headers().get("location")?.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// Credentials stay with the host that they are for, and what went out encrypted stays so.
fn judge_redirect(from: &Url, to: &Url, request: &Outgoing<'_>) -> Result<(), HttpError> {
    let refuse = |reason: &str| Err(HttpError::BadUrl { reason: reason.to_owned() });
    if from.scheme() == "https" && to.scheme() != "https" {
        return refuse("it redirects from https to http");
    }
    let same_place = (to.host(), to.port_or_known_default()) == (from.host(), from.port_or_known_default());
    let harmless = |name: &str| HARMLESS_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
    if !same_place && !request.headers.iter().all(|(name, _)| harmless(name)) {
        return refuse("it redirects to another host, which must not get the credentials");
    }
    Ok(())
}

/// Whether a text is a URL that can be asked: for checks of settings.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn parse_url(text: &str) -> Result<Url, HttpError> {
    let url =
        Url::parse(text).map_err(|error| HttpError::BadUrl { reason: format!("not a URL: {error}") })?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        let reason = format!("the scheme is {:?}; http and https are known", url.scheme());
        return Err(HttpError::BadUrl { reason });
    }
    Ok(url)
}

/// reqwest's errors show the URL; the causes below them say what happened.
fn broken(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    loop {
        if let Some(forbidden) = cause.downcast_ref::<ForbiddenName>() {
            return HttpError::Forbidden { host: forbidden.host.clone(), address: forbidden.address };
        }
        match cause.source() {
            Some(deeper) => cause = deeper,
            None => return HttpError::Broken(cause.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_judged_when_connecting() {
        let http = Http::new(Guard::default()).unwrap();
        for url in ["http://127.0.0.1:1/x", "http://[::1]:1/", "http://localhost:1/", "http://0x7f.1:1/"] {
            let error = http.send(Outgoing::json(url, "{}", Duration::from_secs(5))).await.unwrap_err();
            assert!(matches!(error, HttpError::Forbidden { .. }), "{url}: {error}");
        }
        for host in ["127.0.0.1", "localhost", "[::1]", "::ffff:127.0.0.1"] {
            let error = http.connect(host, 25).await.unwrap_err();
            assert!(matches!(error, HttpError::Forbidden { .. }), "{host}: {error}");
        }
    }

    #[test]
    fn a_redirect_takes_no_credentials_elsewhere_and_stays_encrypted() {
        let judge = |from: &str, to: &str, header: &'static str| {
            let mut request = Outgoing::json(from, "{}", Duration::from_secs(1));
            request.headers.push((header, "x".to_owned()));
            judge_redirect(&parse_url(from).unwrap(), &parse_url(to).unwrap(), &request).is_ok()
        };
        assert!(judge("https://a.example/x", "https://a.example/y", "Authorization"));
        assert!(judge("https://a.example/x", "https://b.example/y", "Idempotency-Key"));
        assert!(judge("http://a.example/x", "https://a.example/y", "Idempotency-Key"));
        assert!(!judge("https://a.example/x", "https://b.example/y", "Authorization"));
        assert!(!judge("https://a.example/x", "https://a.example:444/y", "X-Api-Key"));
        assert!(!judge("https://a.example/x", "http://a.example/y", "Idempotency-Key"));
    }
}
