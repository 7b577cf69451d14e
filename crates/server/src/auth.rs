//! Who asks, and what they may: API tokens, and the trust in whoever sits at this very machine.
//!
//! A token is `nb_` and 192 random bits. Only its SHA-256 is kept, and looked up by: there is nothing to
//! compare in constant time, and nothing to steal from the database. A good one is remembered for some
//! seconds, so that a busy sender does not cost a query a request.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use model::{Id, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::tokens::Token;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{Answer, Problem};
use crate::limits::{MAX_TOKENS_REMEMBERED, TOKEN_BYTES, TOKEN_MEMORY};

/// What every token begins with, so that people and scanners know one when they see one.
pub const PREFIX: &str = "nb_";

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To see everything but tokens.
    Read,
    /// To send events, alerts and pings.
    Ingest,
    /// To act on incidents, silences and deliveries, and to see what `read` sees.
    Respond,
    /// Everything.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Ingest, Scope::Respond, Scope::Admin];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Ingest => "ingest",
            Scope::Respond => "respond",
            Scope::Admin => "admin",
        }
    }

    /// The scope of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// Whether whoever has this may do what needs the other.
    pub fn covers(self, needed: Scope) -> bool {
        self == needed || self == Scope::Admin || (self == Scope::Respond && needed == Scope::Read)
    }
}

/// Where a request comes from, as the accepting socket saw it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name; empty for somebody at this very machine.
    pub name: String,
    /// The token; none for somebody at this very machine.
    pub token: Option<Id>,
    /// What they may.
    pub scopes: Vec<Scope>,
}

impl Caller {
    /// Somebody at this very machine.
    pub fn local() -> Self {
        Caller { name: String::new(), token: None, scopes: vec![Scope::Admin] }
    }

    /// Whether they may do what needs this.
    pub fn may(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }

    /// How the ledger names them: what they call themselves, and the token they came with.
    pub fn signed(&self, by: &str) -> String {
        match (by.trim(), self.name.as_str()) {
            ("", "") => "somebody at this machine".to_owned(),
            ("", name) => name.to_owned(),
            (by, name) if name.is_empty() || by == name => by.to_owned(),
            (by, name) => format!("{by} (with token {name})"),
        }
    }
}

/// Tokens that were good a moment ago.
#[derive(Debug, Default)]
pub struct Auth(Mutex<HashMap<[u8; 32], (Arc<Caller>, Time)>>);

impl Auth {
    fn remembered(&self, hash: &[u8; 32], now: Time) -> Option<Arc<Caller>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(hash)
            .filter(|(_, until)| *until > now && *until <= now + TOKEN_MEMORY)
            .map(|(it, _)| it.clone())
    }

    fn remember(&self, hash: [u8; 32], caller: Arc<Caller>, until: Time) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_TOKENS_REMEMBERED {
            known.clear();
        }
        known.insert(hash, (caller, until));
    }

    /// Forgets everything: when a token is revoked.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Makes a token: its row, the secret that is shown once, and the hash to keep.
pub fn mint(
    id: Id,
    name: &str,
    scopes: &[Scope],
    now: Time,
    expires_at: Option<Time>,
) -> (Token, String, String) {
    let random: [u8; TOKEN_BYTES] = rand::random();
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let scopes = scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ");
    let token = Token { id, name: name.to_owned(), scopes, created_at: now, expires_at, revoked_at: None };
    let hash = hex(&hash(&secret));
    (token, secret, hash)
}

/// The hash of a text as 64 hexadecimal digits.
pub(crate) fn hash_hex(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds out who asks.
///
/// # Errors
/// 401 when nobody that we know does; 403 for another web site's page; 503 when the database is gone.
pub async fn who(app: &App, headers: &HeaderMap, method: &Method, peer: Option<Peer>) -> Answer<Arc<Caller>> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return anonymous(app, headers, peer).map(Arc::new);
    };
    let authorization = authorization.to_str().unwrap_or_default();
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let secret = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => rest.trim().to_owned(),
        "basic" => {
            // a browser adds what it once was told, whichever page asks
            if method != Method::GET && method != Method::HEAD {
                refuse_foreign_pages(headers)?;
            }
            basic_password(rest.trim()).ok_or_else(|| {
                Problem::unauthorized("Authorization: Basic holds no user:password in base64")
            })?
        }
        other => {
            let text = format!(
                "Authorization has the scheme {other:?}: write Bearer and a token, or Basic with a token as password"
            );
            return Err(Problem::unauthorized(text));
        }
    };
    by_token(app, &secret).await
}

async fn by_token(app: &App, secret: &str) -> Answer<Arc<Caller>> {
    let unknown = || Problem::unauthorized("this token is not known here, has ended or was revoked");
    if !secret.starts_with(PREFIX) || secret.len() > 200 {
        return Err(Problem::unauthorized(format!(
            "tokens of this server begin with {PREFIX}: this is none"
        )));
    }
    let (hash, now) = (hash(secret), app.now());
    if let Some(caller) = app.auth.remembered(&hash, now) {
        return Ok(caller);
    }
    let text = hex(&hash);
    let found = app.hub.store.read(move |tx| store::tokens::by_hash(tx, &text)).await?;
    let token = found.filter(|token| token.is_good(now)).ok_or_else(unknown)?;
    let scopes = token.scopes.split_whitespace().filter_map(Scope::from_name).collect();
    let caller = Arc::new(Caller { name: token.name, token: Some(token.id), scopes });
    let until = token.expires_at.unwrap_or(Time::MAX).min(now + TOKEN_MEMORY);
    app.auth.remember(hash, caller.clone(), until);
    Ok(caller)
}

fn basic_password(text: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(password.to_owned())
}

/// What a proxy adds: then the peer is not who asks.
const FORWARDED: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];

fn anonymous(app: &App, headers: &HeaderMap, peer: Option<Peer>) -> Answer<Caller> {
    let needed =
        "a token is needed: send the header Authorization: Bearer nb_…, or Basic with the token as password";
    if !app.options.allow_anonymous_loopback {
        return Err(Problem::unauthorized(needed));
    }
    let hint = "; without one, only requests from this very machine are answered";
    if !peer.is_some_and(|peer| peer.0.ip().to_canonical().is_loopback()) {
        return Err(Problem::unauthorized(format!("{needed}{hint}")));
    }
    if let Some(name) = FORWARDED.iter().find(|name| headers.contains_key(**name)) {
        let why = format!("{needed}{hint}, and this one was forwarded by a proxy (it has the header {name})");
        return Err(Problem::unauthorized(why));
    }
    let host = host(headers);
    if !is_local_name(&app.hub.core.live().rules.external_url, host) {
        let why = format!(
            "{needed}{hint} under a name of its own, and {host:?} is none (set external_url to make it one)"
        );
        return Err(Problem::unauthorized(why));
    }
    refuse_foreign_pages(headers)?;
    Ok(Caller::local())
}

/// The name that the request was sent to, without the port; empty when it does not say.
fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    without_port(host)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Whether a page somewhere on the web cannot have had this name pointed at this machine (DNS rebinding):
/// an address, a name without a dot, or the one that we are known by.
fn is_local_name(external_url: &str, host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let known =
        external_url.split("://").nth(1).map(|rest| without_port(rest.split('/').next().unwrap_or_default()));
    bare.parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || host.ends_with(".localhost")
        || known.is_some_and(|known| !known.is_empty() && known.eq_ignore_ascii_case(host))
}

/// A browser says from which page a request comes. One of another site must not act for who sits here.
fn refuse_foreign_pages(headers: &HeaderMap) -> Answer<()> {
    let says = |name: &str, word: &str| headers.get(name).is_some_and(|value| value == word);
    if says("sec-fetch-site", "cross-site") && !says("sec-fetch-mode", "navigate") {
        return Err(Problem::forbidden(
            "a page of another site asks: such pages need a token (Authorization: Bearer)",
        ));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let from = origin.split("://").nth(1).unwrap_or(origin);
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !from.is_empty() && from.eq_ignore_ascii_case(host) {
        return Ok(());
    }
    Err(Problem::forbidden(format!(
        "a page of {origin} asks: pages of other sites need a token (Authorization: Bearer)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_what_they_say() {
        assert!(Scope::Admin.covers(Scope::Ingest) && Scope::Respond.covers(Scope::Read));
        assert!(!Scope::Ingest.covers(Scope::Read) && !Scope::Read.covers(Scope::Respond));
        assert!(Scope::ALL.iter().all(|scope| Scope::from_name(scope.name()) == Some(*scope)));
    }

    #[test]
    fn a_token_has_more_bits_than_can_be_guessed_and_only_its_hash_is_kept() {
        let (token, secret, hash) = mint(Id(1), "ci", &[Scope::Read, Scope::Ingest], Time(5), None);
        assert!(TOKEN_BYTES * 8 >= 160 && secret.len() == 3 + 32 && secret.starts_with("nb_"));
        assert_eq!((token.scopes.as_str(), hash.len()), ("read ingest", 64));
        assert_eq!(hash, hash_hex(secret.as_bytes()));
        assert_ne!(secret, mint(Id(1), "ci", &[], Time(5), None).1);
    }

    #[test]
    fn names_that_anybody_could_point_here_are_not_ours() {
        for name in ["", "localhost", "127.0.0.1", "[::1]", "myhost", "bell.localhost", "bell.example.org"] {
            assert!(is_local_name("https://bell.example.org:8443/x", name), "{name}");
        }
        assert!(!is_local_name("https://bell.example.org", "evil.example.com"));
        assert!(!is_local_name("", "evil.example.com"));
        assert_eq!(without_port("[::1]:8440"), "[::1]");
        assert_eq!(without_port("bell:8440"), "bell");
    }

    #[test]
    fn the_ledger_says_who_and_how() {
        let bot = Caller { name: "bot".into(), token: Some(Id(1)), scopes: vec![] };
        assert_eq!((bot.signed(""), bot.signed("ann")), ("bot".into(), "ann (with token bot)".into()));
        assert_eq!(Caller::local().signed("ann"), "ann");
    }
}
