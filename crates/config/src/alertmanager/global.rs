//! `global`: what receivers have when they say nothing themselves.

use std::rc::Rc;

use super::http::Http;
use super::reader::{Keys, Reader};
use super::servers::{Post, Smtp};
use crate::node::Node;
use crate::path::Path;
use crate::yaml::Yaml;

const KEYS: Keys = Keys {
    known: &[
        "resolve_timeout",
        "http_config",
        "smtp_from",
        "smtp_hello",
        "smtp_smarthost",
        "smtp_auth_username",
        "smtp_auth_password",
        "smtp_auth_password_file",
        "smtp_auth_secret",
        "smtp_auth_secret_file",
        "smtp_auth_identity",
        "smtp_require_tls",
        "smtp_tls_config",
        "smtp_force_implicit_tls",
        "slack_api_url",
        "slack_api_url_file",
        "slack_app_token",
        "slack_app_token_file",
        "slack_app_url",
        "pagerduty_url",
        "opsgenie_api_url",
        "opsgenie_api_key",
        "opsgenie_api_key_file",
        "wechat_api_url",
        "wechat_api_secret",
        "wechat_api_secret_file",
        "wechat_api_corp_id",
        "victorops_api_url",
        "victorops_api_key",
        "victorops_api_key_file",
        "telegram_api_url",
        "telegram_bot_token",
        "telegram_bot_token_file",
        "webex_api_url",
        "rocketchat_api_url",
        "rocketchat_token",
        "rocketchat_token_file",
        "rocketchat_token_id",
        "rocketchat_token_id_file",
        "mattermost_webhook_url",
        "mattermost_webhook_url_file",
        "jira_api_url",
    ],
    refused: &[],
};
/// What services need to know, by Alertmanager's keys.
const SERVICES: [&str; 9] = [
    "pagerduty_url",
    "opsgenie_api_url",
    "wechat_api_url",
    "wechat_api_corp_id",
    "victorops_api_url",
    "telegram_api_url",
    "webex_api_url",
    "rocketchat_api_url",
    "jira_api_url",
];
/// The same for what may also be in a file: then the key ends with `_file`.
const SERVICE_SECRETS: [&str; 7] = [
    "opsgenie_api_key",
    "wechat_api_secret",
    "victorops_api_key",
    "telegram_bot_token",
    "rocketchat_token",
    "rocketchat_token_id",
    "mattermost_webhook_url",
];

/// Where bots post; may stand beside their token as the URL, for it was once written so.
const SLACK_APP_URL: &str = "https://slack.com/api/chat.postMessage";

/// What `global` says.
#[derive(Default)]
pub(super) struct Global {
    pub(super) resolve_timeout: Option<Node>,
    /// What requests carry to receivers that have no `http_config` of their own.
    pub(super) http: Http,
    pub(super) slack: Post,
    pub(super) smtp: Smtp,
    services: Vec<(&'static str, Node)>,
}

impl Global {
    /// What is said for all receivers of a service, such as `pagerduty_url`. What is in a file
    /// (`opsgenie_api_key_file`) is under the key without `_file`, as a reference.
    pub(super) fn service(&self, key: &str) -> Option<&Node> {
        self.services.iter().find(|(name, _)| *name == key).map(|(_, node)| node)
    }

    /// Reads the section; nothing is nothing.
    pub(super) fn read(reader: &mut Reader, yaml: Option<&Rc<Yaml>>) -> Self {
        let path = Path::of(&["global"]);
        let Some(yaml) = yaml else { return Global::default() };
        let Some(fields) = reader.fields(yaml, &path, &KEYS) else { return Global::default() };
        let at = |key: &str| path.key(key);
        let smtp = Smtp {
            from: reader.filled(fields.get("smtp_from"), &at("smtp_from")),
            hello: reader.filled(fields.get("smtp_hello"), &at("smtp_hello")),
            smarthost: reader.smarthost(fields.get("smtp_smarthost"), &at("smtp_smarthost")),
            username: reader.filled(fields.get("smtp_auth_username"), &at("smtp_auth_username")),
            password: reader.secret(&fields, &path, ("smtp_auth_password", "smtp_auth_password_file")),
            secret: reader.secret(&fields, &path, ("smtp_auth_secret", "smtp_auth_secret_file")),
            identity: reader.filled(fields.get("smtp_auth_identity"), &at("smtp_auth_identity")),
            require_tls: fields
                .get("smtp_require_tls")
                .and_then(|it| reader.bool(it, &at("smtp_require_tls"))),
            implicit_tls: fields
                .get("smtp_force_implicit_tls")
                .and_then(|it| reader.bool(it, &at("smtp_force_implicit_tls"))),
            certificates: fields
                .get("smtp_tls_config")
                .and_then(|it| reader.tls_config(it, &at("smtp_tls_config"))),
        };
        let slack = reader.slack_post(&fields, &path, ["slack_api_url", "slack_app_token", "slack_app_url"]);
        let posts_itself = slack.url.as_ref().and_then(Node::as_text).is_some_and(|url| url == SLACK_APP_URL);
        if let (Some(url), Some(_), false) = (&slack.url, &slack.token, posts_itself) {
            let message = "at most one of slack_app_token/slack_app_token_file & \
                           slack_api_url/slack_api_url_file must be configured";
            reader.error(&url.origin, &path, message);
        }
        let mut services = Vec::new();
        for key in SERVICES {
            services.extend(reader.filled(fields.get(key), &at(key)).map(|node| (key, node)));
        }
        for key in SERVICE_SECRETS {
            let node = reader.secret(&fields, &path, (key, &format!("{key}_file")));
            services.extend(node.map(|node| (key, node)));
        }
        Global {
            services,
            resolve_timeout: reader.filled(fields.get("resolve_timeout"), &at("resolve_timeout")),
            http: fields
                .get("http_config")
                .map(|it| reader.http_config(it, &at("http_config")))
                .unwrap_or_default(),
            slack,
            smtp,
        }
    }
}
