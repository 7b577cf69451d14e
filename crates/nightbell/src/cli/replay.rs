//! `nightbell replay`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use config::Format;
use serde_json::{Value, json};

use super::{ServerOrFiles, Told};
use crate::output::{Output, Table, field, moment, pairs};
use crate::words;

/// Show which notifications another configuration would have sent for what was recorded
#[derive(clap::Args)]
pub struct Args {
    /// The other configuration: a nightbell.toml or an alertmanager.yml
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How far to go back
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = words::some_time)]
    since: std::time::Duration,
    /// Exit with 1 when there is a difference
    #[arg(long)]
    fail_on_difference: bool,
    #[command(flatten)]
    hub: ServerOrFiles,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let text = std::fs::read_to_string(&self.config);
        let text = text.with_context(|| format!("reading {}", self.config.display()))?;
        let format = match Format::of(&self.config) {
            Format::Toml => "toml",
            Format::Alertmanager => "alertmanager",
        };
        let since = model::time::span::format(self.since);
        let body = json!({ "config": text, "format": format, "since": since });
        let answer = self.hub.open().await?.post("/api/v1/replay", &body).await?;
        output.answer(&answer, || sentences(&answer))?;
        let differs = answer["items"].as_array().is_some_and(|items| !items.is_empty());
        if differs && self.fail_on_difference { Err(Told.into()) } else { Ok(()) }
    }
}

fn sentences(answer: &Value) -> String {
    let mut table = Table::new(["change", "destination", "group", "before", "after", "why", "what"], "");
    for it in answer["items"].as_array().into_iter().flatten() {
        let titles = it["titles"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let what = titles.collect::<Vec<_>>().join(", ");
        let [change, destination, before, after, why] =
            ["change", "destination", "before", "after", "reason"].map(|name| field(it, name));
        table.row([change, destination, pairs(&it["group"]), moment(&before), moment(&after), why, what]);
    }
    let mut lines = Vec::new();
    let listed = table.text();
    if !listed.is_empty() {
        lines.push(listed);
    }
    let notes = answer["notes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.extend(notes.map(str::to_owned));
    let count = |name: &str| field(answer, name);
    lines.push(format!(
        "{} to {}: {} events, {} notifications; {} with the other configuration: {} new, {} gone, {} at another time",
        moment(&count("from")),
        moment(&count("until")),
        count("events"),
        count("told_before"),
        count("told_after"),
        count("new"),
        count("gone"),
        count("moved"),
    ));
    lines.join("\n")
}
