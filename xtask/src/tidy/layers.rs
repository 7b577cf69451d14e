//! Layers: a crate may depend only on crates of lower layers, as drawn in `ARCHITECTURE.md`.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Problem;
use crate::shell;

/// Every crate with its layer. A new crate is added here and in `ARCHITECTURE.md`, and only for a new
/// direction of dependency.
const LAYERS: &[(&str, u8)] = &[
    ("nightbell-model", 0),
    ("nightbell-gotemplate", 0),
    ("nightbell-plugin-protocol", 0),
    ("nightbell-tracker", 0),
    ("nightbell-store", 1),
    ("nightbell-calendar", 1),
    ("nightbell-sdk", 1),
    ("nightbell-flow", 2),
    ("nightbell-config", 2),
    ("nightbell-connectors", 2),
    ("nightbell-plugin-host", 2),
    ("nightbell-server", 3),
    ("nightbell-wasm-host", 3),
    ("nightbell-testkit", 4),
    ("nightbell", 4),
    ("nightbell-acceptance", 5),
    ("xtask", 5),
];

/// Tests of any crate may use these, whatever their layer: cargo allows that circle.
const FOR_TESTS: &[&str] = &["nightbell-connectors", "nightbell-testkit"];

/// The only crates that may know the server.
const KNOW_SERVER: &[&str] = &["nightbell", "nightbell-acceptance", "nightbell-testkit"];

/// Checks the dependencies between the packages of the workspace.
pub fn check(packages: &[Value]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let manifest = package["manifest_path"].as_str().context("a package has no manifest")?;
        let manifest = Path::new(manifest);
        let text =
            std::fs::read_to_string(manifest).with_context(|| format!("reading {}", manifest.display()))?;
        let file = manifest.strip_prefix(shell::root()).unwrap_or(manifest);
        if layer(name).is_none() {
            problems.push(Problem::new(
                file,
                1,
                format!("crate {name} has no layer in xtask/src/tidy/layers.rs"),
            ));
        }
        let dependencies =
            package["dependencies"].as_array().context("a package has no list of dependencies")?;
        for dependency in dependencies.iter().filter(|dependency| dependency["path"].is_string()) {
            let on = dependency["name"].as_str().unwrap_or_default();
            let for_tests = dependency["kind"] == "dev";
            if let Some(why) = why_not(name, on, for_tests) {
                let key = dependency["rename"].as_str().unwrap_or(on);
                problems.push(Problem::new(file, line_of_key(&text, key), why));
            }
        }
    }
    Ok(problems)
}

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

/// Why a crate may not depend on another.
fn why_not(name: &str, on: &str, for_tests: bool) -> Option<String> {
    if for_tests && FOR_TESTS.contains(&on) {
        return None;
    }
    if on == "nightbell-server" && !KNOW_SERVER.contains(&name) {
        return Some(format!("{name} depends on {on}, which only {} may", KNOW_SERVER.join(", ")));
    }
    let (mine, its) = (layer(name)?, layer(on)?);
    (its >= mine).then(|| {
        format!("{name} (layer {mine}) depends on {on} (layer {its}): only lower layers are allowed")
    })
}

/// The line that begins with this key.
fn line_of_key(manifest: &str, key: &str) -> usize {
    let begins = |line: &str| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    manifest.lines().position(begins).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::why_not;

    #[test]
    fn only_lower_layers_are_allowed() {
        assert_eq!(why_not("nightbell-store", "nightbell-model", false), None);
        assert!(why_not("nightbell-store", "nightbell-sdk", false).is_some(), "same layer");
        assert!(why_not("nightbell-flow", "nightbell-connectors", false).is_some());
        assert!(why_not("nightbell-flow", "nightbell-config", true).is_some(), "nor for its tests");
        assert_eq!(why_not("nightbell-flow", "nightbell-testkit", true), None);
        assert_eq!(why_not("nightbell-testkit", "nightbell-server", false), None);
        assert!(why_not("xtask", "nightbell-server", false).is_some());
    }
}
