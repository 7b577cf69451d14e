//! `nightbell issue`.

mod reading;

use std::fmt::Write as _;

use anyhow::Result;
use clap::Subcommand;
use serde_json::{Map, Value, json};

use super::Server;
use crate::client::Client;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Errors that programs reported; those that are alike are an issue
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    /// Show an issue with its newest error
    Show {
        /// Which one
        id: String,
        /// Another error of it: an id, first or latest
        #[arg(long, value_name = "ERROR", default_value = "latest")]
        event: String,
    },
    /// Compare two releases of a project: what is new, what is there more often, what is gone
    Compare {
        /// The project, by slug or number
        project: String,
        /// The one release
        before: String,
        /// The other
        after: String,
        /// How many issues
        #[arg(long, value_name = "N", default_value = "50")]
        limit: usize,
    },
    /// Say that issues are over
    Resolve {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
        /// In this release, and those after it
        #[arg(long, value_name = "RELEASE", conflicts_with = "in_next")]
        in_release: Option<String>,
        /// In the release after the last one that they were seen in
        #[arg(long)]
        in_next: bool,
    },
    /// Hear nothing of issues, for good or until something
    Ignore {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
        /// For so long, such as 2h
        #[arg(long = "for", value_name = "SPAN")]
        span: Option<String>,
        /// Until they were seen so many times more
        #[arg(long, value_name = "N")]
        times: Option<u32>,
        /// Until they have hit so many users more
        #[arg(long, value_name = "N")]
        users: Option<u32>,
        /// Until they were seen so many --times within so long, such as 1h
        #[arg(long, value_name = "SPAN", requires = "times")]
        times_within: Option<String>,
        /// Until they have hit so many --users within so long
        #[arg(long, value_name = "SPAN", requires = "users")]
        users_within: Option<String>,
    },
    /// Say who looks after issues
    Assign {
        /// Who: a user, or team:NAME; nobody
        to: String,
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Let issues count as another one
    Merge {
        /// The one that they count as
        into: String,
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
    },
    #[command(flatten)]
    Plain(Plain),
    /// List the errors of an issue, newest first; `issue show --event` shows one
    Events {
        /// Which one
        id: String,
        /// How many
        #[arg(long, value_name = "N", default_value = "50")]
        limit: usize,
        /// Go on from here: what the page before says
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
    },
    /// Count the values of an issue's tags
    Tags {
        /// Which one
        id: String,
        /// Only this tag
        name: Option<String>,
    },
    /// Explain why an error is in its issue: what was looked at, and what of it counted
    Grouping {
        /// Which one
        id: String,
        /// Which error of it: an id, first or latest
        #[arg(long, value_name = "ERROR", default_value = "latest")]
        event: String,
    },
}

/// What needs no more than to be said.
#[derive(Subcommand)]
enum Plain {
    /// Say that issues are not over
    Unresolve {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Hear of issues again
    Unignore {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Let issues that count as another one count as themselves again
    Unmerge {
        /// The one that they count as, or one of them
        id: String,
        /// Which ones; all, if none is named
        ids: Vec<String>,
    },
    /// Forget issues with all their errors, and take in no more like them
    Discard {
        /// Which ones
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Say something about an issue
    Comment {
        /// Which one
        id: String,
        /// What
        text: String,
    },
}

/// Search issues
#[derive(clap::Args)]
struct List {
    /// What to look for, such as: is:unresolved level:error release:1.2 KeyError
    query: Vec<String>,
    /// Only those of this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
    /// In which order: last_seen, first_seen, times, users
    #[arg(long, value_name = "ORDER", default_value = "last_seen")]
    sort: String,
    /// How many
    #[arg(long, value_name = "N", default_value = "50")]
    limit: usize,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let hub = self.server.client()?;
        match self.command {
            Command::List(list) => list.run(&hub, output).await,
            Command::Show { id, event } => {
                let issue = hub.get(&path(&id), &[]).await?;
                let event = if event == "latest" {
                    issue["latest"].clone()
                } else {
                    hub.get(&format!("{}/events/{}", path(&id), words::in_path(&event)), &[]).await?
                };
                let mut answer = issue.clone();
                answer["latest"] = event.clone();
                output.answer(&answer, || shown(&issue, &event))
            }
            Command::Compare { project, before, after, limit } => {
                let query = [("before", before), ("after", after), ("limit", limit.to_string())];
                let path = format!("/api/v1/projects/{}/compare", words::in_path(&project));
                let answer = hub.get(&path, &query).await?;
                output.answer(&answer, || compared(&answer))
            }
            Command::Resolve { ids, in_release, in_next } => {
                let body =
                    json!({ "action": "resolve", "in_release": in_release, "in_next_release": in_next });
                act(&hub, &ids, &body, "is resolved", output).await
            }
            Command::Ignore { ids, span, times, users, times_within, users_within } => {
                let given = [
                    ("for", span.map(Value::from)),
                    ("times", times.map(Value::from)),
                    ("users", users.map(Value::from)),
                    ("times_within", times_within.map(Value::from)),
                    ("users_within", users_within.map(Value::from)),
                ];
                let mut body = Map::from_iter([("action".to_owned(), "ignore".into())]);
                body.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
                act(&hub, &ids, &Value::Object(body), "is ignored", output).await
            }
            Command::Assign { to, ids } => {
                let to = if to == "nobody" { String::new() } else { to };
                act(&hub, &ids, &json!({ "action": "assign", "to": to }), "is assigned", output).await
            }
            Command::Merge { into, ids } => {
                let body = json!({ "action": "merge", "issues": ids });
                act(&hub, &[into], &body, "stands for all of them", output).await
            }
            Command::Events { id, limit, cursor } => reading::events(&hub, &id, limit, cursor, output).await,
            Command::Tags { id, name } => reading::tags(&hub, &id, name, output).await,
            Command::Grouping { id, event } => reading::grouping(&hub, &id, &event, output).await,
            Command::Plain(plain) => plain.run(&hub, output).await,
        }
    }
}

impl Plain {
    async fn run(self, hub: &Client, output: Output) -> Result<()> {
        let (ids, body, done) = match self {
            Plain::Unresolve { ids } => (ids, json!({ "action": "unresolve" }), "is not over"),
            Plain::Unignore { ids } => (ids, json!({ "action": "unignore" }), "is heard of again"),
            Plain::Discard { ids } => (ids, json!({ "action": "discard" }), "is gone for good"),
            Plain::Comment { id, text } => {
                (vec![id], json!({ "action": "comment", "text": text }), "has your words")
            }
            Plain::Unmerge { id, ids } => {
                (vec![id], json!({ "action": "unmerge", "issues": ids }), "stands for itself again")
            }
        };
        act(hub, &ids, &body, done, output).await
    }
}

fn path(id: &str) -> String {
    format!("/api/v1/issues/{}", words::in_path(id))
}

async fn act(hub: &Client, ids: &[String], body: &Value, done: &str, output: Output) -> Result<()> {
    for id in ids {
        hub.post(&format!("{}/actions", path(id)), body).await?;
    }
    let lines = || ids.iter().map(|id| format!("{id} {done}")).collect::<Vec<_>>().join("\n");
    output.answer(&ids, lines)
}

impl List {
    async fn run(self, hub: &Client, output: Output) -> Result<()> {
        let mut query = vec![("sort", self.sort), ("limit", self.limit.to_string())];
        query.extend(self.project.map(|it| ("project", it)));
        if !self.query.is_empty() {
            query.push(("query", self.query.join(" ")));
        }
        let answer = hub.get("/api/v1/issues", &query).await?;
        output.answer(&answer, || table(&answer))
    }
}

fn table(answer: &Value) -> String {
    let headings = ["id", "project", "level", "status", "times", "users", "last seen", "what"];
    let mut table = Table::new(headings, "there are none");
    for it in answer["items"].as_array().into_iter().flatten() {
        let what = format!("{}  {}", field(it, "title"), field(it, "culprit"));
        table.row([
            field(it, "id"),
            field(it, "project"),
            field(it, "level"),
            field(it, "substatus"),
            it["times_seen"].to_string(),
            it["users_seen"].to_string(),
            moment(&field(it, "last_seen")),
            what,
        ]);
    }
    let mut text = table.text();
    if answer["older_not_searched"] == true {
        text.push_str(
            "\nThere are older issues, which were not looked at: name a project to go further back.\n",
        );
    }
    text
}

fn compared(answer: &Value) -> String {
    let mut table = Table::new(["change", "before", "after", "id", "what"], "no issue was seen in either");
    for it in answer["items"].as_array().into_iter().flatten() {
        let issue = &it["issue"];
        table.row([
            field(it, "change"),
            it["times_before"].to_string(),
            it["times_after"].to_string(),
            field(issue, "id"),
            format!("{}  {}", field(issue, "title"), field(issue, "culprit")),
        ]);
    }
    table.text()
}

fn shown(issue: &Value, error: &Value) -> String {
    let mut text = format!("{}\n", field(issue, "title"));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<12} {value}");
        }
    };
    line("where", field(issue, "culprit"));
    line("project", field(issue, "project"));
    line("status", format!("{}, {}", field(issue, "status"), field(issue, "substatus")));
    line("seen", format!("{} times, by {} users", issue["times_seen"], issue["users_seen"]));
    line("first", format!("{} {}", moment(&field(issue, "first_seen")), field(issue, "first_release")));
    line("last", format!("{} {}", moment(&field(issue, "last_seen")), field(issue, "last_release")));
    line("assigned to", field(issue, "assignee"));
    for it in issue["verdicts"].as_array().into_iter().flatten() {
        line("rule", format!("{}: {}", field(it, "rule"), field(it, "said")));
    }
    let event = &error["event"];
    let _ = writeln!(text, "\nError {} of {}", field(error, "event_id"), moment(&field(error, "at")));
    for it in event["exceptions"].as_array().into_iter().flatten().rev() {
        let _ = writeln!(text, "\n{}: {}", field(it, "type"), field(it, "value"));
        for frame in it["stacktrace"]["frames"].as_array().into_iter().flatten().rev() {
            let mark = if frame["in_app"] == true { ">" } else { " " };
            let place = format!("{}:{}", field(frame, "filename"), frame["lineno"]);
            let _ = writeln!(text, "{mark} {place} in {}", field(frame, "function"));
            if frame["in_app"] == true && frame["context_line"].is_string() {
                let _ = writeln!(text, "      {}", field(frame, "context_line").trim());
            }
            if let Some(why) = frame["unmapped"].as_str() {
                let _ = writeln!(text, "      ({why})");
            }
        }
    }
    if let Some(message) = event["message"]["formatted"].as_str() {
        let _ = writeln!(text, "\n{message}");
    }
    for (name, value) in event["tags"].as_object().into_iter().flatten() {
        let _ = writeln!(text, "  {name}={}", value.as_str().unwrap_or_default());
    }
    text
}
