//! Overrides and swaps.

use std::time::Duration;

use anyhow::Result;
use model::Time;
use serde_json::{Value, json};

use super::of;
use crate::client::Client;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Let something be otherwise than a schedule says, for a while
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).args(["only", "add", "remove", "replace"]),
    after_help = "Example: nightbell oncall override db --replace ann --with bob --for 8h --note dentist"
)]
pub(super) struct Override {
    /// The schedule, by name or id
    schedule: String,
    /// This user is on call, and nobody else: also where nobody would be
    #[arg(long, value_name = "USER")]
    only: Option<String>,
    /// This user is on call in addition
    #[arg(long, value_name = "USER")]
    add: Option<String>,
    /// This user is not on call, which may leave a gap
    #[arg(long, value_name = "USER")]
    remove: Option<String>,
    /// When this user is on call, another stands in
    #[arg(long, value_name = "USER", requires = "with")]
    replace: Option<String>,
    /// Who stands in
    #[arg(long, value_name = "USER", requires = "replace")]
    with: Option<String>,
    /// From when; without it, now
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Option<Time>,
    /// For how long, such as 8h
    #[arg(
        long = "for", value_name = "SPAN", value_parser = words::some_time, required_unless_present = "until"
    )]
    span: Option<Duration>,
    /// Until when
    #[arg(long, value_name = "TIME", value_parser = words::time, conflicts_with = "span")]
    until: Option<Time>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

/// Let two users take each other's shifts
#[derive(clap::Args)]
#[command(after_help = "Example: nightbell oncall swap db ann bob --at 2026-12-24T12:00:00Z")]
pub(super) struct Swap {
    /// The schedule, by name or id
    schedule: String,
    /// One user
    one: String,
    /// The other
    other: String,
    /// A time within the one's shift; without it, their next one
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    at: Option<Time>,
    /// A time within the other's shift; without it, their next one
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    other_at: Option<Time>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

impl Override {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<()> {
        let from = self.from.unwrap_or_else(words::now);
        let until = self.until.or(self.span.map(|span| from + span)).unwrap_or(from);
        let act = match (self.only, self.add, self.remove, self.replace) {
            (Some(user), ..) => json!({ "kind": "only", "user": user }),
            (_, Some(user), ..) => json!({ "kind": "add", "user": user }),
            (.., Some(user), _) => json!({ "kind": "remove", "user": user }),
            (.., user) => json!({ "kind": "replace", "user": user, "with": self.with }),
        };
        let body =
            json!({ "from": from.to_string(), "until": until.to_string(), "act": act, "note": self.note });
        let answer = client.post(&of(&self.schedule, "overrides"), &body).await?;
        output.answer(&answer, || field(&answer, "id"))
    }
}

impl Swap {
    pub(super) async fn run(self, client: &Client, output: Output) -> Result<()> {
        let shift = |user: &str, at: Option<Time>| match at {
            Some(at) => json!({ "user": user, "at": at.to_string() }),
            None => json!({ "user": user }),
        };
        let (one, other) = (shift(&self.one, self.at), shift(&self.other, self.other_at));
        let body = json!({ "one": one, "other": other, "note": self.note });
        let answer = client.post(&of(&self.schedule, "swaps"), &body).await?;
        output.answer(&answer, || table(&answer["items"]))
    }
}

pub(super) fn table(items: &Value) -> String {
    let mut table = Table::new(["id", "from", "until", "what", "note"], "it holds as it is");
    for it in items.as_array().into_iter().flatten() {
        let act = |name: &str| field(&it["act"], name);
        let what = match act("kind").as_str() {
            "only" => format!("only {}", act("user")),
            "replace" => format!("{} in place of {}", act("with"), act("user")),
            "add" => format!("{}, too", act("user")),
            "remove" => format!("without {}", act("user")),
            _ => format!("{} and {} swap", act("one"), act("other")),
        };
        table.row([
            field(it, "id"),
            moment(&field(it, "from")),
            moment(&field(it, "until")),
            what,
            field(it, "note"),
        ]);
    }
    table.text()
}
