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

use crate::accounts::{is_good, note_seen};
use crate::app::App;
use crate::auth::{Caller, PREFIX, Peer, Remembered, hash, hash_hex, hex};
use crate::cookies;
use crate::error::{Answer, Problem};
use crate::limits::TOKEN_MEMORY;
use crate::signed::FORWARDED;

/// Finds out who asks.
///
/// # Errors
/// 401 when nobody that we know does; 403 for another web site's page; 503 when the database is gone.
pub async fn who(app: &App, headers: &HeaderMap, method: &Method, peer: Option<Peer>) -> Answer<Arc<Caller>> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return match cookies::session(app, headers) {
            Some(secret) => by_session(app, headers, method, &secret).await,
            None => anonymous(app, headers, peer).map(Arc::new),
        };
    };
    let authorization = authorization.to_str().unwrap_or_default();
    let (scheme, rest) = authorization.split_once(' ').unwrap_or((authorization, ""));
    let secret = match scheme.to_ascii_lowercase().as_str() {
        // Django REST framework's word for it, which Argus' clients send
        "bearer" | "token" => rest.trim().to_owned(),
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
    let (hash, now, generation) = (hash(secret), app.now(), app.auth.generation());
    if let Some(caller) = app.auth.remembered(&hash, app.hub.core.access(), now) {
        return Ok(caller);
    }
    let text = hex(&hash);
    let found = app.hub.store.read(move |tx| {
        let access = store::users::access(tx)?;
        let Some(token) = store::tokens::by_hash(tx, &text)? else { return Ok(None) };
        let user = token.user.map(|id| store::users::get(tx, id)).transpose()?.flatten();
        let teams = token.user.map(|id| store::teams::responding(tx, id)).transpose()?;
        Ok(Some((token, user, teams.unwrap_or_default(), access)))
    });
    let good = found.await?.filter(|(token, ..)| token.is_good(now));
    let (token, user, teams, access) = good.ok_or_else(unknown)?;
    app.hub.core.see_access(access);
    if token.user.is_some() {
        let user = user.as_ref().filter(|user| user.is_enabled()).ok_or_else(unknown)?;
        note_seen(app, user, None, now).await;
    }
    let caller = Arc::new(Caller::with_token(&token, user.as_ref(), teams));
    let until = token.expires_at.unwrap_or(Time::MAX).min(now + TOKEN_MEMORY);
    app.auth.remember(hash, Remembered { caller: caller.clone(), until, access }, generation);
    Ok(caller)
}

/// Lets somebody in whose browser has the cookie of a session.
async fn by_session(app: &App, headers: &HeaderMap, method: &Method, secret: &str) -> Answer<Arc<Caller>> {
    if method != Method::GET && method != Method::HEAD {
        refuse_forged(app, headers, secret)?;
    }
    let (hash, now, generation) = (hash(secret), app.now(), app.auth.generation());
    if let Some(caller) = app.auth.remembered(&hash, app.hub.core.access(), now) {
        return Ok(caller);
    }
    let text = hex(&hash);
    let found = app.hub.store.read(move |tx| {
        let access = store::users::access(tx)?;
        let Some(session) = store::sessions::by_hash(tx, &text)? else { return Ok(None) };
        let teams = store::teams::responding(tx, session.user)?;
        Ok(store::users::get(tx, session.user)?.map(|user| (session, user, teams, access)))
    });
    let good = found.await?.filter(|(session, user, ..)| is_good(session, now) && user.is_enabled());
    let (session, user, teams, access) =
        good.ok_or_else(|| Problem::unauthorized("this session has ended: log in again"))?;
    note_seen(app, &user, Some(&session), now).await;
    let caller = Arc::new(Caller::with_session(&user, session.id, teams));
    app.hub.core.see_access(access);
    let until = session.expires_at.min(now + TOKEN_MEMORY);
    app.auth.remember(hash, Remembered { caller: caller.clone(), until, access }, generation);
    Ok(caller)
}

/// A browser adds the cookie of a session whichever page asks. What changes something must come from a page of ours:
/// the browser says so, or the page shows what only such a page can know.
///
/// # Errors
/// 403 when it does not.
pub fn refuse_forged(app: &App, headers: &HeaderMap, secret: &str) -> Answer<()> {
    refuse_foreign_forms(app, headers)?;
    let said = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    let shown = headers.get(CSRF_HEADER).is_some_and(|value| value == csrf(secret).as_str());
    if said || shown {
        return Ok(());
    }
    Err(Problem::forbidden(format!(
        "a session changes something from a page of this server only: send Origin, or {CSRF_HEADER} with what \
         GET /api/v1/session says, or use a token"
    )))
}

/// Refuses what a browser says comes from a page that is not ours.
///
/// # Errors
/// 403 when it does.
pub fn refuse_foreign_forms(app: &App, headers: &HeaderMap) -> Answer<()> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let foreign = |page: &str| {
        Problem::forbidden(format!("a page of {page} asks: a session is for pages of this server only"))
    };
    if let Some(origin) = text("origin") {
        let (scheme, from) = origin.split_once("://").unwrap_or(("", origin));
        let external = app.hub.core.live().rules.external_url.clone();
        let (known_scheme, rest) = external.split_once("://").unwrap_or_default();
        let known = rest.split('/').next().unwrap_or_default();
        let is_known = !known.is_empty() && from.eq_ignore_ascii_case(known) && scheme == known_scheme;
        let is_host = !from.is_empty() && from.eq_ignore_ascii_case(text("host").unwrap_or_default());
        if !is_known && !is_host {
            return Err(foreign(origin));
        }
    }
    match text("sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(other) => Err(foreign(&format!("another site ({other})"))),
    }
}

/// The header in which a page shows what only a page of ours can know.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// What such a page knows: it follows from the session's secret, and leads nowhere back.
pub fn csrf(secret: &str) -> String {
    hash_hex(format!("csrf {secret}").as_bytes())
}

fn basic_password(text: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(password.to_owned())
}

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
