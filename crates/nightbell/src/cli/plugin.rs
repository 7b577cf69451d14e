//! `nightbell plugin`.

mod bench;
mod environment;
mod install;
mod run;
mod scaffold;
mod settings;

use std::path::PathBuf;

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use super::Server;
use crate::output::{Output, Table, field};
use crate::words;

/// Plugins: those that run in a server, and those that are being written
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the plugins of a server, and how they are
    List,
    /// Show a plugin of a server, with the last lines of its log
    Show {
        /// Its id
        id: String,
    },
    /// Print the last lines that a plugin of a server wrote
    Logs {
        /// Its id
        id: String,
    },
    /// Start a plugin of a server anew, also one that has failed
    Restart {
        /// Its id
        id: String,
    },
    /// Let a plugin of a server's folder of plugins run
    Enable {
        /// Its id
        id: String,
    },
    /// End a plugin of a server, and do not let it run any more
    Disable {
        /// Its id
        id: String,
    },
    /// End a plugin of a server, and delete its files; what it keeps stays
    Remove {
        /// Its id
        id: String,
    },
    Settings(settings::Settings),
    New(scaffold::New),
    /// Look whether a plugin keeps the contract; nothing is sent
    Check {
        /// Its folder, or its file
        folder: PathBuf,
        #[command(flatten)]
        data: install::Data,
    },
    Run(run::Run),
    Test(bench::Test),
    Install(install::Install),
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        match self.command {
            Command::List => {
                let answer = self.server.client()?.get("/api/v1/plugins", &[]).await?;
                output.answer(&answer, || table(&answer))
            }
            Command::Show { id } => {
                let answer = self.server.client()?.get(&path(&id), &[]).await?;
                output.answer(&answer, || page(&answer))
            }
            Command::Logs { id } => {
                let answer = self.server.client()?.get(&path(&id), &[]).await?;
                output.answer(&answer["log"], || log(&answer))
            }
            Command::Restart { id } => {
                let client = self.server.client()?;
                let answer = client.post(&format!("{}/restart", path(&id)), &Value::Null).await?;
                output.answer(&answer, || format!("{id} is being started anew"))
            }
            Command::Enable { id } => {
                let client = self.server.client()?;
                let answer = client.post(&format!("{}/enable", path(&id)), &Value::Null).await?;
                output.answer(&answer, || format!("{id} is active from here on"))
            }
            Command::Disable { id } => {
                let client = self.server.client()?;
                let answer = client.post(&format!("{}/disable", path(&id)), &Value::Null).await?;
                output.answer(&answer, || format!("{id} is not active any more"))
            }
            Command::Remove { id } => {
                let answer = self.server.client()?.delete(&path(&id), &[]).await?;
                output.answer(&answer, || format!("{id} is gone"))
            }
            Command::Settings(settings) => settings.run(self.server, output).await,
            Command::Run(run) => run.run().await,
            Command::New(new) => new.run(output),
            Command::Check { folder, data } => bench::check(&folder, &data, output).await,
            Command::Test(test) => test.run(output).await,
            Command::Install(install) => install.run(output).await,
        }
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/plugins/{}", words::in_path(id))
}

fn table(answer: &Value) -> String {
    let mut table = Table::new(["plugin", "version", "state", "kinds", "starts", "why"], "there are none");
    for it in answer["items"].as_array().into_iter().flatten() {
        let kinds = it["destinations"].as_array().into_iter().flatten().filter_map(Value::as_str);
        table.row([
            field(it, "id"),
            field(it, "version"),
            field(it, "state"),
            kinds.collect::<Vec<_>>().join(", "),
            field(it, "starts"),
            field(it, "why"),
        ]);
    }
    table.text()
}

fn page(it: &Value) -> String {
    let mut lines: Vec<String> =
        ["id", "version", "place", "runtime", "state", "why", "pid", "starts", "sdk"]
            .into_iter()
            .map(|name| (name, field(it, name)))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name:<8} {value}"))
            .collect();
    for route in it["routes"].as_array().into_iter().flatten() {
        lines.push(format!("route    /plugins/{}{}", field(it, "id"), field(route, "path")));
    }
    for hears in it["subscriptions"].as_array().into_iter().flatten() {
        let topics = hears["topics"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let topics = topics.collect::<Vec<_>>().join(", ");
        let (name, waiting, dropped) =
            (field(hears, "name"), field(hears, "waiting"), field(hears, "dropped"));
        lines.push(format!("hears    {name}: {topics}; {waiting} waiting, {dropped} dropped"));
    }
    lines.push(String::new());
    lines.push(log(it));
    lines.join("\n")
}

fn log(it: &Value) -> String {
    let lines = it["log"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.collect::<Vec<_>>().join("\n")
}
