//! Other people's programs: Prometheus, amtool. Stories that need one say so loudly when it is not there.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::skip;

/// Where a program is; looks on the PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Where a program is, or a loud word that the story is not told.
pub fn find_or_skip(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skip(&format!("{name} is not installed; `cargo xtask test` installs it"), false);
    }
    found
}

/// Runs a program to its end; fails when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?} failed: {}", both(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a program said on both of its outputs.
pub fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
