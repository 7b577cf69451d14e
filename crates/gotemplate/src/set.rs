//! Named templates together, and texts that use them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ast::{Tree, Trees, used};
use crate::error::{Error, Stage};
use crate::escape;
use crate::functions::Functions;
use crate::limits::Limits;
use crate::parse::{is_blank, parse};
use crate::run::run;
use crate::value::Env;
use crate::value::{Text as SharedText, Value};

/// What a text is rendered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Plain text: values stand as they are, as with `text/template`.
    Text,
    /// HTML: values are escaped for where they stand, as with `html/template`.
    Html,
}

/// Named templates, and the functions that they may call. Files are read into it one after the other; then it is
/// shared, and texts are [compiled](Set::text) against it.
#[derive(Clone, Debug)]
pub struct Set {
    functions: Arc<Functions>,
    local: TimeZone,
    trees: Arc<Trees>,
}

impl Default for Set {
    fn default() -> Self {
        Set { functions: Arc::default(), local: TimeZone::UTC, trees: Arc::default() }
    }
}

impl Set {
    /// Without templates, and with these functions.
    pub fn new(functions: Functions) -> Self {
        Set { functions: Arc::new(functions), ..Set::default() }
    }

    /// The same templates for people in this time zone, which Go calls `Local`. Without it that is UTC.
    #[must_use]
    pub fn in_zone(mut self, local: TimeZone) -> Self {
        self.local = local;
        self
    }

    /// Reads a file. What it defines takes the place of what had the same name; what is outside of definitions
    /// goes by the file's name. When it fails the set is as before.
    ///
    /// # Errors
    /// When it is not in the language, or over a limit.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let (tree, defined) = parse(name, text, &self.functions)?;
        let trees = Arc::make_mut(&mut self.trees);
        merge(trees, defined);
        if !is_blank(&tree.nodes) {
            trees.insert(tree.name.clone(), Arc::new(tree));
        }
        Ok(())
    }

    /// The names that are defined, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.trees.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Compiles an inline text, which may use all named templates, and may define its own for itself.
    ///
    /// # Errors
    /// When it is not in the language, names a template that there is not, or in HTML cannot be escaped
    /// safely.
    pub fn text(&self, text: &str, mode: Mode) -> Result<Text, Error> {
        let (tree, defined) = parse("", text, &self.functions)?;
        let mut trees = self.trees.clone();
        if !defined.is_empty() {
            merge(Arc::make_mut(&mut trees), defined);
        }
        let mut tree = Arc::new(tree);
        check_names(&tree, &trees)?;
        if mode == Mode::Html {
            let (escaped, all) = escape::escape(&tree, &trees)?;
            (tree, trees) = (Arc::new(escaped), Arc::new(all));
        }
        let (functions, local) = (self.functions.clone(), self.local.clone());
        Ok(Text { functions, local, tree, trees, source: text.into() })
    }
}

fn merge(trees: &mut Trees, defined: HashMap<SharedText, Arc<Tree>>) {
    for (name, tree) in defined {
        // an empty definition does not take the place of one that says something
        if !(is_blank(&tree.nodes) && trees.contains_key(&name)) {
            trees.insert(name, tree);
        }
    }
}

/// Looks for templates that are used and not defined.
fn check_names(tree: &Arc<Tree>, trees: &Trees) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut queue = vec![tree.clone()];
    while let Some(tree) = queue.pop() {
        let mut uses = Vec::new();
        used(&tree.nodes, &mut uses);
        for (at, name) in uses {
            match trees.get(name) {
                Some(found) if seen.insert(name.clone()) => queue.push(found.clone()),
                Some(_) => {}
                None => {
                    let (file, text) = (&tree.source.name, &tree.source.text);
                    let what = format!("template {name:?} not defined");
                    return Err(Error::at(Stage::Parse, file, text, at, &what));
                }
            }
        }
    }
    Ok(())
}

/// A text, compiled: cheap to run as often as needed, from any thread.
#[derive(Clone)]
pub struct Text {
    functions: Arc<Functions>,
    local: TimeZone,
    tree: Arc<Tree>,
    trees: Arc<Trees>,
    source: SharedText,
}

impl Text {
    /// Renders it over some data, at a time.
    ///
    /// # Errors
    /// When it fails on the data, or goes over a limit.
    pub fn render(&self, data: &Value, limits: &Limits, now: Timestamp) -> Result<String, Error> {
        let env = Env::new(&self.functions.regexes, &self.local, data, now, limits.steps);
        run(&self.tree, &self.trees, data, &env, limits)
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?})", self.source)
    }
}
