//! `nightbell serve`.

use std::path::PathBuf;

use anyhow::Result;
use sdk::Secret;

use crate::output::Output;
use crate::serve::{self, Listen};
use crate::settings::Files;

/// Run the server
#[derive(clap::Args)]
#[command(after_help = "SIGHUP reads the configuration again; SIGTERM and Ctrl-C stop the server cleanly.")]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Where to listen, such as :9093 for all addresses or 127.0.0.1:0 for any free port
    #[arg(long, value_name = "HOST:PORT", value_parser = Listen::parse)]
    listen: Option<Listen>,
    /// Where people reach this server, such as https://bell.example.org; links in messages begin with it
    #[arg(long, value_name = "URL", value_parser = serve::external_url)]
    external_url: Option<String>,
    /// The path under which to serve, such as /nightbell
    #[arg(long, value_name = "PATH", value_parser = serve::prefix)]
    route_prefix: Option<String>,
    /// The folder of the built-in database
    #[arg(long, value_name = "DIR", conflicts_with = "database")]
    data: Option<PathBuf>,
    /// A PostgreSQL server to be used instead; better set in NIGHTBELL_DATABASE__URL when it has a password
    #[arg(long, value_name = "URL", value_parser = super::secret)]
    database: Option<Secret>,
    /// Start as the files say, and leave aside what was overridden over the API
    #[arg(long)]
    skip_config_overrides: bool,
}

impl Args {
    pub fn run(self, output: Output) -> Result<()> {
        let is_postgres =
            |url: &Secret| ["postgres://", "postgresql://"].iter().any(|it| url.expose().starts_with(it));
        if self.database.as_ref().is_some_and(|url| !is_postgres(url)) {
            // not by clap, which repeats what was given: it may hold a password
            super::usage("--database must begin with postgres://; for the built-in database give --data DIR");
        }
        let Args { files, listen, external_url, route_prefix, data, database, skip_config_overrides } = self;
        let (links, json) = (serve::Links { asked: external_url, derived: None }, output.json);
        let skip_overrides = skip_config_overrides;
        serve::run(serve::Wishes { files, listen, links, route_prefix, data, database, skip_overrides, json })
    }
}
