//! Documents that describe how other systems are extended: their code is cut out and run as it is.
//!
//! They lie in the folder that `NIGHTBELL_TEST_DOCUMENTS` names, or in `shared/seeds` beside the repository. Where the
//! variable is set, as `cargo xtask test` does when it finds them, they must be there.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{is_promised, skip};

/// The variable that names their folder.
const FOLDER: &str = "NIGHTBELL_TEST_DOCUMENTS";

/// The port that the document on Sentry speaks to, or a loud word that the story is not told. Whoever else runs the
/// document is waited for, as long as the first is held.
pub fn port_or_skip(name: &str) -> Option<(File, TcpListener)> {
    let turn = File::open(path(name)).unwrap();
    turn.lock().unwrap();
    let server = TcpListener::bind("127.0.0.1:9999").ok();
    if server.is_none() {
        skip("the document's port 9999 is taken", is_promised(FOLDER));
    }
    Some((turn, server?))
}

fn folder() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/seeds");
    std::env::var_os(FOLDER).map_or(beside, PathBuf::from)
}

/// Where a document is.
pub fn path(name: &str) -> PathBuf {
    folder().join(name)
}

/// A document, or a loud word that the story is not told.
pub fn find_or_skip(name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path(name)).ok();
    if text.is_none() {
        skip(&format!("there is no document {name}; {FOLDER} names their folder"), is_promised(FOLDER));
    }
    text
}

/// The lines from the first one that begins so to the last one that begins so, blanks aside, without their indent.
pub fn indented(text: &str, first: &str, last: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.iter().position(|line| line.trim().starts_with(first)).unwrap();
    let end = lines.iter().rposition(|line| line.trim().starts_with(last)).unwrap();
    let indent = lines[begin].len() - lines[begin].trim_start().len();
    let line = |line: &&str| format!("{}\n", line.get(indent..).unwrap_or_default());
    lines[begin..=end].iter().map(line).collect()
}

/// The one fenced block of Python in which this stands.
pub fn fenced(text: &str, word: &str) -> String {
    let blocks = text.split("```python\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let found: Vec<&str> = blocks.filter(|block| block.contains(word)).collect();
    assert_eq!(found.len(), 1, "blocks with {word:?} in them");
    found[0].to_owned()
}

/// A Python that has this module: the one that the variable names, or the system's; or a loud word that the story is
/// not told.
pub fn python_or_skip(module: &str, variable: &str) -> Option<PathBuf> {
    let python = std::env::var_os(variable).map_or_else(|| "python3".into(), PathBuf::from);
    let mut import = Command::new(&python);
    import.args(["-c", &format!("import {module}")]).stderr(Stdio::null());
    let has = import.status().is_ok_and(|status| status.success());
    if !has {
        let why = format!("{} has no {module}; {variable} names a Python that has it", python.display());
        skip(&why, is_promised(variable));
    }
    has.then_some(python)
}
