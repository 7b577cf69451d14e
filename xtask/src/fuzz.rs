//! `cargo xtask fuzz`: every fuzz target for a while: enough to find what a change just broke.
//!
//! With a nightly toolchain and cargo-fuzz it is coverage that leads; elsewhere our own runner changes the
//! seeds at random, which finds less and needs nothing but the compiler that is there.

use anyhow::{Result, bail};

use crate::shell;

/// Where the targets are: a workspace of its own.
const MANIFEST: &str = "fuzz/Cargo.toml";
/// An input that takes longer than this counts as one that hangs, in seconds.
const SLOW_SECONDS: u64 = 10;

/// Fuzz every target for a while.
#[derive(clap::Args)]
pub struct Args {
    /// How long each, in seconds
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
}

/// Tries what every target once failed on, and its seeds: so that the targets, which nobody else builds, go on
/// being built.
pub fn known_inputs() -> Result<()> {
    shell::run(&mut shell::cargo(["test", "--manifest-path", MANIFEST]))
}

/// Fuzzes all targets one after another; the first that fails ends it.
pub fn run(args: &Args) -> Result<()> {
    // cargo-fuzz needs a nightly toolchain, which only rustup's cargo can pick
    let cargo_fuzz = |words: &[&str]| {
        let mut command = shell::command("cargo", [&["+nightly", "fuzz"], words].concat());
        // the toolchain that runs us must not leak into the one asked for
        command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
        command
    };
    let shake = |words: &[&str]| {
        shell::cargo(
            [&["run", "--quiet", "--manifest-path", MANIFEST, "--bin", "shake", "--"], words].concat(),
        )
    };
    let guided = shell::succeeds(&mut cargo_fuzz(&["--version"]));
    if !guided {
        println!("without a nightly toolchain and cargo-fuzz, inputs are changed at random");
    }
    let targets = if guided {
        shell::output(&mut cargo_fuzz(&["list"]))?
    } else {
        shell::output(&mut shake(&["list"]))?
    };
    if targets.trim().is_empty() {
        bail!("there is no fuzz target");
    }
    let seconds = args.seconds.to_string();
    for target in targets.lines() {
        shell::announce(&format!("fuzz {target}"));
        if guided {
            let (limit, slow) = (format!("-max_total_time={seconds}"), format!("-timeout={SLOW_SECONDS}"));
            shell::run(&mut cargo_fuzz(&["run", target, "--", &limit, &slow]))?;
        } else {
            shell::run(&mut shake(&[target, &seconds]))?;
        }
    }
    Ok(())
}
