//! What the demo asks of the hub's API: all that it knows of addresses and shapes is in this file.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::http;

/// A hub, as seen from outside.
pub struct Client {
    /// Where it listens.
    pub hub: SocketAddr,
}

impl Client {
    /// Whether the hub is up.
    pub fn is_healthy(&self) -> bool {
        http::ask(self.hub, "GET", "/-/healthy", None).is_ok_and(|(status, _)| status == 200)
    }

    /// Sends alerts as Prometheus does.
    pub fn post_alerts(&self, alerts: &[Value]) -> Result<()> {
        self.send("/api/v2/alerts", &json!(alerts)).map(drop)
    }

    /// Silences all alerts of this name, as `amtool` does.
    pub fn silence(&self, alertname: &str, from: &str, to: &str, comment: &str) -> Result<()> {
        let matcher = json!({"name": "alertname", "value": alertname, "isRegex": false, "isEqual": true});
        let silence = json!({
            "matchers": [matcher], "startsAt": from, "endsAt": to, "createdBy": "demo", "comment": comment,
        });
        self.send("/api/v2/silences", &silence).map(drop)
    }

    /// The newest incident with this word in it.
    pub fn incident(&self, word: &str) -> Result<Value> {
        let found = self.get(&format!("/api/v1/incidents?search={word}"))?;
        list(&found).first().cloned().with_context(|| format!("there is no incident with {word:?}"))
    }

    /// Says that somebody has taken an incident.
    pub fn acknowledge(&self, incident: &Value, by: &str, note: &str) -> Result<()> {
        let path = format!("/api/v1/incidents/{}/ack", id(incident)?);
        self.send(&path, &json!({"by": by, "note": note})).map(drop)
    }

    /// What became of an incident and why, in lines for people.
    pub fn explain(&self, incident: &Value) -> Result<Vec<String>> {
        let explained = self.get(&format!("/api/v1/explain/{}", id(incident)?))?;
        let lines = explained["text"].as_array().context("the explanation has no text")?;
        Ok(lines.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// How many deliveries are in this state.
    pub fn deliveries(&self, state: &str) -> Result<usize> {
        Ok(list(&self.get(&format!("/api/v1/deliveries?state={state}"))?).len())
    }

    fn get(&self, path: &str) -> Result<Value> {
        let (status, body) = http::ask(self.hub, "GET", path, None)?;
        understand("GET", path, status, &body)
    }

    fn send(&self, path: &str, body: &Value) -> Result<Value> {
        let (status, body) = http::ask(self.hub, "POST", path, Some(&body.to_string()))?;
        understand("POST", path, status, &body)
    }
}

fn understand(method: &str, path: &str, status: u16, body: &str) -> Result<Value> {
    if !(200..300).contains(&status) {
        bail!("{method} {path} was answered with {status}: {}", body.trim());
    }
    if body.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(body).with_context(|| format!("reading the answer to {method} {path}"))
}

/// A list is an array, or an object that holds one beside its cursor.
fn list(value: &Value) -> &[Value] {
    let inner = value.as_object().and_then(|object| object.values().find(|field| field.is_array()));
    inner.unwrap_or(value).as_array().map_or(&[], Vec::as_slice)
}

fn id(incident: &Value) -> Result<&str> {
    incident["id"].as_str().context("the incident has no id")
}
