//! The JSON Schema of the whole file, and questions to it: which keys a table may have, what is secret.
//!
//! Everything that must know all keys asks the schema, which is made of our own sections and of what the
//! kinds in the registry say of themselves. So a new kind is known everywhere as soon as it is registered.

use sdk::Registry;
use sdk::destination::Facts;
use sdk::reference::SECTION_MARK;
use sdk::registry::{LateCheck, schema_of};
use sdk::secret::SCHEMA_MARK;
use serde_json::{Map, Value, json};

use crate::checks::CheckEntry;
use crate::entries::{File, MannersEntry};
use crate::node::Node;

/// How many references and alternatives are followed at one place. None of ours has as many.
const MAX_DETOURS: usize = 8;

/// The JSON Schema of `nightbell.toml`, with the settings of all kinds that this program knows. Editors
/// that know JSON Schema complete and check with it.
pub fn schema(registry: &Registry) -> Value {
    let mut schema = schema_of::<File>();
    let manners = schema_of::<MannersEntry>();
    let mut shared = Map::new();
    let (mut defaults, mut kinds) = (Map::new(), Map::new());
    for (facts, settings) in registry.destinations() {
        let mut item = with_secret_references(settings);
        share(&mut item, &mut shared);
        add_properties(&mut item, &manners);
        describe(&mut item, facts.title, facts.about);
        // a destination needs what in the defaults may be missing
        let needed = item.as_object_mut().and_then(|fields| fields.remove("required"));
        let name = format!("kind_{}", facts.kind);
        let reference = json!({ "$ref": format!("#/$defs/{name}") });
        let mut whole = reference.clone();
        needed.into_iter().for_each(|names| whole["required"] = names);
        shared.insert(name, item);
        defaults.insert(facts.kind.to_owned(), reference);
        let list = json!({ "type": "array", "items": whole, "description": facts.about });
        kinds.insert(facts.kind.to_owned(), list);
    }
    let sources: Vec<Value> = registry.sources().map(|(facts, settings)| source(facts, settings)).collect();
    let integration = if sources.is_empty() { json!({}) } else { json!({ "oneOf": sources }) };
    schema["title"] = "nightbell.toml".into();
    if let Some(defined) = schema.as_object_mut().map(|it| it.entry("$defs").or_insert_with(|| json!({}))) {
        shared.into_iter().for_each(|(name, table)| defined[name.as_str()] = table);
    }
    let properties = &mut schema["properties"];
    for section in ["database", "answers"] {
        properties[section] = with_secret_references(&properties[section]);
    }
    properties["defaults"]["properties"] = defaults.into();
    properties["defaults"]["additionalProperties"] = false.into();
    let checks: Vec<Value> = registry.checks().map(check).collect();
    properties["checks"]["additionalProperties"] =
        if checks.is_empty() { json!({}) } else { json!({ "oneOf": checks }) };
    properties["receivers"]["additionalProperties"] =
        json!({ "type": "object", "properties": kinds, "additionalProperties": false });
    properties["integrations"]["additionalProperties"] = integration;
    properties["time_intervals"]["additionalProperties"] = time_intervals();
    let settings = registry.plugins().map(|(id, settings)| {
        let mut item = with_secret_references(settings);
        describe(&mut item, id, &format!("Settings of the plugin {id}."));
        (id.to_owned(), item)
    });
    let settings: Map<String, Value> = settings.collect();
    let all = &mut properties["plugins"]["properties"]["settings"];
    all["properties"] = settings.into();
    all["additionalProperties"] = false.into();
    schema
}

/// Takes tables that many kinds have out of a kind's schema, to be written once for all.
fn share(item: &mut Value, shared: &mut Map<String, Value>) {
    for property in item["properties"].as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        let Some(name) = property.get(SECTION_MARK).and_then(Value::as_str).map(str::to_owned) else {
            continue;
        };
        let reference = json!({ "$ref": format!("#/$defs/{name}"), "description": property["description"] });
        let mut table = std::mem::replace(property, reference);
        table["description"] = format!("What all kinds with a table `{name}` understand.").into();
        shared.insert(name, table);
    }
}

/// An integration of one kind: its settings and the word for the kind.
fn source(facts: &Facts, settings: &Value) -> Value {
    let mut item = with_secret_references(settings);
    let kind = json!({ "const": facts.kind, "description": "Which kind it is." });
    add_properties(&mut item, &json!({ "properties": { "kind": kind } }));
    if let Some(fields) = item.as_object_mut() {
        let required = fields.entry("required").or_insert_with(|| json!([]));
        required.as_array_mut().into_iter().for_each(|names| names.push("kind".into()));
    }
    describe(&mut item, facts.title, facts.about);
    item
}

/// A check of one kind: its settings, the word for the kind, and how often.
fn check(kind: &LateCheck) -> Value {
    let mut item = with_secret_references(&kind.schema);
    let word = json!({ "const": kind.kind, "description": "Which kind it is." });
    add_properties(&mut item, &json!({ "properties": { "kind": word } }));
    add_properties(&mut item, &schema_of::<CheckEntry>());
    describe(&mut item, &kind.kind, &kind.about);
    item
}

fn describe(item: &mut Value, title: &str, about: &str) {
    if let Some(fields) = item.as_object_mut() {
        fields.remove("$schema");
        fields.insert("title".to_owned(), title.into());
        fields.insert("description".to_owned(), about.into());
    }
}

/// Adds properties to the schema of a table and closes it: what it does not name is not known.
fn add_properties(item: &mut Value, more: &Value) {
    let Some(fields) = item.as_object_mut() else { return };
    let closed = fields.get("additionalProperties").is_none_or(|open| *open == Value::Bool(false));
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    for (name, schema) in more["properties"].as_object().into_iter().flatten() {
        properties[name] = schema.clone();
    }
    if closed && fields.keys().all(|word| !matches!(word.as_str(), "anyOf" | "oneOf" | "allOf" | "$ref")) {
        fields.insert("additionalProperties".to_owned(), false.into());
    }
}

/// The same schema, in which every secret may also be a reference to a variable or a file.
fn with_secret_references(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) if is_marked(schema) => {
            let mut outer = Map::new();
            let mut text = fields.clone();
            for word in ["description", "default", SCHEMA_MARK] {
                outer.extend(text.remove_entry(word));
            }
            let reference = |word: &str, about: &str| {
                let properties = json!({ word: { "type": "string", "description": about } });
                json!({ "type": "object", "properties": properties,
                    "required": [word], "additionalProperties": false })
            };
            let env = reference("env", "Name of an environment variable that holds it.");
            let file =
                reference("file", "Path of a file that holds it, from the configuration file's folder.");
            outer.insert("anyOf".to_owned(), json!([text, env, file]));
            Value::Object(outer)
        }
        Value::Object(fields) => {
            let inner = |(name, schema): (&String, &Value)| (name.clone(), with_secret_references(schema));
            Value::Object(fields.iter().map(inner).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(with_secret_references).collect()),
        other => other.clone(),
    }
}

fn is_marked(schema: &Value) -> bool {
    schema.get(SCHEMA_MARK).and_then(Value::as_bool) == Some(true)
}

/// Alertmanager's shape of time intervals.
fn time_intervals() -> Value {
    let texts = |description: &str| {
        let items = json!({ "type": ["string", "integer"] });
        json!({ "type": "array", "items": items, "description": description })
    };
    let clock = |about: &str| json!({ "type": "string", "description": about });
    let times = json!({
        "type": "array",
        "description": "Times of the day; none: the whole day.",
        "items": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "start_time": clock("From, such as 09:00."),
                "end_time": clock("Until, such as 17:00; on the next day if that is earlier."),
            },
        },
    });
    let interval = json!({
        "type": "object",
        "description": "A time. All that is given must hold; each list holds when one of it does.",
        "additionalProperties": false,
        "properties": {
            "times": times,
            "weekdays": texts("Days of the week, such as saturday or monday:friday."),
            "days_of_month": texts("Days of the month, such as 1, 1:7 or -3:-1 (the last three)."),
            "months": texts("Months, such as december, 12 or june:august."),
            "years": texts("Years, such as 2026 or 2026:2028."),
            "location": clock("A time zone such as Europe/Berlin; UTC when there is none."),
        },
    });
    json!({ "anyOf": [interval, { "type": "array", "items": interval }] })
}

/// All schemas that speak about one place in the file.
#[derive(Clone)]
pub(crate) struct View<'a> {
    root: &'a Value,
    schemas: Vec<&'a Value>,
}

impl<'a> View<'a> {
    /// The file as a whole.
    pub(crate) fn whole(root: &'a Value) -> Self {
        View { root, schemas: vec![root] }
    }

    /// The schemas for what is written here, with references and alternatives followed. An alternative is
    /// left out when it wants another constant (such as `kind`) than the one that is written.
    fn alternatives(&self, node: Option<&Node>) -> Vec<&'a Value> {
        let mut found = Vec::new();
        for schema in &self.schemas {
            self.follow(schema, node, MAX_DETOURS, &mut found);
        }
        found
    }

    fn follow(&self, schema: &'a Value, node: Option<&Node>, detours: usize, found: &mut Vec<&'a Value>) {
        if detours == 0 || node.is_some_and(|node| contradicts(schema, node)) {
            return;
        }
        found.push(schema);
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        if let Some(target) = reference.and_then(|path| self.root.pointer(path)) {
            self.follow(target, node, detours - 1, found);
        }
        for branch in sdk::secret::branches(schema) {
            self.follow(branch, node, detours - 1, found);
        }
    }

    /// What speaks about a key of what is written here.
    pub(crate) fn key(&self, key: &str, node: Option<&Node>) -> Self {
        let named = |schema: &&&'a Value| schema.get("properties").is_some_and(|all| all.get(key).is_some());
        let alternatives = self.alternatives(node);
        let naming: Vec<&Value> = alternatives.iter().filter(named).copied().collect();
        let speaking = if naming.is_empty() { alternatives } else { naming };
        let schemas = speaking.into_iter().flat_map(|schema| sdk::secret::of_key(schema, key)).collect();
        View { root: self.root, schemas }
    }

    /// What speaks about the items of a list.
    pub(crate) fn item(&self) -> Self {
        let schemas = self.alternatives(None).into_iter().flat_map(sdk::secret::of_items).collect();
        View { root: self.root, schemas }
    }

    /// The keys that may stand here, or `None` when any may.
    pub(crate) fn keys(&self, node: Option<&Node>) -> Option<Vec<&'a str>> {
        let mut keys = Vec::new();
        for schema in self.alternatives(node) {
            let is_open = |word: &str| schema.get(word).is_some_and(|open| *open != Value::Bool(false));
            if ["additionalProperties", "unevaluatedProperties", "patternProperties"].into_iter().any(is_open)
            {
                return None;
            }
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            keys.extend(properties.map(|(name, _)| name.as_str()));
        }
        if keys.is_empty() && !self.is_closed(node) {
            return None;
        }
        Some(keys)
    }

    fn is_closed(&self, node: Option<&Node>) -> bool {
        let closed = |schema: &&Value| schema.get("additionalProperties") == Some(&Value::Bool(false));
        self.alternatives(node).iter().any(closed)
    }

    /// Whether what stands here must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        self.alternatives(None).iter().any(|schema| is_marked(schema))
    }

    /// Whether nothing but a text can stand here.
    pub(crate) fn is_text(&self) -> bool {
        self.is_only(&["string", "null"])
    }

    /// Whether neither a table nor a list can stand here.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_only(&["string", "integer", "number", "boolean", "null"])
    }

    fn is_only(&self, names: &[&str]) -> bool {
        let alternatives = self.alternatives(None);
        let types = || alternatives.iter().filter_map(|schema| schema.get("type"));
        let is_one = |name: &Value| name.as_str().is_some_and(|name| names.contains(&name));
        types().next().is_some()
            && types().all(|name| name.as_array().map_or_else(|| is_one(name), |all| all.iter().all(is_one)))
    }

    /// Whether a whole number may stand here.
    pub(crate) fn is_number(&self) -> bool {
        let names_it = |name: &Value| name.as_str() == Some("integer");
        let types = |schema: &Value| match schema.get("type") {
            Some(Value::Array(all)) => all.iter().any(names_it),
            one => one.is_some_and(names_it),
        };
        self.alternatives(None).into_iter().any(types)
    }

    /// Whether a list may stand here.
    pub(crate) fn is_list(&self) -> bool {
        self.alternatives(None).iter().any(|schema| schema.get("items").is_some())
    }

    /// What stands here when nobody sets it.
    pub(crate) fn default(&self) -> Option<&'a Value> {
        self.schemas.iter().find_map(|schema| schema.get("default"))
    }
}

/// Whether a schema wants another constant somewhere in this table.
fn contradicts(schema: &Value, node: &Node) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.filter_map(|(name, property)| Some((name, property.get("const")?.as_str()?))).any(
        |(name, wanted)| node.get(name).is_some_and(|have| have.as_text().is_some_and(|have| have != wanted)),
    )
}
