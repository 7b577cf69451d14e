//! incident.io: alerts to one of its alert sources, in Alertmanager's shape.

use model::delivery::Outcome;
use model::receiver::Audience;
use schemars::JsonSchema;
use sdk::http::{HttpSettings, Outgoing};
use sdk::{Answer, Context, Destination, Facts, Message, Secret};
use serde::Deserialize;

use super::webhook::versioned_json;
use crate::service::{self, Dialect};

/// Bytes of a request: incident.io's own limit.
const MAX_BODY_BYTES: usize = 512 * 1024;
/// The version of the shape that incident.io knows.
const VERSION: &str = "1";

const ANSWERS: Dialect =
    Dialect { reasons: &["/message", "/error", "/errors"], receipt: "/deduplication_key" };

/// The kind `incidentio`.
pub struct Incidentio;

/// To which alert source.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = serde_json::json!({
    "url": "https://api.incident.io/v2/alert_events/alertmanager/the-id",
    "token": "the-token",
}))]
pub struct Settings {
    /// The URL of the alert source.
    url: Secret,
    /// The token of the alert source, if it is not under `http`.
    token: Option<Secret>,
    /// How requests are made: credentials, headers, TLS, proxy.
    #[serde(default)]
    http: HttpSettings,
}

impl Destination for Incidentio {
    const FACTS: Facts = Facts {
        kind: "incidentio",
        title: "incident.io",
        about: "Sends alerts to an alert source of incident.io, one of the kind Alertmanager.",
        docs: "https://api-docs.incident.io/tag/Alert-Events-V2",
        deduplicates: false,
    };
    const AUDIENCE: Audience = Audience::Machines;
    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), String> {
        service::check_url("url", settings.url.expose())?;
        service::need_credentials(settings.token.as_ref(), &settings.http)
    }

    async fn send(context: &Context, settings: &Settings, message: &Message) -> Answer {
        let body = match body(message) {
            Ok(body) => body,
            Err(reason) => return Answer::bare(Outcome::rejected(reason)),
        };
        let mut request = Outgoing::json(settings.url.expose(), body, context.timeout);
        request.headers.push(("idempotency-key", message.idempotency_key.clone()));
        if let Some(token) = &settings.token {
            request.headers.push(service::bearer(token));
        }
        ANSWERS.answer(context.http.with(&settings.http).send(request).await, context.now)
    }
}

/// All alerts, or as many as there is room for: incident.io makes one alert of a group, so that those that
/// are left out are missed least.
fn body(message: &Message) -> Result<Vec<u8>, String> {
    let body = versioned_json(&message.notification, VERSION)?;
    if body.len() <= MAX_BODY_BYTES {
        return Ok(body);
    }
    let mut shorter = message.notification.clone();
    let mut body = body;
    while body.len() > MAX_BODY_BYTES && shorter.alerts.len() > 1 {
        let kept = shorter.alerts.len() / 2;
        shorter.truncated += u64::try_from(shorter.alerts.len() - kept).unwrap_or(u64::MAX);
        shorter.alerts.truncate(kept);
        body = versioned_json(&shorter, VERSION)?;
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages;
    use serde_json::Value;

    #[test]
    fn what_is_too_large_is_sent_with_fewer_alerts() {
        let mut message = messages::firing();
        let whole: Value = serde_json::from_slice(&body(&message).unwrap()).unwrap();
        assert_eq!((&whole["version"], whole["alerts"].as_array().unwrap().len()), (&"1".into(), 2));
        let one = message.notification.alerts[0].clone();
        message.notification.alerts = vec![one; 2000];
        let body = body(&message).unwrap();
        assert!(body.len() <= MAX_BODY_BYTES && body.len() > MAX_BODY_BYTES / 3, "{}", body.len());
        let body: Value = serde_json::from_slice(&body).unwrap();
        let kept = u64::try_from(body["alerts"].as_array().unwrap().len()).unwrap();
        assert_eq!(body["truncatedAlerts"], 2000 - kept);
    }
}
