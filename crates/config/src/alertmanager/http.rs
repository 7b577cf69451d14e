//! `http_config`: the part of Prometheus' HTTP client that webhooks commonly need
//! (`HTTPClientConfig` of prometheus/common).

use std::rc::Rc;

use super::reader::{Fields, Keys, Reader, in_file};
use crate::node::{Node, Value as Tree};
use crate::path::Path;
use crate::problem::Origin;
use crate::yaml::{Value, Yaml};

const KEYS: Keys = Keys {
    known: &[
        "basic_auth",
        "authorization",
        "bearer_token",
        "bearer_token_file",
        "follow_redirects",
        "enable_http2",
        "tls_config",
    ],
    refused: &[
        ("oauth2", "requests carry no OAuth 2 tokens"),
        ("proxy_url", "requests go out directly, without a proxy"),
        ("no_proxy", "requests go out directly, without a proxy"),
        ("proxy_from_environment", "requests go out directly, without a proxy"),
        ("proxy_connect_header", "requests go out directly, without a proxy"),
        ("http_headers", "requests carry no headers of one's own"),
    ],
};
const BASIC: Keys = Keys {
    known: &["username", "username_file", "password", "password_file"],
    refused: &[
        ("username_ref", "there is no secret manager"),
        ("password_ref", "there is no secret manager"),
    ],
};
const AUTHORIZATION: Keys = Keys {
    known: &["type", "credentials", "credentials_file"],
    refused: &[("credentials_ref", "there is no secret manager")],
};

/// What requests carry to show who sends them: at most one of these.
#[derive(Clone, Default)]
pub(super) struct Http {
    username: Option<Node>,
    password: Option<Node>,
    bearer_token: Option<Node>,
    /// A whole `Authorization` header, for other types than `Basic` and `Bearer`.
    header: Option<Node>,
}

impl Http {
    /// Puts it among the settings of a webhook.
    pub(super) fn put(&self, settings: &mut Node) {
        let fields = [
            ("username", &self.username),
            ("password", &self.password),
            ("bearer_token", &self.bearer_token),
        ];
        for (key, node) in fields {
            node.iter().for_each(|node| settings.set(key, node.clone()));
        }
        if let Some(header) = &self.header {
            let mut headers = Node::table(&header.origin);
            headers.set("Authorization", header.clone());
            settings.set("headers", headers);
        }
    }

    /// The token of `Authorization: Bearer`.
    pub(super) fn bearer_token(&self) -> Option<&Node> {
        self.bearer_token.as_ref()
    }

    /// Where it says that requests carry anything.
    pub(super) fn origin(&self) -> Option<&Origin> {
        let first =
            [&self.username, &self.password, &self.bearer_token, &self.header].into_iter().flatten().next();
        first.map(|node| &node.origin)
    }
}

impl Reader<'_> {
    /// What requests carry.
    pub(super) fn http_config(&mut self, yaml: &Yaml, path: &Path) -> Http {
        let mut http = Http::default();
        let Some(fields) = self.fields(yaml, path, &KEYS) else { return http };
        self.only_true(&fields, path, "follow_redirects");
        self.only_true(&fields, path, "enable_http2");
        self.no_tls_config(fields.get("tls_config"), &path.key("tls_config"));
        http.bearer_token = self.secret(&fields, path, ("bearer_token", "bearer_token_file"));
        let (basic, authorization) = (fields.get("basic_auth"), fields.get("authorization"));
        let message = match (basic, authorization, &http.bearer_token) {
            (_, Some(_), Some(_)) => "authorization is not compatible with bearer_token & bearer_token_file",
            (Some(_), None, Some(_)) => {
                "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"
            }
            (Some(_), Some(_), None) => {
                "at most one of basic_auth, oauth2 & authorization must be configured"
            }
            _ => "",
        };
        if !message.is_empty() {
            self.error(&yaml.origin, path, message);
        }
        if let Some(basic) = basic {
            self.basic_auth(basic, &path.key("basic_auth"), &mut http);
        }
        if let Some(authorization) = authorization {
            self.authorization(authorization, &path.key("authorization"), &mut http);
        }
        http
    }

    fn only_true(&mut self, fields: &Fields<'_>, path: &Path, key: &str) {
        let path = path.key(key);
        let value = fields.get(key).and_then(|yaml| self.bool(yaml, &path));
        if let Some(node) = value.filter(|node| matches!(node.value, Tree::Bool(false))) {
            self.error(&node.origin, &path, "not understood yet: this cannot be turned off");
        }
    }

    fn basic_auth(&mut self, yaml: &Yaml, path: &Path, http: &mut Http) {
        let Some(fields) = self.fields(yaml, path, &BASIC) else { return };
        self.only_empty(fields.get("username_file"), &path.key("username_file"), "write the name itself");
        http.username = self.filled(fields.get("username"), &path.key("username"));
        http.password = self.secret(&fields, path, ("password", "password_file"));
    }

    fn authorization(&mut self, yaml: &Yaml, path: &Path, http: &mut Http) {
        let Some(fields) = self.fields(yaml, path, &AUTHORIZATION) else { return };
        let credentials = self.secret(&fields, path, ("credentials", "credentials_file"));
        let kind = self.filled(fields.get("type"), &path.key("type"));
        let kind = kind.unwrap_or(Node::text(&yaml.origin, "Bearer"));
        let word = kind.as_text().unwrap_or_default().trim();
        match word.to_lowercase().as_str() {
            "basic" => {
                let message = "authorization type cannot be set to \"basic\", use \"basic_auth\" instead";
                self.error(&kind.origin, path, message);
            }
            "bearer" => http.bearer_token = credentials,
            _ => match credentials.as_ref().map(|node| (node, node.as_text())) {
                Some((node, Some(text))) => {
                    http.header = Some(Node::text(&node.origin, format!("{word} {text}")));
                }
                Some((node, None)) => {
                    let message = "not understood yet: credentials of this type cannot be in a file";
                    self.error(&node.origin, &path.key("credentials_file"), message);
                }
                None => http.header = Some(Node::text(&kind.origin, word)),
            },
        }
    }

    /// `tls_config` may only say what is so in any case.
    pub(super) fn no_tls_config(&mut self, yaml: Option<&Rc<Yaml>>, path: &Path) {
        let Some(yaml) = yaml else { return };
        let harmless = match &yaml.value {
            Value::Map(entries) => entries.iter().all(|(key, value)| {
                let off = matches!(&value.value, Value::Scalar { text, plain: true } if text == "false");
                value.is_null() || (key.text == "insecure_skip_verify" && off)
            }),
            _ => yaml.is_null(),
        };
        if !harmless {
            let message = "not understood yet: certificates are checked against the usual authorities";
            self.error(&yaml.origin, path, message);
        }
    }

    /// A URL that may be in a file, as a setting.
    pub(super) fn url(&mut self, fields: &Fields<'_>, path: &Path, keys: (&str, &str)) -> Option<Node> {
        let here = self.static_text(fields.get(keys.0), &path.key(keys.0));
        let file = self.filled(fields.get(keys.1), &path.key(keys.1));
        if let (Some(here), Some(_)) = (&here, &file) {
            let message = format!("at most one of {} & {} must be configured", keys.0, keys.1);
            self.error(&here.origin, path, message);
        }
        here.or_else(|| file.map(in_file))
    }
}
