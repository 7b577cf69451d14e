//! `nightbell gen`: reference texts that follow from the code, for `cargo xtask gen`.

mod commands;
mod metrics;

use anyhow::Result;
use clap::Subcommand;

use crate::output;

/// Print a reference text
#[derive(Subcommand)]
pub enum Command {
    /// The description of the API, OpenAPI 3.1
    Openapi,
    /// The kinds of destinations
    Destinations,
    /// The kinds of sources
    Sources,
    /// This command line
    Cli,
    /// The metrics
    Metrics,
}

impl Command {
    pub fn run(self) -> Result<()> {
        let kinds = connectors::registry();
        output::print(&match self {
            Command::Openapi => server::openapi_json(),
            Command::Destinations => sdk::reference::destinations_markdown(&kinds),
            Command::Sources => sdk::reference::sources_markdown(&kinds),
            Command::Cli => commands::page(),
            Command::Metrics => super::wait(metrics::page())?,
        })
    }
}
