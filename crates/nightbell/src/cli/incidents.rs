//! `nightbell incidents`.

use anyhow::Result;
use clap::{Subcommand, ValueEnum};
use model::{Id, Severity, Time};
use serde_json::{Value, json};

use super::{Hub, ServerOrFiles};
use crate::output::{Output, Table, field, moment, pairs};
use crate::words;

/// Lines of a timeline: as many as the server gives.
const LINES: usize = 500;

/// What is wrong, and doing something about it
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    hub: ServerOrFiles,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(List),
    /// Show one with its timeline
    Show {
        /// Which one
        id: Id,
    },
    Ack(Ack),
    /// Give it back
    Unack(Person),
    /// Say that it is over
    Resolve(Person),
    Snooze(Snooze),
    Note(Note),
}

/// List incidents, the newest first
#[derive(clap::Args)]
struct List {
    /// In which state
    #[arg(long, value_enum, default_value_t = State::Active)]
    state: State,
    /// Only those of this severity
    #[arg(long, value_parser = words::severity)]
    severity: Option<Severity>,
    /// Only those with this text in title, key, labels or annotations
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only those with labels that match, such as team=db; can be given several times
    #[arg(long = "match", value_name = "MATCHER")]
    matchers: Vec<String>,
    /// How many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Go on after this one
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Active,
    Open,
    Acknowledged,
    Resolved,
    /// Those that begin and end all the time, whatever they are now
    Flapping,
    All,
}

/// Take it: you look after it
#[derive(clap::Args)]
struct Ack {
    #[command(flatten)]
    person: Person,
    /// For how long; without it, until it is over
    #[arg(long = "for", value_name = "SPAN", value_parser = words::some_time)]
    span: Option<std::time::Duration>,
}

/// Put it off: nobody is told before then
#[derive(clap::Args)]
struct Snooze {
    #[command(flatten)]
    person: Person,
    /// For how long, such as 30m
    #[arg(
        long = "for", value_name = "SPAN", value_parser = words::some_time, required_unless_present = "until"
    )]
    span: Option<std::time::Duration>,
    /// Until when, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = words::time, conflicts_with = "span")]
    until: Option<Time>,
}

/// Say something about it
#[derive(clap::Args)]
struct Note {
    /// Which one
    id: Id,
    /// What
    text: String,
    /// Who says it
    #[arg(long, value_name = "NAME", default_value_t = words::somebody())]
    by: String,
}

#[derive(clap::Args)]
struct Person {
    /// Which one
    id: Id,
    /// Who does it
    #[arg(long, value_name = "NAME", default_value_t = words::somebody())]
    by: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let hub = self.hub.open().await?;
        match self.command {
            Command::List(list) => list.run(&hub, output).await,
            Command::Show { id } => show(&hub, id, output).await,
            Command::Ack(Ack { person, span }) => {
                let until = span.map(|span| words::now() + span);
                act(&hub, "ack", &person, until, output).await
            }
            Command::Unack(person) => act(&hub, "unack", &person, None, output).await,
            Command::Resolve(person) => act(&hub, "resolve", &person, None, output).await,
            Command::Snooze(Snooze { person, span, until }) => {
                let until = until.or(span.map(|span| words::now() + span));
                act(&hub, "snooze", &person, until, output).await
            }
            Command::Note(Note { id, text, by }) => {
                let body = json!({ "by": by, "text": text });
                let answer = hub.post(&format!("/api/v1/incidents/{id}/note"), &body).await?;
                output.answer(&answer, || line(&answer))
            }
        }
    }
}

impl List {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let state = self.state.to_possible_value().map(|value| value.get_name().to_owned());
        let mut query = vec![("state", state.unwrap_or_default()), ("limit", self.limit.to_string())];
        query.extend(self.severity.map(|severity| ("severity", severity.name().to_owned())));
        query.extend(self.search.map(|text| ("search", text)));
        query.extend(self.matchers.into_iter().map(|matcher| ("match", matcher)));
        query.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        // besides state and limit
        let filtered = query.len() > 2 || !matches!(self.state, State::Active);
        let page = hub.get("/api/v1/incidents", &query).await?;
        output.answer(&page, || {
            let headings = ["id", "state", "severity", "last seen", "times", "title"];
            let mut table =
                Table::new(headings, if filtered { "there are none" } else { "nothing is wrong" });
            for it in page["items"].as_array().into_iter().flatten() {
                let times = field(it, "times_seen");
                table.row([
                    field(it, "id"),
                    state_of(it),
                    field(it, "severity"),
                    moment(&field(it, "last_seen")),
                    times,
                    field(it, "title"),
                ]);
            }
            super::with_next(table.text(), &page)
        })
    }
}

async fn act(hub: &Hub, verb: &str, person: &Person, until: Option<Time>, output: Output) -> Result<()> {
    let mut body = json!({ "by": person.by });
    if verb != "unack" {
        body["note"] = person.note.as_str().into();
    }
    if let Some(until) = until {
        body["until"] = until.to_string().into();
    }
    let answer = hub.post(&format!("/api/v1/incidents/{}/{verb}", person.id), &body).await?;
    output.answer(&answer, || line(&answer))
}

/// Its state; one that flaps is marked, since it may be another in a moment.
fn state_of(incident: &Value) -> String {
    let state = field(incident, "state");
    if field(incident, "flapping_since").is_empty() { state } else { format!("{state}, flapping") }
}

/// How it stands now.
fn line(incident: &Value) -> String {
    let more = match (field(incident, "acknowledged_by"), field(incident, "snoozed_until")) {
        (by, until) if by.is_empty() && until.is_empty() => String::new(),
        (by, until) if until.is_empty() => format!(", taken by {by}"),
        (_, until) => format!(", put off until {}", moment(&until)),
    };
    format!("{} is {}{more}: {}", field(incident, "id"), state_of(incident), field(incident, "title"))
}

async fn show(hub: &Hub, id: Id, output: Output) -> Result<()> {
    let incident = hub.get(&format!("/api/v1/incidents/{id}"), &[]).await?;
    let lines = [("limit", LINES.to_string())];
    let timeline = hub.get(&format!("/api/v1/incidents/{id}/timeline"), &lines).await?;
    let answer = json!({ "incident": incident, "timeline": timeline["items"] });
    output.answer(&answer, || as_text(&incident, &timeline))
}

fn as_text(incident: &Value, timeline: &Value) -> String {
    let mut text = format!("{}\n\n", line(incident));
    for name in [
        "severity",
        "key",
        "source",
        "started_at",
        "ends_at",
        "resolved_at",
        "first_seen",
        "last_seen",
        "times_seen",
        "acknowledged_by",
        "acknowledged_until",
        "snoozed_until",
        "flapping_since",
        "calm_at",
        "link",
    ] {
        let value = field(incident, name);
        if !value.is_empty() {
            text.push_str(&format!("{:<20}{}\n", name.replace('_', " "), moment(&value)));
        }
    }
    for name in ["labels", "annotations"] {
        text.push_str(&format!("{name:<20}{}\n", pairs(&incident[name])));
    }
    text.push('\n');
    let mut table = Table::new(["when", "what", "who", "more"], "nothing has happened to it yet");
    for it in timeline["items"].as_array().into_iter().flatten() {
        table.row([moment(&field(it, "at")), field(it, "kind"), field(it, "by"), field(it, "detail")]);
    }
    text + &table.text()
}
