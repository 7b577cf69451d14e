//! The command line. Every command has `--json`; every error is a line that says what is wrong, where, and
//! what would be right.

mod as_alertmanager;
mod bench_fill;
mod check;
mod completions;
mod config;
mod definitions;
mod deliveries;
mod explain;
mod r#gen;
mod import;
mod incidents;
mod issue;
mod kinds;
mod oncall;
mod plugin;
mod project;
mod receiver;
mod replay;
mod route;
mod send;
mod serve;
mod silence;
mod team;
mod token;
mod user;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use sdk::Secret;
use serde_json::Value;

use crate::client::Client;
use crate::files::Files;
use crate::output::Output;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 the command line is wrong.";

/// The night bell: takes in that something happened, works out who must know, and tells them.
#[derive(Parser)]
#[command(name = "nightbell", version, propagate_version = true)]
#[command(after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::Args),
    Check(check::Args),
    #[command(subcommand)]
    Config(config::Command),
    #[command(subcommand)]
    Import(import::Command),
    Send(send::Args),
    #[command(alias = "incident")]
    Incidents(incidents::Args),
    Explain(explain::Args),
    Route(route::Args),
    Replay(replay::Args),
    Receiver(receiver::Args),
    Silence(silence::Args),
    Deliveries(deliveries::Args),
    User(user::Args),
    Team(team::Args),
    Token(token::Args),
    Project(project::Args),
    Oncall(oncall::Args),
    Definitions(definitions::Args),
    Issue(issue::Args),
    Kinds(kinds::Args),
    Plugin(plugin::Args),
    Completions(completions::Args),
    #[command(subcommand, hide = true)]
    Gen(r#gen::Command),
    #[command(hide = true)]
    BenchFill(bench_fill::Args),
    #[cfg(feature = "wasm")]
    #[command(hide = true, name = crate::plugins::COMPILE_COMPONENT)]
    CompileComponent {
        component: PathBuf,
        into: PathBuf,
    },
}

/// The server that a command asks.
#[derive(clap::Args)]
pub struct Server {
    /// Where the server is
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "NIGHTBELL_SERVER",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8440"
    )]
    server: String,
    /// What the server knows you by
    #[arg(long, global = true, value_name = "TOKEN", env = "NIGHTBELL_TOKEN", hide_env_values = true,
        value_parser = secret)]
    token: Option<Secret>,
}

/// The server that a command asks, or the files of one that is stopped.
#[derive(clap::Args)]
pub struct ServerOrFiles {
    #[command(flatten)]
    server: Server,
    /// Work on the files of a stopped server instead
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Server {
    fn client(self) -> Result<Client> {
        // a variable that is set to nothing is as good as none
        Client::new(&self.server, self.token.filter(|token| !token.expose().is_empty()))
    }
}

/// What a command works on.
pub enum Hub {
    /// A running server.
    Server(Client),
    /// The files of a stopped one.
    Files(Files),
}

impl ServerOrFiles {
    async fn open(self) -> Result<Hub> {
        self.open_or_make(false).await
    }

    /// The same; when there is no database yet and `make` says so, one is made.
    async fn open_or_make(self, make: bool) -> Result<Hub> {
        Ok(match self.data {
            Some(folder) => Hub::Files(Files::open(&folder, make).await?),
            None => Hub::Server(self.server.client()?),
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

impl Hub {
    async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        match self {
            Hub::Server(client) => client.get(path, query).await,
            Hub::Files(files) => files.get(path, query).await,
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        match self {
            Hub::Server(client) => client.post(path, body).await,
            Hub::Files(files) => files.post(path, body).await,
        }
    }

    async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        match self {
            Hub::Server(client) => client.patch(path, body).await,
            Hub::Files(files) => files.change("PATCH", path, body).await,
        }
    }

    async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        match self {
            Hub::Server(client) => client.put(path, body).await,
            Hub::Files(files) => files.change("PUT", path, body).await,
        }
    }

    async fn delete(&self, path: &str) -> Result<Value> {
        self.delete_with(path, &[]).await
    }

    async fn delete_with(&self, path: &str, query: &[(&str, String)]) -> Result<Value> {
        match self {
            Hub::Server(client) => client.delete(path, query).await,
            Hub::Files(files) => files.delete(path).await,
        }
    }
}

/// A page of a list, and how to see the next one.
fn with_next(text: String, page: &Value) -> String {
    match page["next"].as_str() {
        Some(cursor) => format!("{}\n\nThere is more: --cursor {cursor}", text.trim_end()),
        None => text,
    }
}

/// Ends the program with what is wrong with the command line.
fn usage(what: &str) -> ! {
    Cli::command().error(clap::error::ErrorKind::ValueValidation, what).exit()
}

/// An error that has been told already.
#[derive(Debug)]
pub struct Told;

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for Told {}

/// What was asked for, in our own words or in those of the one that we take the place of.
fn parse() -> Cli {
    let words: Vec<_> = std::env::args_os().collect();
    match as_alertmanager::translate(&words) {
        None => Cli::parse(),
        Some(Ok(translated)) => {
            if !translated.idle.is_empty() {
                eprintln!(
                    "nightbell: these flags of Alertmanager have no meaning here: {}",
                    translated.idle.join(", ")
                );
            }
            Cli::parse_from(translated.words)
        }
        Some(Err(why)) => usage(&why),
    }
}

/// Runs the command that was asked for.
pub fn main() -> ExitCode {
    let cli = parse();
    let output = Output { json: cli.json };
    match run(cli.command, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.downcast_ref::<Told>().is_none() {
                output.failure(&format!("{error:#}"));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, output: Output) -> Result<()> {
    match command {
        Command::Serve(args) => args.run(output),
        Command::Check(args) => args.run(output),
        Command::Config(command) => command.run(output),
        Command::Import(command) => command.run(output),
        Command::Kinds(args) => args.run(output),
        Command::Plugin(args) => wait(args.run(output)),
        Command::Completions(args) => args.run(output),
        Command::Gen(command) => command.run(),
        Command::BenchFill(args) => args.run(output),
        #[cfg(feature = "wasm")]
        Command::CompileComponent { component, into } => {
            wasm_host::compile(&component, &into).map_err(anyhow::Error::msg)
        }
        Command::Send(args) => wait(args.run(output)),
        Command::Incidents(args) => wait(args.run(output)),
        Command::Explain(args) => wait(args.run(output)),
        Command::Route(args) => wait(args.run(output)),
        Command::Replay(args) => wait(args.run(output)),
        Command::Receiver(args) => wait(args.run(output)),
        Command::Silence(args) => wait(args.run(output)),
        Command::Deliveries(args) => wait(args.run(output)),
        Command::User(args) => wait(args.run(output)),
        Command::Team(args) => wait(args.run(output)),
        Command::Token(args) => wait(args.run(output)),
        Command::Project(args) => wait(args.run(output)),
        Command::Oncall(args) => wait(args.run(output)),
        Command::Definitions(args) => wait(args.run(output)),
        Command::Issue(args) => wait(args.run(output)),
    }
}

/// Runs a command that waits for a server or a database.
fn wait<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    runtime.block_on(command)
}
