//! HTTP with a guard: the one way out.
//!
//! A URL in a receiver's settings is the word of whoever may write settings, and must not become a way to
//! talk to what only this machine can reach. So addresses are judged where a connection is made, after
//! names are resolved (a name may resolve differently a moment later), and again after every redirect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpStream;
use url::{Host, Url};

/// Redirects that are followed: 307 and 308, which keep method and body.
const MAX_REDIRECTS: usize = 3;
/// Headers that may follow a redirect to another host; every other may hold a secret.
const HARMLESS_HEADERS: [&str; 3] = ["content-type", "idempotency-key", "x-nightbell-signature"];
/// Bytes that are read of an answer.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long is waited for the body once the status is known: a body that does not come must not turn a
/// message that was taken into one that is sent again.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Which addresses may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Loopback, private, link-local and other special addresses, too.
    pub allow_private: bool,
    /// Networks that are allowed besides the public ones.
    pub allow: Vec<Network>,
}

/// A network such as `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    bits: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text:?} is not a network like 10.1.0.0/16 or an address");
        let (base, bits) = text.split_once('/').map_or((text, None), |(base, bits)| (base, Some(bits)));
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| bad())?;
        if bits > most { Err(bad()) } else { Ok(Network { base, bits }) }
    }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u8| {
            let shift = u32::from(width - self.bits);
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.base, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

impl Guard {
    /// Whether this address may be asked.
    pub fn allows(&self, address: IpAddr) -> bool {
        // an IPv4 address in IPv6 clothes is judged as what it is
        let address = address.to_canonical();
        self.allow_private || self.allow.iter().any(|network| network.contains(address)) || is_public(address)
    }

    /// Those of the addresses that may be asked.
    fn pick(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        addresses.iter().copied().filter(|address| self.allows(address.ip())).collect()
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// After IANA's special-purpose registry for IPv4.
fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

/// After IANA's special-purpose registry for IPv6. Addresses that carry an IPv4 address inside (6to4,
/// NAT64, Teredo) are refused as a whole: what they reach is not for us to work out.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    !(v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || (a == 0x64 && b == 0xff9b)
        || a == 0x100
        || (a == 0x2001 && b < 0x200)
        || (a == 0x2001 && b == 0xdb8)
        || a == 0x2002
        || a == 0x3fff
        || a == 0x5f00
        || (a & 0xffc0) == 0xfec0
        || a == 0)
}

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
    /// A POST of JSON.
    pub fn json(url: &'a str, body: impl Into<Bytes>, timeout: Duration) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Outgoing { url, method: reqwest::Method::POST, headers, body: body.into(), timeout }
    }
}

/// The guarded client. Cheap to clone; connections are shared.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    guard: Arc<Guard>,
}

impl Http {
    /// A client that asks only what `guard` allows.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where clients are made")]
    pub fn new(guard: Guard) -> Result<Self, HttpError> {
        let guard = Arc::new(guard);
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(GuardedNames(guard.clone())))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .user_agent(concat!("Nightbell/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()
            .map_err(|error| HttpError::Broken(error.to_string()))?;
        Ok(Http { client, guard })
    }

    /// Sends a request and reads the head of the answer.
    ///
    /// # Errors
    /// When there is no answer; a status that means failure is an answer.
    pub async fn send(&self, request: Outgoing<'_>) -> Result<Response, HttpError> {
        let timeout = request.timeout;
        let answering = tokio::time::timeout(timeout, self.follow(&request));
        let response = answering.await.unwrap_or(Err(HttpError::Timeout(timeout)))?;
        let text = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers = response.headers().iter().filter_map(text).collect();
        let status = response.status().as_u16();
        let body = read_head(response, BODY_TIMEOUT.min(timeout)).await;
        Ok(Response { status, headers, body })
    }

    async fn follow(&self, request: &Outgoing<'_>) -> Result<reqwest::Response, HttpError> {
        let mut url = parse_url(request.url)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.exchange(&url, request).await?;
            let Some(next) = redirect_target(&url, &response) else { return Ok(response) };
            judge_redirect(&url, &next, request)?;
            url = next;
        }
        Err(HttpError::BadUrl { reason: format!("more than {MAX_REDIRECTS} redirects") })
    }

    async fn exchange(&self, url: &Url, request: &Outgoing<'_>) -> Result<reqwest::Response, HttpError> {
        // names go through the resolver below; addresses written out do not
        let literal = match url.host() {
            Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
            _ => None,
        };
        if let Some(address) = literal.filter(|address| !self.guard.allows(*address)) {
            return Err(HttpError::Forbidden {
                host: url.host_str().unwrap_or_default().to_owned(),
                address,
            });
        }
        let mut builder = self.client.request(request.method.clone(), url.clone());
        for (name, value) in &request.headers {
            builder = builder.header(*name, value.as_str());
        }
        builder.body(request.body.clone()).send().await.map_err(broken)
    }

    /// The addresses of a host that may be asked, for channels that speak something else than HTTP.
    ///
    /// # Errors
    /// When the host is not known, or only at addresses that may not be asked.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, HttpError> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let found = tokio::net::lookup_host((bare, port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| HttpError::Broken(error.to_string()))?.collect();
        match (self.guard.pick(&found), found.first()) {
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
        connected.map_err(|error| HttpError::Broken(error.to_string()))
    }
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

fn redirect_target(url: &Url, response: &reqwest::Response) -> Option<Url> {
    if !matches!(response.status().as_u16(), 307 | 308) {
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

#[derive(Debug, thiserror::Error)]
#[error("{host} is at {address}, which may not be asked")]
struct ForbiddenName {
    host: String,
    address: IpAddr,
}

/// Resolves names by the system's resolver and lets only allowed addresses through.
struct GuardedNames(Arc<Guard>);

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed = guard.pick(&found);
            match (allowed.is_empty(), found.first()) {
                (true, Some(first)) => Err(ForbiddenName { host, address: first.ip() }.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(guard: &Guard, address: &str) -> bool {
        guard.allows(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_may_be_asked() {
        let guard = Guard::default();
        for address in ["8.8.8.8", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(allows(&guard, address), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "ff02::1",
            "::7f00:1",
        ] {
            assert!(!allows(&guard, address), "{address}");
        }
    }

    #[test]
    fn a_network_can_be_allowed() {
        let guard = Guard { allow_private: false, allow: vec!["10.1.0.0/16".parse().unwrap()] };
        assert!(allows(&guard, "10.1.2.3"));
        assert!(allows(&guard, "::ffff:10.1.2.3"));
        assert!(!allows(&guard, "10.2.0.1"));
        assert!("10.0.0.0/33".parse::<Network>().is_err());
    }

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
