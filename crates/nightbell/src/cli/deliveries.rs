//! `nightbell deliveries`.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use model::Id;
use serde_json::{Value, json};

use super::{Hub, ServerOrFiles};
use crate::output::{Output, Table, field, moment};

/// What was told to whom, and how that went
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    hub: ServerOrFiles,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    /// Show one with every try
    Show {
        /// Which one
        id: Id,
    },
    /// Send one again that is dead or buried
    Retry {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<Id>,
    },
    /// Take one off the dead letters or the queue, unsent
    Bury {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<Id>,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        note: String,
    },
}

/// List deliveries, the newest first
#[derive(clap::Args)]
struct List {
    /// In which state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those to this destination, such as ops/slack/0
    #[arg(long, value_name = "ID")]
    destination: Option<String>,
    /// Only those to this receiver
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,
    /// Only those that told of this incident
    #[arg(long, value_name = "ID")]
    incident: Option<Id>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Go on after this one
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Pending,
    Delivered,
    Dead,
    Buried,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let hub = self.hub.open().await?;
        match self.command {
            Command::List(list) => list.run(&hub, output).await,
            Command::Show { id } => {
                let answer = hub.get(&format!("/api/v1/deliveries/{id}"), &[]).await?;
                output.answer(&answer, || as_text(&answer))
            }
            Command::Retry { ids } => each(&hub, &ids, "retry", &json!({}), output).await,
            Command::Bury { ids, note } => each(&hub, &ids, "bury", &json!({ "note": note }), output).await,
        }
    }
}

impl List {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let mut query = vec![("limit", self.limit.to_string())];
        let state = self.state.and_then(|state| state.to_possible_value());
        query.extend(state.map(|state| ("state", state.get_name().to_owned())));
        query.extend(self.destination.map(|id| ("destination", id)));
        query.extend(self.receiver.map(|name| ("receiver", name)));
        query.extend(self.incident.map(|id| ("incident", id.to_string())));
        query.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        let page = hub.get("/api/v1/deliveries", &query).await?;
        output.answer(&page, || {
            let headings = ["id", "state", "destination", "reason", "planned", "tries", "note"];
            let mut table = Table::new(headings, "there are none");
            for it in page["items"].as_array().into_iter().flatten() {
                table.row([
                    field(it, "id"),
                    field(it, "state"),
                    field(it, "destination"),
                    field(it, "reason"),
                    moment(&field(it, "created_at")),
                    field(it, "attempts"),
                    field(it, "note"),
                ]);
            }
            super::with_next(table.text(), &page)
        })
    }
}

async fn each(hub: &Hub, ids: &[Id], verb: &str, body: &Value, output: Output) -> Result<()> {
    let mut answers = Vec::new();
    for id in ids {
        answers.push(hub.post(&format!("/api/v1/deliveries/{id}/{verb}"), body).await?);
    }
    output.answer(&answers, || {
        let done = if verb == "retry" { "is sent again" } else { "is buried" };
        ids.iter().map(|id| format!("{id} {done}")).collect::<Vec<_>>().join("\n")
    })
}

fn as_text(delivery: &Value) -> String {
    let mut text = String::new();
    for name in
        ["id", "state", "receiver", "destination", "reason", "created_at", "due_at", "settled_at", "note"]
    {
        let value = field(delivery, name);
        if !value.is_empty() {
            text.push_str(&format!("{:<14}{}\n", name.replace('_', " "), moment(&value)));
        }
    }
    let mut table = Table::new(["try", "when", "outcome", "status", "took", "words"], "it was not tried yet");
    let mut said = String::new();
    for it in delivery["attempts"].as_array().into_iter().flatten() {
        let millis = it["latency_micros"].as_f64().unwrap_or_default() / 1000.0;
        let (number, answer) = (field(it, "number"), field(it, "answer"));
        let words = [field(it, "reason"), field(it, "receipt"), answer.clone()];
        let words = words.into_iter().find(|it| !it.is_empty()).unwrap_or_default();
        // what was remarked on the way, such as which template failed, stands before the answer
        if answer.trim() != words {
            said.push_str(&format!("\ntry {number}, remarks and answer:\n"));
            answer.lines().for_each(|line| said.push_str(&format!("  {line}\n")));
        }
        table.row([
            number,
            moment(&field(it, "at")),
            field(it, "outcome"),
            field(it, "status"),
            format!("{millis:.1} ms"),
            words,
        ]);
    }
    format!("{text}\n{}{said}", table.text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_stand_below_the_tries() {
        let attempt = |number: u8, receipt: &str, answer: &str| {
            json!({"number": number, "at": "2026-06-01T12:00:00Z", "outcome": "delivered", "status": 200,
                "latency_micros": 1500, "receipt": receipt, "reason": "", "answer": answer})
        };
        let tries =
            [attempt(1, "", "ok"), attempt(2, "1.2", "title: it failed (sent without)\n{\"ok\":true}")];
        let text = as_text(&json!({"id": "x", "attempts": tries}));
        let (table, said) = text.split_once("\n\ntry 2, remarks and answer:\n").unwrap();
        assert!(table.contains("1.5 ms  ok") && !table.contains("failed"), "{text}");
        assert_eq!(said, "  title: it failed (sent without)\n  {\"ok\":true}\n");
    }
}
