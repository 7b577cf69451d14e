//! Regular expressions, compiled once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::Regex;

use crate::limits::{MAX_KEPT_REGEXES, MAX_REGEX_BYTES};

/// Regular expressions that were compiled, and how they are written.
#[derive(Debug)]
pub(crate) struct Regexes {
    /// What rewrites one of Go's into one of the `regex` crate.
    pub dialect: fn(&str) -> String,
    kept: Mutex<HashMap<Arc<str>, Regex>>,
}

impl Default for Regexes {
    fn default() -> Self {
        Regexes { dialect: str::to_owned, kept: Mutex::default() }
    }
}

impl Regexes {
    /// The one of this pattern; compiled, when that may be done, if it is not yet.
    pub(crate) fn get(
        &self,
        pattern: &Arc<str>,
        may: impl FnOnce() -> Result<(), String>,
    ) -> Result<Regex, String> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = kept().get(pattern) {
            return Ok(regex.clone());
        }
        may()?;
        let mut builder = regex::RegexBuilder::new(&(self.dialect)(pattern));
        let regex = builder.size_limit(MAX_REGEX_BYTES).dfa_size_limit(MAX_REGEX_BYTES).build();
        let regex = regex.map_err(|error| explain(pattern, &error))?;
        let mut kept = kept();
        if kept.len() >= MAX_KEPT_REGEXES {
            kept.clear();
        }
        kept.insert(pattern.clone(), regex.clone());
        Ok(regex)
    }
}

fn explain(pattern: &str, error: &regex::Error) -> String {
    let text = error.to_string();
    // the crate draws the expression over several lines; the last says what is wrong with it
    let last = text.lines().last().unwrap_or_default();
    let what = last.strip_prefix("error: ").unwrap_or(last);
    let pattern: String = pattern.chars().take(100).collect();
    format!("error parsing regexp: {what}: `{pattern}`")
}
