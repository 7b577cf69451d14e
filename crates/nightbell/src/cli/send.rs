//! `nightbell send`.

use std::time::Duration;

use anyhow::Result;
use model::time::span;
use model::{Labels, Severity, Time};
use serde_json::{Value, json};

use super::Server;
use crate::output::{Output, field};
use crate::words;

/// Say that something happened, or is over
#[derive(clap::Args)]
#[command(after_help = "Example: nightbell send --severity critical --title 'Disk is full' team=db host=db1")]
pub struct Args {
    /// What it is about, for routing and grouping: team=db
    #[arg(value_name = "LABEL=VALUE", value_parser = words::label)]
    labels: Vec<(String, String)>,
    /// What it goes by: events of one key make one incident; without it, the labels
    #[arg(long)]
    key: Option<String>,
    /// One line for people
    #[arg(long)]
    title: Option<String>,
    /// How bad it is: critical, error, warning, notice or info
    #[arg(long, value_parser = words::severity)]
    severity: Option<Severity>,
    /// More for people, such as description='…'; can be given several times
    #[arg(long = "annotation", value_name = "NAME=VALUE", value_parser = words::label)]
    annotations: Vec<(String, String)>,
    /// Where it came from
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// It is over
    #[arg(long, conflicts_with = "note")]
    clear: bool,
    /// It is worth a line in the timeline and nothing more
    #[arg(long)]
    note: bool,
    /// When it began: 2026-01-31T12:00:00Z or -10m; without it, now
    #[arg(long, value_name = "TIME", value_parser = words::time, allow_hyphen_values = true)]
    started_at: Option<Time>,
    /// When it is over unless it is sent again: a time or +1h
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    ends_at: Option<Time>,
    /// It is over after this long without a word, such as 30m
    #[arg(long, value_name = "SPAN", value_parser = words::some_time, conflicts_with = "ends_at")]
    resolve_after: Option<Duration>,
    #[command(flatten)]
    server: Server,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        if self.labels.is_empty() && self.key.is_none() {
            super::usage("what is it about? give labels such as team=db host=db1, or --key");
        }
        let event = self.event();
        let answer = self.server.client()?.post("/api/v1/events", &event).await?;
        output.answer(&answer, || sentences(&answer))
    }

    fn event(&self) -> Value {
        let labels: Labels = words::labels(&self.labels);
        let annotations: Labels = words::labels(&self.annotations);
        let action = match (self.clear, self.note) {
            (true, _) => "clear",
            (_, true) => "note",
            _ => "raise",
        };
        let mut event = json!({ "action": action, "labels": labels, "annotations": annotations });
        let mut set = |name: &str, value: Option<Value>| {
            value.into_iter().for_each(|value| event[name] = value);
        };
        set("key", self.key.clone().map(Value::from));
        set("title", self.title.clone().map(Value::from));
        set("severity", self.severity.map(|severity| severity.name().into()));
        set("link", self.link.clone().map(Value::from));
        set("started_at", self.started_at.map(|time| time.to_string().into()));
        set("ends_at", self.ends_at.map(|time| time.to_string().into()));
        set("resolve_after", self.resolve_after.map(|span| span::format(span).into()));
        event
    }
}

fn sentences(answer: &Value) -> String {
    let list = answer["items"].as_array().or(answer["events"].as_array()).cloned();
    let events = list.unwrap_or_else(|| vec![answer.clone()]);
    let sentence = |event: &Value| {
        let (verdict, incident) = (field(event, "verdict"), field(event, "incident"));
        let verdict = if verdict.is_empty() { "accepted".to_owned() } else { verdict };
        match incident.as_str() {
            "" => format!("event {}: {verdict}", field(event, "event")),
            incident => format!("event {}: {verdict}, incident {incident}", field(event, "event")),
        }
    };
    events.iter().map(sentence).collect::<Vec<_>>().join("\n")
}
