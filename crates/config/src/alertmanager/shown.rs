//! An `alertmanager.yml` for others to see: as it was written, without its secrets. Alertmanager's API shows its
//! own like this, and its tools read routes from there.

use sdk::http::parse_url;
use sdk::secret::REDACTED;

use crate::yaml::{Value, Yaml};

/// What stands for a password in a URL, as with Go's `URL.Redacted`.
const HIDDEN_PASSWORD: &str = "xxxxx";
/// The sections in which secrets stand. (Elsewhere a key may be the name of any label.)
const WITH_SECRETS: [&str; 3] = ["global", "receivers", "tracing"];
/// Keys of texts that Alertmanager counts as secret, and those in which people keep some.
const SECRETS: [&str; 30] = [
    "alert_source_token",
    "api_key",
    "api_secret",
    "app_token",
    "auth_password",
    "auth_secret",
    "bearer_token",
    "bot_token",
    "client_certificate_key",
    "client_secret",
    "credentials",
    "mattermost_webhook_url",
    "opsgenie_api_key",
    "password",
    "rocketchat_token",
    "rocketchat_token_id",
    "routing_key",
    "secret_key",
    "service_key",
    "slack_api_url",
    "slack_app_token",
    "smtp_auth_password",
    "smtp_auth_secret",
    "telegram_bot_token",
    "token",
    "token_id",
    "user_key",
    "victorops_api_key",
    "webhook_url",
    "wechat_api_secret",
];
/// Keys below which all texts are secret.
const ALL_SECRET: [&str; 3] = ["endpoint_params", "proxy_connect_header", "secrets"];
/// Keys that are secret below another.
const SECRET_BELOW: [(&str, &str); 3] =
    [("slack_configs", "api_url"), ("tls_config", "key"), ("smtp_tls_config", "key")];

/// The text. Aliases are written out, comments are gone.
pub(super) fn text(document: &Yaml) -> String {
    let mut text = String::new();
    write(document, &mut Vec::new(), 0, false, &mut text);
    if text.ends_with('\n') { text } else { text + "\n" }
}

/// Writes a value. `after_dash`: it begins on the line of a list's dash.
fn write<'a>(yaml: &'a Yaml, keys: &mut Vec<&'a str>, depth: usize, after_dash: bool, text: &mut String) {
    match &yaml.value {
        Value::Map(entries) if !entries.is_empty() => {
            for (n, (key, value)) in entries.iter().enumerate() {
                if n > 0 || !after_dash {
                    indent(depth, text);
                }
                scalar(&key.text, is_word(&key.text), text);
                text.push(':');
                keys.push(&key.text);
                below(value, keys, depth, text);
                keys.pop();
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 || !after_dash {
                    indent(depth, text);
                }
                text.push_str("- ");
                write(item, keys, depth + 1, true, text);
                if !text.ends_with('\n') {
                    text.push('\n');
                }
            }
        }
        _ => leaf(yaml, keys, text),
    }
}

/// What follows `key:`.
fn below<'a>(value: &'a Yaml, keys: &mut Vec<&'a str>, depth: usize, text: &mut String) {
    match &value.value {
        Value::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            write(value, keys, depth + 1, false, text);
        }
        // a list may stand below its key without being indented
        Value::List(items) if !items.is_empty() => {
            text.push('\n');
            write(value, keys, depth, false, text);
        }
        _ => {
            text.push(' ');
            leaf(value, keys, text);
            text.push('\n');
        }
    }
}

fn leaf(yaml: &Yaml, keys: &[&str], text: &mut String) {
    match &yaml.value {
        Value::Map(_) => text.push_str("{}"),
        Value::List(_) => text.push_str("[]"),
        Value::Scalar { text: value, plain } if value.is_empty() => {
            text.push_str(if *plain { "null" } else { "\"\"" });
        }
        Value::Scalar { .. } if is_secret(keys) => text.push_str(REDACTED),
        Value::Scalar { text: value, .. } if keys.last() == Some(&"proxy_url") => {
            scalar(&without_password(value), false, text);
        }
        Value::Scalar { text: value, .. }
            if keys.last() == Some(&"url") && keys.contains(&"webhook_configs") =>
        {
            scalar(&without_path(value), false, text);
        }
        Value::Scalar { text: value, plain } => scalar(value, *plain && !value.contains('\n'), text),
    }
}

/// A text as it is where that can be, else with JSON's quotes and escapes, which are YAML's, too.
fn scalar(value: &str, plain: bool, text: &mut String) {
    match plain {
        true => text.push_str(value),
        false => text.push_str(&serde_json::Value::from(value).to_string()),
    }
}

/// Whether a key can stand without quotes and mean nothing else than a text.
fn is_word(key: &str) -> bool {
    const OTHERWISE: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(letter)
        && !OTHERWISE.contains(&key.to_lowercase().as_str())
}

fn indent(depth: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn is_secret(keys: &[&str]) -> bool {
    let (Some(top), Some(last)) = (keys.first(), keys.last()) else { return false };
    WITH_SECRETS.contains(top)
        && (SECRETS.contains(last)
            || keys.iter().any(|key| ALL_SECRET.contains(key))
            || SECRET_BELOW.iter().any(|(above, key)| key == last && keys.contains(above)))
}

/// Where a webhook is, without what may be a token in its URL. Older tools of Alertmanager read nothing here that
/// is no URL.
fn without_path(url: &str) -> String {
    let Ok(parsed) = parse_url(url) else { return REDACTED.to_owned() };
    format!("{}/{REDACTED}", parsed.origin().ascii_serialization())
}

fn without_password(url: &str) -> String {
    let Ok(mut parsed) = parse_url(url) else { return REDACTED.to_owned() };
    if parsed.password().is_none() {
        return url.to_owned();
    }
    match parsed.set_password(Some(HIDDEN_PASSWORD)) {
        Ok(()) => parsed.to_string(),
        Err(()) => REDACTED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::problem::Problems;
    use crate::yaml;

    fn shown(text: &str) -> String {
        let mut problems = Problems::default();
        super::text(&yaml::parse("x.yml", text, &mut problems).unwrap())
    }

    #[test]
    fn secrets_are_gone_and_the_rest_is_as_it_was() {
        let written = "\
global: {slack_api_url: 'https://hush', http_config: {proxy_url: 'http://u:hush@p:1'}}
route:
  receiver: \"a: b\"
  match: &m {token: x, \"y\": 'no'}
  routes: [{receiver: a, match: *m, routes: []}, ~]
receivers:
- name: 'a: b'
  webhook_configs:
  - {url: http://x/hush, max_alerts: 5}
  - - odd
  email_configs: [{html: \"two\\nlines\"}]
";
        let expected = "\
global:
  slack_api_url: <secret>
  http_config:
    proxy_url: \"http://u:xxxxx@p:1/\"
route:
  receiver: \"a: b\"
  match:
    token: x
    \"y\": \"no\"
  routes:
  - receiver: a
    match:
      token: x
      \"y\": \"no\"
    routes: []
  - ~
receivers:
- name: \"a: b\"
  webhook_configs:
  - url: \"http://x/<secret>\"
    max_alerts: 5
  - - odd
  email_configs:
  - html: \"two\\nlines\"
";
        let first = shown(written);
        assert_eq!(first, expected);
        assert_eq!(shown(&first), expected, "what is shown can be read again");
    }
}
