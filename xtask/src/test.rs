//! `cargo xtask test`: everything that must pass, on a fresh machine too.

pub mod environments;
mod python;
mod tools;

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::postgres::Postgres;
use crate::{r#gen, shell};

/// Everything that must pass, with all that it needs set up by itself.
#[derive(Default, clap::Args)]
pub struct Args {
    /// Only tests with this in their name
    #[arg(long)]
    pub filter: Option<String>,
}

/// What the test binaries said together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs the tests of all crates, and those of the SDK in Python.
pub fn run(args: &Args) -> Result<()> {
    let begin = Instant::now();
    tools::provide()?;
    let postgres = shell::timed("a private PostgreSQL", || Postgres::start(&[]))?;
    let binary = shell::timed("build nightbell", || shell::build_nightbell(false))?;
    // takes a second, and is asked of every commit
    let generated = match &args.filter {
        None => shell::timed("generated files", || r#gen::run(&r#gen::Args { check: true })),
        Some(_) => Ok(()),
    };

    let mut python = environments::provide();
    python.extend(environments::documents());

    shell::announce("tests");
    let mut test = shell::cargo(["test", "--workspace", "--no-fail-fast"]);
    test.args(&args.filter).args(["--", "--color"]);
    test.arg(if std::io::stdout().is_terminal() { "always" } else { "never" });
    test.env("NIGHTBELL_TEST_POSTGRES", &postgres.url).env("NIGHTBELL_TEST_BINARY", binary);
    test.envs(python.iter().map(|(variable, python)| (variable, python)));
    let mut running = test.stdout(Stdio::piped()).spawn().context("starting cargo test")?;
    let mut count = Count::default();
    for line in BufReader::new(running.stdout.take().context("cargo has no output")?).lines() {
        let line = line.context("reading what the tests say")?;
        println!("{line}");
        count.add(&line);
    }
    let status = running.wait().context("waiting for cargo test")?;
    drop(postgres);
    let python = shell::timed("the SDK in Python", || python::run(args.filter.as_deref(), &python));
    if let Ok(more) = &python {
        count.passed += more.passed;
        count.failed += more.failed;
        count.ignored += more.ignored;
    }

    println!("\nthe whole took {:.0} s; {} ignored", begin.elapsed().as_secs_f64(), count.ignored);
    let wrong = match (status.success(), count.passed, &args.filter) {
        (false, ..) => Some(format!("cargo test failed ({status})")),
        _ if python.as_ref().is_ok_and(|more| more.failed > 0) => {
            Some("tests of the SDK in Python failed".to_owned())
        }
        _ if python.is_err() => python.err().map(|error| error.to_string()),
        (true, 0, Some(name)) => Some(format!("no test was run: none has {name:?} in its name")),
        (true, 0, None) => Some("no test was run".to_owned()),
        _ => generated.err().map(|error| error.to_string()),
    };
    if let Some(wrong) = &wrong {
        println!("error: {wrong}");
    }
    // the last line, whatever came of it: whoever reads only one line reads this
    println!("{} passed, {} failed", count.passed, count.failed);
    wrong.map_or(Ok(()), |wrong| Err(shell::Told(wrong).into()))
}

impl Count {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; others count nothing.
    fn add(&mut self, line: &str) {
        let Some((_, result)) = line.split_once("test result: ") else { return };
        for part in result.split(';') {
            let words: Vec<&str> = part.split_whitespace().collect();
            let [.., number, what] = words[..] else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn results_are_summed_with_and_without_colour() {
        let mut count = Count::default();
        count.add("running 3 tests");
        count.add(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        count.add("test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 2 passed; 1 failed; 0 ignored");
        assert_eq!(count, Count { passed: 5, failed: 1, ignored: 1 });
    }
}
