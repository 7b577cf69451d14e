//! `nightbell completions`.

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::output::Output;

/// Print what makes a shell complete our words
#[derive(clap::Args)]
#[command(after_help = "For bash: nightbell completions bash > /etc/bash_completion.d/nightbell")]
pub struct Args {
    /// Which shell
    shell: Shell,
}

impl Args {
    pub fn run(self, output: Output) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "nightbell", &mut script);
        let script = String::from_utf8(script).context("writing completions")?;
        let answer = serde_json::json!({ "shell": self.shell.to_string(), "script": script });
        if output.json { output.answer(&answer, String::new) } else { crate::output::print(&script) }
    }
}
