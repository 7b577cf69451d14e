//! The rules in force as Alertmanager would write them, for its tools: `amtool config routes` reads them.
//!
//! What Alertmanager has no word for is left out: conditions, and what receivers are made of.

use model::inhibition::Inhibition;
use model::matcher::Matchers;
use model::route::{GroupBy, Route};
use model::rules::Rules;
use model::time::span;
use serde_json::{Map, Value, json};

/// The rules as YAML. It is JSON, which is YAML, too.
pub(super) fn of(rules: &Rules) -> String {
    let receivers: Vec<Value> = rules.receivers.keys().map(|name| json!({ "name": name })).collect();
    let inhibitions: Vec<Value> = rules.inhibitions.iter().map(inhibition).collect();
    let mut config = json!({
        "global": { "resolve_timeout": span::format(rules.resolve_timeout) },
        "route": route(&rules.root, None),
        "inhibit_rules": inhibitions,
        "receivers": receivers,
    });
    if !rules.intervals.is_empty() {
        config["time_intervals"] =
            rules.intervals.values().map(|it| serde_json::to_value(it).unwrap_or_default()).collect();
    }
    // made of texts and maps, which can always be written
    let mut text = serde_json::to_string_pretty(&config).unwrap_or_default();
    text.push('\n');
    text
}

fn inhibition(it: &Inhibition) -> Value {
    json!({ "source_matchers": texts(&it.source), "target_matchers": texts(&it.target), "equal": it.equal })
}

fn texts(matchers: &Matchers) -> Vec<String> {
    matchers.0.iter().map(ToString::to_string).collect()
}

/// A node; what is as with its parent is inherited.
fn route(it: &Route, parent: Option<&Route>) -> Value {
    let mut node = Map::new();
    let mut set = |name: &str, value: Value, inherited: bool| {
        if !inherited {
            node.insert(name.to_owned(), value);
        }
    };
    let group_by = match &it.group_by {
        GroupBy::All => vec!["...".to_owned()],
        GroupBy::Labels(names) => names.clone(),
    };
    set("receiver", json!(it.receiver), parent.is_some_and(|p| p.receiver == it.receiver));
    set("group_by", json!(group_by), parent.map_or(group_by.is_empty(), |p| p.group_by == it.group_by));
    let timing = |of: &Route| [of.timing.group_wait, of.timing.group_interval, of.timing.repeat_interval];
    for (n, name) in ["group_wait", "group_interval", "repeat_interval"].into_iter().enumerate() {
        set(name, json!(span::format(timing(it)[n])), parent.is_some_and(|p| timing(p)[n] == timing(it)[n]));
    }
    set("matchers", json!(texts(&it.matchers)), it.matchers.0.is_empty());
    set("continue", json!(it.r#continue), !it.r#continue);
    set("mute_time_intervals", json!(it.mute), it.mute.is_empty());
    set("active_time_intervals", json!(it.active), it.active.is_empty());
    let children: Vec<Value> = it.children.iter().map(|child| route(child, Some(it))).collect();
    set("routes", json!(children), children.is_empty());
    Value::Object(node)
}
