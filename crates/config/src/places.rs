//! Receivers and integrations: settings that are checked by the kinds in the registry.

use std::collections::BTreeMap;
use std::fmt;

use model::receiver::{Place, Receiver};
use sdk::{BadSettings, Registry, Surroundings};

use crate::entries::{MannersEntry, is_manner};
use crate::nearest::hint;
use crate::node::{Node, Value};
use crate::path::Path;
use crate::problem::Problems;
use crate::read::{plain_words, read};

/// A way in: a kind of source with its settings.
#[derive(Clone)]
pub struct Integration {
    /// Its name, as in the addresses that senders send to.
    pub name: String,
    /// The kind of source in the registry, e.g. `webhook`.
    pub kind: String,
    /// What the kind needs to know, valid against its schema (`Registry::reader` took it). Secrets are in
    /// here in the clear, which is why `Debug` does not show it.
    pub settings: serde_json::Value,
}

impl fmt::Debug for Integration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Integration")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Makes receivers and integrations, and tells of settings that do not fit.
pub(crate) struct Places<'a> {
    pub(crate) root: &'a Node,
    pub(crate) registry: &'a Registry,
    /// What settings may refer to.
    pub(crate) templates: &'a Surroundings,
    /// Secrets that could not be had; what they belong to cannot be checked.
    pub(crate) failed: &'a [Path],
    /// Whether kinds look at their settings: not when secrets are left out.
    pub(crate) checked: bool,
    pub(crate) problems: &'a mut Problems,
}

impl Places<'_> {
    /// Everybody who can be told.
    pub(crate) fn receivers(&mut self) -> BTreeMap<String, Receiver> {
        let entries = self.root.get("receivers").and_then(Node::entries).into_iter().flatten();
        let mut receivers = BTreeMap::new();
        for entry in entries {
            let path = Path::of(&["receivers", &entry.key]);
            if entry.key.is_empty() {
                self.problems.error(&entry.origin, &path, "missing name in receiver");
                continue;
            }
            let Some(kinds) = entry.node.entries() else {
                self.problems.error(&entry.origin, &path, "must be a table: write [[receivers.NAME.KIND]]");
                continue;
            };
            let mut destinations = Vec::new();
            for kind in kinds {
                let path = path.key(&kind.key);
                if !matches!(kind.node.value, Value::List(_)) {
                    let message = format!("must be a list of tables: write [[{path}]] with two brackets");
                    self.problems.error(&kind.origin, &path, message);
                    continue;
                }
                for (n, node) in kind.node.items().iter().enumerate() {
                    let id = format!("{}/{}/{n}", entry.key, kind.key);
                    destinations.extend(self.place(id, &kind.key, node, &path.index(n)));
                }
            }
            receivers.insert(entry.key.clone(), Receiver { name: entry.key.clone(), destinations });
        }
        receivers
    }

    /// One destination: its manners are split off, the rest is its kind's.
    fn place(&mut self, id: String, kind: &str, node: &Node, path: &Path) -> Option<Place> {
        let Some(entries) = node.entries() else {
            self.problems.error(&node.origin, path, format!("must be a table, not {}", node.value.kind()));
            return None;
        };
        let (manners, settings) = entries.iter().cloned().partition(|entry| is_manner(&entry.key));
        let manners = Node::new(&node.origin, Value::Table(manners));
        let settings = Node::new(&node.origin, Value::Table(settings));
        let manners: Option<MannersEntry> = read(&manners, path, self.problems);
        let json = settings.to_json();
        if self.failed.iter().any(|failed| failed.0.starts_with(&path.0)) {
            return None;
        }
        if self.checked {
            match self.registry.ready_within(kind, json.clone(), self.templates) {
                Ok(ready) => {
                    for remark in ready.remarks() {
                        self.problems.warning(&settings.origin, path, remark);
                    }
                }
                Err(bad) => {
                    self.tell(&settings, path, &bad);
                    return None;
                }
            }
        }
        Some(Place {
            id,
            kind: kind.to_owned(),
            settings: json,
            manners: manners?.for_kind(self.registry.audience(kind)),
        })
    }

    /// All ways in.
    pub(crate) fn integrations(&mut self) -> BTreeMap<String, Integration> {
        let entries = self.root.get("integrations").and_then(Node::entries).into_iter().flatten();
        let made = entries.filter_map(|entry| {
            let path = Path::of(&["integrations", &entry.key]);
            self.integration(&entry.key, &entry.node, &path)
        });
        made.map(|integration| (integration.name.clone(), integration)).collect()
    }

    fn integration(&mut self, name: &str, node: &Node, path: &Path) -> Option<Integration> {
        // it is a part of addresses
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if name.is_empty() || !plain {
            let message = "a name of an integration has only letters, digits, `-`, `_` and `.`";
            self.problems.error(&node.origin, path, message);
        }
        let mut settings = node.clone();
        let known: Vec<&str> = self.registry.sources().map(|(facts, _)| facts.kind).collect();
        let Some(kind) = settings.take("kind") else {
            let message = format!("`kind` is missing; known are {}", known.join(", "));
            self.problems.error(&node.origin, path, message);
            return None;
        };
        let kind = match kind.as_text() {
            Some(kind) if known.contains(&kind) => kind.to_owned(),
            other => {
                let hint = hint(other.unwrap_or_default(), &known);
                let message = format!("there is no such kind of integration{hint}");
                self.problems.error(&kind.origin, &path.key("kind"), message);
                return None;
            }
        };
        if self.failed.iter().any(|failed| failed.0.starts_with(&path.0)) {
            return None;
        }
        let json = settings.to_json();
        if let Some(bad) = self.checked.then(|| self.registry.reader(&kind, json.clone()).err()).flatten() {
            self.tell(&settings, path, &bad);
            return None;
        }
        Some(Integration { name: name.to_owned(), kind, settings: json })
    }

    pub(crate) fn tell(&mut self, node: &Node, path: &Path, bad: &BadSettings) {
        match bad {
            BadSettings::Field { path: place, reason } => {
                let (place, reason) = in_it(node, Path::from_words(place), reason);
                self.problems.error(&node.origin_at(&place), &path.join(&place), plain_words(reason));
            }
            other => self.problems.error(&node.origin, path, other.to_string()),
        }
    }
}

/// A part of the settings that checks itself says where in it something is wrong: `tls.ca: is not PEM`.
fn in_it<'a>(node: &Node, place: Path, reason: &'a str) -> (Path, &'a str) {
    let Some((inner, rest)) = reason.split_once(": ") else { return (place, reason) };
    let whole = place.join(&Path::from_words(inner));
    if node.at(&whole).is_some() { (whole, rest) } else { (place, reason) }
}
