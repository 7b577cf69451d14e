//! Overrides, and the elements of the configuration that they are of, as the API shows them.

use config::Overrides;
use model::Time;
use sdk::secret::REDACTED;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::app::{Exposed, Overriding};

/// A section of the configuration whose settings can be overridden.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigSection)]
pub struct SectionView {
    /// What it is called, such as `receivers`.
    section: String,
    /// What is in it.
    elements: Vec<ElementView>,
}

/// One element of a section, as it is in force.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfigElement)]
pub struct ElementView {
    /// The section.
    section: String,
    /// Which one of the section, such as `ops/slack/0`; empty where a section has only one.
    element: String,
    /// Its options as they are in force, with defaults, and `<secret>` in the place of secrets that are set.
    #[schema(value_type = Object)]
    options: Map<String, Value>,
    /// Options that are overridden, by path.
    overridden: Vec<String>,
    /// Options of which only is shown that they are set, by path.
    redacted: Vec<String>,
    /// Whether the file does not have it: it was added.
    added: bool,
}

/// A change of the overrides.
#[derive(Serialize, ToSchema)]
#[schema(as = OverrideVersion)]
pub struct OverrideVersionView {
    /// Its number: greater ones came later.
    version: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// Who.
    by: String,
    /// What was changed, in words and without values.
    summary: String,
    /// The version that it went back to; null: it was new.
    rolled_back_to: Option<i64>,
}

impl From<store::overrides::Version> for OverrideVersionView {
    fn from(it: store::overrides::Version) -> Self {
        let store::overrides::Version { version, at, by, summary, rolled_back_to, .. } = it;
        OverrideVersionView { version, at, by, summary, rolled_back_to }
    }
}

impl SectionView {
    /// A section with all that is in it; `None`: there is none whose settings can be overridden.
    pub fn of(exposed: &Exposed, section: &str) -> Option<Self> {
        if !config::overrides::SECTIONS.contains(&section) {
            return None;
        }
        let names = names(&exposed.shown["configuration"][section], section);
        let elements = names.iter().filter_map(|name| ElementView::of(exposed, section, name)).collect();
        Some(SectionView { section: section.to_owned(), elements })
    }
}

impl ElementView {
    /// An element; `None`: there is none of this name.
    pub fn of(exposed: &Exposed, section: &str, element: &str) -> Option<Self> {
        let whole = &exposed.shown["configuration"];
        let listed = names(&whole[section], section);
        if !listed.iter().any(|name| name == element) {
            return None;
        }
        let mut options = at(whole, section, element).as_object().cloned().unwrap_or_default();
        if (section, element) == ("plugins", "") {
            // these are elements of their own
            options.remove("settings");
        }
        let mut redacted = Vec::new();
        for (name, value) in &options {
            find_redacted(name, value, &mut redacted);
        }
        let over = exposed.overrides.get(section, element);
        Some(ElementView {
            section: section.to_owned(),
            element: element.to_owned(),
            options,
            overridden: over.iter().flat_map(|it| it.options()).map(str::to_owned).collect(),
            redacted,
            added: over.is_some_and(|it| it.is_added()),
        })
    }

    /// All that are not as the file says.
    pub fn overridden(exposed: &Exposed, overrides: &Overrides) -> Vec<Self> {
        overrides.iter().filter_map(|(section, element, _)| Self::of(exposed, section, element)).collect()
    }
}

/// What the audit log keeps of what a change is about, as it is in force: without secrets.
pub fn audited(exposed: &Exposed, wanted: &Overriding) -> Value {
    let overridden = |section: Option<&str>| {
        let all = ElementView::overridden(exposed, &exposed.overrides).into_iter();
        let some = all.filter(|it| section.is_none_or(|name| it.section == name));
        json!(some.collect::<Vec<_>>())
    };
    match wanted {
        Overriding::Change { section, element, .. } if element.is_empty() => overridden(Some(section)),
        Overriding::Change { section, element, .. } => json!(ElementView::of(exposed, section, element)),
        Overriding::Plugin { .. } | Overriding::RemovePlugin(_) => {
            json!({ "active": exposed.shown["configuration"]["plugins"]["active"] })
        }
        Overriding::Back(_) => overridden(None),
    }
}

/// Names of the elements of a section.
fn names(section: &Value, name: &str) -> Vec<String> {
    let keys = |table: &Value| table.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    match name {
        "checks" | "defaults" | "integrations" => keys(section),
        "receivers" => destinations(section),
        "plugins" => {
            let active = section["active"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let set: Vec<String> = keys(&section["settings"]);
            let mut all: Vec<String> = active.map(str::to_ascii_lowercase).chain(set).collect();
            all.sort();
            all.dedup();
            all.insert(0, String::new());
            all
        }
        _ => vec![String::new()],
    }
}

fn destinations(receivers: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for (receiver, kinds) in receivers.as_object().into_iter().flatten() {
        for (kind, places) in kinds.as_object().into_iter().flatten() {
            let count = places.as_array().map_or(0, Vec::len);
            all.extend((0..count).map(|n| format!("{receiver}/{kind}/{n}")));
        }
    }
    all
}

/// What stands at the place of an element.
fn at<'a>(whole: &'a Value, section: &str, element: &str) -> &'a Value {
    let section_value = &whole[section];
    match section {
        _ if element.is_empty() => section_value,
        "plugins" => &section_value["settings"][element],
        "receivers" => {
            let place = element.rsplit_once('/').and_then(|(rest, number)| {
                let (receiver, kind) = rest.rsplit_once('/')?;
                section_value.get(receiver)?.get(kind)?.get(number.parse::<usize>().ok()?)
            });
            place.unwrap_or(&Value::Null)
        }
        _ => &section_value[element],
    }
}

fn find_redacted(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text == REDACTED => found.push(path.to_owned()),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| find_redacted(&format!("{path}.{name}"), value, found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(n, item)| find_redacted(&format!("{path}[{n}]"), item, found));
        }
        _ => {}
    }
}
