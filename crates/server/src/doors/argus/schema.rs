//! What this door says of itself in OpenAPI: made of the list of routes, of `shapes.json`, and of what filters are.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::call::{Route, Verb, Version};

/// The shapes of bodies and answers. What only one version has ends with `@` and its number.
const SHAPES: &str = include_str!("shapes.json");

/// What stands after the question mark of lists of incidents, and the type of each.
pub(super) const ASKED: [(&str, &str); 24] = [
    ("acked", "boolean"),
    ("open", "boolean"),
    ("stateful", "boolean"),
    ("ticket", "boolean"),
    ("hide_closed_acked", "boolean"),
    ("token_expiry", "boolean"),
    ("end_time__isnull", "boolean"),
    ("level__lte", "integer"),
    ("duration__gte", "integer"),
    ("id__in", "array of integer"),
    ("source__id__in", "array of integer"),
    ("source__name__in", "array of string"),
    ("source__type__in", "array of string"),
    ("tags", "array of string"),
    ("source_incident_id", "string"),
    ("search", "string"),
    ("filter_pk", "integer"),
    ("notificationprofile_pk", "integer"),
    ("start_time__gte", "date-time"),
    ("start_time__lte", "date-time"),
    ("end_time__gte", "date-time"),
    ("end_time__lte", "date-time"),
    ("count", "string"),
    ("page_size", "integer"),
];

/// The description of a version, as OpenAPI has it.
pub(super) fn described(version: Version, routes: [&[Route]; 2]) -> Value {
    let number = if version == Version::V2 { 2 } else { 3 };
    let mut paths = Map::new();
    for route in routes.into_iter().flatten() {
        let path = match route.versions {
            [] => route.path.to_owned(),
            versions if versions.contains(&number) => format!("/api/v{number}/{}", route.path),
            _ => continue,
        };
        let operation = |verb: &Verb| (verb.method.as_str().to_ascii_lowercase(), operation(&path, verb));
        let operations: Map<String, Value> = route.verbs.iter().map(operation).collect();
        paths.insert(path, Value::Object(operations));
    }
    let about = "Token, a blank, and a token";
    let token = json!({ "type": "apiKey", "in": "header", "name": "Authorization", "description": about });
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Argus' API, as Nightbell serves it", "version": format!("v{number}") },
        "paths": paths,
        "components": { "schemas": shapes(number), "securitySchemes": { "tokenAuth": token } },
    })
}

fn operation(path: &str, verb: &Verb) -> Value {
    let id = format!("{}_{}", verb.method, path.replace(['/', '{', '}', '-'], "_"));
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = names
        .map(|name| {
            let kind = if matches!(name, "pk" | "event" | "ack") { "integer" } else { "string" };
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": kind } })
        })
        .collect();
    parameters.extend(asked(path, verb));
    let mut responses = Map::new();
    let done = match verb.gives {
        None => json!({ "description": "Done" }),
        Some("Page") => {
            json!({ "description": "A page", "content": { "text/html": { "schema": shape("Page") } } })
        }
        Some(name) => json!({ "description": "Done", "content": json_of(name) }),
    };
    responses.insert(verb.status.to_string(), done);
    responses.insert(
        "default".to_owned(),
        json!({ "description": "Why it was not done", "content": json_of("Refusal") }),
    );
    let security = if verb.need.is_none() { json!([{}]) } else { json!([{ "tokenAuth": [] }]) };
    let mut operation = json!({
        "operationId": id.to_lowercase().trim_matches('_'),
        "summary": verb.about,
        "parameters": parameters,
        "security": security,
        "responses": responses,
    });
    if let Some(name) = verb.takes {
        operation["requestBody"] = json!({ "required": true, "content": json_of(name) });
    }
    operation
}

fn json_of(name: &str) -> Value {
    json!({ "application/json": { "schema": shape(name) } })
}

fn shape(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// What may stand after the question mark.
fn asked(path: &str, verb: &Verb) -> Vec<Value> {
    let (cursor, size) = (("cursor", "string"), ("page_size", "integer"));
    let is_mine = path.ends_with("/mine/");
    let all: Vec<(&str, &str)> = match verb.gives {
        _ if verb.method != Method::GET => return Vec::new(),
        Some("IncidentPage") => {
            let known = ASKED.into_iter().filter(|(name, _)| !is_mine || !is_of_others(name));
            known.chain([cursor]).collect()
        }
        Some("EventPage") => vec![cursor, size],
        _ => return Vec::new(),
    };
    let typed = |kind: &str| match kind.strip_prefix("array of ") {
        Some(items) => json!({ "type": "array", "items": { "type": items } }),
        None if kind == "date-time" => json!({ "type": "string", "format": kind }),
        None => json!({ "type": kind }),
    };
    // several values stand in one parameter, with commas between them
    let parameter = |(name, kind): &(&str, &str)| {
        let schema = typed(kind);
        json!({ "name": name, "in": "query", "schema": schema, "style": "form", "explode": false })
    };
    all.iter().map(parameter).collect()
}

/// Whether a list of the incidents of the source that asks cannot be narrowed by this.
fn is_of_others(name: &str) -> bool {
    name == "level__lte" || (name.starts_with("source__") && name.ends_with("__in"))
}

/// The shapes of one version.
fn shapes(version: u8) -> Value {
    // a test reads them, too
    let mut shapes = serde_json::from_str(SHAPES).unwrap_or_default();
    narrow(&mut shapes, version);
    shapes
}

/// Takes out what other versions have.
fn narrow(value: &mut Value, version: u8) {
    match value {
        Value::Object(object) => {
            for (name, mut inner) in std::mem::take(object) {
                narrow(&mut inner, version);
                match name.split_once('@') {
                    None => object.insert(name, inner),
                    Some((name, only)) if only == version.to_string() => {
                        object.insert(name.to_owned(), inner)
                    }
                    Some(_) => None,
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| narrow(it, version)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::table::{ROUTES, UNVERSIONED};
    use super::*;

    fn refers(value: &Value, to: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                if let Some(name) = object.get("$ref").and_then(Value::as_str) {
                    to.insert(name.trim_start_matches("#/components/schemas/").to_owned());
                }
                object.values().for_each(|it| refers(it, to));
            }
            Value::Array(items) => items.iter().for_each(|it| refers(it, to)),
            _ => {}
        }
    }

    #[test]
    fn every_shape_that_is_named_is_there_and_every_one_that_is_there_is_used() {
        let all: Value = serde_json::from_str(SHAPES).unwrap();
        let all: BTreeSet<String> = all.as_object().unwrap().keys().cloned().collect();
        let mut used = BTreeSet::new();
        for version in [Version::V2, Version::V3] {
            let described = described(version, [ROUTES, UNVERSIONED]);
            refers(&described, &mut used);
            assert!(!described.to_string().contains("@2"), "{described}");
        }
        assert_eq!(used, all);
    }

    #[test]
    fn what_only_one_version_has_is_in_that_one_only() {
        let tag = |version| shapes(version)["Tag"]["type"].clone();
        assert_eq!((tag(2), tag(3)), (json!("object"), json!("string")));
        assert!(shapes(2)["Source"]["properties"].get("last_seen").is_none());
        assert!(shapes(3)["Source"]["properties"].get("last_seen").is_some());
    }
}
