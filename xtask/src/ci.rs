//! `cargo xtask ci`: what is asked of every change, in one go.
//!
//! Every check is run even when one before it failed: a person who waits for CI wants all the news.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{fmt, fuzz, seeds, shell, test, tidy};

/// Packages in the lock file that we allow ourselves: each one is built, audited and updated by somebody.
const MAX_LOCKED_PACKAGES: usize = 600;
/// Seeds of the simulated world in a long run.
const LONG_SEEDS: u64 = 2_000;
/// Seconds for each fuzz target in a long run.
const FUZZ_SECONDS: u64 = 60;

/// All checks.
#[derive(clap::Args)]
pub struct Args {
    /// Also fuzz each target for a minute, and run more seeds
    #[arg(long)]
    pub long: bool,
}

/// What came of a check that did not fail; one that was skipped says why.
enum Passed {
    Fully,
    Skipped(&'static str),
}

/// A check: its name, and how it is made.
type Check = (&'static str, fn() -> Result<Passed>);

/// A check with its name and what came of it.
struct Verdict {
    name: &'static str,
    took: Duration,
    result: Result<Passed>,
}

/// Runs all checks and sums them up.
pub fn run(args: &Args) -> Result<()> {
    let mut checks: Vec<Check> = vec![
        ("fmt", || fully(fmt::run(&fmt::Args { check: true }))),
        ("tidy", || fully(tidy::run())),
        ("locked packages", || fully(locked_packages())),
        ("build", || fully(shell::build_nightbell(false).map(drop))),
        ("clippy", || fully(clippy())),
        ("deny", deny),
        ("test", || fully(test::run(&test::Args::default()))),
        ("known inputs", || fully(fuzz::known_inputs())),
    ];
    if args.long {
        checks.push(("seeds", || fully(seeds::run(&seeds::Args { count: LONG_SEEDS, from: 0 }))));
        checks.push(("fuzz", || fully(fuzz::run(&fuzz::Args { seconds: FUZZ_SECONDS }))));
    }
    let mut verdicts = Vec::new();
    for (name, check) in checks {
        let begin = Instant::now();
        let result = shell::timed(name, check);
        verdicts.push(Verdict { name, took: begin.elapsed(), result });
    }

    println!();
    for Verdict { name, took, result } in &verdicts {
        match result {
            Ok(Passed::Fully) => println!("✓ {name} ({:.1} s)", took.as_secs_f64()),
            Ok(Passed::Skipped(why)) => println!("– {name}: skipped, {why}"),
            Err(error) => println!("✗ {name} ({:.1} s): {error:#}", took.as_secs_f64()),
        }
    }
    let failed = verdicts.iter().filter(|verdict| verdict.result.is_err()).count();
    if failed > 0 {
        bail!("{failed} of {} checks failed", verdicts.len());
    }
    Ok(())
}

fn fully(result: Result<()>) -> Result<Passed> {
    result.map(|()| Passed::Fully)
}

fn clippy() -> Result<()> {
    shell::run(&mut shell::cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn locked_packages() -> Result<()> {
    let lock = std::fs::read_to_string(shell::root().join("Cargo.lock")).context("reading Cargo.lock")?;
    let count = lock.lines().filter(|line| *line == "[[package]]").count();
    println!("{count} of at most {MAX_LOCKED_PACKAGES} packages are locked");
    if count > MAX_LOCKED_PACKAGES {
        bail!("{count} packages are locked, at most {MAX_LOCKED_PACKAGES} are allowed");
    }
    Ok(())
}

fn deny() -> Result<Passed> {
    if !shell::succeeds(&mut shell::cargo(["deny", "--version"])) {
        return Ok(Passed::Skipped("cargo-deny is not installed (cargo install --locked cargo-deny)"));
    }
    fully(shell::run(&mut shell::cargo(["deny", "--workspace", "check", "--hide-inclusion-graph"])))
}
