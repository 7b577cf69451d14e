//! `[checks.NAME]`: what plugins look at now and then.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::nearest::hint;
use crate::node::{Node, Value};
use crate::path::Path;
use crate::places::Places;
use crate::read::read;
use crate::sections::some_time;

/// Something that is looked at now and then.
#[derive(Clone, PartialEq)]
pub struct Check {
    /// Its name, as in the key of its events.
    pub name: String,
    /// The kind of check.
    pub kind: String,
    /// What the kind needs to know. Secrets are in here in the clear, which is why `Debug` does not show it.
    pub settings: serde_json::Value,
    /// How often.
    pub every: Duration,
    /// How long one look may take.
    pub deadline: Duration,
    /// How many times in a row it must not pass before that is an event.
    pub failures: u32,
    /// How bad it is when it fails.
    pub severity: Severity,
    /// Labels for its events.
    pub labels: BTreeMap<String, String>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What is said of a check beside the settings of its kind.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckEntry {
    /// How often it is looked at. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    every: Duration,
    /// How long one look may take. Not zero.
    #[serde(serialize_with = "model::time::span::serialize", deserialize_with = "some_time")]
    #[schemars(with = "String", extend("format" = "span"))]
    deadline: Duration,
    /// How many times in a row it must not pass before that is an event, 1 to 100.
    #[serde(deserialize_with = "failures")]
    failures: u32,
    /// How bad it is when it fails; when it only warns, it is a warning.
    #[schemars(with = "String", extend("enum" = ["critical", "error", "warning", "notice", "info"]))]
    severity: Severity,
    /// Labels for its events.
    labels: BTreeMap<String, String>,
}

/// The keys of [`CheckEntry`]: what is split off from the settings of a kind.
const MANNERS: [&str; 5] = ["every", "deadline", "failures", "severity", "labels"];
/// The most that may have to fail in a row.
const MAX_FAILURES: u32 = 100;

impl Default for CheckEntry {
    fn default() -> Self {
        CheckEntry {
            every: Duration::from_secs(60),
            deadline: Duration::from_secs(10),
            failures: 1,
            severity: Severity::Critical,
            labels: BTreeMap::new(),
        }
    }
}

fn failures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    match (1..=MAX_FAILURES).contains(&number) {
        true => Ok(number),
        false => Err(serde::de::Error::custom(format!("{number} is not between 1 and {MAX_FAILURES}"))),
    }
}

impl Places<'_> {
    /// All checks.
    pub(crate) fn checks(&mut self) -> BTreeMap<String, Check> {
        let entries = self.root.get("checks").and_then(Node::entries).into_iter().flatten();
        let made = entries.filter_map(|entry| {
            let path = Path::of(&["checks", &entry.key]);
            Some((entry.key.clone(), self.check(&entry.key, &entry.node, &path)?))
        });
        made.collect()
    }

    fn check(&mut self, name: &str, node: &Node, path: &Path) -> Option<Check> {
        let known: Vec<&str> = self.registry.checks().map(|it| it.kind.as_str()).collect();
        let Some(entries) = node.entries() else {
            self.problems.error(&node.origin, path, format!("must be a table, not {}", node.value.kind()));
            return None;
        };
        let Some(kind) = node.get("kind") else {
            let message = format!("`kind` is missing{}", hint("", &known));
            self.problems.error(&node.origin, path, message);
            return None;
        };
        let Some(found) = kind.as_text().and_then(|kind| self.registry.check_kind(kind)) else {
            let hint = hint(kind.as_text().unwrap_or_default(), &known);
            let message = format!("there is no such kind of check: plugins make them{hint}");
            self.problems.error(&kind.origin, &path.key("kind"), message);
            return None;
        };
        let rest = entries.iter().filter(|entry| entry.key != "kind").cloned();
        let (manners, settings): (Vec<_>, Vec<_>) =
            rest.partition(|entry| MANNERS.contains(&entry.key.as_str()));
        let manners = Node::new(&node.origin, Value::Table(manners));
        let settings = Node::new(&node.origin, Value::Table(settings));
        let manners: Option<CheckEntry> = read(&manners, path, self.problems);
        if self.failed.iter().any(|failed| failed.0.starts_with(&path.0)) {
            return None;
        }
        let json = settings.to_json();
        if let Some(bad) = self.checked.then(|| (found.fit)(json.clone()).err()).flatten() {
            self.tell(&settings, path, &bad);
            return None;
        }
        let CheckEntry { every, deadline, failures, severity, labels } = manners?;
        let (name, kind) = (name.to_owned(), found.kind.clone());
        Some(Check { name, kind, settings: json, every, deadline, failures, severity, labels })
    }
}
