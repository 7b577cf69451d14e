//! `cargo xtask seeds`: the simulated world, over and over.
//!
//! The test itself lives in the testkit and is told by its environment how many seeds to try, so that a
//! plain `cargo test` runs the same code with a few.

use anyhow::Result;

use crate::shell;

/// Run many seeds of the simulated world.
#[derive(clap::Args)]
pub struct Args {
    /// How many
    pub count: u64,
    /// The first one: a failing seed is run again with `seeds 1 --from SEED`
    #[arg(long, default_value_t = 0)]
    pub from: u64,
}

/// Runs the seeds.
pub fn run(args: &Args) -> Result<()> {
    let mut test =
        shell::cargo(["test", "--package", "nightbell-testkit", "--test", "seeds", "--", "--nocapture"]);
    test.env("NIGHTBELL_SEEDS", args.count.to_string());
    test.env("NIGHTBELL_SEED_FROM", args.from.to_string());
    shell::run(&mut test)
}
