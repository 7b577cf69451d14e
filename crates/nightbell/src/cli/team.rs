//! `nightbell team`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::ServerOrFiles;
use super::user::Role;
use crate::output::{Output, Table, field};
use crate::words;

/// Who looks after something together
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    hub: ServerOrFiles,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a team
    Create {
        /// What it is called
        name: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        about: String,
    },
    /// List teams, or who belongs to one
    List {
        /// Which one, by name or id
        team: Option<String>,
    },
    /// Make users members of a team, or give them another role in it
    Add {
        /// The team, by name or id
        team: String,
        /// The users, by name or id
        #[arg(required = true)]
        users: Vec<String>,
        /// What they are to it
        #[arg(long, value_enum, default_value = "responder")]
        role: Role,
    },
    /// Forget a team and what it has defined; its members stay
    Delete {
        /// The team, by name or id
        team: String,
        /// Who gets what it has defined: a user, team: and a team, or everybody; without it, that is gone, too
        #[arg(long, value_name = "OWNER")]
        hand_over_to: Option<String>,
    },
    /// End memberships
    Remove {
        /// The team, by name or id
        team: String,
        /// The users, by name or id
        #[arg(required = true)]
        users: Vec<String>,
    },
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let hub = self.hub.open().await?;
        let member = |team: &str, user: &str| {
            format!("/api/v1/teams/{}/members/{}", words::in_path(team), words::in_path(user))
        };
        match self.command {
            Command::Create { name, about } => {
                let answer = hub.post("/api/v1/teams", &json!({ "name": name, "about": about })).await?;
                output.answer(&answer, || field(&answer, "id"))
            }
            Command::List { team: None } => {
                let answer = hub.get("/api/v1/teams", &[("limit", "500".to_owned())]).await?;
                output.answer(&answer, || super::with_next(teams(&answer), &answer))
            }
            Command::List { team: Some(team) } => {
                let answer = hub.get(&format!("/api/v1/teams/{}", words::in_path(&team)), &[]).await?;
                output.answer(&answer, || members(&answer))
            }
            Command::Add { team, users, role } => {
                let mut answers = Vec::new();
                for user in &users {
                    answers.push(hub.put(&member(&team, user), &json!({ "role": role.name() })).await?);
                }
                let line = |it: &Value| format!("{} is a {} of {team}", field(it, "name"), field(it, "role"));
                output.answer(&answers, || answers.iter().map(line).collect::<Vec<_>>().join("\n"))
            }
            Command::Delete { team, hand_over_to } => {
                let query: Vec<_> = hand_over_to.map(|owner| ("hand_over_to", owner)).into_iter().collect();
                let path = format!("/api/v1/teams/{}", words::in_path(&team));
                let answer = hub.delete_with(&path, &query).await?;
                output.answer(&answer, || format!("{team} is gone"))
            }
            Command::Remove { team, users } => {
                let mut answers = Vec::new();
                for user in &users {
                    answers.push(hub.delete(&member(&team, user)).await?);
                }
                output.answer(&answers, || {
                    users.iter().map(|user| format!("{user} left {team}")).collect::<Vec<_>>().join("\n")
                })
            }
        }
    }
}

fn teams(answer: &Value) -> String {
    let mut table = Table::new(["id", "name", "about"], "there are none");
    for it in answer["items"].as_array().into_iter().flatten() {
        table.row([field(it, "id"), field(it, "name"), field(it, "about")]);
    }
    table.text()
}

fn members(answer: &Value) -> String {
    let mut table = Table::new(["id", "name", "role", "full name"], "nobody belongs to it");
    for it in answer["members"].as_array().into_iter().flatten() {
        table.row([field(it, "id"), field(it, "name"), field(it, "role"), field(it, "full_name")]);
    }
    table.text()
}
