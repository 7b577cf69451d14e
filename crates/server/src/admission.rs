//! Letting requests in: by a token, or because they come from this very machine.
//!
//! That a request does can be seen only by a loopback address: one that comes from an address of this machine may
//! have been handed on by what forwards ports into a container, as podman without root does for everybody.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Time;

use crate::app::App;
use crate::auth::{Caller, PREFIX, Peer, Scope, hash, hex};
use crate::error::{Answer, Problem};
use crate::limits::TOKEN_MEMORY;

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
    let hint = "; without one, only requests from this very machine to localhost are answered";
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
            "{needed}{hint} under a name of its own, and {host:?} is none (external_url makes it one)"
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
    fn names_that_anybody_could_point_here_are_not_ours() {
        for name in ["", "localhost", "127.0.0.1", "[::1]", "myhost", "bell.localhost", "bell.example.org"] {
            assert!(is_local_name("https://bell.example.org:8443/x", name), "{name}");
        }
        assert!(!is_local_name("https://bell.example.org", "evil.example.com"));
        assert!(!is_local_name("", "evil.example.com"));
        assert_eq!(without_port("[::1]:8440"), "[::1]");
        assert_eq!(without_port("bell:8440"), "bell");
    }
}
