//! `nightbell project`.

mod set;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Hub, ServerOrFiles};
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Programs that report their errors, by any client of Sentry
#[derive(clap::Args)]
#[command(
    after_help = "A program reports to the DSN that `project create` prints: give it to its client of Sentry."
)]
pub struct Args {
    #[command(flatten)]
    hub: ServerOrFiles,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a project; prints its DSN, and what to write into a program
    Create {
        /// What it is called: a-z, 0-9, `-`, `_` and `.`
        slug: String,
        /// What it is written in or runs on, such as python, node, javascript, rust, go, ruby, php, java
        #[arg(long, value_name = "PLATFORM", default_value = "other")]
        platform: String,
        /// The team whose it is, by name or id
        #[arg(long, value_name = "TEAM")]
        team: Option<String>,
    },
    /// List projects
    List,
    /// Show a project: its DSN and keys
    Show {
        /// Which one, by slug or number
        project: String,
    },
    Set(Box<set::Set>),
    /// Forget a project with all its errors
    Delete {
        /// Which one, by slug or number
        project: String,
    },
    /// Keys: what programs of a project are known by
    #[command(subcommand)]
    Key(Key),
    /// List the source maps that were uploaded for a project, or take some away
    Maps {
        /// Which one, by slug or number
        project: String,
        /// Forget those of this upload, by its id
        #[arg(long, value_name = "ID")]
        remove: Option<String>,
    },
}

#[derive(Subcommand)]
enum Key {
    /// Make another key; prints its DSN
    Create {
        /// The project, by slug or number
        project: String,
        /// What it is for
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
        /// What is taken in at the most, such as 600/60: so many events in so many seconds
        #[arg(long, value_name = "EVENTS/SECONDS", value_parser = rate)]
        rate: Option<Value>,
    },
    /// Give a key a rate: what is taken in at the most
    Rate {
        /// The project, by slug or number
        project: String,
        /// The key, by its id or what clients send
        key: String,
        /// Such as 600/60: so many events in so many seconds; or none
        #[arg(value_parser = rate)]
        rate: Value,
    },
    /// Revoke a key: nothing is taken in by it any more
    Revoke {
        /// The project, by slug or number
        project: String,
        /// The key, by its id or what clients send
        key: String,
    },
}

/// `600/60`: six hundred events a minute.
fn rate(text: &str) -> Result<Value, String> {
    if text == "none" {
        return Ok(Value::Null);
    }
    let read = text.split_once('/').and_then(|(events, seconds)| {
        Some(json!({ "events": events.parse::<u32>().ok()?, "seconds": seconds.parse::<u32>().ok()? }))
    });
    read.ok_or_else(|| "write it like 600/60, so many events in so many seconds, or none".to_owned())
}

fn path(project: &str) -> String {
    format!("/api/v1/projects/{}", words::in_path(project))
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let is_first = matches!(self.command, Command::Create { .. });
        // a project may be made before the first start
        let hub = self.hub.open_or_make(is_first).await?;
        match self.command {
            Command::Create { slug, platform, team } => {
                let body = json!({ "slug": slug, "platform": platform, "team": team });
                let answer = hub.post("/api/v1/projects", &body).await?;
                warn(&hub, &answer, output);
                output
                    .answer(&answer, || format!("{}\n\n{}", field(&answer, "dsn"), field(&answer, "snippet")))
            }
            Command::List => {
                let answer = hub.get("/api/v1/projects", &[("limit", "500".to_owned())]).await?;
                output.answer(&answer, || super::with_next(table(&answer), &answer))
            }
            Command::Show { project } => {
                let answer = hub.get(&path(&project), &[]).await?;
                warn(&hub, &answer, output);
                output.answer(&answer, || shown(&answer))
            }
            Command::Set(set) => set.run(&hub, output).await,
            Command::Delete { project } => {
                let answer = hub.delete(&path(&project)).await?;
                output.answer(&answer, || format!("{project} is gone"))
            }
            Command::Key(key) => key.run(&hub, output).await,
            Command::Maps { project, remove: Some(id) } => {
                let one = format!("{}/artifacts/{}", path(&project), words::in_path(&id));
                let answer = hub.delete(&one).await?;
                output.answer(&answer, || format!("the source maps of {id} are gone"))
            }
            Command::Maps { project, remove: None } => {
                let limit = [("limit", "500".to_owned())];
                let answer = hub.get(&format!("{}/artifacts", path(&project)), &limit).await?;
                output.answer(&answer, || super::with_next(maps(&answer), &answer))
            }
        }
    }
}

impl Key {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let of = |project: &str, key: &str| format!("{}/keys/{}", path(project), words::in_path(key));
        match self {
            Key::Create { project, label, rate } => {
                let body = json!({ "label": label, "rate": rate });
                let answer = hub.post(&format!("{}/keys", path(&project)), &body).await?;
                warn(hub, &answer, output);
                output.answer(&answer, || field(&answer, "dsn"))
            }
            Key::Rate { project, key, rate } => {
                let answer = hub.patch(&of(&project, &key), &json!({ "rate": rate })).await?;
                output.answer(&answer, || format!("{}: {}", field(&answer, "public_key"), rate_of(&answer)))
            }
            Key::Revoke { project, key } => {
                let answer = hub.patch(&of(&project, &key), &json!({ "revoked": true })).await?;
                output.answer(&answer, || format!("{} is revoked", field(&answer, "public_key")))
            }
        }
    }
}

/// A stopped server that was never told its address does not know it.
fn warn(hub: &Hub, answer: &Value, output: Output) {
    let is_guess = field(answer, "dsn").contains("@127.0.0.1:8440/");
    if matches!(hub, Hub::Files(_)) && is_guess {
        output.warning(
            "the address in the DSN is the one that a server has unless told otherwise: \
             set external_url, or put your server's address there",
        );
    }
}

fn table(answer: &Value) -> String {
    let mut table = Table::new(["id", "slug", "platform", "dsn"], "there are none");
    for it in answer["items"].as_array().into_iter().flatten() {
        table.row([field(it, "id"), field(it, "slug"), field(it, "platform"), field(it, "dsn")]);
    }
    table.text()
}

fn maps(answer: &Value) -> String {
    let columns = ["id", "release", "dist", "maps", "bytes", "uploaded", "last used"];
    let mut table = Table::new(columns, "none were uploaded");
    for it in answer["items"].as_array().into_iter().flatten() {
        let (maps, bytes) = (it["maps"].to_string(), it["bytes"].to_string());
        let (uploaded, used) = (moment(&field(it, "uploaded_at")), moment(&field(it, "used_at")));
        table.row([field(it, "id"), field(it, "release"), field(it, "dist"), maps, bytes, uploaded, used]);
    }
    table.text()
}

fn rate_of(key: &Value) -> String {
    match key["rate"].as_object() {
        Some(rate) => format!("{} events in {} seconds at the most", rate["events"], rate["seconds"]),
        None => "no limit".to_owned(),
    }
}

fn shown(answer: &Value) -> String {
    let mut table = Table::new(["key", "label", "takes in", "revoked", "dsn"], "it has no keys");
    for it in answer["keys"].as_array().into_iter().flatten() {
        let (label, revoked) = (field(it, "label"), moment(&field(it, "revoked_at")));
        table.row([field(it, "id"), label, rate_of(it), revoked, field(it, "dsn")]);
    }
    let (keep, slug) = (&answer["keep"], field(answer, "slug"));
    let over = match answer["resolve_after_days"].as_u64() {
        Some(days) if days > 0 => format!("\nan issue is over after {days} days without an error"),
        _ => String::new(),
    };
    format!(
        "{slug} (project {}, {})\nkeeps {} days, {} events, {} bytes and {} issues at the most{over}\n\n{}",
        field(answer, "id"),
        field(answer, "platform"),
        keep["days"],
        keep["events"],
        keep["bytes"],
        keep["issues"],
        table.text()
    )
}
