//! Secrets: put into the tree where the schema says that one stands, and never shown.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use sdk::secret::REDACTED;

use crate::limits::MAX_SECRET_BYTES;
use crate::node::{Node, Value};
use crate::overrides::ORIGIN;
use crate::path::Path;
use crate::problem::Problems;
use crate::schema::View;

/// What a configuration is read among.
pub(crate) struct Surroundings {
    /// The folder that relative paths begin at.
    pub(crate) directory: PathBuf,
    /// The environment variables.
    pub(crate) environment: BTreeMap<String, String>,
    /// What the text is, and so what is done to it.
    pub(crate) reading: Reading,
}

/// What kind of text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A file that somebody wrote: the environment is laid over it.
    File,
    /// A text of the history: as it is, with the secrets that it refers to. Those that were written out are not
    /// in it.
    Kept,
    /// A text of which only the rules are wanted: no secret is looked up, no file is opened, and settings of
    /// kinds are not checked.
    Rules,
}

/// Where a secret is kept.
enum Place<'a> {
    Variable(&'a str),
    File(&'a str),
    /// Nowhere: it is worked out for each message.
    Template,
}

/// What a secret may be, for messages.
const FORMS: &str = "a secret is a text, { env = \"NAME\" } or { file = \"path\" }";

/// Why there is no secret in the history, for messages.
const NOT_KEPT: &str = "this secret was written out in the file, and the history keeps none: write secrets as \
                        { env = \"NAME\" } or { file = \"path\" } to be able to come back to them";

/// Why what is shown of a secret does not set it, for messages.
const SHOWN: &str =
    "this is what is shown in the place of a secret; leave it out to keep the one that is set";

/// Why nobody reads this machine's files and variables from elsewhere, for messages.
const NO_REFERENCE: &str = "an override gives the secret itself; references to variables and files of this \
                            machine stand in the configuration file only";

fn place(node: &Node) -> Option<Place<'_>> {
    match node.entries()?.as_slice() {
        [entry] if entry.key == "env" => entry.node.as_text().map(Place::Variable),
        [entry] if entry.key == "go" => entry.node.as_text().map(|_| Place::Template),
        [entry] if entry.key == "file" => entry.node.as_text().map(Place::File),
        _ => None,
    }
}

/// Names of the variables that secrets refer to.
pub(crate) fn variables(node: &Node, view: &View) -> Vec<String> {
    let mut names = Vec::new();
    walk(node, view, &Path::default(), &mut |node, _| {
        if let Some(Place::Variable(name)) = place(node) {
            names.push(name.to_owned());
        }
    });
    names
}

/// Puts secrets where they are wanted, and takes out what is not to be looked up. Gives the paths of those that
/// could not be had.
pub(crate) fn put_in(
    root: &mut Node,
    view: &View,
    among: &Surroundings,
    problems: &mut Problems,
) -> Vec<Path> {
    if among.reading != Reading::File {
        // where the database is was settled at the start; its password is not to be asked for
        root.take("database");
    }
    if among.reading == Reading::Rules {
        leave_out(root, view);
        return Vec::new();
    }
    resolve(root, view, among, problems)
}

/// Puts secrets in the place of references to them. Gives the paths of those that could not be had.
fn resolve(node: &mut Node, view: &View, among: &Surroundings, problems: &mut Problems) -> Vec<Path> {
    let mut failed = Vec::new();
    walk_mut(node, view, &Path::default(), &mut |node, path| {
        let problem = match have(node, path, among, problems) {
            Ok(None) => return,
            Ok(Some(secret)) if secret.is_empty() => "the secret is empty".to_owned(),
            Ok(Some(secret)) => {
                problems.hide(&secret);
                node.value = Value::Text(secret);
                return;
            }
            Err(problem) => problem,
        };
        problems.error(&node.origin, path, problem);
        failed.push(path.clone());
    });
    failed
}

/// The secret itself; nothing where a template will make it.
fn have(
    node: &Node,
    path: &Path,
    among: &Surroundings,
    problems: &mut Problems,
) -> Result<Option<String>, String> {
    match node.as_text() {
        Some(REDACTED) if among.reading == Reading::Kept => return Err(NOT_KEPT.to_owned()),
        Some(REDACTED) if node.origin == ORIGIN => return Err(SHOWN.to_owned()),
        Some(text) => return Ok(Some(text.to_owned())),
        None => {}
    }
    match place(node).ok_or(FORMS)? {
        Place::Template => Ok(None),
        _ if node.origin == ORIGIN => Err(NO_REFERENCE.to_owned()),
        Place::Variable(name) => {
            let value = among.environment.get(name).filter(|value| !value.is_empty());
            let value = value.cloned().map(Some);
            value.ok_or_else(|| format!("the environment variable {name} is not set or empty"))
        }
        Place::File(name) => {
            let file = among.directory.join(name);
            if is_open_to_all(&file) {
                let message = format!("everybody on this machine may read {}; chmod o-r it", file.display());
                problems.warning(&node.origin, path, message);
            }
            let mut text = String::new();
            let read =
                File::open(&file).and_then(|open| open.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text));
            read.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
            if text.len() as u64 > MAX_SECRET_BYTES {
                return Err(format!("{} has more than {MAX_SECRET_BYTES} bytes", file.display()));
            }
            // editors and `kubectl create secret` add lines and blanks, which no secret has at its ends
            match text.trim() {
                "" => Err(format!("{} is empty", file.display())),
                text => Ok(Some(text.to_owned())),
            }
        }
    }
}

#[cfg(unix)]
fn is_open_to_all(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    const OTHERS_READ: u32 = 0o004;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & OTHERS_READ != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &std::path::Path) -> bool {
    false
}

/// Replaces secrets that are written out by [`REDACTED`]. References stay: they hold no secret.
pub(crate) fn redact(node: &mut Node, view: &View) {
    walk_mut(node, view, &Path::default(), &mut |node, _| {
        // a template may hold a part of one
        if place(node).is_none_or(|place| matches!(place, Place::Template)) {
            node.value = Value::Text(REDACTED.to_owned());
        }
    });
}

/// Replaces all secrets by [`REDACTED`], references too.
fn leave_out(node: &mut Node, view: &View) {
    walk_mut(node, view, &Path::default(), &mut |node, _| node.value = Value::Text(REDACTED.to_owned()));
}

/// Where secrets are written out.
pub(crate) fn written_out(node: &Node, view: &View) -> Vec<Path> {
    let mut found = Vec::new();
    walk(node, view, &Path::default(), &mut |node, path| {
        if node.as_text().is_some() {
            found.push(path.clone());
        }
    });
    found
}

/// Makes references to files lead to the same files from another folder than `folder`, where they began.
pub(crate) fn move_references(node: &mut Node, view: &View, folder: &std::path::Path) {
    walk_mut(node, view, &Path::default(), &mut |node, _| {
        if let Some(Place::File(name)) = place(node) {
            let moved = Node::text(&node.origin, folder.join(name).to_string_lossy());
            node.set("file", moved);
        }
    });
}

/// Whether one secret stands here, rather than a list of them where there may be one.
fn is_one(node: &Node, view: &View) -> bool {
    match node.value {
        Value::List(_) if view.is_list() => false,
        // such as the number of a chat, which need not be hidden
        Value::Int(_) if view.is_number() => false,
        _ => view.is_secret(),
    }
}

fn walk(node: &Node, view: &View, path: &Path, found: &mut dyn FnMut(&Node, &Path)) {
    if is_one(node, view) {
        return found(node, path);
    }
    for entry in node.entries().into_iter().flatten() {
        walk(&entry.node, &view.key(&entry.key, Some(node)), &path.key(&entry.key), found);
    }
    if !node.items().is_empty() {
        let inner = view.item();
        node.items().iter().enumerate().for_each(|(n, item)| walk(item, &inner, &path.index(n), found));
    }
}

fn walk_mut(node: &mut Node, view: &View, path: &Path, found: &mut dyn FnMut(&mut Node, &Path)) {
    if is_one(node, view) {
        return found(node, path);
    }
    let views: Vec<View> =
        node.entries().into_iter().flatten().map(|entry| view.key(&entry.key, Some(node))).collect();
    match &mut node.value {
        Value::Table(entries) => {
            for (entry, view) in entries.iter_mut().zip(&views) {
                walk_mut(&mut entry.node, view, &path.key(&entry.key), found);
            }
        }
        Value::List(items) => {
            let inner = view.item();
            for (n, item) in items.iter_mut().enumerate() {
                walk_mut(item, &inner, &path.index(n), found);
            }
        }
        _ => {}
    }
}
