//! `global`: what receivers have when they say nothing themselves.

use std::rc::Rc;

use super::http::Http;
use super::reader::{Keys, Reader};
use super::servers::{NO_CRAM, Post, Smtp};
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
    ],
    refused: &[
        ("jira_api_url", "there are no jira_configs"),
        ("pagerduty_url", "there are no pagerduty_configs"),
        ("opsgenie_api_url", "there are no opsgenie_configs"),
        ("opsgenie_api_key", "there are no opsgenie_configs"),
        ("opsgenie_api_key_file", "there are no opsgenie_configs"),
        ("wechat_api_url", "there are no wechat_configs"),
        ("wechat_api_secret", "there are no wechat_configs"),
        ("wechat_api_secret_file", "there are no wechat_configs"),
        ("wechat_api_corp_id", "there are no wechat_configs"),
        ("victorops_api_url", "there are no victorops_configs"),
        ("victorops_api_key", "there are no victorops_configs"),
        ("victorops_api_key_file", "there are no victorops_configs"),
        ("telegram_api_url", "there are no telegram_configs"),
        ("telegram_bot_token", "there are no telegram_configs"),
        ("telegram_bot_token_file", "there are no telegram_configs"),
        ("webex_api_url", "there are no webex_configs"),
        ("rocketchat_api_url", "there are no rocketchat_configs"),
        ("rocketchat_token", "there are no rocketchat_configs"),
        ("rocketchat_token_file", "there are no rocketchat_configs"),
        ("rocketchat_token_id", "there are no rocketchat_configs"),
        ("rocketchat_token_id_file", "there are no rocketchat_configs"),
        ("mattermost_webhook_url", "there are no mattermost_configs"),
        ("mattermost_webhook_url_file", "there are no mattermost_configs"),
    ],
};

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
}

impl Global {
    /// Reads the section; nothing is nothing.
    pub(super) fn read(reader: &mut Reader, yaml: Option<&Rc<Yaml>>) -> Self {
        let path = Path::of(&["global"]);
        let Some(yaml) = yaml else { return Global::default() };
        let Some(fields) = reader.fields(yaml, &path, &KEYS) else { return Global::default() };
        let at = |key: &str| path.key(key);
        let smtp = Smtp {
            from: reader.static_text(fields.get("smtp_from"), &at("smtp_from")),
            hello: reader.filled(fields.get("smtp_hello"), &at("smtp_hello")),
            smarthost: reader.smarthost(fields.get("smtp_smarthost"), &at("smtp_smarthost")),
            username: reader.filled(fields.get("smtp_auth_username"), &at("smtp_auth_username")),
            password: reader.secret(&fields, &path, ("smtp_auth_password", "smtp_auth_password_file")),
            require_tls: fields
                .get("smtp_require_tls")
                .and_then(|it| reader.bool(it, &at("smtp_require_tls"))),
            implicit_tls: fields
                .get("smtp_force_implicit_tls")
                .and_then(|it| reader.bool(it, &at("smtp_force_implicit_tls"))),
        };
        for key in ["smtp_auth_secret", "smtp_auth_secret_file", "smtp_auth_identity"] {
            reader.only_empty(fields.get(key), &at(key), NO_CRAM);
        }
        reader.no_tls_config(fields.get("smtp_tls_config"), &at("smtp_tls_config"));
        let slack = reader.slack_post(&fields, &path, ["slack_api_url", "slack_app_token", "slack_app_url"]);
        let posts_itself = slack.url.as_ref().and_then(Node::as_text).is_some_and(|url| url == SLACK_APP_URL);
        if let (Some(url), Some(_), false) = (&slack.url, &slack.token, posts_itself) {
            let message = "at most one of slack_app_token/slack_app_token_file & \
                           slack_api_url/slack_api_url_file must be configured";
            reader.error(&url.origin, &path, message);
        }
        Global {
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
