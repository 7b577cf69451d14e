//! The cookie that a session lives in.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::app::App;
use crate::limits::{OIDC_LOGIN_TIME, SESSION_LIFE};

/// What the cookie is called where browsers reach this server by `https`: such a name says that it was set over TLS,
/// by this very host, for all of it, and browsers keep others from setting it.
const SECURE: &str = "__Host-nightbell";
/// What it is called elsewhere.
const PLAIN: &str = "nightbell";

/// Whether browsers reach this server by `https`, as the configuration says.
fn is_secure(app: &App) -> bool {
    app.hub.core.live().rules.external_url.starts_with("https://")
}

/// The secret of a session, as a browser sends it. One that is there twice was not set by this server alone, and is
/// none.
pub fn session(app: &App, headers: &HeaderMap) -> Option<String> {
    one(headers, if is_secure(app) { SECURE } else { PLAIN })
}

/// The value of a cookie that is there once.
pub(crate) fn one(headers: &HeaderMap, wanted: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
    values.next().filter(|value| !value.is_empty() && values.next().is_none())
}

/// The header that gives a browser the secret of its session.
pub fn give(app: &App, secret: &str) -> HeaderValue {
    written(app, "", secret, SESSION_LIFE.as_secs())
}

/// The header that takes it back.
pub fn take_back(app: &App) -> HeaderValue {
    written(app, "", "", 0)
}

/// The state of a login by the provider of identities that this browser began.
pub fn state(app: &App, headers: &HeaderMap) -> Option<String> {
    one(headers, &format!("{}{STATE}", if is_secure(app) { SECURE } else { PLAIN }))
}

/// The header that gives a browser such a state.
pub fn give_state(app: &App, state: &str) -> HeaderValue {
    written(app, STATE, state, OIDC_LOGIN_TIME.as_secs())
}

/// The header that takes it back.
pub fn take_state_back(app: &App) -> HeaderValue {
    written(app, STATE, "", 0)
}

/// What the name of that cookie ends with.
const STATE: &str = "-login";

fn written(app: &App, suffix: &str, value: &str, seconds: u64) -> HeaderValue {
    let (name, secure) = if is_secure(app) { (SECURE, "; Secure") } else { (PLAIN, "") };
    let text = format!("{name}{suffix}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    // made of letters, digits and the above
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_counts_when_it_is_there_once() {
        let headers = |lines: &[&'static str]| {
            lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect::<HeaderMap>()
        };
        let found = |lines: &[&'static str]| one(&headers(lines), PLAIN);
        assert_eq!(found(&["a=1; nightbell=x; b=2"]).as_deref(), Some("x"));
        assert_eq!(found(&["a=1", "nightbell=x=y"]).as_deref(), Some("x=y"));
        assert_eq!(found(&["nightbell=x; nightbell=y"]), None);
        assert_eq!(found(&["nightbell=; a"]), None);
        assert_eq!(found(&["xnightbell=1; __Host-nightbell=2"]), None);
    }
}
