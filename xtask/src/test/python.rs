//! The tests of the Python SDK, run by Python's own `unittest`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::Count;
use crate::shell;

/// Where the SDK lies.
const FOLDER: &str = "plugins/python";

/// Runs them, or those with this in their name. The variables name environments for those that need one.
pub fn run(filter: Option<&str>, environments: &[(&str, PathBuf)]) -> Result<Count> {
    let mut test = shell::command("python3", ["-m", "unittest"]);
    test.current_dir(shell::root().join(FOLDER)).env("NO_COLOR", "1");
    test.envs(environments.iter().map(|(variable, python)| (variable, python)));
    if let Some(word) = filter {
        test.args(["-k", word]);
    }
    let mut running = test.stderr(Stdio::piped()).spawn().context("starting python3")?;
    let mut count = Count::default();
    for line in BufReader::new(running.stderr.take().context("python3 has no output")?).lines() {
        let line = line.context("reading what the tests say")?;
        eprintln!("{line}");
        add(&mut count, &line);
    }
    let status = running.wait().context("waiting for python3")?;
    // since Python 3.12 it is a failure of its own that no test has such a name
    let nothing = filter.is_some() && count == Count::default();
    if !status.success() && count.failed == 0 && !nothing {
        bail!("the tests of the Python SDK failed ({status})");
    }
    Ok(count)
}

/// Adds a line such as `Ran 59 tests in 8.494s` or `FAILED (failures=1, skipped=5)`; others count nothing.
fn add(count: &mut Count, line: &str) {
    let words: Vec<&str> = line.split_whitespace().collect();
    if let ["Ran", number, "test" | "tests", "in", _] = words[..] {
        count.passed += number.parse::<u64>().unwrap_or_default();
        return;
    }
    let details = line.strip_prefix("FAILED (").or_else(|| line.strip_prefix("OK ("));
    for part in details.and_then(|text| text.strip_suffix(')')).unwrap_or_default().split(", ") {
        let Some((what, number)) = part.split_once('=') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what {
            "failures" | "errors" | "unexpected successes" => count.failed += number,
            "skipped" => count.ignored += number,
            _ => continue,
        }
        count.passed = count.passed.saturating_sub(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_their_name() {
        if shell::find("python3", &[]).is_none() {
            eprintln!("skipped: no python3 here");
            return;
        }
        let one = run(Some("test_times"), &[]).unwrap();
        assert_eq!((one.passed, one.failed), (1, 0));
        assert_eq!(run(Some("no_such_test"), &[]).unwrap(), Count::default());
    }

    #[test]
    fn the_last_lines_are_counted() {
        for (lines, passed, failed, ignored) in [
            (["Ran 59 tests in 8.494s", "OK"], 59, 0, 0),
            (["Ran 1 test in 0.001s", "OK (skipped=1)"], 0, 0, 1),
            (["Ran 9 tests in 1.0s", "FAILED (failures=1, errors=2, skipped=3)"], 3, 3, 3),
            (["Ran away", "OK (so far)"], 0, 0, 0),
        ] {
            let mut count = Count::default();
            lines.iter().for_each(|line| add(&mut count, line));
            assert_eq!(count, Count { passed, failed, ignored }, "{lines:?}");
        }
    }
}
