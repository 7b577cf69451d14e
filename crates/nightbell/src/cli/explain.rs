//! `nightbell explain`.

use anyhow::Result;
use model::Id;
use serde_json::Value;

use super::ServerOrFiles;
use crate::output::Output;

/// Say why somebody was told of an event, incident or delivery, or why not
#[derive(clap::Args)]
pub struct Args {
    /// The id of an event, an incident or a delivery
    id: Id,
    #[command(flatten)]
    hub: ServerOrFiles,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let answer = self.hub.open().await?.get(&format!("/api/v1/explain/{}", self.id), &[]).await?;
        output.answer(&answer, || sentences(&answer))
    }
}

/// The sentences of an explanation.
pub fn sentences(answer: &Value) -> String {
    let lines = answer["text"].as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.collect::<Vec<_>>().join("\n")
}
