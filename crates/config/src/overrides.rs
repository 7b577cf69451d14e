//! Overrides: settings that somebody changed while the hub runs, laid over the file and the environment.
//!
//! A section has elements: `receivers` has destinations such as `ops/slack/0`, `plugins` has plugins, and some have
//! one element only, whose name is empty. An override is of one element. It says which of the element's options are
//! other than in the file, or that there is an element that the file does not have.

use std::collections::BTreeMap;
use std::fmt;

use sdk::Registry;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::limits::MAX_OVERRIDE_BYTES;
use crate::nearest::hint;
use crate::node::{Node, Value as NodeValue};
use crate::path::Path;
use crate::problem::{Origin, Problems};

/// Sections of which settings may be overridden. The others hold from the next start on, or are written as a whole.
pub const SECTIONS: [&str; 9] =
    ["checks", "defaults", "incidents", "integrations", "log", "plugins", "receivers", "self_watch", "storm"];
/// Of these, the ones whose only element has no name.
const PLAIN: [&str; 5] = ["incidents", "log", "plugins", "self_watch", "storm"];
/// Sections to which elements can be added.
const OPEN: [&str; 3] = ["checks", "integrations", "receivers"];
/// Options that hold from the next start on, that are elements of their own, or that only the file may say.
const NOT_LIVE: [(&str, &str); 8] = [
    ("log", "format"),
    ("plugins", "folder"),
    ("plugins", "home"),
    ("plugins", "python"),
    ("plugins", "require_isolation"),
    ("plugins", "settings"),
    // who may do what on this machine is its owner's word
    ("plugins", "remote_install"),
    ("plugins", "users"),
];
/// Where values of overrides come from, for people.
pub(crate) const ORIGIN: Origin = Origin::Program("override");

/// All overrides that are in force together. Secrets are in here in the clear: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Overrides(BTreeMap<String, BTreeMap<String, Override>>);

/// What is other than in the file about one element.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// Whether the file does not have the element at all.
    added: bool,
    /// Options by path, such as `channel` or `http.follow_redirects`.
    set: BTreeMap<String, Value>,
}

impl Override {
    /// Whether the file does not have the element at all.
    pub fn is_added(&self) -> bool {
        self.added
    }

    /// The options that are set, by path.
    pub fn options(&self) -> impl Iterator<Item = &str> {
        self.set.keys().map(String::as_str)
    }
}

impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            self.iter().map(|(section, element, it)| (section, element, Vec::from_iter(it.options())));
        f.debug_list().entries(names).finish()
    }
}

/// What somebody wants to have otherwise.
#[derive(Clone, Default)]
pub struct Change {
    /// Options to set on one element, by path.
    pub set: BTreeMap<String, Value>,
    /// Options to be as in the file again.
    pub delete: Vec<String>,
    /// Elements to add to a section, with their options.
    pub add: BTreeMap<String, Map<String, Value>>,
    /// Elements to remove that were added.
    pub remove: Vec<String>,
}

/// Why a change makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadChange {
    /// There is no such section.
    Section(String),
    /// Something of it is wrong: where, and what.
    Wrong(String, String),
}

impl Overrides {
    /// Whether everything is as the file says.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Section, element and override of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Override)> {
        self.0.iter().flat_map(|(section, elements)| {
            elements.iter().map(move |(element, it)| (section.as_str(), element.as_str(), it))
        })
    }

    /// The override of one element.
    pub fn get(&self, section: &str, element: &str) -> Option<&Override> {
        self.0.get(section)?.get(element)
    }

    /// Only those of some sections.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(section, _)| wanted(section));
        Overrides(kept.map(|(section, elements)| (section.clone(), elements.clone())).collect())
    }

    /// These with a change, and the change in words. Whether the result can be used is told when it is loaded.
    ///
    /// # Errors
    /// What of the change makes no sense.
    pub fn changed(
        &self,
        section: &str,
        element: &str,
        change: &Change,
    ) -> Result<(Self, String), BadChange> {
        if !SECTIONS.contains(&section) {
            let hint = hint(section, &SECTIONS);
            return Err(BadChange::Section(format!("settings of {section:?} cannot be overridden{hint}")));
        }
        let mut new = self.clone();
        let elements = new.0.entry(section.to_owned()).or_default();
        let mut said = Vec::new();
        add_and_remove(section, element, elements, change, &mut said)?;
        set_and_delete(section, element, elements, change, &mut said)?;
        if said.is_empty() {
            let what = "nothing to do: give at least one of set, delete, add and remove";
            return Err(BadChange::Wrong(String::new(), what.to_owned()));
        }
        elements.retain(|_, it| it.added || !it.set.is_empty());
        new.0.retain(|_, elements| !elements.is_empty());
        let bytes = serde_json::to_vec(&new).map_or(0, |text| text.len());
        if bytes > MAX_OVERRIDE_BYTES {
            let what =
                format!("all overrides together have {bytes} bytes, the limit is {MAX_OVERRIDE_BYTES}");
            return Err(BadChange::Wrong(String::new(), what));
        }
        Ok((new, said.join("; ")))
    }

    /// Lays them over a tree.
    pub(crate) fn lay_over(&self, root: &mut Node, registry: &Registry, problems: &mut Problems) {
        let mut all: Vec<_> = self.iter().collect();
        // what is added comes in its order, the tenth after the ninth
        all.sort_by_key(|(section, element, _)| (*section, in_order(element)));
        for (section, element, it) in all {
            let path = place(section, element);
            if let Err(why) = lay_one(root, section, element, &path, it, registry) {
                problems.error(&ORIGIN, &path, why);
            }
        }
    }
}

fn add_and_remove(
    section: &str,
    element: &str,
    elements: &mut BTreeMap<String, Override>,
    change: &Change,
    said: &mut Vec<String>,
) -> Result<(), BadChange> {
    if change.add.is_empty() && change.remove.is_empty() {
        return Ok(());
    }
    let wrong = |what: &str, why: String| Err(BadChange::Wrong(what.to_owned(), why));
    if !OPEN.contains(&section) || !element.is_empty() {
        let open = OPEN.join(", ");
        return wrong(
            "add",
            format!("elements are added to the sections {open} only, and removed from them"),
        );
    }
    for name in &change.remove {
        match elements.get(name).filter(|it| it.added) {
            Some(_) => drop(elements.remove(name)),
            None => {
                let added: Vec<_> =
                    elements.iter().filter(|(_, it)| it.added).map(|(name, _)| &**name).collect();
                let hint = hint(name, &added);
                return wrong(
                    "remove",
                    format!("{name:?} was not added here; what is in the file is removed there{hint}"),
                );
            }
        }
        said.push(format!("removed {section}/{name}"));
    }
    for (name, options) in &change.add {
        if elements.contains_key(name) {
            return wrong(&format!("add.{name}"), "is there already".to_owned());
        }
        let set = options.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        elements.insert(name.clone(), Override { added: true, set });
        said.push(format!("added {section}/{name}"));
    }
    Ok(())
}

fn set_and_delete(
    section: &str,
    element: &str,
    elements: &mut BTreeMap<String, Override>,
    change: &Change,
    said: &mut Vec<String>,
) -> Result<(), BadChange> {
    if change.set.is_empty() && change.delete.is_empty() {
        return Ok(());
    }
    if element.is_empty() && !PLAIN.contains(&section) {
        let why = format!("settings of {section} are those of its elements: name one");
        return Err(BadChange::Wrong("set".to_owned(), why));
    }
    let shown = if element.is_empty() { section.to_owned() } else { format!("{section}/{element}") };
    let it = elements.entry(element.to_owned()).or_default();
    for option in &change.delete {
        if it.set.remove(option).is_none() {
            let hint = hint(option, &it.options().collect::<Vec<_>>());
            let why = format!("{option:?} of {shown} is not overridden{hint}");
            return Err(BadChange::Wrong("delete".to_owned(), why));
        }
    }
    for (option, value) in &change.set {
        let first = option.split(['.', '[']).next().unwrap_or_default();
        let why = match () {
            () if first.is_empty() => "must begin with the name of an option",
            () if value.is_null() => "has no value; to have it as in the file again, delete it",
            () if change.delete.contains(option) => "is both set and deleted",
            () if element.is_empty() && NOT_LIVE.contains(&(section, first)) => {
                "cannot be changed while the hub runs; set it in the file"
            }
            () => {
                it.set.insert(option.clone(), value.clone());
                continue;
            }
        };
        return Err(BadChange::Wrong(format!("set.{option}"), why.to_owned()));
    }
    let names = |names: Vec<&str>| names.join(", ");
    if !change.set.is_empty() {
        said.push(format!("{shown}: set {}", names(change.set.keys().map(String::as_str).collect())));
    }
    if !change.delete.is_empty() {
        said.push(format!("{shown}: deleted {}", names(change.delete.iter().map(String::as_str).collect())));
    }
    Ok(())
}

/// Where an element stands in the file.
pub fn place_of(section: &str, element: &str) -> String {
    place(section, element).to_string()
}

fn place(section: &str, element: &str) -> Path {
    let whole = Path::of(&[section]);
    match (section, element) {
        (_, "") => whole,
        ("plugins", id) => whole.key("settings").key(id),
        ("receivers", id) => match destination(id) {
            Some((receiver, kind, number)) => whole.key(receiver).key(kind).index(number),
            None => whole.key(id),
        },
        (_, name) => whole.key(name),
    }
}

/// `ops/slack/0`. Names of receivers may have slashes.
fn destination(id: &str) -> Option<(&str, &str, usize)> {
    let (rest, number) = id.rsplit_once('/')?;
    let (receiver, kind) = rest.rsplit_once('/')?;
    Some((receiver, kind, number.parse().ok()?))
}

fn in_order(element: &str) -> (&str, usize) {
    let numbered = element.rsplit_once('/').and_then(|(rest, number)| Some((rest, number.parse().ok()?)));
    numbered.unwrap_or((element, 0))
}

fn lay_one(
    root: &mut Node,
    section: &str,
    element: &str,
    path: &Path,
    it: &Override,
    registry: &Registry,
) -> Result<(), String> {
    let kind = match section {
        "defaults" => Some(element),
        "receivers" => {
            let (receiver, kind, _) = destination(element)
                .ok_or("a destination is called by its receiver, kind and number, such as ops/slack/0")?;
            let known: Vec<&str> = root.names("receivers").collect();
            if !known.contains(&receiver) {
                return Err(format!("there is no receiver {receiver:?}{}", hint(receiver, &known)));
            }
            Some(kind)
        }
        _ => None,
    };
    if kind.is_some_and(|kind| registry.is_local(kind)) {
        return Err("what does something on this machine is set in the configuration file only".to_owned());
    }
    let is_there = root.at(path).is_some();
    match (it.added, is_there) {
        (true, true) => {
            return Err(format!("was added, and is in the file, too: {}", take_out(section, element)));
        }
        (true, false) => root.make(path, Node::table(&ORIGIN))?,
        // sections and tables of settings may be left out where they say nothing
        (false, false) if !OPEN.contains(&section) => root.make(path, Node::table(&ORIGIN))?,
        (false, false) => {
            return Err(format!(
                "there is none in the file to be overridden: {}",
                take_out(section, element)
            ));
        }
        (false, true) => {}
    }
    for (option, value) in &it.set {
        let Some(node) = Node::from_json(&ORIGIN, value) else { continue };
        let option = Path::from_words(option);
        root.make(&path.join(&option), node).map_err(|why| format!("{option}: {why}"))?;
    }
    Ok(())
}

fn take_out(section: &str, element: &str) -> String {
    format!("take the override of {section}/{element} out, or change the file")
}

impl Node {
    /// Puts a value at a path, in place of what was there. Tables on the way are made; of a list there must be the
    /// item, or as many items as go before it.
    fn make(&mut self, path: &Path, node: Node) -> Result<(), String> {
        use crate::path::Step;
        let mut at = self;
        for (n, step) in path.0.iter().enumerate() {
            let next_is_index = matches!(path.0.get(n + 1), Some(Step::Index(_)));
            let new = || match next_is_index {
                true => Node::new(&ORIGIN, NodeValue::List(Vec::new())),
                false => Node::table(&ORIGIN),
            };
            at = match (step, &mut at.value) {
                (Step::Key(key), NodeValue::Table(entries)) => {
                    let place = match entries.iter().position(|entry| entry.key == *key) {
                        Some(place) => place,
                        None => {
                            let (key, origin) = (key.clone(), ORIGIN);
                            entries.push(crate::node::Entry { key, origin, node: new() });
                            entries.len() - 1
                        }
                    };
                    &mut entries[place].node
                }
                (Step::Index(index), NodeValue::List(items)) => {
                    if items.len() < *index {
                        return Err(format!("there are only {} before it", items.len()));
                    }
                    if items.len() == *index {
                        items.push(new());
                    }
                    &mut items[*index]
                }
                (Step::Key(key), other) => return Err(format!("{key} would be in {}", other.kind())),
                (Step::Index(index), other) => return Err(format!("[{index}] would be in {}", other.kind())),
            };
        }
        *at = node;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(json: &Value) -> Change {
        let map = |name: &str| json[name].as_object().cloned().unwrap_or_default();
        let list = |name: &str| serde_json::from_value(json[name].clone()).unwrap_or_default();
        let add =
            map("add").into_iter().map(|(name, it)| (name, it.as_object().cloned().unwrap_or_default()));
        Change {
            set: map("set").into_iter().collect(),
            delete: list("delete"),
            add: add.collect(),
            remove: list("remove"),
        }
    }

    fn after(changes: &[(&str, &str, Value)]) -> Result<(Overrides, String), BadChange> {
        let mut now = (Overrides::default(), String::new());
        for (section, element, json) in changes {
            now = now.0.changed(section, element, &change(json))?;
        }
        Ok(now)
    }

    #[test]
    fn what_is_set_is_deleted_and_what_is_added_is_removed() {
        let set = ("receivers", "ops/slack/0", json!({"set": {"channel": "#a", "username": "b"}}));
        let (both, said) =
            after(&[set.clone(), ("receivers", "ops/slack/0", json!({"delete": ["username"]}))]).unwrap();
        assert_eq!(said, "receivers/ops/slack/0: deleted username");
        assert_eq!(both.get("receivers", "ops/slack/0").unwrap().options().collect::<Vec<_>>(), ["channel"]);
        let add = ("receivers", "", json!({"add": {"ops/slack/1": {"url": "http://x"}}}));
        let (two, _) = after(&[set, add.clone()]).unwrap();
        assert_eq!(two.iter().count(), 2);
        let (none, said) = after(&[add, ("receivers", "", json!({"remove": ["ops/slack/1"]}))]).unwrap();
        assert!(none.is_empty() && said == "removed receivers/ops/slack/1", "{said}");
        assert!(!format!("{two:?}").contains("http://x"));
    }

    #[test]
    fn changes_that_make_no_sense_are_told() {
        for (section, element, json, says) in [
            ("recievers", "", json!({}), "did you mean `receivers`?"),
            ("server", "", json!({"set": {"listen": ":1"}}), "cannot be overridden"),
            ("receivers", "", json!({"set": {"x": 1}}), "name one"),
            ("receivers", "ops/slack/0", json!({"add": {"a": {}}}), "are added to the sections"),
            ("incidents", "", json!({"add": {"a": {}}}), "are added to the sections"),
            ("incidents", "", json!({"set": {"urgent": null}}), "delete it"),
            ("incidents", "", json!({"delete": ["urgent"]}), "is not overridden"),
            ("receivers", "", json!({"remove": ["ops/slack/0"]}), "was not added here"),
            ("plugins", "", json!({"set": {"folder": "/x"}}), "cannot be changed while the hub runs"),
            ("plugins", "", json!({"set": {"users.foo": "root"}}), "cannot be changed while the hub runs"),
            ("plugins", "", json!({"set": {"remote_install": true}}), "cannot be changed while the hub runs"),
            ("log", "", json!({}), "nothing to do"),
        ] {
            let bad = after(&[(section, element, json)]).err().unwrap();
            assert!(format!("{bad:?}").contains(says), "{section} {element}: {bad:?}");
        }
    }
}
