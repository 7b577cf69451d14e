//! What Argus' door says of itself, held against every answer that a test has from it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use super::Reply;

/// Descriptions by their addresses: they are the same on every stage.
static KNOWN: LazyLock<Mutex<HashMap<&str, Value>>> = LazyLock::new(Mutex::default);

/// Makes sure that an answer is one of those that the description knows, and so is what was sent if it was taken.
pub async fn fits(router: &Router, (method, path): (&Method, &str), sent: &[u8], reply: &Reply) {
    let schema = match path {
        _ if path.ends_with("/schema/") => return,
        _ if path.starts_with("/api/v2/") => "/api/v2/schema/",
        _ if path.starts_with("/api/v3/") => "/api/v3/schema/",
        _ => return,
    };
    let known = KNOWN.lock().unwrap().get(schema).cloned();
    let described = match known {
        Some(described) => described,
        None => {
            let asked =
                router.clone().oneshot(Request::get(schema).body(Body::empty()).unwrap()).await.unwrap();
            let body = axum::body::to_bytes(asked.into_body(), usize::MAX).await.unwrap();
            // where it is not served, nothing is said of it
            let Ok(described) = serde_json::from_slice::<Value>(&body) else { return };
            KNOWN.lock().unwrap().insert(schema, described.clone());
            described
        }
    };
    let Some(operation) = operation(&described, method, path) else { return };
    let status = reply.status.as_u16();
    let said = &operation["responses"];
    let said = said.get(status.to_string()).or(said.get("default").filter(|_| status >= 400));
    let said = said.unwrap_or_else(|| panic!("{method} {path}: {status} is not described: {}", reply.text()));
    let content = "/content/application~1json/schema";
    if let Some(shape) = operation["requestBody"].pointer(content).filter(|_| status < 400)
        && let Ok(sent) = serde_json::from_slice(sent)
    {
        // what is overlooked may be sent
        let wrong = wrong(&described, shape, &sent, false);
        assert!(wrong.is_empty(), "{method} {path} took what is not described: {wrong:?}: {sent}");
    }
    let Some(shape) = said.pointer(content) else {
        let is_page = said.get("content").is_some();
        assert!(is_page || reply.body.is_empty(), "{method} {path}: nothing was described: {}", reply.text());
        return;
    };
    if status < 500 {
        let wrong = wrong(&described, shape, &reply.json(), true);
        assert!(wrong.is_empty(), "{method} {path}: {wrong:?}: {}", reply.text());
    }
}

/// What of a value is not as its shape; `only`: it has nothing that is not described either.
fn wrong(described: &Value, shape: &Value, value: &Value, only: bool) -> Vec<String> {
    let shape = plain(&json!({ "allOf": [shape], "components": described["components"] }), only);
    let validator = jsonschema::validator_for(&shape).unwrap();
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// What is described of a path and a method; the path that fits literally goes before one with a name in it.
fn operation<'a>(described: &'a Value, method: &Method, path: &str) -> Option<&'a Value> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |pattern: &str| {
        let pattern: Vec<&str> = pattern.split('/').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(known, part)| known.starts_with('{') || known == part)
    };
    let paths = described["paths"].as_object()?.iter().filter(|(pattern, _)| fits(pattern));
    let (_, operations) = paths.min_by_key(|(pattern, _)| pattern.matches('{').count())?;
    operations.get(method.as_str().to_ascii_lowercase())
}

/// The same as JSON Schema has it; `only`: what is not described is wrong.
fn plain(value: &Value, only: bool) -> Value {
    match value {
        Value::Object(object) => {
            let mut plain: Map<String, Value> =
                object.iter().map(|(name, it)| (name.clone(), self::plain(it, only))).collect();
            if only && plain.contains_key("properties") && plain.get("type").is_some_and(Value::is_string) {
                plain.entry("additionalProperties").or_insert(json!(false));
            }
            match plain.remove("nullable") {
                Some(Value::Bool(true)) => json!({ "anyOf": [plain, { "type": "null" }] }),
                _ => Value::Object(plain),
            }
        }
        Value::Array(items) => items.iter().map(|it| plain(it, only)).collect(),
        other => other.clone(),
    }
}
