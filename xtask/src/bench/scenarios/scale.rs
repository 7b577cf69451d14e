//! What must not grow with the configuration: measurements that live beside what they measure, as tests that are
//! ignored unless somebody asks for them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::bench::figures::{ROWS, Readings};
use crate::shell;

/// In which crate one is, in which of its test programs, and under which name.
pub type Measured = (&'static str, &'static [&'static str], &'static str);

/// What is asked of what people define.
pub const OF_PEOPLE: [Measured; 2] = [
    ("nightbell-testkit", &["--test", "scale"], "ten_thousand_profiles"),
    ("nightbell-testkit", &["--test", "scale"], "a_thousand_schedules"),
];

/// In which crates they are, in which of their test programs (so that no other is built), and under which names.
const TESTS: [Measured; 4] = [
    ("nightbell-testkit", &["--test", "scale"], "_routes_in_a_millisecond"),
    ("nightbell-config", &["--test", "scale"], "twenty_thousand_lines"),
    ("nightbell-connectors", &["--lib"], "a_slack_message_about_a_hundred"),
    ("nightbell-testkit", &["--test", "scale"], "fifty_thousand_silences"),
];

/// Runs them once, one after the other.
pub fn measure() -> Result<Readings> {
    figures(&TESTS)
}

/// What such tests say.
pub fn figures(tests: &[Measured]) -> Result<Readings> {
    let mut readings = Readings::new();
    for (package, program, name) in tests {
        let mut cargo = shell::cargo(["test", "--release", "--quiet", "--package", package]);
        readings.extend(said_by(cargo.args(*program).args([name, "--", "--ignored", "--nocapture"]))?);
    }
    Ok(readings)
}

/// What one test says.
pub fn said_by(cargo: &mut Command) -> Result<Readings> {
    let said = cargo.stderr(Stdio::inherit()).output().context("starting cargo")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let readings: Readings = said.lines().filter_map(reading).collect();
    if readings.is_empty() {
        bail!("{cargo:?} says no figure: {said}");
    }
    Ok(readings)
}

/// A line such as `figure routes 0.41`.
fn reading(line: &str) -> Option<(&'static str, f64)> {
    let (id, value) = line.split_once("figure ")?.1.split_once(' ')?;
    let row = ROWS.iter().find(|row| row.id == id)?;
    Some((row.id, value.trim().parse().ok()?))
}
