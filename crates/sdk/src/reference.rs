//! The reference pages: what each kind is and which settings it takes, out of facts and schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::destination::Facts;
use crate::registry::Registry;
use crate::secret::SCHEMA_MARK;

/// The JSON Schema keyword with the name of a table that several kinds have.
pub const SECTION_MARK: &str = "x-section";

/// All kinds on one page: destinations, then sources.
pub fn reference_markdown(registry: &Registry) -> String {
    format!("{}\n{}", destinations_markdown(registry), sources_markdown(registry))
}

/// The page of all kinds of destinations.
pub fn destinations_markdown(registry: &Registry) -> String {
    let about =
        "Places that can be told something, by kind. [Templates](../templates.md) are explained apart.";
    page("Destinations", about, registry.destinations(), |kind| registry.address_fields(kind))
}

/// The page of all kinds of sources.
pub fn sources_markdown(registry: &Registry) -> String {
    page("Sources", "Ways to say that something happened, by kind.", registry.sources(), |_| &[])
}

fn page<'a>(
    title: &str,
    about: &str,
    kinds: impl Iterator<Item = (&'a Facts, &'a Value)>,
    own: impl Fn(&str) -> &'static [&'static str],
) -> String {
    let mut text = format!("# {title}\n\n{about} This page is generated from the code: edit it there.\n");
    let mut shared = BTreeMap::new();
    for (facts, schema) in kinds {
        section(&mut text, facts, schema, own(facts.kind));
        let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        shared.extend(properties.filter_map(|(_, property)| Some((shared_name(property)?, property))));
    }
    for (name, schema) in shared {
        // writing to a String cannot fail
        let _ = writeln!(text, "\n## {}\n\nWhat all kinds with a table `{name}` understand.", title_of(name));
        settings_table(&mut text, schema);
    }
    text
}

/// The name of a table of settings that several kinds have, and that is explained once.
fn shared_name(schema: &Value) -> Option<&str> {
    schema.get(SECTION_MARK)?.as_str()
}

fn title_of(name: &str) -> String {
    format!("Settings of `{name}`")
}

fn section(text: &mut String, facts: &Facts, schema: &Value, own: &[&str]) {
    // writing to a String cannot fail
    let _ = writeln!(text, "\n## `{}`: {}\n\n{}", facts.kind, facts.title, facts.about);
    if facts.deduplicates {
        let _ = writeln!(text, "\nWhat comes twice under the same idempotency key is taken once.");
    }
    if !own.is_empty() {
        let own: Vec<String> = own.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(
            text,
            "\nA person's own destination needs {} only: the rest is what `[defaults.{}]` says.",
            own.join(", "),
            facts.kind
        );
    }
    if !facts.docs.is_empty() {
        let _ = writeln!(text, "\nIts own documentation: <{}>", facts.docs);
    }
    settings_table(text, schema);
    for example in schema.get("examples").and_then(Value::as_array).into_iter().flatten() {
        if example.as_object().is_none_or(Map::is_empty) {
            continue;
        }
        let _ = writeln!(text, "\n```toml\n{}```", toml_of(example));
    }
}

fn settings_table(text: &mut String, schema: &Value) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let Some(properties) = properties.filter(|all| !all.is_empty()) else {
        text.push_str("\nThere is nothing to set.\n");
        return;
    };
    text.push_str("\n| setting | type | default | meaning |\n|---|---|---|---|\n");
    rows(text, "", schema, properties);
}

/// One row a setting; what is in a table follows it, with the table's name before it.
fn rows(text: &mut String, prefix: &str, schema: &Value, properties: &Map<String, Value>) {
    for (required, (name, property)) in in_order(schema, properties) {
        let default = match property.get("default") {
            _ if required => "required".to_owned(),
            None | Some(Value::Null) => String::new(),
            Some(value) => format!("`{}`", inline(value)),
        };
        let meaning = cell(property.get("description").and_then(Value::as_str).unwrap_or_default());
        let meaning = [meaning, choices(property)].join(" ");
        let kind = match shared_name(property) {
            Some(name) => format!("[table](#settings-of-{name})"),
            None => type_of(property),
        };
        let _ = writeln!(text, "| `{prefix}{name}` | {kind} | {} | {} |", cell(&default), meaning.trim());
        if let Some((inner, properties)) = table_in(property).filter(|_| shared_name(property).is_none()) {
            rows(text, &format!("{prefix}{name}."), inner, properties);
        }
    }
}

/// The table that a setting is, or may be.
fn table_in(schema: &Value) -> Option<(&Value, &Map<String, Value>)> {
    let branches = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let all = std::iter::once(schema).chain(branches);
    // the table that a template may be is told of once for all of them
    all.filter(|schema| schema.get("format").is_none_or(|format| format != "template"))
        .find_map(|schema| Some((schema, schema.get("properties")?.as_object()?)))
}

/// What must be there first, the rest by name.
fn in_order<'a>(schema: &Value, properties: &'a Map<String, Value>) -> Vec<(bool, (&'a String, &'a Value))> {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|all| all.iter().any(|have| have == name));
    let mut rows: Vec<_> =
        properties.iter().map(|(name, value)| (is_required(name), (name, value))).collect();
    rows.sort_by_key(|(required, (name, _))| (!required, (*name).clone()));
    rows
}

/// A schema's type in words; alternatives apart from null are joined.
fn type_of(schema: &Value) -> String {
    if schema.get(SCHEMA_MARK).is_some() {
        return "secret".to_owned();
    }
    let branches = ["anyOf", "oneOf"].into_iter().find_map(|word| schema.get(word)?.as_array());
    if let Some(branches) = branches {
        let mut words: Vec<String> = branches.iter().map(type_of).filter(|word| word != "null").collect();
        words.dedup();
        return words.join(" or ");
    }
    if schema.get("enum").is_some() || schema.get("const").is_some() {
        return "choice".to_owned();
    }
    let format = schema.get("format").and_then(Value::as_str);
    if format == Some("template") {
        // as a text or as a table of its own, it is one
        return "template".to_owned();
    }
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect()
        }
        Some(Value::String(one)) => vec![one],
        _ => return "anything".to_owned(),
    };
    let word = |name: &str| match (name, format) {
        ("array", _) => format!("list of {}", schema.get("items").map_or("anything".to_owned(), type_of)),
        ("object", _) => {
            let values = schema.get("additionalProperties").filter(|values| values.is_object());
            if schema.get("properties").is_some() {
                return "table".to_owned();
            }
            format!("table of {}", values.map_or("anything".to_owned(), type_of))
        }
        ("string", Some(format @ ("expression" | "span"))) => format.to_owned(),
        ("string", _) => "text".to_owned(),
        ("boolean", _) => "yes or no".to_owned(),
        ("integer" | "number", _) => "number".to_owned(),
        (other, _) => other.to_owned(),
    };
    names.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

/// The words that a choice knows, with what they mean where that is said.
fn choices(schema: &Value) -> String {
    let mut found = Vec::new();
    let plain = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    found.extend(plain.filter(|word| !word.is_null()).map(|word| format!("`{}`", inline(word))));
    for branch in ["anyOf", "oneOf"].iter().filter_map(|word| schema.get(*word)?.as_array()).flatten() {
        match branch.get("const") {
            Some(word) => {
                let meaning = branch.get("description").and_then(Value::as_str).map(cell).unwrap_or_default();
                let meaning = meaning.trim_end_matches('.');
                let meaning = if meaning.is_empty() { String::new() } else { format!(": {meaning}") };
                found.push(format!("`{}`{meaning}", inline(word)));
            }
            None => found.extend(Some(choices(branch)).filter(|text| !text.is_empty())),
        }
    }
    found.join("; ")
}

/// Text for a cell of a table: one line, bars escaped.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// A table as TOML: plain values first, then tables, lists of tables inline.
fn toml_of(value: &Value) -> String {
    let mut text = String::new();
    let Some(fields) = value.as_object() else { return text };
    // by name, whether or not serde_json keeps an order of its own in this build
    let fields: BTreeMap<&String, &Value> = fields.iter().collect();
    let is_table = |value: &Value| value.as_object().is_some_and(|fields| !fields.is_empty());
    for (name, value) in fields.iter().filter(|(_, value)| !is_table(value) && !value.is_null()) {
        let _ = writeln!(text, "{} = {}", key(name), inline(value));
    }
    for (name, value) in fields.iter().filter(|(_, value)| is_table(value)) {
        for (inner, value) in value.as_object().into_iter().flatten().collect::<BTreeMap<_, _>>() {
            let _ = writeln!(text, "{}.{} = {}", key(name), key(inner), inline(value));
        }
    }
    text
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { quoted(name) }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(n, v)| format!("{} = {}", key(n), inline(v))).collect();
            if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
        other => other.to_string(),
    }
}

/// A literal string where that needs no escapes, so that templates stay readable.
fn quoted(text: &str) -> String {
    let literal = text.contains(['"', '\\']) && !text.contains('\'') && !text.chars().any(char::is_control);
    // JSON's escapes are TOML's, apart from `\/`, which is never written
    if literal { format!("'{text}'") } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::source::{Refusal, Request, Source};
    use model::NewEvent;
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        /// Like a fire.
        #[default]
        Red,
        /// Like the | sea.
        Blue,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[schemars(example = json!({"token": "t", "tags": {"a b": "say \"hi\""}, "count": 2}))]
    struct Settings {
        /// Who
        /// we are.
        #[expect(dead_code)]
        token: Secret,
        /// What to say.
        #[serde(default)]
        #[expect(dead_code)]
        tags: BTreeMap<String, String>,
        /// How often.
        #[serde(default = "three")]
        #[expect(dead_code)]
        count: u8,
        /// Which.
        #[serde(default)]
        #[expect(dead_code)]
        colour: Colour,
        /// More.
        #[expect(dead_code)]
        more: Option<Vec<String>>,
    }

    fn three() -> u8 {
        3
    }

    struct Pipe;
    impl Source for Pipe {
        const FACTS: Facts = Facts {
            kind: "pipe",
            title: "Pipe",
            about: "Reads pipes.",
            docs: "https://p.example",
            deduplicates: true,
        };
        type Settings = Settings;
        fn parse(_: &Settings, _: &Request<'_>) -> Result<Vec<NewEvent>, Refusal> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn a_page_shows_all_there_is_to_know() {
        let page = sources_markdown(&Registry::default().source::<Pipe>());
        let expected = r#"
## `pipe`: Pipe

Reads pipes.

What comes twice under the same idempotency key is taken once.

Its own documentation: <https://p.example>

| setting | type | default | meaning |
|---|---|---|---|
| `token` | secret | required | Who we are. |
| `colour` | choice | `"red"` | Which. `"red"`: Like a fire; `"blue"`: Like the \| sea |
| `count` | number | `3` | How often. |
| `more` | list of text |  | More. |
| `tags` | table of text | `{}` | What to say. |

```toml
count = 2
token = "t"
tags."a b" = 'say "hi"'
```
"#;
        assert!(page.ends_with(expected), "{page}");
    }
}
