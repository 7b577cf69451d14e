//! Problems: what is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

use sdk::Secret;
use sdk::secret::{REDACTED, SCHEMA_MARK, needles};
use serde::Serialize;

use crate::limits::MAX_PROBLEMS;
use crate::path::Path;

/// Where a value came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    #[default]
    Default,
    /// Nobody set it, and it is as on this route above it.
    Inherited(String),
    /// A file. Line and column are counted from 1, the column in characters.
    File {
        /// The file as it was named.
        name: Arc<str>,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// The environment variable of this name.
    Environment(String),
    /// The program itself, which put it over the configuration; in words.
    Program(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Inherited(from) => write!(f, "inherited from {from}"),
            Origin::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Origin::Environment(name) => f.write_str(name),
            Origin::Program(words) => f.write_str(words),
        }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not do what was meant.
    Warning,
}

/// Something that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// Where it was written.
    pub origin: Origin,
    /// Where in the configuration it stands, e.g. `route.routes[0].receiver`; empty: the file as a whole.
    pub path: String,
    /// What is wrong, as a fragment in lower case. Never holds a secret.
    pub message: String,
}

/// `nightbell.toml:3:5: server.listn: unknown key …`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        if self.level == Level::Warning {
            f.write_str("warning: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Collects problems while a configuration is read.
#[derive(Default)]
pub(crate) struct Problems {
    all: Vec<Problem>,
    errors: usize,
    secrets: Vec<Secret>,
}

impl Problems {
    /// Adds something for which the configuration cannot be used.
    pub(crate) fn error(&mut self, origin: &Origin, path: &Path, message: impl Into<String>) {
        self.errors += 1;
        self.add(Level::Error, origin, path, message.into());
    }

    /// Adds something that is probably not meant.
    pub(crate) fn warning(&mut self, origin: &Origin, path: &Path, message: impl Into<String>) {
        self.add(Level::Warning, origin, path, message.into());
    }

    fn add(&mut self, level: Level, origin: &Origin, path: &Path, message: String) {
        // counted apart, so that no number of warnings keeps an error out
        if self.all.iter().filter(|problem| problem.level == level).count() < MAX_PROBLEMS {
            self.all.push(Problem { level, origin: origin.clone(), path: path.to_string(), message });
        }
    }

    /// Remembers a text that must not appear in any problem.
    pub(crate) fn hide(&mut self, secret: &str) {
        let is_secret = serde_json::json!({ SCHEMA_MARK: true });
        // with the parts of it that are likely to be repeated, such as a URL's password
        self.secrets.extend(needles(&secret.into(), &is_secret));
        self.secrets.push(Secret::new(secret));
    }

    /// How many errors there are so far.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// All of them, in the order in which they stand in the files, with nothing in them that is hidden.
    pub(crate) fn finish(mut self) -> Vec<Problem> {
        for problem in &mut self.all {
            for secret in &self.secrets {
                problem.message = without(std::mem::take(&mut problem.message), secret.expose());
            }
        }
        self.all.sort_by_key(|problem| match &problem.origin {
            Origin::File { line, column, .. } => (problem.level, *line, *column),
            _ => (problem.level, usize::MAX, 0),
        });
        self.all
    }
}

/// A short secret is taken out only where it stands in quotes: it may be part of any word.
fn without(message: String, secret: &str) -> String {
    const SHORT: usize = 4;
    if secret.is_empty() {
        return message;
    }
    let escaped = format!("{secret:?}");
    let message = message.replace(&escaped, REDACTED).replace(&format!("`{secret}`"), REDACTED);
    if secret.len() < SHORT { message } else { message.replace(secret, REDACTED) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_texts_do_not_appear() {
        let mut problems = Problems::default();
        problems.hide("hush-hush");
        problems.hide("s");
        problems.error(&Origin::Default, &Path::of(&["a"]), "cannot use hush-hush or \"s\" as such");
        let all = problems.finish();
        assert_eq!(all[0].to_string(), "a: cannot use <secret> or <secret> as such");
    }
}
