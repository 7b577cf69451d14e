//! `nightbell silence`.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::{Subcommand, ValueEnum};
use model::Time;
use model::matcher::Matcher;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Hub, ServerOrFiles};
use crate::client::Refused;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// What need not be told for a while
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    hub: ServerOrFiles,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Add(Add),
    List(List),
    /// End silences now
    Expire {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Show what a silence would catch, without making it
    Preview {
        /// What it would silence: team=db or 'host=~"db.*"'
        #[arg(required = true, value_name = "MATCHER", value_parser = words::matcher)]
        matchers: Vec<Matcher>,
    },
}

/// Make a silence
#[derive(clap::Args)]
#[command(
    after_help = "Example: nightbell silence add --for 2h --comment 'new disks' team=db 'host=~\"db.*\"'"
)]
struct Add {
    /// What it silences: team=db or 'host=~"db.*"'; all must match
    #[arg(required = true, value_name = "MATCHER", value_parser = words::matcher)]
    matchers: Vec<Matcher>,
    /// For how long, such as 2h
    #[arg(
        long = "for", value_name = "SPAN", value_parser = words::some_time, required_unless_present = "until"
    )]
    span: Option<Duration>,
    /// Until when, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = words::time, conflicts_with = "span")]
    until: Option<Time>,
    /// From when; without it, now
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    start: Option<Time>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: String,
    /// Who makes it
    #[arg(long, value_name = "NAME", default_value_t = words::somebody())]
    by: String,
    /// Make it even when it catches most of what there is
    #[arg(long)]
    yes: bool,
}

/// List silences
#[derive(clap::Args)]
struct List {
    /// In which state; without it, those that have not ended
    #[arg(long, value_enum)]
    state: Option<State>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Go on after this one
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Active,
    Pending,
    Expired,
    All,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let hub = self.hub.open().await?;
        match self.command {
            Command::Add(add) => add.run(&hub, output).await,
            Command::List(list) => list.run(&hub, output).await,
            Command::Expire { ids } => expire(&hub, &ids, output).await,
            Command::Preview { matchers } => preview(&hub, &matchers, output).await,
        }
    }
}

impl Add {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let start = self.start.unwrap_or_else(words::now);
        let end = self.until.or(self.span.map(|span| start + span)).unwrap_or(start);
        if end <= start {
            super::usage("a silence must end after it starts");
        }
        let body = json!({
            "matchers": texts(&self.matchers),
            "starts_at": start.to_string(),
            "ends_at": end.to_string(),
            "comment": self.comment,
            "created_by": self.by,
            "confirm": self.yes,
        });
        let answer = hub.post("/api/v1/silences", &body).await.map_err(in_our_words)?;
        output.answer(&answer, || field(&answer, "id"))
    }
}

/// The server wants a field set where we have a flag.
fn in_our_words(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Refused>() {
        Some(refused) if refused.status == StatusCode::CONFLICT && refused.said.contains("confirm") => {
            let why = refused.said.split(": send it again").next().unwrap_or_default();
            anyhow!("{why}: add --yes if this is meant")
        }
        _ => error,
    }
}

/// Matchers as they are written.
fn texts(matchers: &[Matcher]) -> Vec<String> {
    matchers.iter().map(ToString::to_string).collect()
}

impl List {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let state = self.state.and_then(|state| state.to_possible_value());
        let mut query = vec![("limit", self.limit.to_string())];
        query.extend(state.map(|state| ("state", state.get_name().to_owned())));
        query.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        let page = hub.get("/api/v1/silences", &query).await?;
        output.answer(&page, || {
            let mut table =
                Table::new(["id", "state", "ends", "by", "matchers", "comment"], "there are none");
            for it in page["items"].as_array().into_iter().flatten() {
                table.row([
                    field(it, "id"),
                    field(it, "state"),
                    moment(&field(it, "ends_at")),
                    field(it, "created_by"),
                    matchers(&it["matchers"]),
                    field(it, "comment"),
                ]);
            }
            super::with_next(table.text(), &page)
        })
    }
}

fn matchers(list: &Value) -> String {
    let texts = list.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(", ")
}

async fn expire(hub: &Hub, ids: &[String], output: Output) -> Result<()> {
    let mut answers = Vec::new();
    for id in ids {
        if id.is_empty() || id.contains(['/', '?', '#', '%']) {
            bail!("{id:?} is not the id of a silence: `nightbell silence list` shows them");
        }
        answers.push(hub.delete(&format!("/api/v1/silences/{id}")).await?);
    }
    output.answer(&answers, || ids.iter().map(|id| format!("{id} has ended")).collect::<Vec<_>>().join("\n"))
}

async fn preview(hub: &Hub, matchers: &[Matcher], output: Output) -> Result<()> {
    let answer = hub.post("/api/v1/silences/preview", &json!({ "matchers": texts(matchers) })).await?;
    output.answer(&answer, || {
        let mut table = Table::new(["id", "state", "severity", "title"], "nothing that is wrong now");
        for it in answer["active"].as_array().into_iter().flatten() {
            table.row([field(it, "id"), field(it, "state"), field(it, "severity"), field(it, "title")]);
        }
        let of = |part: &str, whole: &str| format!("{} of {}", field(&answer, part), field(&answer, whole));
        let (now, week) = (of("active_count", "active_total"), of("last_week", "last_week_total"));
        let last_week = format!("Of the last week's incidents it would have caught {week}.");
        format!("It would catch {now} that are wrong now:\n\n{}\n{last_week}", table.text())
    })
}
