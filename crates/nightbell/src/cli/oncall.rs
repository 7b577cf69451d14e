//! `nightbell oncall`.

mod change;
mod feeds;

use anyhow::Result;
use clap::Subcommand;
use model::Time;
use serde_json::{Value, json};

use super::Server;
use crate::client::Client;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Who is on call
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Example: nightbell oncall db --at 2026-12-24T20:00:00+01:00"
)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    /// By this schedule, by name or id; without it, by all of them
    schedule: Option<String>,
    /// When, such as 2026-01-31T12:00:00Z or +2h; without it, now
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    at: Option<Time>,
    /// Show who is next, too
    #[arg(long)]
    next: bool,
    /// Only where this user is on call or next, by name or id
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Shifts(Shifts),
    Preview(Preview),
    /// List what is otherwise than a schedule says, now and later
    Overrides {
        /// The schedule, by name or id
        schedule: String,
    },
    Override(change::Override),
    Swap(change::Swap),
    /// Take an override back
    Cancel {
        /// The schedule, by name or id
        schedule: String,
        /// The override's id, as `nightbell oncall overrides` shows it
        id: String,
    },
    Upload(feeds::Upload),
    /// Fetch the calendars of a schedule now, rather than when it is time to
    Fetch {
        /// The schedule, by name or id
        schedule: String,
    },
    Link(feeds::Link),
    /// List your links to calendars
    Links,
    /// Revoke links to calendars
    Unlink {
        /// Which ones, as `nightbell oncall links` shows them
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// List the shifts and gaps of a schedule, with reasons
#[derive(clap::Args)]
struct Shifts {
    /// The schedule, by name or id
    schedule: String,
    /// From when; without it, now
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Option<Time>,
    /// Until when, up to 100 days later; without it, two weeks
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    to: Option<Time>,
    /// Show what each layer says for itself
    #[arg(long)]
    layers: bool,
}

/// Show what the schedules of a file would come to, without keeping them
#[derive(clap::Args)]
struct Preview {
    /// The file, as for `nightbell definitions apply`; - is standard input
    file: String,
    /// From when; without it, now
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Option<Time>,
    /// Until when, up to 100 days later; without it, two weeks
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    to: Option<Time>,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let client = self.server.client()?;
        let Some(command) = self.command else {
            let mut query = Vec::new();
            query.extend(self.schedule.map(|it| ("schedule", it)));
            query.extend(self.at.map(|it| ("at", it.to_string())));
            query.extend(self.user.map(|it| ("user", it)));
            let answer = client.get("/api/v1/on-call", &query).await?;
            return output.answer(&answer, || on_call(&answer, self.next));
        };
        match command {
            Command::Shifts(it) => it.run(&client, output).await,
            Command::Preview(it) => it.run(&client, output).await,
            Command::Overrides { schedule } => {
                let answer = client.get(&of(&schedule, "overrides"), &[]).await?;
                output.answer(&answer, || change::table(&answer["items"]))
            }
            Command::Override(it) => it.run(&client, output).await,
            Command::Swap(it) => it.run(&client, output).await,
            Command::Cancel { schedule, id } => {
                let path = of(&schedule, &format!("overrides/{}", words::in_path(&id)));
                let answer = client.delete(&path, &[]).await?;
                output.answer(&answer, || format!("{schedule} holds as it is"))
            }
            Command::Upload(it) => it.run(&client, output).await,
            Command::Fetch { schedule } => {
                let answer = client.post(&of(&schedule, "fetch"), &Value::Null).await?;
                output.answer(&answer, || "they are fetched now".to_owned())
            }
            Command::Link(it) => it.run(&client, output).await,
            Command::Links => feeds::links(&client, output).await,
            Command::Unlink { ids } => feeds::unlink(&client, &ids, output).await,
        }
    }
}

/// The path of something of a schedule.
fn of(schedule: &str, what: &str) -> String {
    format!("/api/v1/schedules/{}/{what}", words::in_path(schedule))
}

impl Shifts {
    async fn run(self, client: &Client, output: Output) -> Result<()> {
        let mut query = Vec::new();
        query.extend(self.from.map(|it| ("from", it.to_string())));
        query.extend(self.to.map(|it| ("to", it.to_string())));
        let answer = client.get(&of(&self.schedule, "shifts"), &query).await?;
        output.answer(&answer, || shifts(&answer, self.layers))
    }
}

impl Preview {
    async fn run(self, client: &Client, output: Output) -> Result<()> {
        let mut answers = Vec::new();
        for it in super::definitions::read(&self.file)?.into_iter().filter(|it| it["kind"] == "schedule") {
            let mut body = json!({ "spec": it["spec"] });
            let times = [("from", self.from), ("until", self.to)];
            for (name, time) in times.into_iter().filter_map(|(name, time)| Some((name, time?))) {
                body[name] = time.to_string().into();
            }
            let mut answer = client.post("/api/v1/schedules/preview", &body).await?;
            answer["name"] = it["name"].clone();
            answers.push(answer);
        }
        if answers.is_empty() {
            anyhow::bail!("there are no schedules in {}", self.file);
        }
        output.answer(&answers, || answers.iter().map(|it| shifts(it, false)).collect::<Vec<_>>().join("\n"))
    }
}

fn names(list: &Value) -> String {
    let names: Vec<String> = list.as_array().into_iter().flatten().map(|it| field(it, "user.name")).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn on_call(answer: &Value, next: bool) -> String {
    let items = || answer["items"].as_array().into_iter().flatten();
    if next {
        let mut table = Table::new(
            ["schedule", "on call", "until", "next", "from", "gap from"],
            "there are no schedules",
        );
        for it in items() {
            table.row([
                field(it, "name"),
                names(&it["on_call"]),
                moment(&field(it, "next_change")),
                if it["next_handover"].is_null() { String::new() } else { names(&it["next"]) },
                moment(&field(it, "next_handover")),
                moment(&field(it, "gap.from")),
            ]);
        }
        return table.text();
    }
    let mut table = Table::new(["schedule", "on call", "until", "why"], "there are no schedules");
    for it in items() {
        let whys = it["on_call"].as_array().into_iter().flatten().map(why);
        table.row([
            field(it, "name"),
            names(&it["on_call"]),
            moment(&field(it, "next_change")),
            whys.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.text()
}

/// Why somebody is on call.
fn why(it: &Value) -> String {
    if it["by"] == "layer" {
        return format!("layer {}", field(it, "layer"));
    }
    let instead = field(it, "instead_of.name");
    let note = field(it, "note");
    let mut text = "override".to_owned();
    if !instead.is_empty() {
        text.push_str(&format!(", in place of {instead}"));
    }
    if !note.is_empty() {
        text.push_str(&format!(": {note}"));
    }
    text
}

fn shifts(answer: &Value, layers: bool) -> String {
    let mut rows: Vec<(String, [String; 4])> = Vec::new();
    let row = |it: &Value, who: String, why: String| {
        let [from, until] = ["from", "until"].map(|name| field(it, name));
        (from.clone(), [moment(&from), moment(&until), who, why])
    };
    for it in answer["shifts"].as_array().into_iter().flatten() {
        rows.push(row(it, field(it, "user.name"), why(it)));
    }
    for it in answer["gaps"].as_array().into_iter().flatten() {
        rows.push(row(it, "NOBODY".to_owned(), "gap".to_owned()));
    }
    rows.sort();
    let mut table = Table::new(["from", "until", "who", "why"], "nothing in that time");
    rows.into_iter().for_each(|(_, row)| table.row(row));
    let mut text = format!("{} ({})\n{}", field(answer, "name"), field(answer, "zone"), table.text());
    for layer in answer["layers"].as_array().into_iter().flatten().filter(|_| layers) {
        let mut table = Table::new(["from", "until", "who"], "it says nothing in that time");
        for it in layer["shifts"].as_array().into_iter().flatten() {
            table.row([moment(&field(it, "from")), moment(&field(it, "until")), field(it, "user.name")]);
        }
        text.push_str(&format!("\nLayer {}:\n{}", field(layer, "name"), table.text()));
    }
    for it in answer["calendars"].as_array().into_iter().flatten() {
        text.push_str(&feeds::calendar(it));
    }
    text
}
