//! `nightbell config`.

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::output::{self, Output};
use crate::settings::Files;

/// The configuration: what it may be, and what it is
#[derive(Subcommand)]
pub enum Command {
    /// Print the JSON Schema of nightbell.toml, for editors
    Schema,
    /// Print an example of nightbell.toml with comments
    Example,
    /// Tell all that is wrong with a configuration: the same as `nightbell check`
    Check(super::check::Args),
    /// Print the configuration with where each value came from, and without secrets
    Show(Files),
}

impl Command {
    pub fn run(self, output: Output) -> Result<()> {
        match self {
            Command::Schema => {
                let schema = config::schema(&connectors::registry());
                output::print(&serde_json::to_string_pretty(&schema).context("writing the schema")?)
            }
            Command::Example => output
                .answer(&serde_json::json!({ "example": config::EXAMPLE }), || config::EXAMPLE.to_owned()),
            Command::Check(args) => args.run(output),
            Command::Show(files) => {
                let settings = files.load(&connectors::registry())?;
                output.answer(&settings.as_json(), || settings.as_toml())
            }
        }
    }
}
