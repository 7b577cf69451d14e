//! `cargo xtask tidy`: what the compiler does not check.
//!
//! Layers of crates, cycles of modules, dead files, lengths and words; each problem is one line that
//! begins with its place. The rules are at the top of the file that checks them.

mod layers;
mod lexer;
mod modules;
mod paths;
mod texts;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    /// Relative to the root.
    file: PathBuf,
    line: usize,
    what: String,
}

impl Problem {
    fn new(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Problem { file: file.to_owned(), line, what: what.into() }
    }
}

/// Checks everything and prints what is wrong.
pub fn run() -> Result<()> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().context("cargo named no packages")?;
    let mut problems = layers::check(packages)?;
    for package in packages {
        problems.extend(modules::check(&shell::root(), package)?);
    }
    problems.extend(texts::check(&shell::root())?);
    problems.sort();
    problems.dedup();
    for Problem { file, line, what } in &problems {
        println!("{}:{line}: {what}", file.display());
    }
    if !problems.is_empty() {
        bail!("{} things are not tidy", problems.len());
    }
    println!("tidy");
    Ok(())
}

/// The number of the line in which this byte stands.
fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1
}
