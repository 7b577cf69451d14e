//! `nightbell token`.

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;
use model::Id;
use serde_json::{Value, json};

use super::{Hub, ServerOrFiles};
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Who may use the API
#[derive(clap::Args)]
#[command(
    after_help = "The first token is made before the server starts: nightbell token create me --data DIR"
)]
pub struct Args {
    #[command(flatten)]
    hub: ServerOrFiles,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(Create),
    /// List tokens; what they are is shown only when they are made
    List,
    /// End tokens now
    Revoke {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<Id>,
    },
}

/// Make a token and show it, this once
#[derive(clap::Args)]
struct Create {
    /// What to call it: who or what uses it
    #[arg(required_unless_present = "user")]
    name: Option<String>,
    /// Whose it is: it never does more than that user may; without it, it stands for itself
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What it allows: read, ingest, respond (covers read), manage (covers respond) or admin (covers all); several
    /// with commas; without it, what the user's role allows, or admin
    #[arg(long = "scope", value_name = "SCOPES", value_delimiter = ',',
        value_parser = ["read", "ingest", "respond", "manage", "admin"])]
    scopes: Vec<String>,
    /// How long it is good; without it, until it is revoked
    #[arg(long, value_name = "SPAN", value_parser = words::some_time)]
    expires: Option<Duration>,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        // the first token is needed before the first start
        let hub = self.hub.open_or_make(matches!(self.command, Command::Create(_))).await?;
        match self.command {
            Command::Create(create) => create.run(&hub, output).await,
            Command::List => {
                let answer = hub.get("/api/v1/tokens", &[]).await?;
                output.answer(&answer, || table(&answer))
            }
            Command::Revoke { ids } => {
                let mut answers = Vec::new();
                for id in &ids {
                    answers.push(hub.delete(&format!("/api/v1/tokens/{id}")).await?);
                }
                output.answer(&answers, || {
                    ids.iter().map(|id| format!("{id} is revoked")).collect::<Vec<_>>().join("\n")
                })
            }
        }
    }
}

impl Create {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let (path, scopes) = match &self.user {
            Some(user) => (format!("/api/v1/users/{}/tokens", words::in_path(user)), self.scopes),
            None if self.scopes.is_empty() => ("/api/v1/tokens".to_owned(), vec!["admin".to_owned()]),
            None => ("/api/v1/tokens".to_owned(), self.scopes),
        };
        let mut body = json!({ "name": self.name.as_deref().unwrap_or("command line"), "scopes": scopes });
        if let Some(span) = self.expires {
            body["expires_at"] = (words::now() + span).to_string().into();
        }
        let answer = hub.post(&path, &body).await?;
        // alone on its line, so that a shell can take it
        output.answer(&answer, || field(&answer, "secret"))
    }
}

fn table(answer: &Value) -> String {
    let mut table = Table::new(["id", "name", "scopes", "made", "ends", "revoked"], "there are none");
    for it in answer["items"].as_array().into_iter().flatten() {
        let scopes = it["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        table.row([
            field(it, "id"),
            field(it, "name"),
            scopes.collect::<Vec<_>>().join(" "),
            moment(&field(it, "created_at")),
            moment(&field(it, "expires_at")),
            moment(&field(it, "revoked_at")),
        ]);
    }
    table.text()
}
