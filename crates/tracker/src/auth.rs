//! Who sends: the public key of a project, in any of the places where SDKs of fifteen years have put it.
//!
//! - `X-Sentry-Auth: Sentry sentry_key=…, sentry_version=7, …`, and the same in `Authorization`;
//! - HTTP Basic with the key as the user's name;
//! - the query: `?sentry_key=…&sentry_version=7`;
//! - the `dsn` in the header of an envelope, which tunnels of browsers have and nothing else.
//!
//! The secret of old DSNs is read over. Nothing that a client sent as its credentials stands in an error: a
//! DSN is no secret, but neither is it for the logs of those who look on.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::refusal::Refusal;

/// Keys are shorter: 32 hexadecimal digits as a rule.
pub const MAX_KEY_LENGTH: usize = 128;
/// What is kept of a client's name.
const MAX_CLIENT_LENGTH: usize = 100;
/// Characters of a time.
const MAX_TIME_LENGTH: usize = 40;

/// Where credentials may stand in a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Places<'a> {
    /// The header `X-Sentry-Auth`.
    pub x_sentry_auth: Option<&'a str>,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// The query of the URL, without `?`.
    pub query: Option<&'a str>,
    /// The `dsn` in the header of the envelope.
    pub dsn: Option<&'a str>,
}

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// The public key, as sent. It may be anything of printable ASCII: look it up.
    pub key: String,
    /// The version of the protocol, 1 to 8 and no more than that is known; no SDK needs an answer to it.
    pub version: Option<String>,
    /// The client's name and version: `raven-python/6.10.0`, `sentry.python/2.75.0`.
    pub client: Option<String>,
    /// The project of the `dsn` in the envelope's header, to be compared with the one in the path.
    pub project: Option<String>,
    /// When it was sent by the client's clock, as sent: old clients say so here.
    pub timestamp: Option<String>,
}

/// Reads the credentials of a request. No key, or two different ones, is refused with 403.
pub fn credentials(places: &Places<'_>) -> Result<Credentials, Refusal> {
    let mut found = Found::default();
    for header in [places.x_sentry_auth, places.authorization].into_iter().flatten() {
        found.header(header)?;
    }
    if let Some(query) = places.query {
        for (name, value) in pairs_of_query(query) {
            found.take(&name, &value)?;
        }
    }
    if let Some(dsn) = places.dsn {
        found.dsn(dsn)?;
    }
    let Found { key: Some(key), version, client, project, timestamp } = found else {
        return Err(Refusal::forbidden(
            "no sentry_key: it belongs into the header X-Sentry-Auth or the query",
        ));
    };
    Ok(Credentials { key, version, client, project, timestamp })
}

#[derive(Default)]
struct Found {
    key: Option<String>,
    version: Option<String>,
    client: Option<String>,
    project: Option<String>,
    timestamp: Option<String>,
}

impl Found {
    fn header(&mut self, header: &str) -> Result<(), Refusal> {
        let header = header.trim();
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            let plain = STANDARD.decode(rest.trim()).ok().and_then(|plain| String::from_utf8(plain).ok());
            let Some(plain) = plain else { return Ok(()) };
            let user = plain.split(':').next().unwrap_or_default();
            return self.take("sentry_key", user);
        }
        // of a token of ours, or of a proxy's, nothing is to be read here
        let pairs = if scheme.eq_ignore_ascii_case("sentry") { rest } else { header };
        for pair in pairs.split([',', ' ']) {
            if let Some((name, value)) = pair.trim().split_once('=') {
                self.take(name.trim(), value.trim().trim_matches('"'))?;
            }
        }
        Ok(())
    }

    fn dsn(&mut self, dsn: &str) -> Result<(), Refusal> {
        let wrong =
            || Refusal::forbidden("the dsn in the envelope's header is none: scheme://key@host/project");
        let (_, rest) = dsn.split_once("://").ok_or_else(wrong)?;
        let (user, place) = rest.split_once('@').ok_or_else(wrong)?;
        let (_, project) = place.trim_end_matches('/').rsplit_once('/').ok_or_else(wrong)?;
        self.project = Some(clip(project, MAX_KEY_LENGTH));
        self.take("sentry_key", user.split(':').next().unwrap_or_default())
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        if value.is_empty() {
            return Ok(());
        }
        match name {
            "sentry_key" => {
                if value.len() > MAX_KEY_LENGTH || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(Refusal::forbidden("sentry_key is no key: it has 32 hexadecimal digits"));
                }
                if self.key.as_deref().is_some_and(|key| key != value) {
                    return Err(Refusal::forbidden("two different sentry_keys in one request"));
                }
                self.key = Some(value.to_owned());
            }
            "sentry_version" => self.version = Some(clip(value, 8)),
            "sentry_client" => self.client = Some(clip(value, MAX_CLIENT_LENGTH)),
            "sentry_timestamp" => self.timestamp = Some(clip(value, MAX_TIME_LENGTH)),
            _ => {}
        }
        Ok(())
    }
}

fn clip(text: &str, chars: usize) -> String {
    text.chars().filter(|char| !char.is_control()).take(chars).collect()
}

/// The pairs of a query or a form, decoded.
pub fn pairs_of_query(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.trim_start_matches('?').split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decoded(name), percent_decoded(value))
    })
}

/// `%20` and `+` as they are meant. What is no escape stays as it is.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a8d3f1c09be24e5f8d7c6b5a49382716";

    fn header(text: &str) -> Result<Credentials, Refusal> {
        credentials(&Places { x_sentry_auth: Some(text), ..Places::default() })
    }

    #[test]
    fn every_client_is_understood() {
        let raven = format!(
            "Sentry sentry_timestamp=1700.2, sentry_client=raven-python/6.10.0, sentry_version=6, \
             sentry_key={KEY}, sentry_secret=1234"
        );
        let read = header(&raven).expect("raven has a key");
        assert_eq!(read.key, KEY);
        assert_eq!(read.client.as_deref(), Some("raven-python/6.10.0"));
        assert_eq!(read.version.as_deref(), Some("6"));
        assert_eq!(read.timestamp.as_deref(), Some("1700.2"));

        for other in [
            format!("Sentry sentry_key={KEY},sentry_version=7"),
            format!("sentry_key=\"{KEY}\" sentry_version=7"),
            format!("SENTRY   sentry_key = {KEY}").replace(" = ", "="),
            format!("Sentry future=1, sentry_key={KEY}"),
        ] {
            assert_eq!(header(&other).expect(&other).key, KEY, "{other}");
        }
    }

    #[test]
    fn a_key_may_stand_elsewhere() {
        let query =
            format!("sentry_version=7&sentry_key={KEY}&sentry_client=sentry.javascript.node%2F9.47.2");
        let node = credentials(&Places { query: Some(&query), ..Places::default() }).expect("in the query");
        assert_eq!((node.key.as_str(), node.client.as_deref()), (KEY, Some("sentry.javascript.node/9.47.2")));

        let basic = format!("Basic {}", STANDARD.encode(format!("{KEY}:secret")));
        let basic = Places { authorization: Some(&basic), ..Places::default() };
        assert_eq!(credentials(&basic).expect("as the user").key, KEY);

        let dsn = format!("https://{KEY}:secret@errors.example.org/prefix/42");
        let tunnel = credentials(&Places { dsn: Some(&dsn), ..Places::default() }).expect("in the dsn");
        assert_eq!((tunnel.key.as_str(), tunnel.project.as_deref()), (KEY, Some("42")));
    }

    #[test]
    fn two_keys_are_refused_and_none_is_too() {
        let (auth, query) = (format!("Sentry sentry_key={KEY}"), "sentry_key=0123".to_owned());
        let both = Places { x_sentry_auth: Some(&auth), query: Some(&query), ..Places::default() };
        assert_eq!(credentials(&both).expect_err("two").status(), 403);
        let same = format!("sentry_key={KEY}");
        let both = Places { x_sentry_auth: Some(&auth), query: Some(&same), ..Places::default() };
        assert_eq!(credentials(&both).expect("one").key, KEY);
        for none in ["", "Bearer abc", "Sentry", "Sentry sentry_key=", "Basic ???"] {
            let refusal = header(none).expect_err(none);
            assert_eq!(refusal.status(), 403);
        }
        let refusal = header("Sentry sentry_key=\u{1}ä").expect_err("no key");
        assert!(!refusal.detail.contains('ä'), "nothing of it is said again");
    }
}
