//! Webhooks: a request to a URL, in Alertmanager's shape, our own, or one's own.
//!
//! # Signatures
//!
//! With `signing_secret`, each request carries `X-Nightbell-Signature: t=<unix seconds>,v1=<hex>`. To check
//! it: take the bytes `<t>.<body>` (the number as written, a dot, the body as received), work out their
//! HMAC-SHA256 under the shared secret, compare it in constant time with each `v1` there is, and refuse
//! what is older than some minutes. While a secret is being replaced there is one `v1` per secret.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use model::Time;
use model::delivery::Outcome;
use model::incident::State;
use model::limits::{MAX_ALERTS_AS_DATA, MAX_ALERTS_PER_NOTIFICATION};
use model::notification::{Alert, Notification};
use model::receiver::Audience;
use reqwest::header::HeaderValue;
use schemars::JsonSchema;
use sdk::http::{Credentials, HttpSettings, Outgoing};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use sha2::Sha256;

use crate::shape;
use crate::template::{Plain, Template};
use crate::texts::{SecretUrl, Tree};
use crate::words::{STANDS_IN, Words};

/// Bytes that one alert takes in Alertmanager's shape, more or less.
const USUAL_ALERT_BYTES: usize = 1024;
/// The kind `webhook`.
pub struct Webhook;

/// Where to, and in which shape.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "https://ci.example/hooks/alerts",
    "bearer_token": "the-token",
    "headers": {"X-Team": "db"},
    "signing_secret": "a-long-random-text",
}))]
pub struct Settings {
    /// Where requests go. The whole of it counts as secret, since such URLs often hold a token. It stands as it is
    /// written; `{ go = "…" }` is a template.
    url: SecretUrl,
    /// The method of the request.
    #[serde(default)]
    method: Method,
    /// The shape of the body, unless `body` says otherwise.
    #[serde(default)]
    format: Format,
    /// A template of the body, e.g. `{"text": {{ title | json }}}`. It knows `kind`, `title`, `body`,
    /// `facts`, `actions`, `link`, `severity`, `status`, `receiver`, `group_key`, `labels` and `annotations`
    /// (what all alerts share), `alerts`, `idempotency_key` and `notification` (all of it), as do the
    /// templates of the other destinations.
    body: Option<Template<Plain>>,
    /// The body as JSON of any shape, in which every text is a template, in place of `body`.
    payload: Option<Tree>,
    /// The content type of the body.
    #[serde(default = "application_json")]
    content_type: String,
    /// Headers to send along. Their values count as secret. Short for `http.headers`.
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
    /// The name for basic authentication. Short for `http.username`.
    username: Option<Secret>,
    /// The password for basic authentication. Short for `http.password`.
    password: Option<Secret>,
    /// The token for `Authorization: Bearer …`. Short for `http.token`.
    bearer_token: Option<Secret>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
    /// Signs each request: `X-Nightbell-Signature: t=<unix seconds>,v1=<hex>`, where the hexadecimal
    /// number is the HMAC-SHA256 of `<t>.<body>` under this secret.
    signing_secret: Option<Secret>,
    /// Signs with these as well, one `v1` each: for the time while a secret is being replaced.
    #[serde(default)]
    old_signing_secrets: Vec<Secret>,
}

fn application_json() -> String {
    "application/json".to_owned()
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    #[default]
    Post,
    Put,
    Patch,
}

/// The shape of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// As Alertmanager's webhooks are, version 4.
    #[default]
    Alertmanager,
    /// Our own shape, which says more.
    Nightbell,
}

impl Destination for Webhook {
    const FACTS: Facts = Facts {
        kind: "webhook",
        title: "Webhook",
        about: "Sends a request to a URL, in the shape that Alertmanager's webhooks have, in our \
                own, or in one made by a template. Each request carries an `Idempotency-Key` that is \
                the same on every retry.",
        docs: "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        settings.url.check("url")?;
        let own = ["body", "payload"].into_iter().zip([settings.body.is_some(), settings.payload.is_some()]);
        if let Some((field, _)) = own.into_iter().find(|(_, given)| *given)
            && settings.format != Format::default()
        {
            return Err(format!("format: has no meaning beside `{field}`"));
        }
        if settings.body.is_some() && settings.payload.is_some() {
            return Err("payload: has no meaning beside `body`".to_owned());
        }
        HeaderValue::from_str(&settings.content_type)
            .map_err(|_| "content_type: cannot stand in a header".to_owned())?;
        http(settings).map(drop)
    }

    /// Without a template of one's own the alerts are written one after the other, however many there are.
    fn most_alerts(settings: &Settings) -> usize {
        match settings.body.is_some() || settings.payload.is_some() {
            true => MAX_ALERTS_PER_NOTIFICATION,
            false => MAX_ALERTS_AS_DATA,
        }
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let body = match body(settings, message) {
            Ok(body) => Bytes::from(body),
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let http = match http(settings) {
            Ok(http) => http,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let mut headers = vec![
            ("content-type", settings.content_type.clone()),
            ("idempotency-key", message.idempotency_key.clone()),
        ];
        if let Some(signature) = signature(settings, context.now, &body) {
            headers.push(("x-nightbell-signature", signature));
        }
        let method = match settings.method {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
        };
        let url = match settings.url.say("url", message) {
            Ok(url) => url,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let request = Outgoing { url: url.expose(), method, headers, body, timeout: context.timeout };
        Answer::from_http(context.http.with(&http).send(request).await, context.now).hiding(&[url])
    }
}

/// The settings for requests with what is written beside them.
fn http(settings: &Settings) -> Result<Cow<'_, HttpSettings>, String> {
    let beside = Credentials {
        username: settings.username.as_ref(),
        password: settings.password.as_ref(),
        token: settings.bearer_token.as_ref(),
        headers: &settings.headers,
    };
    let ours = |reason: String| match reason.strip_prefix("token:") {
        Some(rest) => format!("bearer_token:{rest}"),
        None => reason,
    };
    settings.http.with_credentials(beside).map_err(ours)
}

fn body(settings: &Settings, message: &Message) -> Result<Vec<u8>, String> {
    let words = Words::of(message);
    if let Some(payload) = &settings.payload {
        match payload.exactly("payload", &words) {
            Ok(payload) => {
                return serde_json::to_vec(&payload).map_err(|error| format!("payload: is no JSON: {error}"));
            }
            // half a payload may mean something else than a whole one
            Err(why) => sdk::remark(&format!("{why} ({STANDS_IN})")),
        }
    }
    match (words.say("body", settings.body.as_ref()), settings.format) {
        (Some(text), _) => Ok(text.into_bytes()),
        (None, Format::Alertmanager) => alertmanager_json(&message.notification),
        (None, Format::Nightbell) => shape::json(message),
    }
}

/// `t=<unix seconds>,v1=<hex>`, with one `v1` per secret.
fn signature(settings: &Settings, now: Time, body: &[u8]) -> Option<String> {
    let mut text = format!("t={}", now.as_seconds());
    let stamp = format!("{}.", now.as_seconds());
    for secret in settings.signing_secret.iter().chain(&settings.old_signing_secrets) {
        // HMAC takes keys of any length
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
        mac.update(stamp.as_bytes());
        mac.update(body);
        text.push_str(",v1=");
        for byte in mac.finalize().into_bytes() {
            text.push_str(&format!("{byte:02x}"));
        }
    }
    text.contains(",v1=").then_some(text)
}

/// The version of the shape that Alertmanager's webhooks have.
const WEBHOOK_VERSION: &str = "4";

/// A notification as Alertmanager's webhooks have it. On the hot path, so nothing is copied first.
///
/// # Errors
/// Never in practice: nothing in it refuses to be JSON.
pub fn alertmanager_json(notification: &Notification) -> Result<Vec<u8>, String> {
    versioned_json(notification, WEBHOOK_VERSION)
}

/// The same under another version, for services that count versions in their own way.
pub(super) fn versioned_json(notification: &Notification, version: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(USUAL_ALERT_BYTES * (notification.alerts.len() + 1));
    let written = serde_json::to_writer(&mut bytes, &AlertmanagerMessage(notification, version));
    written.map_err(|error| format!("the notification is no JSON: {error}"))?;
    Ok(bytes)
}

struct AlertmanagerMessage<'a>(&'a Notification, &'a str);

impl Serialize for AlertmanagerMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it = self.0;
        let mut out = serializer.serialize_struct("Message", 10)?;
        out.serialize_field("receiver", &it.receiver)?;
        out.serialize_field("status", it.status())?;
        out.serialize_field("alerts", &AlertmanagerAlerts(&it.alerts))?;
        out.serialize_field("groupLabels", &it.group_labels)?;
        out.serialize_field("commonLabels", &it.common_labels)?;
        out.serialize_field("commonAnnotations", &it.common_annotations)?;
        out.serialize_field("externalURL", &it.external_url)?;
        out.serialize_field("version", self.1)?;
        out.serialize_field("groupKey", &it.group_key)?;
        out.serialize_field("truncatedAlerts", &it.truncated)?;
        out.end()
    }
}

struct AlertmanagerAlerts<'a>(&'a [Alert]);

impl Serialize for AlertmanagerAlerts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(AlertmanagerAlert))
    }
}

struct AlertmanagerAlert<'a>(&'a Alert);

impl Serialize for AlertmanagerAlert<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let it = self.0;
        let resolved = it.state == State::Resolved;
        let mut out = serializer.serialize_struct("Alert", 7)?;
        out.serialize_field("status", if resolved { "resolved" } else { "firing" })?;
        out.serialize_field("labels", &it.labels)?;
        out.serialize_field("annotations", &it.annotations)?;
        out.serialize_field("startsAt", &it.started_at)?;
        match it.ends_at.filter(|_| resolved) {
            Some(end) => out.serialize_field("endsAt", &end)?,
            // Alertmanager does not show an end that has not come yet, but Go's zero time
            None => out.serialize_field("endsAt", "0001-01-01T00:00:00Z")?,
        }
        out.serialize_field("generatorURL", &it.link)?;
        out.serialize_field("fingerprint", &Fingerprint(it.labels.fingerprint()))?;
        out.end()
    }
}

struct Fingerprint(u64);

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn settings(fields: Value) -> Settings {
        let mut all = json!({"url": "https://example.org/"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn refusal(fields: Value) -> String {
        Webhook::check(&settings(fields)).unwrap_err()
    }

    #[test]
    fn what_cannot_go_together_is_refused() {
        assert_eq!(
            refusal(json!({"url": "ftp://x"})),
            "url: the scheme is \"ftp\"; http and https are known"
        );
        assert_eq!(
            refusal(json!({"body": "x", "format": "nightbell"})),
            "format: has no meaning beside `body`"
        );
        assert_eq!(refusal(json!({"headers": {"a b": "c"}})), "headers.a b: is no name of a header");
        assert!(refusal(json!({"username": "x", "bearer_token": "y"})).starts_with("bearer_token: only one"));
        assert!(refusal(json!({"http": {"token": "x"}, "bearer_token": "y"})).contains("given twice"));
    }

    #[test]
    fn a_payload_is_json_of_any_shape() {
        let payload = json!({"text": "{{ labels.team }}", "n": ["{{ alerts | length }}", 7]});
        let sent = body(&settings(json!({"payload": payload})), &messages::firing()).unwrap();
        let sent: Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent, json!({"text": "db", "n": [2, 7]}));
        assert_eq!(refusal(json!({"payload": {}, "body": "x"})), "payload: has no meaning beside `body`");
    }

    #[test]
    fn signatures_can_be_checked_and_rotated() {
        let one = settings(json!({"signing_secret": "key"}));
        // echo -n '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        let now = Time::from_seconds(1_700_000_000);
        assert_eq!(signature(&one, now, b"{}").unwrap(), expected);
        let both = settings(json!({"signing_secret": "new", "old_signing_secrets": ["key"]}));
        let signed = signature(&both, now, b"{}").unwrap();
        assert!(
            signed.ends_with(expected.split_once(',').unwrap().1) && signed.matches("v1=").count() == 2,
            "{signed}"
        );
        assert_eq!(signature(&settings(json!({})), now, b"{}"), None);
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        let body = alertmanager_json(&messages::firing().notification).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["alerts"][0]["startsAt"], "2026-11-14T11:59:00.25Z");
        assert_eq!(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
        assert_eq!(body["alerts"][0]["fingerprint"].as_str().unwrap().len(), 16);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_message_becomes_json(message in messages::arbitrary()) {
            let format = |name: &str| settings(json!({"format": name}));
            let template = settings(json!({"body": "[{{ title | json }}, {{ alerts | json }}]"}));
            for settings in [format("alertmanager"), format("nightbell"), template] {
                let body = body(&settings, &message).unwrap();
                prop_assert!(serde_json::from_slice::<Value>(&body).is_ok());
            }
        }
    }
}
