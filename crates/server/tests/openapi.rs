//! The description of the API: whole, sound, and true.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::Stage;

fn document() -> Value {
    serde_json::from_str(&nightbell_server::openapi_json()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .iter()
                .map(move |(method, it)| (format!("{} {path}", method.to_uppercase()), it))
        })
        .collect()
}

#[test]
fn every_operation_says_what_it_does_takes_and_answers() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (name, it) in operations(&document) {
        let words = |field: &str| it[field].as_str().unwrap_or_default().len();
        assert!(words("summary") > 5, "{name} has no summary");
        assert!(
            ids.insert(it["operationId"].as_str().unwrap().to_owned()),
            "{name}: two with this operationId"
        );
        assert_eq!(it["tags"].as_array().unwrap().len(), 1, "{name}");
        let known = document["tags"].as_array().unwrap().iter().any(|tag| tag["name"] == it["tags"][0]);
        assert!(known, "{name}: {} is not described", it["tags"][0]);
        assert_eq!(it["security"].as_array().unwrap().len(), 1, "{name} does not say who may");
        let open = it["security"][0].as_object().unwrap().is_empty();
        let responses = it["responses"].as_object().unwrap();
        // a form that was filled in leads elsewhere
        assert!(responses.keys().any(|status| status.starts_with('2') || status == "303"), "{name}");
        // where one logs in, anybody may ask, and not everybody is let in
        let logs_in = ["/session", "/login", "/callback"].iter().any(|end| name.ends_with(end));
        assert!(responses.contains_key("401") != open || logs_in, "{name}");
        for (status, response) in responses {
            assert!(response["description"].as_str().unwrap().len() > 5, "{name} {status}");
            let own = name.contains("/api/v1/") && !status.starts_with('2');
            assert!(!own || response["content"].get("application/problem+json").is_some(), "{name} {status}");
        }
        for parameter in it["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].as_str().unwrap_or_default().len() > 5, "{name}: {parameter}");
        }
        let in_path = name.matches('{').count();
        let parameters = it["parameters"].as_array().into_iter().flatten();
        assert_eq!(parameters.filter(|it| it["in"] == "path").count(), in_path, "{name}");
    }
    assert!(ids.len() > 40, "{}", ids.len());
}

#[test]
fn every_reference_leads_somewhere_and_every_field_is_explained() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut stack = vec![&document];
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(to) = fields.get("$ref").and_then(Value::as_str) {
                    let name = to.strip_prefix("#/components/schemas/").unwrap();
                    assert!(schemas.contains_key(name), "{to}");
                }
                stack.extend(fields.values());
            }
            Value::Array(items) => stack.extend(items),
            _ => {}
        }
    }
    for (name, schema) in schemas {
        let foreign = name.starts_with("Alertmanager") || name.starts_with("Postable");
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let mut places = property["oneOf"].as_array().into_iter().flatten().chain([property]);
            let explained = places.any(|it| it.get("description").is_some());
            assert!(foreign || explained, "{name}.{field} is not explained");
        }
    }
}

/// What the description calls guarded is guarded, and what it calls open is open.
#[tokio::test]
async fn the_description_is_obeyed() {
    let stage = Stage::new().await;
    let document = document();
    for (name, it) in operations(&document) {
        let (method, path) = name.split_once(' ').unwrap();
        let path = path
            .replace("{id}", "0000000000000")
            .replace("{name}", "x")
            .replace("{silenceID}", "x")
            .replace("{version}", "1");
        let peer = nightbell_server::auth::Peer("192.0.2.1:1".parse().unwrap());
        let request = axum::http::Request::builder().method(method).uri(path.as_str()).extension(peer);
        let reply = stage.send(request.body(axum::body::Body::empty()).unwrap()).await;
        let open = it["security"][0].as_object().unwrap().is_empty();
        assert_eq!(reply.status == 401, !open, "{name}: {}", reply.status);
        assert!(
            it["responses"].get(reply.status.as_str()).is_some(),
            "{name}: {} is not described",
            reply.status
        );
    }
    assert_eq!(stage.get("/api/v1/openapi.json").await.expect(200), document);
}
