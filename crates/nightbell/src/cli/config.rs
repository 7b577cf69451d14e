//! `nightbell config`.

mod overrides;

use anyhow::{Context, Result};
use clap::Subcommand;
use similar::TextDiff;

use super::{Hub, Server, ServerOrFiles, wait};
use crate::output::{self, Output, Table, field, moment};
use crate::plugins;
use crate::serve;
use crate::settings::Files;
use crate::words;

/// Where the history is.
const HISTORY: &str = "/api/v1/config/history";

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
    /// List the configurations that were put in force, newest first
    History {
        #[command(flatten)]
        hub: ServerOrFiles,
    },
    /// Show what differs between two configurations of the history
    Diff {
        /// A version, as the history lists it
        a: i64,
        /// Another one; without it, the newest
        b: Option<i64>,
        #[command(flatten)]
        hub: ServerOrFiles,
    },
    Override(overrides::Args),
    /// Go back to a configuration of the history, until the files are loaded again
    Rollback {
        /// Its version, as the history lists it
        #[arg(value_name = "VERSION")]
        to: i64,
        /// Who asks
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        #[command(flatten)]
        server: Server,
    },
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
                let mut settings = files.load(&plugins::look(&files)?.kinds)?;
                serve::show_derived_links(&mut settings);
                output.answer(&settings.as_json(), || settings.as_toml())
            }
            Command::History { hub } => wait(history(hub, output)),
            Command::Diff { a, b, hub } => wait(diff(hub, a, b, output)),
            Command::Override(args) => wait(args.run(output)),
            Command::Rollback { to, by, server } => wait(roll_back(server, to, by, output)),
        }
    }
}

async fn history(hub: ServerOrFiles, output: Output) -> Result<()> {
    let answer = hub.open().await?.get(HISTORY, &[]).await?;
    output.answer(&answer, || {
        let mut table = Table::new(["version", "at", "by", "back to", "what"], "there is none");
        for it in answer["items"].as_array().into_iter().flatten() {
            let [version, at, by, back, what] =
                ["version", "at", "by", "rolled_back_to", "summary"].map(|name| field(it, name));
            table.row([version, moment(&at), by, back, what]);
        }
        table.text()
    })
}

async fn diff(hub: ServerOrFiles, a: i64, b: Option<i64>, output: Output) -> Result<()> {
    let hub = hub.open().await?;
    let b = match b {
        Some(b) => b,
        None => {
            let all = hub.get(HISTORY, &[]).await?;
            all["items"][0]["version"].as_i64().context("there is no configuration in the history")?
        }
    };
    let (old, new) = (text_of(&hub, a).await?, text_of(&hub, b).await?);
    let lines = TextDiff::from_lines(&old, &new);
    let mut lines = lines.unified_diff();
    let said = lines.context_radius(3).header(&format!("configuration {a}"), &format!("configuration {b}"));
    let said = said.to_string();
    let answer = serde_json::json!({ "a": a, "b": b, "diff": said });
    output.answer(&answer, || if said.is_empty() { "they are the same".to_owned() } else { said.clone() })
}

async fn text_of(hub: &Hub, version: i64) -> Result<String> {
    let kept = hub.get(&format!("{HISTORY}/{version}"), &[]).await?;
    let text = kept["config"].as_str();
    text.map(str::to_owned).with_context(|| format!("of configuration {version} only the routing was kept"))
}

async fn roll_back(server: Server, version: i64, by: Option<String>, output: Output) -> Result<()> {
    let by = by.unwrap_or_else(words::somebody);
    let body = serde_json::json!({ "version": version, "by": by });
    let answer = server.client()?.post("/api/v1/config/rollback", &body).await?;
    output.answer(&answer, || {
        let new = field(&answer, "version");
        format!("configuration {version} is in force again, as {new}, until the files are loaded again")
    })
}
