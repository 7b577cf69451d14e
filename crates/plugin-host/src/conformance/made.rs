//! Settings that nobody has set: the defaults of a schema, and something harmless for what must be there and has none.

use serde_json::{Map, Value, json};

use crate::schema::Schema;

/// How deep tables and lists are made.
const MAX_DEPTH: usize = 8;
/// Things of a list, or characters of a text, that are made at the most because there must be so many.
const MOST: u64 = 4096;
/// A name that leads nowhere (RFC 6761).
const NOWHERE: &str = "nightbell.invalid";

/// Settings that fit.
///
/// # Errors
/// In words, when there is no telling what would fit.
pub(super) fn settings(raw: Option<&Value>) -> Result<Value, String> {
    let schema = Schema::new(raw)?;
    if let Ok(defaults) = schema.fit(Value::Null) {
        return Ok(defaults);
    }
    let fit = schema.fit(value(schema.json(), MAX_DEPTH));
    fit.map_err(|wrong| wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Defaults that do not fit the schema that they stand in.
pub(super) fn bad_defaults(raw: Option<&Value>) -> Result<(), String> {
    let wrong = Schema::new(raw)?.fit(Value::Null).err().unwrap_or_default();
    // what is not there has no path, and only defaults are there
    let wrong: Vec<String> =
        wrong.iter().filter(|it| !it.path.is_empty()).map(|it| format!("the default of {it}")).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

fn value(schema: &Value, depth: usize) -> Value {
    let given = ["const", "default"].into_iter().filter_map(|word| schema.get(word));
    let listed = ["enum", "examples"].into_iter().filter_map(|word| schema.get(word)?.as_array()?.first());
    let chosen = ["oneOf", "anyOf"].into_iter();
    let chosen = chosen.filter_map(|word| schema.get(word)?.as_array()?.first()?.get("const"));
    if let Some(given) = given.chain(listed).chain(chosen).find(|it| !it.is_null()) {
        return given.clone();
    }
    let sort = schema["type"].as_str().or_else(|| schema["type"].as_array()?.first()?.as_str());
    match sort {
        Some("object") => object(schema, depth),
        None if schema["properties"].is_object() => object(schema, depth),
        Some("array") => {
            let items = schema["minItems"].as_u64().unwrap_or(0).min(MOST);
            (0..items).filter(|_| depth > 0).map(|_| value(&schema["items"], depth - 1)).collect()
        }
        Some("integer") => number(schema).map_or(json!(1), |least| json!(least.ceil() as i64)),
        Some("number") => number(schema).map_or(json!(1), Value::from),
        Some("boolean") => json!(false),
        Some("null") => Value::Null,
        _ => text(schema),
    }
}

fn object(schema: &Value, depth: usize) -> Value {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let made = required.filter(|_| depth > 0);
    let made = made.map(|name| (name.to_owned(), value(&schema["properties"][name], depth - 1)));
    Value::Object(made.collect::<Map<_, _>>())
}

fn number(schema: &Value) -> Option<f64> {
    let above = schema["exclusiveMinimum"].as_f64().map(|least| least + 1.0);
    above.or_else(|| schema["minimum"].as_f64())
}

fn text(schema: &Value) -> Value {
    let made = match schema["format"].as_str() {
        Some("uri" | "url" | "iri") => format!("https://{NOWHERE}/"),
        Some("email") => format!("nobody@{NOWHERE}"),
        Some("hostname") => NOWHERE.to_owned(),
        Some("date-time") => "2026-01-31T12:00:00Z".to_owned(),
        _ => "nightbell".to_owned(),
    };
    let least = usize::try_from(schema["minLength"].as_u64().unwrap_or(0).min(MOST)).unwrap_or(0);
    let most = schema["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok());
    let padded = format!("{made:x<least$}");
    padded.chars().take(most.unwrap_or(usize::MAX)).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_fits_and_defaults_are_kept() {
        let schema = json!({
            "type": "object",
            "required": ["url", "room", "level", "region", "to", "times", "inner"],
            "properties": {
                "url": {"type": "string", "format": "uri"},
                "room": {"type": "string", "minLength": 20, "maxLength": 30},
                "level": {"enum": ["low", "high"]},
                "region": {"type": "string", "oneOf": [{"const": "eu-1", "title": "Europe"}]},
                "to": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "email"}},
                "times": {"type": "integer", "minimum": 3},
                "inner": {"type": "object", "required": ["on"], "properties": {"on": {"type": "boolean"}}},
                "pace": {"type": "number", "default": 0.5},
            },
        });
        let made = settings(Some(&schema)).unwrap();
        let wanted = json!({
            "url": "https://nightbell.invalid/", "room": "nightbellxxxxxxxxxxx", "level": "low",
            "region": "eu-1", "to": ["nobody@nightbell.invalid"], "times": 3, "inner": {"on": false}, "pace": 0.5,
        });
        assert_eq!(made, wanted);
        assert_eq!(settings(None), Ok(json!({})));
        let never =
            json!({"required": ["id"], "properties": {"id": {"type": "string", "pattern": "^[0-9]+$"}}});
        assert!(settings(Some(&never)).unwrap_err().contains("id: "));
    }

    #[test]
    fn a_default_that_does_not_fit_is_named_and_what_is_not_there_is_no_default() {
        let wrong = json!({"properties": {"times": {"type": "integer", "default": "three"}}});
        assert!(bad_defaults(Some(&wrong)).unwrap_err().contains("the default of times: "));
        let needed = json!({"required": ["room"], "properties": {"room": {"type": "string"}}});
        assert_eq!(bad_defaults(Some(&needed)), Ok(()));
    }
}
