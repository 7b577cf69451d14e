//! `nightbell definitions`.

use std::io::Read as _;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use similar::TextDiff;

use super::Server;
use crate::client::Client;
use crate::output::{Output, Table, field, moment};
use crate::words;

/// What people define: destinations, timeslots, filters, profiles, schedules, policies, maintenance, reach
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List definitions
    List {
        /// Of which kind; without it, of all
        #[arg(value_enum)]
        kind: Option<Kind>,
        /// Only those of this owner: a user, team: and a team, or everybody
        #[arg(long, value_name = "OWNER")]
        owner: Option<String>,
    },
    /// Show a definition as it goes into a file
    Show(One),
    Apply(Apply),
    /// Take a definition back, unless something needs it
    Delete(One),
}

/// One definition.
#[derive(clap::Args)]
struct One {
    /// Of which kind
    #[arg(value_enum)]
    kind: Kind,
    /// Which one, by name or id
    name: String,
    /// Whose it is, where several owners have one of this name
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
}

/// Make definitions what a file says, or leave them as they are when they say the same
#[derive(clap::Args)]
#[command(
    after_help = "A file is TOML or JSON: for each kind a list of definitions with `name`, `owner` and `spec`. \
    In a spec names may stand where ids belong. All of a file is kept, or nothing; nothing is taken back."
)]
struct Apply {
    /// The files; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

/// A kind of definition.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Destinations,
    Timeslots,
    Filters,
    Profiles,
    Schedules,
    Policies,
    Maintenance,
    Reach,
    AlertRules,
    PluginSettings,
}

impl Kind {
    /// As in paths and files.
    fn plural(self) -> &'static str {
        match self {
            Kind::Destinations => "destinations",
            Kind::Timeslots => "timeslots",
            Kind::Filters => "filters",
            Kind::Profiles => "profiles",
            Kind::Schedules => "schedules",
            Kind::Policies => "policies",
            Kind::Maintenance => "maintenance",
            Kind::Reach => "reach",
            Kind::AlertRules => "alert-rules",
            Kind::PluginSettings => "plugin-settings",
        }
    }

    /// As the API calls one.
    fn singular(self) -> &'static str {
        match self {
            Kind::Policies => "policy",
            Kind::AlertRules => "alert_rule",
            Kind::PluginSettings => "plugin-settings",
            other => other.plural().trim_end_matches('s'),
        }
    }
}

impl Args {
    pub async fn run(self, output: Output) -> Result<()> {
        let client = self.server.client()?;
        match self.command {
            Command::List { kind, owner } => list(&client, kind, owner, output).await,
            Command::Show(one) => {
                let found = one.find(&client).await?;
                output.answer(&found, || as_file(one.kind, &found))
            }
            Command::Apply(apply) => apply.run(&client, output).await,
            Command::Delete(one) => {
                let found = one.find(&client).await?;
                let path = format!("/api/v1/{}/{}", one.kind.plural(), words::in_path(&field(&found, "id")));
                let gone = client.delete(&path, &[]).await?;
                output.answer(&gone, || format!("{} {} is gone", one.kind.singular(), field(&gone, "name")))
            }
        }
    }
}

async fn all(client: &Client, kind: Kind, owner: Option<&str>) -> Result<Vec<Value>> {
    let query: Vec<_> = owner.map(|owner| ("owner", owner.to_owned())).into_iter().collect();
    let mut answer = client.get(&format!("/api/v1/{}", kind.plural()), &query).await?;
    Ok(answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

async fn list(client: &Client, kind: Option<Kind>, owner: Option<String>, output: Output) -> Result<()> {
    let kinds = kind.map_or_else(|| Kind::value_variants().to_vec(), |kind| vec![kind]);
    let mut found = Map::new();
    for kind in &kinds {
        found.insert(kind.plural().to_owned(), all(client, *kind, owner.as_deref()).await?.into());
    }
    output.answer(&found, || {
        let mut table = Table::new(["kind", "id", "owner", "name", "changed"], "there are none");
        for kind in &kinds {
            for it in found[kind.plural()].as_array().into_iter().flatten() {
                table.row([
                    kind.singular().to_owned(),
                    field(it, "id"),
                    field(it, "owner"),
                    field(it, "name"),
                    moment(&field(it, "updated_at")),
                ]);
            }
        }
        table.text()
    })
}

impl One {
    async fn find(&self, client: &Client) -> Result<Value> {
        let mut found = all(client, self.kind, self.owner.as_deref()).await?;
        found.retain(|it| it["id"] == self.name.as_str() || it["name"] == self.name.as_str());
        let what = self.kind.singular();
        match found.len() {
            0 => {
                bail!("there is no {what} {:?}: `nightbell definitions list` shows what there is", self.name)
            }
            1 => Ok(found.remove(0)),
            _ => {
                bail!("several owners have a {what} {:?}: say whose with --owner, or write its id", self.name)
            }
        }
    }
}

/// A definition as it goes into a file.
fn as_file(kind: Kind, it: &Value) -> String {
    let one = json!({ "name": it["name"], "owner": it["owner"], "spec": without_null(it["spec"].clone()) });
    let text = toml::to_string_pretty(&json!({ kind.plural(): [one] }));
    text.unwrap_or_else(|_| serde_json::to_string_pretty(it).unwrap_or_default())
}

/// TOML has no word for nothing: what is nothing is left out.
fn without_null(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, it)| !it.is_null());
            Value::Object(kept.map(|(name, it)| (name, without_null(it))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_null).collect()),
        other => other,
    }
}

impl Apply {
    async fn run(self, client: &Client, output: Output) -> Result<()> {
        let mut items = Vec::new();
        for file in &self.files {
            items.extend(read(file)?);
        }
        let body = json!({ "items": items, "dry_run": self.dry_run });
        let answer = client.post("/api/v1/definitions/apply", &body).await?;
        output.answer(&answer, || {
            let mut text = String::new();
            for it in answer["items"].as_array().into_iter().flatten() {
                let would = if self.dry_run && it["result"] != "unchanged" { "would be " } else { "" };
                let name = format!("{} {:?} of {}", field(it, "kind"), field(it, "name"), field(it, "owner"));
                text.push_str(&format!("{name}: {would}{}\n", field(it, "result")));
                if self.dry_run {
                    text.push_str(&difference(&it["before"], &it["after"]));
                }
            }
            if text.is_empty() { "there is nothing in it".to_owned() } else { text }
        })
    }
}

fn difference(before: &Value, after: &Value) -> String {
    let lines = |value: &Value| match value {
        Value::Null => String::new(),
        other => serde_json::to_string_pretty(other).unwrap_or_default() + "\n",
    };
    let (before, after) = (lines(before), lines(after));
    TextDiff::from_lines(&before, &after).unified_diff().context_radius(2).to_string()
}

/// The definitions of a file, as the API takes them.
pub fn read(file: &str) -> Result<Vec<Value>> {
    let mut text = String::new();
    match file {
        "-" => std::io::stdin().read_to_string(&mut text).map(drop).context("reading standard input")?,
        file => text = std::fs::read_to_string(file).with_context(|| format!("reading {file}"))?,
    }
    let json = text.trim_start().starts_with('{');
    let whole: Map<String, Value> = if json {
        serde_json::from_str(&text).with_context(|| format!("{file} is no JSON of definitions"))?
    } else {
        let table: toml::Table = text.parse().map_err(|error| anyhow!("{file} is no TOML: {error}"))?;
        table.into_iter().map(|(name, value)| (name, plain(value))).collect()
    };
    items(file, whole)
}

fn items(file: &str, whole: Map<String, Value>) -> Result<Vec<Value>> {
    let known = || Kind::value_variants().iter().map(|kind| kind.plural()).collect::<Vec<_>>().join(", ");
    let mut items = Vec::new();
    for (name, list) in whole {
        let kind = Kind::value_variants().iter().find(|kind| kind.plural() == name);
        let kind =
            kind.ok_or_else(|| anyhow!("{file}: {name:?} is no kind of definition; known are {}", known()))?;
        let Value::Array(list) = list else {
            bail!("{file}: {name} is no list; write [[{name}]] before each of them");
        };
        for (n, it) in list.into_iter().enumerate() {
            let Value::Object(mut it) = it else { bail!("{file}: {name}[{n}] is no table") };
            if let Some(odd) = it.keys().find(|key| !["name", "owner", "spec"].contains(&key.as_str())) {
                bail!("{file}: {name}[{n}].{odd} is unknown; known are name, owner and spec");
            }
            it.insert("kind".to_owned(), kind.singular().into());
            items.push(Value::Object(it));
        }
    }
    Ok(items)
}

/// TOML as JSON: times are texts there.
fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(it) => it.into(),
        toml::Value::Datetime(at) => at.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(plain).collect(),
        toml::Value::Table(table) => {
            Value::Object(table.into_iter().map(|(name, it)| (name, plain(it))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_list_for_each_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let text = "[[schedules]]\nname = \"db\"\nowner = \"everybody\"\n[schedules.spec.schedule]\n\
                    zone = \"UTC\"\nlayers = [{ name = \"a\", turns.rotation = { first_handover = 2026-01-05T09:00:00, \
                    unit = \"weeks\", participants = [\"ann\"] } }]\n";
        std::fs::write(&path, text).unwrap();
        let items = read(path.to_str().unwrap()).unwrap();
        assert_eq!((items.len(), &items[0]["kind"]), (1, &json!("schedule")));
        let rotation = &items[0]["spec"]["schedule"]["layers"][0]["turns"]["rotation"];
        assert_eq!(rotation["first_handover"], "2026-01-05T09:00:00");
        let again = as_file(Kind::Schedules, &items[0]);
        std::fs::write(&path, again).unwrap();
        assert_eq!(read(path.to_str().unwrap()).unwrap(), items);
        for (text, why) in [
            ("[[pigeons]]\n", "\"pigeons\" is no kind of definition"),
            ("[policies]\n", "policies is no list"),
            ("[[policies]]\nsteps = []\n", "policies[0].steps is unknown"),
            ("{\"policies\": [1]}", "policies[0] is no table"),
            ("x = ", "is no TOML"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = format!("{:#}", read(path.to_str().unwrap()).unwrap_err());
            assert!(said.contains(why), "{said}");
        }
    }
}
