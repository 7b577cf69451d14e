//! `cargo xtask ci`: what is asked of every change, in one go.
//!
//! Every check is run even when one before it failed: a person who waits for CI wants all the news.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{fmt, r#gen, seeds, shell, test, tidy};

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
        ("gen", || fully(r#gen::run(&r#gen::Args { check: true }))),
        ("deny", deny),
        ("test", || fully(test::run(&test::Args::default()))),
    ];
    if args.long {
        checks.push(("seeds", || fully(seeds::run(&seeds::Args { count: LONG_SEEDS, from: 0 }))));
        checks.push(("fuzz", fuzz));
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

/// One minute for each target: enough to find what a change just broke.
fn fuzz() -> Result<Passed> {
    // cargo-fuzz needs a nightly toolchain, which only rustup's cargo can pick
    let cargo_fuzz = |words: &[&str]| shell::command("cargo", [&["+nightly", "fuzz"], words].concat());
    if !shell::root().join("fuzz/Cargo.toml").is_file() {
        return Ok(Passed::Skipped("there is no fuzz folder"));
    }
    if !shell::succeeds(&mut cargo_fuzz(&["--version"])) {
        return Ok(Passed::Skipped("it needs a nightly toolchain and cargo-fuzz"));
    }
    let targets = shell::output(&mut cargo_fuzz(&["list"]))?;
    for target in targets.lines() {
        shell::announce(&format!("fuzz {target}"));
        let limit = format!("-max_total_time={FUZZ_SECONDS}");
        let mut fuzz = cargo_fuzz(&["run", target, "--", &limit]);
        // the toolchain that runs us must not leak into the one asked for
        fuzz.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
        shell::run(&mut fuzz)?;
    }
    Ok(Passed::Fully)
}
