//! `nightbell plugin settings`.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

use crate::cli::Server;
use crate::output::{Output, field};
use crate::words;

/// Where they are kept.
const PATH: &str = "/api/v1/plugin-settings";

/// Show what a project, a service or a person has set for a plugin of a server, or change it
#[derive(clap::Args)]
pub struct Settings {
    /// The plugin's id
    id: String,
    /// What to set, such as room=#ops or slack.room=#ops; JSON where it is no text, null to set it no more
    #[arg(value_name = "NAME=VALUE", value_parser = words::setting)]
    options: Vec<(String, Value)>,
    /// For this project or service; without it, for a person
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Whose they are: a user (you, if not given), or for a project its team as team:NAME, or everybody
    #[arg(long, value_name = "OWNER")]
    owner: Option<String>,
    /// Set nothing any more
    #[arg(long, conflicts_with = "options")]
    forget: bool,
}

impl Settings {
    pub async fn run(self, server: Server, output: Output) -> Result<()> {
        let client = server.client()?;
        let name = match &self.project {
            Some(project) => format!("{}/{project}", self.id),
            None => self.id.clone(),
        };
        let query: Vec<_> = self.owner.iter().map(|owner| ("owner", owner.clone())).collect();
        let all = client.get(PATH, &query).await?;
        let mut known =
            all["items"].as_array().into_iter().flatten().filter(|it| it["name"] == name.as_str());
        let (before, other) = (known.next(), known.next());
        if let (Some(_), Some(_)) = (before, other) {
            bail!("several people have settings of {name}: say whose are meant by --owner");
        }
        let path = before.map(|it| format!("{PATH}/{}", words::in_path(&field(it, "id"))));
        let answer = match (path, self.options.is_empty()) {
            (Some(path), true) if self.forget => client.delete(&path, &[]).await?,
            (Some(path), false) => {
                let mut settings = before.map(|it| it["spec"]["settings"].clone()).unwrap_or_default();
                lay_over(&mut settings, &words::table(&self.options));
                client.patch(&path, &json!({ "spec": { "settings": settings } })).await?
            }
            (None, false) => {
                let mut settings = json!({});
                lay_over(&mut settings, &words::table(&self.options));
                let mut body = json!({ "name": name, "spec": { "settings": settings } });
                if let Some(owner) = &self.owner {
                    body["owner"] = owner.as_str().into();
                }
                client.post(PATH, &body).await?
            }
            (_, true) => {
                before.cloned().unwrap_or_else(|| json!({ "name": name, "spec": { "settings": {} } }))
            }
        };
        output.answer(&answer, || match (self.forget, answer["spec"]["settings"].as_object()) {
            (true, _) => format!("nothing is set for {name} any more"),
            (false, Some(all)) if !all.is_empty() => lines("", all).join("\n"),
            _ => format!("nothing is set for {name}"),
        })
    }
}

/// Puts options over others; null takes one away.
fn lay_over(at: &mut Value, over: &Value) {
    match (at, over) {
        (Value::Object(at), Value::Object(over)) => {
            for (name, value) in over {
                match value {
                    Value::Null => drop(at.remove(name)),
                    value => lay_over(at.entry(name.as_str()).or_insert_with(|| json!({})), value),
                }
            }
        }
        (at, over) => *at = over.clone(),
    }
}

fn lines(within: &str, all: &Map<String, Value>) -> Vec<String> {
    let line = |(name, value): (&String, &Value)| match value {
        Value::Object(fields) => lines(&format!("{within}{name}."), fields),
        value => vec![format!("{within}{name} = {value}")],
    };
    all.iter().flat_map(line).collect()
}
