//! Unknown keys: every key that means nothing is an error, so that a typing mistake never turns a setting
//! off in silence.

use crate::nearest::hint;
use crate::node::{Node, Value};
use crate::path::{Path, Step};
use crate::problem::Problems;
use crate::schema::View;

/// Tells of every key that the schema does not know, and takes it out.
pub(crate) fn prune(node: &mut Node, view: &View, path: &Path, problems: &mut Problems) {
    let keys = view.keys(Some(node));
    let copy = node.clone_keys();
    match &mut node.value {
        Value::Table(entries) => {
            entries.retain_mut(|entry| {
                let here = path.key(&entry.key);
                if let Some(known) = keys.as_ref().filter(|known| !known.contains(&entry.key.as_str())) {
                    problems.error(&entry.origin, &here, unknown(path, &entry.key, known));
                    return false;
                }
                prune(&mut entry.node, &view.key(&entry.key, Some(&copy)), &here, problems);
                true
            });
        }
        Value::List(items) => {
            let inner = view.item();
            for (n, item) in items.iter_mut().enumerate() {
                prune(item, &inner, &path.index(n), problems);
            }
        }
        _ => {}
    }
}

fn unknown(path: &Path, key: &str, known: &[&str]) -> String {
    let is_receiver = matches!(path.0.as_slice(), [Step::Key(top), Step::Key(_)] if top == "receivers");
    let what = match is_receiver {
        true => "there is no such kind of destination",
        false if known.is_empty() => "unknown key; there are no settings here",
        false => "unknown key",
    };
    format!("{what}{}", hint(key, known))
}

impl Node {
    /// The texts of a table without what is below them: enough to tell alternatives of a schema apart.
    fn clone_keys(&self) -> Node {
        let entries = self.entries().into_iter().flatten();
        let texts = entries.filter(|entry| entry.node.as_text().is_some()).cloned().collect();
        Node::new(&self.origin, Value::Table(texts))
    }
}
