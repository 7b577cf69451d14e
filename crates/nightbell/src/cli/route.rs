//! `nightbell route`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Subcommand;
use flow::explain::Explanation;
use model::{Labels, Severity, Time};
use serde_json::{Value, json};
use server::views::explanation::ExplanationView;

use super::Server;
use super::explain::sentences;
use crate::output::{Output, Table, field};
use crate::plugins;
use crate::settings::{Files, Settings};
use crate::words;

/// Who is told of what
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Test(Test),
    /// List the routes in the order in which they are asked
    List {
        #[command(flatten)]
        server: Server,
    },
}

/// Say who would be told of such an incident, and why
#[derive(clap::Args)]
struct Test {
    /// Its labels: team=db host=db1
    #[arg(required = true, value_name = "LABEL=VALUE", value_parser = words::label)]
    labels: Vec<(String, String)>,
    /// How bad it is; without it, what the label `severity` says
    #[arg(long, value_parser = words::severity)]
    severity: Option<Severity>,
    /// When: 2026-01-31T12:00:00Z or +2h
    #[arg(long, value_name = "TIME", value_parser = words::time, allow_hyphen_values = true)]
    at: Option<Time>,
    /// Ask this configuration rather than a server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Ask this alertmanager.yml rather than a server
    #[arg(long, value_name = "FILE")]
    alertmanager_config: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        match self.command {
            Command::Test(test) => test.run(output).await,
            Command::List { server } => {
                let answer = server.client()?.get("/api/v1/routes", &[]).await?;
                output.answer(&answer, || {
                    let headings = ["receiver", "wait", "interval", "repeat", "route"];
                    let mut table = Table::new(headings, "there are none");
                    for it in answer["items"].as_array().into_iter().flatten() {
                        let names = ["receiver", "group_wait", "group_interval", "repeat_interval", "path"];
                        table.row(names.map(|name| field(it, name)));
                    }
                    table.text()
                })
            }
        }
    }
}

impl Test {
    async fn run(self, output: Output) -> Result<()> {
        let labels = words::labels(&self.labels);
        let files = Files { config: self.config, alertmanager_config: self.alertmanager_config };
        let answer = match files.are_none() {
            false => {
                let settings = files.load(&plugins::look(&files)?.kinds)?;
                by_files(&settings, &labels, self.severity, self.at.unwrap_or_else(words::now))?
            }
            true => {
                let mut body = json!({ "labels": labels });
                if let Some(severity) = self.severity {
                    body["severity"] = severity.name().into();
                }
                if let Some(at) = self.at {
                    body["at"] = at.to_string().into();
                }
                self.server.client()?.post("/api/v1/routes/test", &body).await?
            }
        };
        output.answer(&answer, || sentences(&answer))
    }
}

/// What the files say; silences and inhibitions are a running server's.
fn by_files(settings: &Settings, labels: &Labels, severity: Option<Severity>, at: Time) -> Result<Value> {
    let by_label = || labels.get("severity").and_then(Severity::from_word);
    let severity = severity.or_else(by_label).unwrap_or_default();
    let root = &settings.rules.root;
    let routes = root.explain(labels, severity);
    let chosen = root.find(labels, severity);
    let held = chosen.iter().filter_map(|route| Some((route, settings.rules.mute(route, at)?)));
    let held_by: Vec<String> = held.map(|(route, hold)| format!("on route {}: {hold}", route.path)).collect();
    let explanation = Explanation { subject: "labels", routes, held_by, ..Default::default() };
    serde_json::to_value(ExplanationView::from(explanation)).context("writing an explanation")
}
