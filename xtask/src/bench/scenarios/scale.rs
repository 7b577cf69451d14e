//! What must not grow with the configuration: measurements that live beside what they measure, as tests that are
//! ignored unless somebody asks for them.

use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::bench::figures::{ROWS, Readings};
use crate::shell;

/// In which crates they are, in which of their test programs (so that no other is built), and under which names.
const TESTS: [(&str, &[&str], &str); 4] = [
    ("nightbell-testkit", &["--test", "scale"], "_routes_in_a_millisecond"),
    ("nightbell-config", &["--test", "scale"], "twenty_thousand_lines"),
    ("nightbell-connectors", &["--lib"], "a_slack_message_about_a_hundred"),
    ("nightbell-testkit", &["--test", "scale"], "fifty_thousand_silences"),
];

/// Runs them once, one after the other.
pub fn measure() -> Result<Readings> {
    let mut readings = Readings::new();
    for (package, program, name) in TESTS {
        let mut cargo = shell::cargo(["test", "--release", "--quiet", "--package", package]);
        cargo.args(program).args([name, "--", "--ignored", "--nocapture"]).stderr(Stdio::inherit());
        let said = cargo.output().context("starting cargo")?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let before = readings.len();
        readings.extend(said.lines().filter_map(reading));
        if readings.len() == before {
            bail!("{name} of {package} says no figure: {said}");
        }
    }
    Ok(readings)
}

/// A line such as `figure routes 0.41`.
fn reading(line: &str) -> Option<(&'static str, f64)> {
    let (id, value) = line.split_once("figure ")?.1.split_once(' ')?;
    let row = ROWS.iter().find(|row| row.id == id)?;
    Some((row.id, value.trim().parse().ok()?))
}
