//! `nightbell user`.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Map, Value, json};

use super::{Hub, ServerOrFiles};
use crate::output::{Output, Table, field, moment};
use crate::words;

/// Who uses the hub
#[derive(clap::Args)]
#[command(
    after_help = "The first admin: nightbell user create ann --role admin, then nightbell user password ann"
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
    /// List users
    List,
    /// Lock users out, now and everywhere
    Disable {
        /// Whom, by name or id
        #[arg(required = true)]
        names: Vec<String>,
    },
    Delete(Delete),
    /// Let users in again
    Enable {
        /// Whom, by name or id
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Give a user another role
    Role {
        /// Who, by name or id
        name: String,
        /// What they may do
        #[arg(value_enum)]
        role: Role,
    },
    /// Set a user's password, which is read from standard input
    Password {
        /// Whose, by name or id
        name: String,
    },
    Invite(Invite),
}

/// What somebody may do.
#[derive(Clone, Copy, ValueEnum)]
pub enum Role {
    /// Sees
    Viewer,
    /// Sees, and acts on what is wrong
    Responder,
    /// That, and runs teams
    Manager,
    /// Everything
    Admin,
}

impl Role {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Responder => "responder",
            Role::Manager => "manager",
            Role::Admin => "admin",
        }
    }
}

/// Forget a user and what is theirs; who is only away is better disabled
#[derive(clap::Args)]
struct Delete {
    /// Whom, by name or id
    name: String,
    /// Who takes their place in schedules and policies, by name or id; without it, these stand in the way
    #[arg(long, value_name = "USER")]
    replace_with: Option<String>,
}

/// Make a user
#[derive(clap::Args)]
struct Create {
    /// What they log in with
    name: String,
    /// What they may do
    #[arg(long, value_enum)]
    role: Role,
    /// Their e-mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What people call them
    #[arg(long, value_name = "TEXT")]
    full_name: Option<String>,
    /// Their phone number, such as +4915112345678
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// Their time zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// It is a machine: it has tokens, but no password
    #[arg(long)]
    machine: bool,
}

/// Make a link that is good once: for a user to choose a password, or for somebody to become a user
#[derive(clap::Args)]
struct Invite {
    /// A user who is there, by name or id; without it, whoever accepts becomes a user
    name: Option<String>,
    /// What a new user will be; without it, a viewer
    #[arg(long, value_enum, conflicts_with = "name")]
    role: Option<Role>,
    /// The e-mail address that a new user will have
    #[arg(long, value_name = "ADDRESS", conflicts_with = "name")]
    email: Option<String>,
    /// How long it is good; without it, 7 days
    #[arg(long, value_name = "SPAN", value_parser = words::some_time)]
    expires: Option<Duration>,
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        // the first user may be made before the first start
        let hub = self.hub.open_or_make(matches!(self.command, Command::Create(_))).await?;
        match self.command {
            Command::Create(create) => create.run(&hub, output).await,
            Command::List => {
                let answer = hub.get("/api/v1/users", &[("limit", "500".to_owned())]).await?;
                output.answer(&answer, || super::with_next(table(&answer), &answer))
            }
            Command::Disable { names } => change(&hub, &names, &json!({ "disabled": true }), output).await,
            Command::Delete(delete) => delete.run(&hub, output).await,
            Command::Enable { names } => change(&hub, &names, &json!({ "disabled": false }), output).await,
            Command::Role { name, role } => {
                change(&hub, &[name], &json!({ "role": role.name() }), output).await
            }
            Command::Password { name } => password(&hub, &name, output).await,
            Command::Invite(invite) => invite.run(&hub, output).await,
        }
    }
}

impl Create {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let mut body = json!({ "name": self.name, "role": self.role.name(), "machine": self.machine });
        let given = [
            ("email", self.email),
            ("full_name", self.full_name),
            ("phone", self.phone),
            ("time_zone", self.time_zone),
        ];
        for (name, value) in given.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            body[name] = value.into();
        }
        let answer = hub.post("/api/v1/users", &body).await?;
        output.answer(&answer, || field(&answer, "id"))
    }
}

impl Delete {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let query: Vec<_> = self.replace_with.map(|by| ("replace_with", by)).into_iter().collect();
        let answer =
            hub.delete_with(&format!("/api/v1/users/{}", words::in_path(&self.name)), &query).await?;
        output.answer(&answer, || {
            let changed = answer["changed"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let lines = changed.map(|it| format!("changed: {it}"));
            std::iter::once(format!("{} is gone", self.name)).chain(lines).collect::<Vec<_>>().join("\n")
        })
    }
}

impl Invite {
    async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let mut body = Map::new();
        let mut give = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.into());
            }
        };
        give("user", self.name);
        give("role", self.role.map(|role| role.name().to_owned()));
        give("email", self.email);
        give("for", self.expires.map(model::time::span::format));
        let answer = hub.post("/api/v1/invitations", &Value::Object(body)).await?;
        if matches!(hub, Hub::Files(_)) {
            output.warning("this is the path only: put the address of your server before it");
        }
        // alone on its line, so that a shell can take it
        output.answer(&answer, || field(&answer, "link"))
    }
}

async fn change(hub: &Hub, names: &[String], body: &Value, output: Output) -> Result<()> {
    let mut answers = Vec::new();
    for name in names {
        answers.push(hub.patch(&format!("/api/v1/users/{}", words::in_path(name)), body).await?);
    }
    output.answer(&answers, || {
        let line = |it: &Value| {
            let state = if it["disabled"] == true { "disabled" } else { "enabled" };
            format!("{} is a {}, {state}", field(it, "name"), field(it, "role"))
        };
        answers.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

async fn password(hub: &Hub, name: &str, output: Output) -> Result<()> {
    let password = read_password(name)?;
    let path = format!("/api/v1/users/{}/password", words::in_path(name));
    let answer = hub.put(&path, &json!({ "password": password })).await?;
    output.answer(&answer, || format!("the password of {} is set", field(&answer, "name")))
}

/// A line of standard input; from a terminal twice, and not shown.
fn read_password(name: &str) -> Result<String> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return line();
    }
    let before = tcgetattr(&input).context("asking the terminal")?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Flush, &hidden).context("hiding what is typed")?;
    let typed = ask(&format!("Password for {name}: ")).and_then(|first| Ok((first, ask("Again: ")?)));
    tcsetattr(&input, OptionalActions::Flush, &before).context("showing again what is typed")?;
    let (first, second) = typed?;
    if first != second {
        bail!("these are two passwords: nothing was changed");
    }
    Ok(first)
}

fn ask(what: &str) -> Result<String> {
    eprint!("{what}");
    std::io::stderr().flush().context("asking")?;
    let answer = line();
    eprintln!();
    answer
}

fn line() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).context("reading the password")?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        bail!("there is no password on standard input");
    }
    Ok(text.to_owned())
}

fn table(answer: &Value) -> String {
    let headings = ["id", "name", "role", "full name", "e-mail", "kind", "last seen"];
    let mut table = Table::new(headings, "there are none");
    for it in answer["items"].as_array().into_iter().flatten() {
        let kind = match (it["disabled"] == true, it["machine"] == true, it["has_password"] == true) {
            (true, ..) => "disabled",
            (_, true, _) => "machine",
            (.., true) => "person",
            _ => "person, no password",
        };
        table.row([
            field(it, "id"),
            field(it, "name"),
            field(it, "role"),
            field(it, "full_name"),
            field(it, "email"),
            kind.to_owned(),
            moment(&field(it, "last_seen")),
        ]);
    }
    table.text()
}
