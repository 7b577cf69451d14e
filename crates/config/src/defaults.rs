//! Defaults of kinds: what a destination has that says nothing else.

use std::collections::BTreeMap;
use std::fmt;

use crate::node::{Entry, Node, Value};
use crate::path::Path;
use crate::problem::Problems;

/// What destinations of a kind have that say nothing else. Secrets are in here in the clear: `Debug` shows kinds only.
#[derive(Clone, Default, PartialEq)]
pub struct Defaults(BTreeMap<String, serde_json::Value>);

impl Defaults {
    pub(crate) fn of(root: &Node) -> Self {
        let kinds = root.get("defaults").and_then(Node::entries).into_iter().flatten();
        Defaults(kinds.map(|entry| (entry.key.clone(), entry.node.to_json())).collect())
    }

    /// Those of a kind; manners are among them.
    pub fn get(&self, kind: &str) -> Option<&serde_json::Value> {
        self.0.get(kind)
    }
}

impl fmt::Debug for Defaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Puts the settings of `[defaults.KIND]` into all destinations of that kind that do not have them. A setting is put
/// in as a whole: tables are not mixed.
pub(crate) fn put_in(root: &mut Node, problems: &mut Problems) {
    let Some(defaults) = root.get("defaults").cloned() else { return };
    let mut known = Vec::new();
    for entry in defaults.entries().into_iter().flatten() {
        match entry.node.entries() {
            Some(settings) => known.push((entry.key.as_str(), settings)),
            None => {
                let path = Path::of(&["defaults", &entry.key]);
                problems.error(&entry.origin, &path, "must be a table: write [defaults.KIND]");
            }
        }
    }
    let Some(receivers) = root.get_mut("receivers").and_then(Node::entries_mut) else { return };
    for kind in receivers.iter_mut().filter_map(|receiver| receiver.node.entries_mut()).flatten() {
        let Some((_, settings)) = known.iter().find(|(name, _)| *name == kind.key) else { continue };
        let Value::List(places) = &mut kind.node.value else { continue };
        for place in places.iter_mut().filter_map(Node::entries_mut) {
            let missing: Vec<Entry> =
                settings.iter().filter(|entry| place.iter().all(|it| it.key != entry.key)).cloned().collect();
            place.extend(missing);
        }
    }
}
