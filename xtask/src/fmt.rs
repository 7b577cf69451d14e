//! `cargo xtask fmt`.

use anyhow::Result;

use crate::shell;

/// Format the sources.
#[derive(clap::Args)]
pub struct Args {
    /// Change nothing; fail when something would change
    #[arg(long)]
    pub check: bool,
}

/// Formats the sources of all crates.
pub fn run(args: &Args) -> Result<()> {
    let mut fmt = shell::cargo(["fmt", "--all"]);
    if args.check {
        fmt.arg("--check");
    }
    shell::run(&mut fmt)
}
