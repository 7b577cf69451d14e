//! The settings that all destinations have that speak HTTP.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::headers::{self, Values};
use super::oauth2::{OAuth2, Tokens};
use super::proxy::Proxy;
use super::tls::Tls;
use super::transport::Transport;
use crate::secret::Secret;

/// How requests are made: credentials, headers, TLS, proxy. A field of every kind that speaks HTTP:
///
/// ```text
/// /// How requests are made.
/// #[serde(default)]
/// http: HttpSettings,
/// ```
///
/// Reading it checks it. Requests go out by `context.http.with(&settings.http).send(request)`.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Written")]
pub struct HttpSettings {
    written: Written,
    /// What every request carries, credentials included.
    headers: Vec<(String, String)>,
    /// What was made of credentials, so that no answer shows it.
    made: Vec<Secret>,
    /// How connections are made when it is not the usual way.
    transport: Option<Arc<Transport>>,
    oauth2: Option<Arc<Tokens>>,
}

/// As it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-section" = "http"))]
struct Written {
    /// The name for basic authentication. Counts as secret, so that it can be kept in a file like one.
    username: Option<Secret>,
    /// The password for basic authentication.
    password: Option<Secret>,
    /// The token for `Authorization: Bearer …`.
    token: Option<Secret>,
    /// The word before the token.
    token_type: String,
    /// Where tokens are had that do not last, in place of `token`.
    oauth2: Option<OAuth2>,
    /// Headers to send along: a text each, or a list of texts. Their values count as secret.
    headers: BTreeMap<String, Values>,
    /// How connections are encrypted.
    tls: Tls,
    /// Which proxy requests go through.
    proxy: Proxy,
    /// Whether redirects are followed: 307 and 308, which keep method and body, and only as long as no
    /// credentials would go to another host.
    follow_redirects: bool,
    /// Whether HTTP/2 may be spoken over TLS.
    http2: bool,
}

impl Default for Written {
    fn default() -> Self {
        Written {
            username: None,
            password: None,
            token: None,
            token_type: "Bearer".to_owned(),
            oauth2: None,
            headers: BTreeMap::new(),
            tls: Tls::default(),
            proxy: Proxy::default(),
            follow_redirects: true,
            http2: true,
        }
    }
}

/// Credentials that a kind takes beside its `http` table.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Name and password for basic authentication.
    pub username: Option<&'a Secret>,
    /// The password.
    pub password: Option<&'a Secret>,
    /// The token for `Authorization: Bearer …`.
    pub token: Option<&'a Secret>,
    /// Headers to send along.
    pub headers: &'a BTreeMap<String, Secret>,
}

impl TryFrom<Written> for HttpSettings {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let mut ready = HttpSettings::unchecked(written);
        for (name, values) in &ready.written.headers {
            headers::check(name, values)?;
            ready.headers.extend(values.iter().map(|value| (name.clone(), value.to_owned())));
        }
        if let Some((authorization, made)) = ready.written.authorization()? {
            ready.headers.push(("authorization".to_owned(), authorization));
            ready.made.extend(made);
        }
        Transport::check(ready.transport.as_ref())?;
        if let Some(oauth2) = &ready.written.oauth2 {
            let tokens = Tokens::new(oauth2.clone()).map_err(|reason| format!("oauth2.{reason}"))?;
            ready.oauth2 = Some(Arc::new(tokens));
        }
        Ok(ready)
    }
}

impl Written {
    /// The header `Authorization`, and what in it was made of secrets.
    fn authorization(&self) -> Result<Option<(String, Option<Secret>)>, String> {
        let own = self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        let basic = self.username.is_some() || self.password.is_some();
        let ways = [basic, self.token.is_some(), self.oauth2.is_some(), own];
        if ways.iter().filter(|way| **way).count() > 1 {
            let all = "`username`, `token`, `oauth2` and `headers.Authorization`";
            return Err(format!("token: only one of {all} can be given"));
        }
        if self.token.is_none() && self.token_type != "Bearer" {
            return Err("token_type: needs a `token`".to_owned());
        }
        if let Some(token) = &self.token {
            let header = format!("{} {}", self.token_type, token.expose());
            return match HeaderValue::from_str(&header) {
                Ok(_) => Ok(Some((header, None))),
                Err(_) => Err("token: cannot stand in a header".to_owned()),
            };
        }
        let word =
            |secret: &Option<Secret>| secret.as_ref().map(Secret::expose).unwrap_or_default().to_owned();
        Ok(basic.then(|| {
            let both = STANDARD.encode(format!("{}:{}", word(&self.username), word(&self.password)));
            (format!("Basic {both}"), Some(Secret::new(both)))
        }))
    }
}

impl HttpSettings {
    fn unchecked(written: Written) -> Self {
        let transport = Transport::unusual(&written.tls, &written.proxy, written.http2);
        HttpSettings { written, headers: Vec::new(), made: Vec::new(), transport, oauth2: None }
    }

    /// The same with credentials that are written beside it.
    ///
    /// # Errors
    /// When it has such credentials itself, or they cannot be sent.
    pub fn with_credentials(&self, beside: Credentials<'_>) -> Result<Cow<'_, Self>, String> {
        let nothing = beside.username.is_none() && beside.password.is_none() && beside.token.is_none();
        if nothing && beside.headers.is_empty() {
            return Ok(Cow::Borrowed(self));
        }
        let mut written = self.written.clone();
        for (own, beside, name) in [
            (&mut written.username, beside.username, "username"),
            (&mut written.password, beside.password, "password"),
            (&mut written.token, beside.token, "token"),
        ] {
            let Some(beside) = beside else { continue };
            if own.replace(beside.clone()).is_some() {
                return Err(format!("http.{name}: is given twice: here and beside `http`"));
            }
        }
        for (name, value) in beside.headers {
            if written.headers.insert(name.clone(), Values::from(value.clone())).is_some() {
                return Err(format!("http.headers.{name}: is given twice: here and beside `http`"));
            }
        }
        HttpSettings::try_from(written).map(Cow::Owned)
    }

    /// Whether requests carry credentials of their own, so that a kind must not add any.
    pub fn authorizes(&self) -> bool {
        self.oauth2.is_some()
            || self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
    }

    pub(super) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    pub(super) fn made(&self) -> &[Secret] {
        &self.made
    }

    pub(super) fn transport(&self) -> Option<&Arc<Transport>> {
        self.transport.as_ref()
    }

    pub(super) fn tokens(&self) -> Option<&Arc<Tokens>> {
        self.oauth2.as_ref()
    }

    pub(super) fn follow_redirects(&self) -> bool {
        self.written.follow_redirects
    }
}

impl JsonSchema for HttpSettings {
    fn schema_name() -> Cow<'static, str> {
        "HttpSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings::unchecked(Written::default())
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.written.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(fields: Value) -> Result<HttpSettings, String> {
        serde_json::from_value(fields).map_err(|error| error.to_string())
    }

    #[test]
    fn credentials_become_one_header() {
        let header = |fields| {
            let settings = read(fields).unwrap();
            assert!(settings.authorizes() && !format!("{settings:?}").contains("hush"));
            settings.headers[0].1.clone()
        };
        assert_eq!(header(json!({"username": "u", "password": "hush"})), "Basic dTpodXNo");
        assert_eq!(header(json!({"password": "hush"})), "Basic Omh1c2g=");
        assert_eq!(header(json!({"token": "hush"})), "Bearer hush");
        assert_eq!(header(json!({"token": "hush", "token_type": "Key"})), "Key hush");
        assert_eq!(header(json!({"headers": {"Authorization": "hush"}})), "hush");
        assert!(!read(json!({"headers": {"X-Team": ["a", "b"]}})).unwrap().authorizes());
    }

    #[test]
    fn what_cannot_go_together_is_refused() {
        let refusal = |fields| read(fields).unwrap_err();
        assert!(refusal(json!({"username": "u", "token": "t"})).starts_with("token: only one of"));
        assert!(refusal(json!({"headers": {"authorization": "x"}, "token": "t"})).contains("only one of"));
        assert_eq!(refusal(json!({"token_type": "Key"})), "token_type: needs a `token`");
        assert_eq!(refusal(json!({"token": "a\nb"})), "token: cannot stand in a header");
        assert_eq!(refusal(json!({"headers": {"a b": "c"}})), "headers.a b: is no name of a header");
        assert_eq!(refusal(json!({"headers": {"X": ["a", "b\nc"]}})), "headers.X: cannot stand in a header");
        assert!(
            refusal(json!({"headers": {"Content-Type": "x"}})).starts_with("headers.Content-Type: is what")
        );
        assert_eq!(refusal(json!({"tls": {"ca": "x"}})), "tls.ca: there is no certificate in it");
        assert_eq!(refusal(json!({"proxy": {"no_proxy": "x"}})), "proxy.no_proxy: needs `url`");
        assert!(refusal(json!({"tokn": "x"})).contains("tokn"));
    }

    #[test]
    fn credentials_beside_it_are_the_same() {
        let (name, word) = (Secret::new("u"), Secret::new("hush"));
        let headers = BTreeMap::from([("X-Team".to_owned(), Secret::new("db"))]);
        let beside =
            Credentials { username: Some(&name), password: Some(&word), token: None, headers: &headers };
        let plain = HttpSettings::default();
        let both = plain.with_credentials(beside).unwrap();
        assert_eq!(both.headers[1].1, "Basic dTpodXNo");
        let twice = read(json!({"username": "v"})).unwrap();
        assert!(twice.with_credentials(beside).unwrap_err().contains("given twice"));
    }
}
