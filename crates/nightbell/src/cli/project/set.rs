//! `nightbell project set`: what a project goes by.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::path;
use crate::cli::Hub;
use crate::output::{Output, field};

/// Change what a project goes by; what is not given stays as it is
#[derive(clap::Args)]
#[command(
    after_help = "An option that may be given more than once replaces the whole list; none empties it."
)]
pub struct Set {
    /// Which one, by slug or number
    project: String,
    /// What it is called
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,
    /// What it is written in or runs on
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// The team whose it is, by name or id; none: nobody's in particular
    #[arg(long, value_name = "TEAM")]
    team: Option<String>,
    /// A page of which browsers may report, such as https://shop.example or *.shop.example; none: any
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// A file with rules of grouping, one a line; - is standard input
    #[arg(long, value_name = "FILE")]
    grouping: Option<String>,
    /// Days without an error after which an issue is over by itself; 0: none is
    #[arg(long, value_name = "DAYS")]
    resolve_after_days: Option<u32>,
    #[command(flatten)]
    keep: Keep,
    #[command(flatten)]
    scrub: Scrub,
}

#[derive(clap::Args)]
#[command(next_help_heading = "How much is kept")]
struct Keep {
    /// Errors older than so many days go
    #[arg(long, value_name = "N")]
    keep_days: Option<u32>,
    /// Errors at the most
    #[arg(long, value_name = "N")]
    keep_events: Option<i64>,
    /// Bytes of errors at the most, as they are kept
    #[arg(long, value_name = "N")]
    keep_bytes: Option<i64>,
    /// Issues at the most
    #[arg(long, value_name = "N")]
    keep_issues: Option<i64>,
}

#[derive(clap::Args)]
#[command(next_help_heading = "What is taken out before anything is kept")]
struct Scrub {
    /// Whether anything is
    #[arg(long, value_name = "BOOL")]
    scrub: Option<bool>,
    /// A field whose values go, beside those that are known
    #[arg(long = "scrub-field", value_name = "NAME")]
    fields: Vec<String>,
    /// A field that stays whatever is in it, but for passwords, cookies and authorisations
    #[arg(long = "safe-field", value_name = "NAME")]
    safe_fields: Vec<String>,
    /// A field that stays even though it is a password, a cookie or an authorisation
    #[arg(long = "keep-secret", value_name = "NAME")]
    keep_secrets: Vec<String>,
    /// A regular expression: what it finds goes, wherever it stands
    #[arg(long = "scrub-pattern", value_name = "REGEX")]
    patterns: Vec<String>,
    /// What does not go by its looks: card, email, iban, private_key, ssn, token, url_password
    #[arg(long = "safe-pattern", value_name = "NAME")]
    safe_patterns: Vec<String>,
    /// Whether addresses of users go, too
    #[arg(long, value_name = "BOOL")]
    scrub_addresses: Option<bool>,
}

/// A list as it is given: nothing when it is not, and empty by `none`.
fn list(given: Vec<String>) -> Option<Value> {
    match given.as_slice() {
        [] => None,
        [none] if none == "none" => Some(json!([])),
        _ => Some(json!(given)),
    }
}

/// What is given, under its names.
fn named<const N: usize>(all: [(&str, Option<Value>); N]) -> Map<String, Value> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

impl Set {
    pub async fn run(self, hub: &Hub, output: Output) -> Result<()> {
        let Set { project, slug, platform, team, origins, grouping, resolve_after_days, keep, scrub } = self;
        let team = team.map(|team| if team == "none" { String::new() } else { team });
        let grouping = grouping.as_deref().map(text_of).transpose()?;
        let mut change = named([
            ("slug", slug.map(Value::from)),
            ("platform", platform.map(Value::from)),
            ("team", team.map(Value::from)),
            ("allowed_origins", list(origins)),
            ("grouping", grouping.map(Value::from)),
            ("resolve_after_days", resolve_after_days.map(Value::from)),
        ]);
        // what is kept and what is taken out are each changed as a whole
        for (name, given) in [("keep", keep.given()), ("scrub", scrub.given())] {
            if !given.is_empty() {
                let now = hub.get(&path(&project), &[]).await?;
                let mut whole = now[name].as_object().cloned().unwrap_or_default();
                whole.extend(given);
                change.insert(name.to_owned(), whole.into());
            }
        }
        if change.is_empty() {
            bail!("nothing is to be changed: give an option, such as --keep-days 30");
        }
        let answer = hub.patch(&path(&project), &Value::Object(change)).await?;
        output.answer(&answer, || format!("{} is changed", field(&answer, "slug")))
    }
}

fn text_of(file: &str) -> Result<String> {
    match file {
        "-" => std::io::read_to_string(std::io::stdin()).context("reading standard input"),
        file => std::fs::read_to_string(file).with_context(|| format!("reading {file}")),
    }
}

impl Keep {
    fn given(self) -> Map<String, Value> {
        named([
            ("days", self.keep_days.map(Value::from)),
            ("events", self.keep_events.map(Value::from)),
            ("bytes", self.keep_bytes.map(Value::from)),
            ("issues", self.keep_issues.map(Value::from)),
        ])
    }
}

impl Scrub {
    fn given(self) -> Map<String, Value> {
        named([
            ("enabled", self.scrub.map(Value::from)),
            ("fields", list(self.fields)),
            ("safe_fields", list(self.safe_fields)),
            ("keep_secrets", list(self.keep_secrets)),
            ("patterns", list(self.patterns)),
            ("safe_patterns", list(self.safe_patterns)),
            ("addresses", self.scrub_addresses.map(Value::from)),
        ])
    }
}
