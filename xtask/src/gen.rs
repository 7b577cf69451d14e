//! `cargo xtask gen`: files that follow from the code, written by the binary itself.
//!
//! They are checked in, so that a change of the API or the configuration shows in its diff, and CI fails
//! when one is out of date.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell;

/// A file, and the words after `nightbell` that write its text to the standard output.
const GENERATED: &[(&str, &[&str])] = &[
    ("docs/reference/openapi.json", &["gen", "openapi"]),
    ("docs/reference/config.schema.json", &["config", "schema"]),
    ("docs/reference/destinations.md", &["gen", "destinations"]),
    ("docs/reference/cli.md", &["gen", "cli"]),
    ("docs/reference/metrics.md", &["gen", "metrics"]),
];

/// Write the files that follow from the code.
#[derive(Default, clap::Args)]
pub struct Args {
    /// Write nothing; fail when something would change
    #[arg(long)]
    pub check: bool,
}

/// Writes the files, or compares them.
pub fn run(args: &Args) -> Result<()> {
    let binary = shell::build_nightbell(false)?;
    let mut failures = 0;
    for (path, words) in GENERATED {
        match one(&binary, Path::new(path), words, args.check) {
            Ok(said) => println!("{path}: {said}"),
            Err(error) => {
                println!("{path}: {error:#}");
                failures += 1;
            }
        }
    }
    if failures > 0 {
        bail!("{failures} of {} generated files are not right", GENERATED.len());
    }
    Ok(())
}

fn one(binary: &Path, path: &Path, words: &[&str], check: bool) -> Result<&'static str> {
    let wanted = shell::output(&mut shell::command(&binary.to_string_lossy(), words))?;
    if wanted.trim().is_empty() {
        bail!("`nightbell {}` wrote nothing", words.join(" "));
    }
    let file = shell::root().join(path);
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    if there == wanted {
        return Ok("up to date");
    }
    if check {
        let line = there.lines().zip(wanted.lines()).take_while(|(a, b)| a == b).count() + 1;
        bail!("out of date from line {line} on: run `cargo xtask gen` and commit the result");
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    std::fs::write(&file, wanted).with_context(|| format!("writing {}", file.display()))?;
    Ok("written")
}
