//! `nightbell explain`.

use anyhow::Result;
use model::{Id, Time};
use serde_json::Value;

use super::ServerOrFiles;
use crate::output::Output;

/// Say why somebody was told of an event, incident or delivery, or why not
#[derive(clap::Args)]
pub struct Args {
    /// The id of an event, an incident or a delivery
    id: Id,
    /// Why this user was told of it, or was not: what their profiles, quiet hours and destinations said then, and
    /// whom its policy pages
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What there was to tell at this time, such as 2026-06-01T03:12:00Z, and who was on call then
    #[arg(long, value_name = "TIME", requires = "user")]
    at: Option<Time>,
    #[command(flatten)]
    hub: ServerOrFiles,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let user = self.user.into_iter().map(|name| ("user", name));
        let query: Vec<_> = user.chain(self.at.map(|at| ("at", at.to_string()))).collect();
        let answer = self.hub.open().await?.get(&format!("/api/v1/explain/{}", self.id), &query).await?;
        output.answer(&answer, || sentences(&answer))
    }
}

/// The sentences of an explanation.
pub fn sentences(answer: &Value) -> String {
    let lines = answer["text"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.collect::<Vec<_>>().join("\n")
}
