//! `nightbell config override`.

use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::cli::Server;
use crate::client::Client;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Where overrides are.
const OVERRIDES: &str = "/api/v1/config/overrides";

/// Settings of a running server that are not as its configuration file says
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// Who asks
    #[arg(long, global = true, value_name = "NAME")]
    by: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List what is not as the configuration file says
    List,
    /// Show a section or one of its elements as it is in force, without secrets
    Show {
        /// Such as receivers, or receivers/ops/slack/0
        place: String,
    },
    /// Set options of an element, at once and until they are deleted
    Set {
        /// Such as incidents, receivers/ops/slack/0, plugins/foo or defaults/slack
        place: String,
        /// An option with its value, such as channel=#ops; JSON where it is no text
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = words::setting)]
        options: Vec<(String, Value)>,
    },
    /// Have options as in the configuration file again
    Delete {
        /// Such as receivers/ops/slack/0
        place: String,
        /// Their names
        #[arg(required = true, value_name = "NAME")]
        options: Vec<String>,
    },
    /// Add a destination to a receiver, or an integration
    Add {
        /// Such as receivers/ops/slack/1 or integrations/backup
        place: String,
        /// An option with its value; JSON where it is no text
        #[arg(value_name = "NAME=VALUE", value_parser = words::setting)]
        options: Vec<(String, Value)>,
    },
    /// Remove something that was added
    Remove {
        /// Such as receivers/ops/slack/1
        place: String,
    },
    /// List the changes, newest first
    Versions,
    /// Go back to an earlier version; 0: to what the file says
    Rollback {
        /// Its number
        #[arg(value_name = "VERSION")]
        to: i64,
    },
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let client = self.server.client()?;
        let by = self.by.unwrap_or_else(words::somebody);
        let (path, mut change) = match self.command {
            Command::List => {
                let answer = client.get(OVERRIDES, &[]).await?;
                return output.answer(&answer, || list(&answer));
            }
            Command::Show { place } => return show(&client, &place, output).await,
            Command::Versions => {
                let answer = client.get(&format!("{OVERRIDES}/versions"), &[]).await?;
                return output.answer(&answer, || versions(&answer));
            }
            Command::Rollback { to } => (format!("{OVERRIDES}/rollback"), json!({ "version": to })),
            Command::Set { place, options } => {
                let set: Map<String, Value> = options.into_iter().collect();
                (path_of(&place), json!({ "set": set }))
            }
            Command::Delete { place, options } => (path_of(&place), json!({ "delete": options })),
            Command::Add { place, options } => {
                let (section, element) = in_section(&place)?;
                let settings: Map<String, Value> = options.into_iter().collect();
                (path_of(section), json!({ "add": { element: settings } }))
            }
            Command::Remove { place } => {
                let (section, element) = in_section(&place)?;
                (path_of(section), json!({ "remove": [element] }))
            }
        };
        change["by"] = by.into();
        let answer = client.post(&path, &change).await?;
        output.answer(&answer, || format!("in force, as version {}", field(&answer, "version")))
    }
}

fn in_section(place: &str) -> Result<(&str, &str)> {
    match place.split_once('/') {
        Some(both) => Ok(both),
        None => bail!("{place:?} names no element, such as receivers/ops/slack/1 does"),
    }
}

fn path_of(place: &str) -> String {
    match place.split_once('/') {
        Some((section, element)) => {
            format!("/api/v1/config/{}/{}", words::in_path(section), words::in_path(element))
        }
        None => format!("/api/v1/config/{}", words::in_path(place)),
    }
}

async fn show(client: &Client, place: &str, output: Output) -> Result<()> {
    let answer = client.get(&path_of(place), &[]).await?;
    output.answer(&answer, || match answer.get("elements").and_then(Value::as_array) {
        Some(elements) => elements.iter().map(page).collect::<Vec<_>>().join("\n"),
        None => page(&answer),
    })
}

fn name(it: &Value) -> String {
    let (section, element) = (field(it, "section"), field(it, "element"));
    if element.is_empty() { section } else { format!("{section}/{element}") }
}

fn page(it: &Value) -> String {
    let is_overridden = |name: &str| {
        let mut all = it["overridden"].as_array().into_iter().flatten().filter_map(Value::as_str);
        all.any(|path| path.split(['.', '[']).next() == Some(name))
    };
    let options = it["options"].as_object().into_iter().flatten();
    let lines = options.map(|(name, value)| {
        let mark = if is_overridden(name) { "  (overridden)" } else { "" };
        format!("  {name} = {value}{mark}")
    });
    let added = if it["added"] == true { " (added)" } else { "" };
    std::iter::once(format!("{}{added}", name(it))).chain(lines).collect::<Vec<_>>().join("\n")
}

fn list(answer: &Value) -> String {
    let mut table = Table::new(["element", "overridden"], "nothing is overridden");
    for it in answer["items"].as_array().into_iter().flatten() {
        let options = it["overridden"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let options = options.collect::<Vec<_>>().join(", ");
        table.row([name(it), if it["added"] == true { format!("added: {options}") } else { options }]);
    }
    match answer["refused"].as_str() {
        Some(why) => format!("What is overridden is not in force: {why}\n{}", table.text()),
        None => table.text(),
    }
}

fn versions(answer: &Value) -> String {
    let mut table = Table::new(["version", "at", "by", "what"], "nothing was ever overridden");
    for it in answer["items"].as_array().into_iter().flatten() {
        let [version, at, by, what] = ["version", "at", "by", "summary"].map(|name| field(it, name));
        table.row([version, moment(&at), by, what]);
    }
    table.text()
}
