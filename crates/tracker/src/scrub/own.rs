//! Patterns of a project's own.

use std::borrow::Cow;
use std::sync::Arc;

use regex::{NoExpand, Regex, RegexBuilder};

use super::{FILTERED, MAX_PATTERN_MEMORY, MAX_PATTERNS};

/// What a project wants to be taken out wherever it stands. Matching takes time in proportion to the text, whatever the
/// pattern, and each takes a bounded piece of memory.
#[derive(Debug, Clone)]
pub(super) struct Own(Arc<[Regex]>);

/// A pattern made ready, or why it cannot be.
pub(super) fn compiled(pattern: &str) -> Result<Regex, String> {
    let limit = MAX_PATTERN_MEMORY;
    let built = RegexBuilder::new(pattern).size_limit(limit).dfa_size_limit(limit).nest_limit(50).build();
    let regex = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("needs more than {limit} bytes of memory: repeat less, or write (?-u) for letters of ASCII only")
        }
        // what is wrong stands in the last line, below a drawing of where
        other => other.to_string().lines().last().unwrap_or_default().trim().to_owned(),
    })?;
    if regex.is_match("") {
        return Err("fits nothing at all, and so everywhere".to_owned());
    }
    Ok(regex)
}

impl Own {
    /// Those that cannot be are left out: whoever takes settings in refuses them.
    pub(super) fn new(patterns: &[String]) -> Self {
        Own(patterns.iter().take(MAX_PATTERNS).filter_map(|it| compiled(it).ok()).collect())
    }

    pub(super) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        text != FILTERED && self.0.iter().any(|it| it.is_match(text))
    }

    /// Replaces what they find; says whether there was anything.
    pub(super) fn replace(&self, text: &mut String) -> bool {
        if text == FILTERED {
            return false;
        }
        let mut found = false;
        for it in &*self.0 {
            if let Cow::Owned(replaced) = it.replace_all(text, NoExpand(FILTERED)) {
                *text = replaced;
                found = true;
            }
        }
        found
    }
}
