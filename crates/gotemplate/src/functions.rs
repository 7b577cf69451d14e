//! Which functions templates may call.

use crate::regexes::Regexes;
use crate::value::Function;

/// The functions that there are beside the built-in ones, and what they need.
#[derive(Debug, Default)]
pub struct Functions {
    modules: Vec<&'static [Function]>,
    pub(crate) regexes: Regexes,
}

impl Functions {
    /// None but the built-in ones.
    pub fn new() -> Self {
        Functions::default()
    }

    /// These as well.
    #[must_use]
    pub fn with(mut self, module: &'static [Function]) -> Self {
        self.modules.push(module);
        self
    }

    /// What rewrites a regular expression of Go's into one of the `regex` crate. Without it the few that
    /// the two read differently mean what the crate takes them for.
    #[must_use]
    pub fn regex_dialect(mut self, dialect: fn(&str) -> String) -> Self {
        self.regexes.dialect = dialect;
        self
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static Function> {
        let own = self.modules.iter().rev().flat_map(|module| module.iter());
        own.chain(crate::builtins::FUNCTIONS).find(|function| function.name == name)
    }
}
