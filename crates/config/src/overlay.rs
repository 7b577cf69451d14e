//! The environment laid over the file: `NIGHTBELL_SERVER__LISTEN=0.0.0.0:8440` sets `server.listen`.

use std::collections::BTreeMap;

use crate::from_toml::parse_value;
use crate::nearest::nearest;
use crate::node::{Node, Value};
use crate::path::Path;
use crate::problem::{Origin, Problems};
use crate::schema::View;
use crate::secrets;

/// What all our variables begin with.
const PREFIX: &str = "NIGHTBELL_";
/// What stands between the steps of a path.
const STEP: &str = "__";
/// Variables of other parts of the program: its command line, its log before there is a configuration, and
/// what it was built and is tested with.
const RESERVED: [&str; 8] = [
    "NIGHTBELL_SERVER",
    "NIGHTBELL_TOKEN",
    "NIGHTBELL_LOG",
    "NIGHTBELL_CONFIG",
    "NIGHTBELL_BUILD_DATE",
    "NIGHTBELL_REVISION",
    "NIGHTBELL_SEEDS",
    "NIGHTBELL_SEED_FROM",
];
/// What the variables of the tests begin with.
const RESERVED_PREFIX: &str = "NIGHTBELL_TEST_";

/// Lays the variables over the tree. Those that secrets refer to by name are no settings.
pub(crate) fn lay_over(
    root: &mut Node,
    view: &View,
    environment: &BTreeMap<String, String>,
    problems: &mut Problems,
) {
    let mut referred = secrets::variables(root, view);
    let mut unknown = Vec::new();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let reserved = RESERVED.contains(&name.as_str()) || name.starts_with(RESERVED_PREFIX);
        if reserved || referred.contains(name) || is_of_kubernetes(rest) {
            continue;
        }
        let origin = Origin::Environment(name.clone());
        let steps: Vec<&str> = rest.split(STEP).collect();
        // into a copy, so that what fails half-way leaves nothing behind
        let mut changed = root.clone();
        let set = match steps.len() {
            1 => {
                let known = view.keys(None).unwrap_or_default();
                Err(format!("unknown variable{}", meant(&[], rest, &known, &["…"])))
            }
            _ => set(&mut changed, view, &steps, 0, text, &origin),
        };
        match set {
            Ok(()) => *root = changed,
            Err(message) => unknown.push((name, origin, message)),
        }
    }
    // a variable may have set a secret that refers to another one
    referred.extend(secrets::variables(root, view));
    for (_, origin, message) in unknown.into_iter().filter(|(name, ..)| !referred.contains(name)) {
        problems.error(&origin, &Path::default(), message);
    }
}

/// Sets what `steps` lead to, from the one at `at` on.
fn set(
    node: &mut Node,
    view: &View,
    steps: &[&str],
    at: usize,
    text: &str,
    origin: &Origin,
) -> Result<(), String> {
    let Some(step) = steps.get(at) else {
        *node = value(view, text, origin);
        return Ok(());
    };
    if matches!(node.value, Value::List(_)) || (view.is_list() && node.entries().is_none_or(Vec::is_empty)) {
        let count = node.items().len();
        let index = step.parse().ok().filter(|index| *index < count);
        let Value::List(items) = &mut node.value else {
            return Err(format!("there is no list to put `{step}` into; set it in the file, or as a whole"));
        };
        let index: usize = index.ok_or_else(|| format!("there is no item `{step}` in a list of {count}"))?;
        return set(&mut items[index], &view.item(), steps, at + 1, text, origin);
    }
    if node.entries().is_none() || view.is_plain() {
        return Err(format!("there is nothing below {}", steps[..at].join(STEP)));
    }
    let key = key(node, view, steps, at)?;
    let inner = view.key(&key, Some(node));
    if node.get(&key).is_none() {
        node.set(&key, Node::table(origin));
    }
    let entries = node.entries_mut().into_iter().flatten();
    let Some(entry) = entries.into_iter().find(|entry| entry.key == key) else { return Ok(()) };
    if at + 1 == steps.len() {
        entry.origin = origin.clone();
    }
    set(&mut entry.node, &inner, steps, at + 1, text, origin)
}

/// The key that a step means: one that is there, one that may be there, or where any may, a new one.
fn key(node: &Node, view: &View, steps: &[&str], at: usize) -> Result<String, String> {
    let step = steps[at].to_lowercase();
    let means = |key: &&str| plain(key) == step;
    let present = node.entries().into_iter().flatten().map(|entry| entry.key.as_str());
    if let Some(key) = present.clone().find(|key| means(key)) {
        return Ok(key.to_owned());
    }
    let Some(known) = view.keys(Some(node)) else {
        return if step.is_empty() { Err("a name is empty".to_owned()) } else { Ok(step) };
    };
    let found = known.iter().copied().find(means);
    found.map(str::to_owned).ok_or_else(|| {
        let hint = meant(&steps[..at], steps[at], &known, &steps[at + 1..]);
        format!("there is no such setting{hint}")
    })
}

/// A key in the letters that a variable's name can have.
fn plain(key: &str) -> String {
    key.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// `; did you mean …?` or nothing, with what stands before and after.
fn meant(before: &[&str], step: &str, known: &[&str], after: &[&str]) -> String {
    let Some(name) = nearest(step, known.iter().copied()) else {
        let prefix: String = before.iter().map(|step| format!("{step}{STEP}")).collect();
        return format!("; known after {PREFIX}{prefix} are {}", known.join(", ").to_uppercase());
    };
    let name = plain(name).to_uppercase();
    let steps: Vec<&str> =
        before.iter().copied().chain([name.as_str()]).chain(after.iter().copied()).collect();
    format!("; did you mean `{PREFIX}{}`?", steps.join(STEP))
}

/// What a variable's text means: TOML where it is, the plain text where it is not or where nothing but a
/// text is wanted.
fn value(view: &View, text: &str, origin: &Origin) -> Node {
    let only_text = view.is_text();
    let suits = |node: &Node| match node.value {
        Value::Text(_) => true,
        Value::Table(_) if view.is_secret() => true,
        _ => !only_text && !view.is_secret(),
    };
    parse_value(origin, text).filter(suits).unwrap_or_else(|| Node::text(origin, text))
}

/// Kubernetes tells every pod of every service by variables such as `NIGHTBELL_PORT_8440_TCP_ADDR`; a
/// service that is called `nightbell`, as it will be, must not be an error.
fn is_of_kubernetes(rest: &str) -> bool {
    if rest.contains(STEP) {
        return false;
    }
    let word = format!("_{rest}_");
    let numbered =
        word.split_once("_PORT_").is_some_and(|(_, after)| after.starts_with(|c: char| c.is_ascii_digit()));
    word.ends_with("_SERVICE_HOST_")
        || word.contains("_SERVICE_PORT_")
        || word.ends_with("_PORT_")
        || numbered
}
