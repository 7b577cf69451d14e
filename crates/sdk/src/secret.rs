//! Secrets: settings that are used and never shown.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in the place of a secret wherever one would be shown (Alertmanager's clients know the word).
pub const REDACTED: &str = "<secret>";
/// The JSON Schema keyword that marks a secret; redaction and forms go by it.
pub const SCHEMA_MARK: &str = "x-secret";

/// A password, token, or URL that holds one. Neither `Debug` nor `Serialize` shows it.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text in.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(SecretString::from(text.into()))
    }

    /// The text itself: only where it goes out on the wire.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(REDACTED)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", (SCHEMA_MARK): true })
    }
}

/// Replaces everything in `settings` that `schema` marks as secret.
pub fn redact(settings: &mut serde_json::Value, schema: &serde_json::Value) {
    use serde_json::Value;
    if schema.get(SCHEMA_MARK).and_then(Value::as_bool) == Some(true) {
        if !settings.is_null() {
            *settings = Value::String(REDACTED.to_owned());
        }
        return;
    }
    for branch in branches(schema) {
        redact(settings, branch);
    }
    match settings {
        Value::Object(fields) => {
            for (name, value) in fields {
                for schema in of_key(schema, name) {
                    redact(value, schema);
                }
            }
        }
        Value::Array(items) => {
            for schema in of_items(schema) {
                items.iter_mut().for_each(|item| redact(item, schema));
            }
        }
        _ => {}
    }
}

/// The schemas that speak, or may speak, about the same value as this one: whether they do hangs on what is written,
/// and what may be a secret is taken for one.
pub fn branches(schema: &serde_json::Value) -> impl Iterator<Item = &serde_json::Value> {
    let lists =
        ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|word| schema.get(word)?.as_array()).flatten();
    let single = ["if", "then", "else"].into_iter().filter_map(|word| schema.get(word));
    let dependent = schema.get("dependentSchemas").and_then(|all| all.as_object());
    lists.chain(single).chain(dependent.into_iter().flatten().map(|(_, schema)| schema))
}

/// The schemas that speak about a key: the one that names it, or else all that may.
pub fn of_key<'a>(schema: &'a serde_json::Value, name: &str) -> Vec<&'a serde_json::Value> {
    if let Some(named) = schema.get("properties").and_then(|all| all.get(name)) {
        return vec![named];
    }
    let patterns = schema.get("patternProperties").and_then(|all| all.as_object());
    let patterns = patterns.into_iter().flatten().map(|(_, schema)| schema);
    let open =
        ["additionalProperties", "unevaluatedProperties"].into_iter().filter_map(|word| schema.get(word));
    patterns.chain(open).filter(|schema| schema.is_object()).collect()
}

/// The schemas that speak about items of a list.
pub fn of_items(schema: &serde_json::Value) -> Vec<&serde_json::Value> {
    let each = ["items", "contains", "unevaluatedItems"].into_iter().filter_map(|word| schema.get(word));
    let first = schema.get("prefixItems").and_then(|all| all.as_array()).into_iter().flatten();
    each.chain(first).filter(|schema| schema.is_object()).collect()
}

/// Texts shorter than this are left alone by [`hide`]: they would be found everywhere.
const SHORTEST_NEEDLE: usize = 4;

/// Everything in `settings` that `schema` marks as secret, and the parts of it that others are likely to
/// repeat: path and password of a URL.
pub fn needles(settings: &serde_json::Value, schema: &serde_json::Value) -> Vec<Secret> {
    let mut found = Vec::new();
    collect(settings, schema, &mut found);
    let parts = found.iter().filter_map(|text| url::Url::parse(text).ok()).flat_map(|url| {
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        [path.to_owned(), url.password().unwrap_or_default().to_owned()]
    });
    let mut all: Vec<String> = parts.collect::<Vec<_>>().into_iter().chain(found).collect();
    all.retain(|text| text.len() >= SHORTEST_NEEDLE);
    // the longest first, so that no part is replaced inside of a whole
    all.sort_by_key(|text| std::cmp::Reverse(text.len()));
    all.dedup();
    all.into_iter().map(Secret::new).collect()
}

fn collect(settings: &serde_json::Value, schema: &serde_json::Value, found: &mut Vec<String>) {
    let mut shown = settings.clone();
    redact(&mut shown, schema);
    differences(settings, &shown, found);
}

/// The texts that redaction changed.
fn differences(full: &serde_json::Value, shown: &serde_json::Value, found: &mut Vec<String>) {
    use serde_json::Value;
    match (full, shown) {
        (Value::Object(full), Value::Object(shown)) => {
            full.iter().filter_map(|(name, value)| Some((value, shown.get(name)?))).for_each(
                |(full, shown)| {
                    differences(full, shown, found);
                },
            );
        }
        (Value::Array(full), Value::Array(shown)) => {
            full.iter().zip(shown).for_each(|(full, shown)| differences(full, shown, found));
        }
        // a list of which nothing is shown
        (Value::Array(items), Value::String(_)) => {
            items.iter().for_each(|item| differences(item, &Value::Null, found));
        }
        (Value::String(text), shown) if shown != text.as_str() => found.push(text.clone()),
        _ => {}
    }
}

/// Replaces every secret that stands in a text.
pub fn hide(text: String, secrets: &[Secret]) -> String {
    let replace = |text: String, secret: &Secret| match text.contains(secret.expose()) {
        true => text.replace(secret.expose(), REDACTED),
        false => text,
    };
    secrets.iter().fold(text, replace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Settings {
        url: String,
        token: Option<Secret>,
        headers: std::collections::BTreeMap<String, Secret>,
    }

    #[test]
    fn a_secret_is_never_shown() {
        let raw = serde_json::json!({"url": "http://x", "token": "hush", "headers": {"X-Key": "hush"}});
        let settings: Settings = serde_json::from_value(raw.clone()).unwrap();
        assert_eq!(settings.token.as_ref().unwrap().expose(), "hush");
        assert!(!format!("{settings:?}").contains("hush"));
        assert!(!serde_json::to_string(&settings).unwrap().contains("hush"));
        let mut shown = raw;
        redact(&mut shown, &crate::registry::schema_of::<Settings>());
        assert!(!shown.to_string().contains("hush"), "{shown}");
        assert_eq!(shown["url"], "http://x");
    }

    #[test]
    fn a_secret_is_hidden_wherever_a_schema_may_say_that_it_is_one() {
        let secret = serde_json::json!({ "type": "string", SCHEMA_MARK: true });
        let schema = serde_json::json!({
            "properties": { "name": { "type": "string" }, "kind": { "type": "string" } },
            "patternProperties": { "^x-": secret },
            "if": { "properties": { "kind": { "const": "token" } } },
            "then": { "properties": { "token": secret } },
            "else": { "properties": { "password": secret } },
            "dependentSchemas": { "name": { "properties": { "pin": secret } } },
            "allOf": [{ "properties": { "keys": { "prefixItems": [secret], "items": { "type": "string" } } } }],
        });
        let mut shown = serde_json::json!({ "name": "ops", "kind": "token", "x-a": "hush", "token": "hush",
            "password": "hush", "pin": "hush", "keys": ["hush", "hush"] });
        redact(&mut shown, &schema);
        assert!(!shown.to_string().contains("hush"), "{shown}");
        assert_eq!((&shown["name"], &shown["kind"]), (&"ops".into(), &"token".into()));
    }

    #[test]
    fn what_others_may_repeat_of_a_secret_is_hidden() {
        let schema = serde_json::json!({ "properties": { "url": { SCHEMA_MARK: true } } });
        let settings =
            serde_json::json!({ "url": "https://u:passw@chat.example/hooks/T0/K1?x=1", "name": "ops" });
        let secrets = needles(&settings, &schema);
        let said = "POST /hooks/T0/K1?x=1 as passw at https://u:passw@chat.example/hooks/T0/K1?x=1 for ops";
        assert_eq!(hide(said.to_owned(), &secrets), "POST <secret> as <secret> at <secret> for ops");
    }
}
