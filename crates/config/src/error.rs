//! What can go wrong, as callers see it.

use std::fmt;
use std::path::PathBuf;

use crate::limits::MAX_FILE_BYTES;
use crate::problem::{Level, Problem};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is over the limit.
    #[error("{name} has more than {MAX_FILE_BYTES} bytes")]
    TooLarge {
        /// The file.
        name: String,
    },
    /// The file is not text.
    #[error("{name} is not UTF-8 text")]
    NotText {
        /// The file.
        name: String,
    },
    /// The configuration is wrong; nothing of it is used.
    #[error("{0}")]
    Invalid(Invalid),
}

/// A configuration that cannot be used: everything that is wrong with it, warnings included.
#[derive(Debug)]
pub struct Invalid(pub Vec<Problem>);

/// One line for each.
impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.0.iter().filter(|problem| problem.level == Level::Error);
        for (n, problem) in errors.enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
