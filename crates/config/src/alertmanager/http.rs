//! `http_config`: Prometheus' HTTP client (`HTTPClientConfig` of prometheus/common) as the table `http` that
//! all our destinations have.

use std::rc::Rc;

use super::list;
use super::reader::{Fields, Keys, Reader, go_text, in_file};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::Yaml;

const NO_MANAGER: &str = "there is no secret manager";
const ONLY_SECRETS: &str = "tokens are asked for with a client's name and secret";

const KEYS: Keys = Keys {
    known: &[
        "basic_auth",
        "authorization",
        "oauth2",
        "bearer_token",
        "bearer_token_file",
        "follow_redirects",
        "enable_http2",
        "tls_config",
        "proxy_url",
        "no_proxy",
        "proxy_from_environment",
        "proxy_connect_header",
        "http_headers",
    ],
    refused: &[],
};
const BASIC: Keys = Keys {
    known: &["username", "username_file", "password", "password_file"],
    refused: &[("username_ref", NO_MANAGER), ("password_ref", NO_MANAGER)],
};
const AUTHORIZATION: Keys =
    Keys { known: &["type", "credentials", "credentials_file"], refused: &[("credentials_ref", NO_MANAGER)] };
const OAUTH2: Keys = Keys {
    known: &[
        "client_id",
        "client_secret",
        "client_secret_file",
        "token_url",
        "scopes",
        "endpoint_params",
        "tls_config",
        "grant_type",
        "proxy_url",
        "no_proxy",
        "proxy_from_environment",
        "proxy_connect_header",
    ],
    refused: &[
        ("client_secret_ref", NO_MANAGER),
        ("client_certificate_key_id", ONLY_SECRETS),
        ("client_certificate_key", ONLY_SECRETS),
        ("client_certificate_key_file", ONLY_SECRETS),
        ("client_certificate_key_ref", ONLY_SECRETS),
        ("signature_algorithm", ONLY_SECRETS),
        ("iss", ONLY_SECRETS),
        ("audience", ONLY_SECRETS),
        ("claims", ONLY_SECRETS),
    ],
};
const TLS: Keys = Keys {
    known: &[
        "ca",
        "ca_file",
        "cert",
        "cert_file",
        "key",
        "key_file",
        "server_name",
        "insecure_skip_verify",
        "min_version",
        "max_version",
    ],
    refused: &[("ca_ref", NO_MANAGER), ("cert_ref", NO_MANAGER), ("key_ref", NO_MANAGER)],
};
const HEADER: Keys = Keys { known: &["values", "secrets", "files"], refused: &[] };
/// Headers that Prometheus keeps for itself (`ReservedHeaders`), as far as anybody would set them.
const RESERVED: [&str; 13] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-amz-date",
];

/// What `http_config` says, as the table `http` of a destination.
#[derive(Clone, Default)]
pub(super) struct Http {
    table: Option<Node>,
    /// Where it says what `Authorization` is, but for basic authentication and OAuth 2.
    authorization: Option<Origin>,
}

impl Http {
    /// Puts it among the settings of a destination.
    pub(super) fn put(&self, settings: &mut Node) {
        let said = self.table.iter().filter(|table| table.entries().is_some_and(|all| !all.is_empty()));
        said.for_each(|table| settings.set("http", table.clone()));
    }

    /// Takes the token of `Authorization: Bearer` out.
    pub(super) fn take_bearer_token(&mut self) -> Option<Node> {
        let table = self.table.as_mut().filter(|table| table.get("token_type").is_none())?;
        self.authorization = None;
        table.take("token")
    }

    /// Where `authorization`, or what it was called before, is set.
    pub(super) fn authorization(&self) -> Option<&Origin> {
        self.authorization.as_ref()
    }
}

impl Reader<'_> {
    /// How requests are made.
    pub(super) fn http_config(&mut self, yaml: &Yaml, path: &Path) -> Http {
        let Some(fields) = self.fields(yaml, path, &KEYS) else { return Http::default() };
        let mut table = Node::table(&yaml.origin);
        let bearer = self.secret(&fields, path, ("bearer_token", "bearer_token_file"));
        let given = |key: &str| fields.get(key).is_some();
        let (basic, authorization, oauth2) = (given("basic_auth"), given("authorization"), given("oauth2"));
        let message = match (basic || oauth2, authorization, &bearer) {
            (_, true, Some(_)) => "authorization is not compatible with bearer_token & bearer_token_file",
            (true, false, Some(_)) => {
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"
            }
            (true, true, None) => "at most one of basic_auth, oauth2 & authorization must be configured",
            _ if basic && oauth2 => "at most one of basic_auth, oauth2 & authorization must be configured",
            _ => "",
        };
        if !message.is_empty() {
            self.error(&yaml.origin, path, message);
        }
        if let Some(basic) = fields.get("basic_auth") {
            self.basic_auth(basic, &path.key("basic_auth"), &mut table);
        }
        let mut origin = bearer.as_ref().map(|node| node.origin.clone());
        bearer.into_iter().for_each(|token| table.set("token", token));
        if let Some(yaml) = fields.get("http_headers") {
            self.http_headers(yaml, &path.key("http_headers"), &mut table);
        }
        if let Some(yaml) = fields.get("authorization") {
            origin = Some(yaml.origin.clone());
            self.authorization(yaml, &path.key("authorization"), &mut table);
        }
        if let Some(yaml) = fields.get("oauth2") {
            let oauth2 = self.oauth2(yaml, &path.key("oauth2"));
            oauth2.into_iter().for_each(|oauth2| table.set("oauth2", oauth2));
        }
        self.connection(&fields, path, &mut table);
        for (key, ours) in [("follow_redirects", "follow_redirects"), ("enable_http2", "http2")] {
            let value = fields.get(key).and_then(|yaml| self.bool(yaml, &path.key(key)));
            let off = value.filter(|node| matches!(node.value, Tree::Bool(false)));
            off.into_iter().for_each(|node| table.set(ours, node));
        }
        Http { table: Some(table), authorization: origin }
    }

    fn basic_auth(&mut self, yaml: &Yaml, path: &Path, table: &mut Node) {
        let Some(fields) = self.fields(yaml, path, &BASIC) else { return };
        for key in ["username", "password"] {
            let node = self.secret(&fields, path, (key, &format!("{key}_file")));
            node.into_iter().for_each(|node| table.set(key, node));
        }
    }

    fn authorization(&mut self, yaml: &Yaml, path: &Path, table: &mut Node) {
        let Some(fields) = self.fields(yaml, path, &AUTHORIZATION) else { return };
        let credentials = self.secret(&fields, path, ("credentials", "credentials_file"));
        let kind = self.filled(fields.get("type"), &path.key("type"));
        let kind = kind.unwrap_or(Node::text(&yaml.origin, "Bearer"));
        let word = kind.as_text().unwrap_or_default().trim();
        match (word.to_lowercase().as_str(), credentials) {
            ("basic", _) => {
                let message = "authorization type cannot be set to \"basic\", use \"basic_auth\" instead";
                self.error(&kind.origin, path, message);
            }
            // the type goes out alone
            (_, None) => {
                let mut headers = table.take("headers").unwrap_or(Node::table(&kind.origin));
                headers.set("Authorization", Node::text(&kind.origin, word));
                table.set("headers", headers);
            }
            (_, Some(token)) => {
                table.set("token", token);
                if word != "Bearer" {
                    table.set("token_type", Node::text(&kind.origin, word));
                }
            }
        }
    }

    fn oauth2(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let fields = self.fields(yaml, path, &OAUTH2)?;
        let mut table = Node::table(&yaml.origin);
        for key in ["client_id", "token_url"] {
            match self.filled(fields.get(key), &path.key(key)) {
                Some(node) => table.set(key, node),
                None => self.error(&yaml.origin, path, format!("oauth2 {key} must be configured")),
            }
        }
        let grant = self.filled(fields.get("grant_type"), &path.key("grant_type"));
        if let Some(other) = grant.filter(|node| node.as_text() != Some("client_credentials")) {
            let message = format!("not understood yet: {ONLY_SECRETS}");
            self.error(&other.origin, &path.key("grant_type"), message);
        }
        let secret = self.secret(&fields, path, ("client_secret", "client_secret_file"));
        secret.into_iter().for_each(|secret| table.set("client_secret", secret));
        if let Some(yaml) = fields.get("scopes") {
            let scopes = self.texts(yaml, &path.key("scopes"));
            table.set("scopes", list(&yaml.origin, scopes));
        }
        if let Some(yaml) = fields.get("endpoint_params") {
            let path = path.key("endpoint_params");
            let mut params = Node::table(&yaml.origin);
            for (key, value) in self.entries(yaml, &path) {
                let text = self.filled(Some(value), &path.key(&key.text));
                text.into_iter().for_each(|text| params.set(&key.text, text));
            }
            table.set("endpoint_params", params);
        }
        self.connection(&fields, path, &mut table);
        Some(table)
    }

    /// TLS and proxy, which stand beside the other keys.
    fn connection(&mut self, fields: &Fields<'_>, path: &Path, table: &mut Node) {
        let tls = fields.get("tls_config").and_then(|yaml| self.tls_config(yaml, &path.key("tls_config")));
        tls.into_iter().for_each(|tls| table.set("tls", tls));
        let proxy = self.proxy(fields, path);
        proxy.into_iter().for_each(|proxy| table.set("proxy", proxy));
    }

    /// How connections are encrypted; none when it says nothing.
    pub(super) fn tls_config(&mut self, yaml: &Yaml, path: &Path) -> Option<Node> {
        let fields = self.fields(yaml, path, &TLS)?;
        let mut table = Node::table(&yaml.origin);
        for key in ["ca", "cert", "key"] {
            let node = self.secret(&fields, path, (key, &format!("{key}_file")));
            node.into_iter().for_each(|node| table.set(key, node));
        }
        let message = match (table.get("cert"), table.get("key")) {
            (Some(_), None) => {
                "exactly one of key or key_file must be configured when a client certificate is configured"
            }
            (None, Some(_)) => {
                "exactly one of cert or cert_file must be configured when a client key is configured"
            }
            _ => "",
        };
        if !message.is_empty() {
            self.error(&yaml.origin, path, message);
        }
        for key in ["server_name", "min_version", "max_version"] {
            let node = self.filled(fields.get(key), &path.key(key));
            node.into_iter().for_each(|node| table.set(key, node));
        }
        let any = fields.get("insecure_skip_verify");
        let any = any.and_then(|yaml| self.bool(yaml, &path.key("insecure_skip_verify")));
        let any = any.filter(|node| matches!(node.value, Tree::Bool(true)));
        any.into_iter().for_each(|node| table.set("insecure_skip_verify", node));
        table.entries().is_some_and(|all| !all.is_empty()).then_some(table)
    }

    fn proxy(&mut self, fields: &Fields<'_>, path: &Path) -> Option<Node> {
        let mut table: Option<Node> = None;
        let mut put = |key: &str, node: Node| {
            table.get_or_insert_with(|| Node::table(&node.origin)).set(key, node);
        };
        let url = self.filled(fields.get("proxy_url"), &path.key("proxy_url"));
        let except = self.filled(fields.get("no_proxy"), &path.key("no_proxy"));
        let from = fields.get("proxy_from_environment");
        let from = from.and_then(|yaml| self.bool(yaml, &path.key("proxy_from_environment")));
        let from = from.filter(|node| matches!(node.value, Tree::Bool(true)));
        let headers = fields.get("proxy_connect_header");
        let message = match (&url, &from) {
            (None, None) if headers.is_some() => {
                "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured"
            }
            (Some(_), Some(_)) => "if proxy_from_environment is configured, proxy_url must not be configured",
            (_, Some(_)) if except.is_some() => {
                "if proxy_from_environment is configured, no_proxy must not be configured"
            }
            (None, _) if except.is_some() => "if no_proxy is configured, proxy_url must also be configured",
            _ => "",
        };
        if !message.is_empty() {
            let at = ["proxy_url", "no_proxy", "proxy_connect_header"].iter().find_map(|key| fields.get(key));
            at.into_iter().for_each(|yaml| self.error(&yaml.origin, path, message));
        }
        for (key, node) in [("url", url), ("no_proxy", except), ("from_environment", from)] {
            node.into_iter().for_each(|node| put(key, node));
        }
        if let Some(yaml) = headers {
            let path = path.key("proxy_connect_header");
            let mut headers = Node::table(&yaml.origin);
            for (name, values) in self.entries(yaml, &path) {
                let texts = self.texts(values, &path.key(&name.text));
                headers.set(&name.text, one_or_list(&values.origin, texts));
            }
            put("connect_headers", headers);
        }
        table
    }

    fn http_headers(&mut self, yaml: &Yaml, path: &Path, table: &mut Node) {
        let mut headers = Node::table(&yaml.origin);
        for (name, value) in self.entries(yaml, path) {
            let path = path.key(&name.text);
            if RESERVED.contains(&name.text.to_lowercase().as_str()) {
                self.error(&name.origin, &path, format!("setting header {:?} is not allowed", name.text));
                continue;
            }
            let values = self.header_values(value, &path);
            headers.set(&name.text, one_or_list(&value.origin, values));
        }
        table.set("headers", headers);
    }

    /// The values of a header, of which those in files are references.
    pub(super) fn header_values(&mut self, yaml: &Yaml, path: &Path) -> Vec<Node> {
        let mut values = Vec::new();
        let Some(fields) = self.fields(yaml, path, &HEADER) else { return values };
        for key in ["values", "secrets", "files"] {
            let Some(yaml) = fields.get(key) else { continue };
            let texts = self.texts(yaml, &path.key(key));
            let is_file = key == "files";
            values.extend(texts.into_iter().map(|text| if is_file { in_file(text) } else { text }));
        }
        values
    }

    /// A URL that may be in a file, as a setting.
    pub(super) fn url(&mut self, fields: &Fields<'_>, path: &Path, keys: (&str, &str)) -> Option<Node> {
        let here = self.static_text(fields.get(keys.0), &path.key(keys.0));
        self.here_or_in_file(here, fields, path, keys)
    }

    /// The same where the URL may be a template, as that of webhooks.
    pub(super) fn made_url(&mut self, fields: &Fields<'_>, path: &Path, keys: (&str, &str)) -> Option<Node> {
        let here = self.filled(fields.get(keys.0), &path.key(keys.0));
        // other braces than Go's stand for themselves
        let here = here.map(|node| match node.as_text() {
            Some(text) if text.contains("{{") => go_text(text, &node.origin),
            _ => node,
        });
        self.here_or_in_file(here, fields, path, keys)
    }

    fn here_or_in_file(
        &mut self,
        here: Option<Node>,
        fields: &Fields<'_>,
        path: &Path,
        keys: (&str, &str),
    ) -> Option<Node> {
        let file = self.filled(fields.get(keys.1), &path.key(keys.1));
        if let (Some(here), Some(_)) = (&here, &file) {
            let message = format!("at most one of {} & {} must be configured", keys.0, keys.1);
            self.error(&here.origin, path, message);
        }
        here.or_else(|| file.map(in_file))
    }

    /// What `http_config` of a receiver says; the global one where there is none.
    pub(super) fn http(&mut self, own: Option<&Rc<Yaml>>, path: &Path, global: &Http) -> Http {
        let own = own.map(|http| self.http_config(http, &path.key("http_config")));
        own.unwrap_or_else(|| global.clone())
    }
}

/// The values of a header: one stands alone.
fn one_or_list(origin: &Origin, mut values: Vec<Node>) -> Node {
    match values.len() {
        1 => values.remove(0),
        _ => list(origin, values),
    }
}
