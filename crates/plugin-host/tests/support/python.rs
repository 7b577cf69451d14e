//! Where the Python of this machine is.

use std::path::PathBuf;

/// The Python of this machine, behind whatever chooses it.
pub fn python() -> (PathBuf, PathBuf) {
    let asked = std::process::Command::new("python3")
        .args(["-c", "import sys; print(sys.executable); print(sys.base_prefix)"])
        .output()
        .expect("these tests need python3");
    let said = String::from_utf8(asked.stdout).unwrap();
    let mut lines = said.lines().map(PathBuf::from);
    (lines.next().unwrap(), lines.next().unwrap())
}
