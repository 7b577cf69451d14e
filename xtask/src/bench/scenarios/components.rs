//! Plugins that are WebAssembly components: what one call takes. It is measured by the wasm host's own test of its
//! speed, whose build is the only one that knows an engine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::bench::figures::Readings;
use crate::bench::scenarios::scale;
use crate::shell;
use crate::test::environments;

/// A guest that is built from source: its example, the variable with its tool, and its file.
const GUESTS: [(&str, &str, &str); 2] = [
    ("hook-js", "NIGHTBELL_TEST_COMPONENTIZE_QJS", "plugin.js"),
    ("hook-py", "NIGHTBELL_TEST_COMPONENTIZE_PYTHON", "plugin.py"),
];

/// All of it.
pub fn measure() -> Result<Readings> {
    let environments = environments::provide();
    let mut guests = Vec::new();
    for (name, variable, source) in GUESTS {
        let made = environments.iter().find(|(known, _)| *known == variable).map(|(_, tool)| tool.clone());
        match made.or_else(|| std::env::var_os(variable).map(PathBuf::from)) {
            Some(tool) => guests.push(build(name, &tool, source)?),
            None => println!("warning: {variable} is not set, the component {name} is left out"),
        }
    }
    // with the program, so that its engine is not built a second time with other features
    let packages = ["--package", "nightbell", "--package", "nightbell-wasm-host"];
    let mut test = shell::cargo(["test", "--release", "--quiet"].into_iter().chain(packages));
    test.args(["--test", "speed"]);
    test.args(["--", "--ignored", "--nocapture"]);
    let guests: OsString = std::env::join_paths(guests).context("a folder with a colon in its name")?;
    scale::said_by(test.env("NIGHTBELL_SPEED_COMPONENTS", guests))
}

/// The component of an example.
fn build(name: &str, tool: &Path, source: &str) -> Result<PathBuf> {
    let folder = shell::target_folder()?.join("bench-components").join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let (from, wit) = (shell::root().join("plugins/examples").join(name), shell::root().join("plugins/wit"));
    std::fs::copy(from.join(source), folder.join(source)).with_context(|| format!("copying {source}"))?;
    let component = folder.join(name).with_extension("wasm");
    let wit = wit.display().to_string();
    let words: Vec<&str> = match source {
        "plugin.js" => {
            vec!["--sync", "--stub-wasi", "--world", "destination", "--wit", &wit, "--js", source, "-o"]
        }
        _ => vec!["-d", &wit, "-w", "destination", "componentize", "plugin", "--stub-wasi", "-o"],
    };
    let program =
        if source == "plugin.js" { tool.to_owned() } else { tool.with_file_name("componentize-py") };
    let mut command = shell::command(&program.to_string_lossy(), words);
    shell::run(command.arg(&component).current_dir(&folder))?;
    Ok(component)
}
