//! Schemas of settings: whether a value fits, what is wrong if not, and what stands where nothing is said.

use jsonschema::Validator;
use plugin_protocol::calls::Complaint;
use sdk::secret::SCHEMA_MARK;
use serde_json::{Map, Value, json};

/// Complaints that are told at once.
const MAX_COMPLAINTS: usize = 20;
/// References that are followed into each other.
const MAX_DEPTH: usize = 16;
/// Parts of a schema with its references put in.
const MAX_NODES: usize = 20_000;

/// A schema, ready to be asked.
#[derive(Debug)]
pub struct Schema {
    json: Value,
    validator: Validator,
}

impl Schema {
    /// Makes a schema ready; nothing at all means that there is nothing to set. The result is closed (an unknown
    /// setting is
    /// refused, unless it says otherwise), without references, and its secrets are marked in our own way.
    ///
    /// # Errors
    /// When it is no schema, in words.
    pub fn new(raw: Option<&Value>) -> Result<Self, String> {
        let nothing = json!({ "type": "object" });
        let raw = raw.unwrap_or(&nothing);
        let mut json = References { root: raw, room: MAX_NODES }.put_in(raw, MAX_DEPTH)?;
        mark(&mut json);
        close(&mut json);
        let options = jsonschema::draft202012::options().should_validate_formats(false);
        let validator = options.build(&json).map_err(|error| format!("{}: {error}", error.schema_path()))?;
        Ok(Schema { json, validator })
    }

    /// The schema itself.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Puts defaults in, and says what is wrong with the rest.
    ///
    /// # Errors
    /// Everything that is wrong, without a word of any value: it may be a secret.
    pub fn fit(&self, mut value: Value) -> Result<Value, Vec<Complaint>> {
        put_defaults(&mut value, &self.json);
        let complaints: Vec<Complaint> =
            self.validator.iter_errors(&value).take(MAX_COMPLAINTS).map(|error| complaint(&error)).collect();
        if complaints.is_empty() { Ok(value) } else { Err(complaints) }
    }
}

fn complaint(error: &jsonschema::ValidationError<'_>) -> Complaint {
    let path = error.instance_path().to_string();
    let path = path.trim_start_matches('/').replace('/', ".");
    // the value itself is not repeated
    let message = error.masked_with("what is there").to_string();
    Complaint { path, message }
}

/// Puts what `$ref`s refer to in their place.
struct References<'a> {
    root: &'a Value,
    /// how much more may be written
    room: usize,
}

impl References<'_> {
    fn put_in(&mut self, schema: &Value, depth: usize) -> Result<Value, String> {
        let Some(room) = self.room.checked_sub(1) else {
            return Err(format!("with its references put in, it has more than {MAX_NODES} parts"));
        };
        self.room = room;
        let fields = match schema {
            Value::Object(fields) => fields,
            Value::Array(items) => {
                let items = items.iter().map(|item| self.put_in(item, depth));
                return items.collect::<Result<_, _>>().map(Value::Array);
            }
            other => return Ok(other.clone()),
        };
        let mut made = Map::new();
        if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            let target = target.ok_or_else(|| format!("$ref: {reference:?} is not in this schema"))?;
            if depth == 0 {
                return Err(format!("$ref: {reference:?} leads more than {MAX_DEPTH} references deep"));
            }
            match self.put_in(target, depth - 1)? {
                Value::Object(fields) => made = fields,
                other => return Ok(other),
            }
        }
        for (name, value) in fields {
            if matches!(name.as_str(), "$ref" | "$defs" | "definitions" | "$schema" | "$id") {
                continue;
            }
            // what is data, and what only looks like a schema
            let as_it_is = matches!(name.as_str(), "default" | "const" | "enum" | "examples" | "required");
            let value = if as_it_is { value.clone() } else { self.put_in(value, depth)? };
            made.insert(name.clone(), value);
        }
        Ok(Value::Object(made))
    }
}

/// Whatever marks a secret elsewhere is marked as one here.
fn mark(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let says = |name: &str, value: Value| fields.get(name) == Some(&value);
            let is_secret = says("writeOnly", true.into()) || says("format", "password".into());
            if is_secret {
                fields.insert(SCHEMA_MARK.to_owned(), true.into());
            }
            fields.values_mut().for_each(mark);
        }
        Value::Array(items) => items.iter_mut().for_each(mark),
        _ => {}
    }
}

/// A table takes only what is named, unless it says otherwise.
fn close(schema: &mut Value) {
    let Value::Object(fields) = schema else { return };
    fields.entry("type").or_insert_with(|| "object".into());
    fields.entry("properties").or_insert_with(|| json!({}));
    let is_open =
        ["anyOf", "oneOf", "allOf", "patternProperties", "additionalProperties", "unevaluatedProperties"];
    if !is_open.iter().any(|word| fields.contains_key(*word)) {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
}

fn put_defaults(value: &mut Value, schema: &Value) {
    if value.is_null() && schema["type"] == "object" {
        *value = json!({});
    }
    let (Value::Object(fields), Some(properties)) = (value, schema["properties"].as_object()) else { return };
    for (name, property) in properties {
        match (fields.get_mut(name), property.get("default")) {
            (Some(value), _) => put_defaults(value, property),
            (None, Some(default)) if !default.is_null() => {
                fields.insert(name.clone(), default.clone());
            }
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(json: Value) -> Schema {
        Schema::new(Some(&json)).unwrap()
    }

    #[test]
    fn defaults_are_put_in_and_what_is_wrong_is_told_without_values() {
        let schema = schema(json!({
            "type": "object",
            "required": ["token"],
            "properties": {
                "token": {"type": "string", "writeOnly": true, "minLength": 20},
                "room": {"type": "string", "default": "#alerts"},
                "retry": {"type": "object", "properties": {"times": {"type": "integer", "default": 3}}},
            },
        }));
        let fine = schema.fit(json!({"token": "01234567890123456789", "retry": {}})).unwrap();
        assert_eq!((&fine["room"], &fine["retry"]["times"]), (&json!("#alerts"), &json!(3)));
        let wrong = schema.fit(json!({"token": "hush", "rom": 1, "room": 5})).unwrap_err();
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        let all = told.join("\n");
        assert!(all.contains("token: ") && all.contains("room: ") && all.contains("rom"), "{all}");
        assert!(!all.contains("hush"), "{all}");
        assert_eq!(schema.json()["properties"]["token"][SCHEMA_MARK], json!(true));
    }

    #[test]
    fn references_are_put_in_and_circles_are_refused() {
        let fine = schema(json!({
            "$defs": {"word": {"type": "string", "format": "password"}},
            "properties": {"a": {"$ref": "#/$defs/word", "description": "A word."}},
        }));
        assert_eq!(fine.json()["properties"]["a"]["description"], "A word.");
        assert_eq!(fine.json()["properties"]["a"][SCHEMA_MARK], json!(true));
        let circle = json!({"properties": {"a": {"$ref": "#"}}});
        assert!(Schema::new(Some(&circle)).unwrap_err().contains("references deep"));
        let far = json!({"properties": {"a": {"$ref": "http://schemas.example/x"}}});
        assert!(Schema::new(Some(&far)).unwrap_err().contains("not in this schema"));
    }

    #[test]
    fn references_that_multiply_are_refused_in_time() {
        let mut all = Map::new();
        for n in 0..8 {
            let next: Vec<Value> = (0..10).map(|_| json!({"$ref": format!("#/$defs/d{}", n + 1)})).collect();
            all.insert(format!("d{n}"), json!({"allOf": next}));
        }
        all.insert("d8".to_owned(), json!({"type": "string"}));
        let bomb = json!({"$defs": all, "properties": {"a": {"$ref": "#/$defs/d0"}}});
        assert!(Schema::new(Some(&bomb)).unwrap_err().contains("more than 20000 parts"));
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        assert!(Schema::new(Some(&json!({"properties": {"a": {"type": "strnig"}}}))).is_err());
    }

    #[test]
    fn nothing_to_set_means_nothing_may_be_set() {
        let schema = Schema::new(None).unwrap();
        assert_eq!(schema.fit(Value::Null), Ok(json!({})));
        assert!(schema.fit(json!({"a": 1})).is_err());
    }
}
