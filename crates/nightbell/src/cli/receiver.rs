//! `nightbell receiver`.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Server, Told};
use crate::client::Client;
use crate::output::{Output, Table, field};
use crate::words;

/// How often a test message is asked after.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// Who can be told
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List receivers with their destinations
    List,
    /// Send a test message to every destination of a receiver, and tell what came of it
    Test {
        /// Which one
        name: String,
        /// How long to wait for answers; 0: not at all
        #[arg(long, value_name = "SPAN", default_value = "15s", value_parser = model::time::span::parse)]
        wait: Duration,
    },
    /// Send a message to a place of a kind at once, and tell what came of it; it need not be configured
    Try {
        /// The kind, such as slack
        kind: String,
        /// A setting of the place, such as channel=#ops; JSON where it is no text
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = words::setting)]
        set: Vec<(String, Value)>,
        /// What else the kind understands
        #[arg(long = "option", value_name = "NAME=VALUE", value_parser = words::setting)]
        option: Vec<(String, Value)>,
        /// A destination such as ops/slack/0 whose settings go where none are given
        #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
        destination: String,
        /// Only show what may be set, with what goes where nothing is said
        #[arg(long)]
        show: bool,
    },
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let client = self.server.client()?;
        match self.command {
            Command::List => {
                let answer = client.get("/api/v1/receivers", &[]).await?;
                output.answer(&answer, || table(&answer))
            }
            Command::Test { name, wait } => test(&client, &name, wait, output).await,
            Command::Try { kind, set, option, destination, show } => {
                let path = format!("/api/v1/service-tests/{}", words::in_path(&kind));
                if show {
                    let asked = client.get(&path, &[("destination", destination)]).await?;
                    return output.answer(&asked, || format!("{asked:#}"));
                }
                let (set, option) = (words::table(&set), words::table(&option));
                let body = json!({ "destination": destination, "settings": set, "options": option });
                let answer = client.post(&path, &body).await?;
                output.answer(&answer, || tried(&kind, &answer))?;
                if answer["success"] == true { Ok(()) } else { Err(Told.into()) }
            }
        }
    }
}

fn table(answer: &Value) -> String {
    let mut table = Table::new(["receiver", "destination", "kind", "state"], "there are none");
    for receiver in answer["items"].as_array().into_iter().flatten() {
        for it in receiver["destinations"].as_array().into_iter().flatten() {
            table.row([
                field(receiver, "name"),
                field(it, "id"),
                field(it, "kind"),
                field(it, "health.state"),
            ]);
        }
    }
    table.text()
}

async fn test(client: &Client, name: &str, wait: Duration, output: Output) -> Result<()> {
    let path = format!("/api/v1/receivers/{}/test", words::in_path(name));
    let planned = client.post(&path, &json!({})).await?;
    let ids: Vec<String> = planned["deliveries"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|id| id.as_str().map(str::to_owned))
        .collect();
    if ids.is_empty() {
        bail!("receiver {name:?} has no destinations, so there is nobody to tell");
    }
    let end = Instant::now() + wait;
    let mut deliveries = Vec::new();
    for id in &ids {
        deliveries.push(settled(client, id, end).await?);
    }
    let answer = json!({ "deliveries": deliveries });
    output.answer(&answer, || deliveries.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    let failed = deliveries.iter().any(|it| it["state"] != "delivered");
    if failed && !wait.is_zero() { Err(Told.into()) } else { Ok(()) }
}

/// The delivery as it is when it is settled or was tried once, or when time is up.
async fn settled(client: &Client, id: &str, end: Instant) -> Result<Value> {
    loop {
        let delivery = client.get(&format!("/api/v1/deliveries/{id}"), &[]).await?;
        let tried = delivery["attempts"].as_array().is_some_and(|tries| !tries.is_empty());
        if tried || delivery["state"] != "pending" || Instant::now() >= end {
            return Ok(delivery);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn tried(kind: &str, answer: &Value) -> String {
    let words = [field(answer, "message"), field(answer, "text")].into_iter().filter(|it| !it.is_empty());
    let said = std::iter::once(field(answer, "outcome")).chain(words).collect::<Vec<_>>().join(": ");
    format!("{kind}: {said}")
}

fn line(delivery: &Value) -> String {
    let tries = delivery["attempts"].as_array();
    let Some(last) = tries.and_then(|tries| tries.last()) else {
        return format!("{}: not tried yet", field(delivery, "destination"));
    };
    let words = [field(last, "reason"), field(last, "receipt"), field(last, "answer")];
    let words = words.into_iter().find(|it| !it.is_empty()).map(|it| format!(": {it}")).unwrap_or_default();
    let status = Some(field(last, "status")).filter(|it| !it.is_empty()).map(|it| format!(" ({it})"));
    format!(
        "{}: {}{}{words}",
        field(delivery, "destination"),
        field(last, "outcome"),
        status.unwrap_or_default()
    )
}
