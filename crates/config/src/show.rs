//! The effective configuration for people: every value with where it came from, and no secret.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use model::route::Timing;
use model::time::span;
use serde_json::{Map, Value as Json, json};

use crate::node::{Node, Value};
use crate::path::{Path, Step};
use crate::problem::Origin;
use crate::schema::View;
use crate::{secrets, templates};

/// In which form a configuration is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowAs {
    /// TOML with a comment behind each value, which loads again once its secrets are put back.
    Toml,
    /// JSON: `configuration`, and `origins` by path.
    Json,
    /// TOML without comments, for the history: what refers to files does so by their whole names, so that
    /// [`crate::load_kept`] finds them from anywhere.
    Kept,
}

/// A configuration that is fit to be shown: its secrets are taken out.
#[derive(Clone)]
pub(crate) struct Shown {
    root: Node,
    schema: Arc<Json>,
    /// The folder that relative paths begin at.
    directory: PathBuf,
    /// What links begin with, where it is not the configuration that says so.
    links: Option<Node>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl Shown {
    /// Takes a tree without secrets.
    pub(crate) fn new(root: Node, schema: Arc<Json>, directory: PathBuf) -> Self {
        Shown { root, schema, directory, links: None }
    }

    /// Shows that links begin with this, and why.
    pub(crate) fn set_links(&mut self, url: &str, why: &'static str) {
        self.links = Some(Node::text(&Origin::Program(why), url));
    }

    pub(crate) fn origin_of(&self, path: &str) -> Origin {
        self.root.origin_at(&Path::from_words(path))
    }

    /// The whole of it, with where each value came from.
    pub(crate) fn show(&self, form: ShowAs) -> String {
        match form {
            ShowAs::Toml => as_toml(&self.filled(self.links.as_ref())),
            ShowAs::Json => as_json(&self.filled(self.links.as_ref())),
            ShowAs::Kept => self.as_kept(self.filled(None)),
        }
    }

    fn as_kept(&self, mut root: Node) -> String {
        secrets::move_references(&mut root, &View::whole(&self.schema), &self.directory);
        templates::move_patterns(&mut root, &self.directory);
        if let Some(mut database) = root.take("database") {
            if let Some(folder) = database.get("data_dir").and_then(Node::as_text) {
                let whole = self.directory.join(folder).display().to_string();
                database.set("data_dir", Node::text(&Origin::Default, whole));
            }
            root.set("database", database);
        }
        if let Some(mut plugins) = root.take("plugins") {
            if let Some(folder) = plugins.get("folder").and_then(Node::as_text) {
                let whole = self.directory.join(folder).display().to_string();
                plugins.set("folder", Node::text(&Origin::Default, whole));
            }
            root.set("plugins", plugins);
        }
        let mut text = String::new();
        table(&root, &Path::default(), false, &mut text);
        text
    }

    /// With all that nobody set, and with what links begin with.
    fn filled(&self, links: Option<&Node>) -> Node {
        let view = View::whole(&self.schema);
        let mut root = self.root.clone();
        for section in [
            "server",
            "database",
            "outbound",
            "limits",
            "incidents",
            "self_watch",
            "storm",
            "traces",
            "templates",
            "log",
        ] {
            let mut node = root.take(section).unwrap_or(Node::table(&Origin::Default));
            let by_url = section == "database" && node.get("url").is_some();
            fill(&mut node, &view.key(section, None));
            if section == "server" {
                links.into_iter().for_each(|url| node.set("external_url", url.clone()));
            }
            if by_url {
                node.take("data_dir");
            }
            root.set(section, node);
        }
        if let Some(mut route) = root.take("route") {
            inherit(&mut route, &root_defaults(), &Path::of(&["route"]));
            root.set("route", route);
        }
        for section in ["oidc", "answers", "receivers", "inhibit", "time_intervals", "integrations"] {
            let Some(mut node) = root.take(section) else { continue };
            if matches!(section, "oidc" | "answers" | "receivers" | "integrations") {
                fill(&mut node, &view.key(section, None));
            }
            root.set(section, node);
        }
        root
    }
}

/// Adds the defaults of the schema.
fn fill(node: &mut Node, view: &View) {
    for key in view.keys(Some(node)).unwrap_or_default() {
        let inner = view.key(key, Some(node));
        if node.get(key).is_none() {
            let is_something = |json: &&Json| json.as_object().is_none_or(|fields| !fields.is_empty());
            let shown = inner.default().filter(is_something);
            let default = shown.and_then(|json| Node::from_json(&Origin::Default, json));
            default.into_iter().for_each(|default| node.set(key, default));
        }
    }
    if view.is_secret() {
        return;
    }
    let views: Vec<View> =
        node.entries().into_iter().flatten().map(|entry| view.key(&entry.key, Some(node))).collect();
    match &mut node.value {
        Value::Table(entries) => {
            entries.iter_mut().zip(&views).for_each(|(entry, view)| fill(&mut entry.node, view));
        }
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, &view.item())),
        _ => {}
    }
}

/// What a root route is when it says nothing.
fn root_defaults() -> Node {
    let timing = Timing::default();
    let mut defaults = Node::table(&Origin::Default);
    defaults.set("group_by", Node::new(&Origin::Default, Value::List(Vec::new())));
    for (key, time) in [
        ("group_wait", timing.group_wait),
        ("group_interval", timing.group_interval),
        ("repeat_interval", timing.repeat_interval),
    ] {
        defaults.set(key, Node::text(&Origin::Default, span::format(time)));
    }
    defaults
}

/// Adds to a route what it has from the one above it.
fn inherit(route: &mut Node, above: &Node, path: &Path) {
    const INHERITED: [&str; 7] = [
        "receiver",
        "group_by",
        "group_wait",
        "group_interval",
        "repeat_interval",
        "on_flapping",
        "escalate",
    ];
    for key in INHERITED {
        if route.get(key).is_none() {
            above.get(key).cloned().into_iter().for_each(|node| route.set(key, node));
        }
    }
    let mut passed_on = Node::table(&Origin::Default);
    for entry in route.entries().into_iter().flatten() {
        let mut node = entry.node.clone();
        if matches!(node.origin, Origin::File { .. } | Origin::Environment(_)) {
            node.origin = Origin::Inherited(path.to_string());
        }
        passed_on.set(&entry.key, node);
    }
    let Some(mut children) = route.take("routes") else { return };
    if let Value::List(items) = &mut children.value {
        for (n, child) in items.iter_mut().enumerate() {
            inherit(child, &passed_on, &path.key("routes").index(n));
        }
    }
    route.set("routes", children);
}

fn as_json(root: &Node) -> String {
    let mut origins = Map::new();
    each(root, &Path::default(), &mut |path, node| {
        origins.insert(path.to_string(), node.origin.to_string().into());
    });
    let shown = json!({ "configuration": root.to_json(), "origins": origins });
    // a tree of plain values always serializes; the fallback is never taken
    serde_json::to_string_pretty(&shown).unwrap_or_default()
}

/// Walks to everything that has no table in it.
fn each(node: &Node, path: &Path, found: &mut dyn FnMut(&Path, &Node)) {
    if is_inline(node) {
        return found(path, node);
    }
    for entry in node.entries().into_iter().flatten() {
        each(&entry.node, &path.key(&entry.key), found);
    }
    for (n, item) in node.items().iter().enumerate() {
        each(item, &path.index(n), found);
    }
}

/// Whether a value stands behind a `=`, rather than under a heading: all but tables and lists of them.
fn is_inline(node: &Node) -> bool {
    match &node.value {
        Value::Table(entries) => {
            matches!(entries.as_slice(), [entry] if matches!(entry.key.as_str(), "env" | "file"))
        }
        Value::List(items) => items.is_empty() || items.iter().any(|item| item.entries().is_none()),
        _ => true,
    }
}

fn as_toml(root: &Node) -> String {
    let mut text = "# The effective configuration. Behind each value stands where it came from.\n".to_owned();
    table(root, &Path::default(), true, &mut text);
    text
}

/// Writes a table as TOML; with `origins`, where each value came from stands behind it. What stands behind `=`
/// comes first: a heading ends a table in TOML.
pub(crate) fn table(node: &Node, path: &Path, origins: bool, text: &mut String) {
    let entries = || node.entries().into_iter().flatten();
    for entry in entries().filter(|entry| is_inline(&entry.node)) {
        // writing to a String cannot fail
        let _ = write!(text, "{} = {}", key(&entry.key), inline(&entry.node));
        if origins {
            let _ = write!(text, " # {}", entry.node.origin);
        }
        text.push('\n');
    }
    for entry in entries().filter(|entry| !is_inline(&entry.node)) {
        section(&entry.node, &path.key(&entry.key), origins, text);
    }
}

/// Writes what stands under headings.
pub(crate) fn section(node: &Node, path: &Path, origins: bool, text: &mut String) {
    let heading = heading(path);
    if let Value::List(items) = &node.value {
        for (n, item) in items.iter().enumerate() {
            let _ = writeln!(text, "\n[[{heading}]]");
            table(item, &path.index(n), origins, text);
        }
        return;
    }
    let entries = || node.entries().into_iter().flatten();
    let only_tables = entries().next().is_some() && entries().all(|entry| !is_inline(&entry.node));
    if !only_tables {
        let _ = writeln!(text, "\n[{heading}]");
    }
    table(node, path, origins, text);
}

/// A path as in a heading, where lists have no numbers.
fn heading(path: &Path) -> String {
    let keys = path.0.iter().filter_map(|step| match step {
        Step::Key(name) => Some(key(name)),
        Step::Index(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}

fn key(name: &str) -> String {
    if crate::path::is_bare(name) { name.to_owned() } else { on_one_line(name) }
}

fn inline(node: &Node) -> String {
    match &node.value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => toml::Value::Float(*value).to_string(),
        Value::Text(text) => quoted(text),
        Value::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(entries) => {
            let fields = entries.iter().map(|entry| format!("{} = {}", key(&entry.key), inline(&entry.node)));
            format!("{{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A text, on several lines if it has some.
fn quoted(text: &str) -> String {
    let lines = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.contains('\n') && text.chars().all(lines) {
        return format!("\"\"\"\n{}\"\"\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    on_one_line(text)
}

/// As it is between single quotes where it can be, else with escapes.
fn on_one_line(text: &str) -> String {
    let plain = |c: char| !c.is_control() && c != '\'';
    if text.contains(['"', '\\']) && text.chars().all(plain) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
