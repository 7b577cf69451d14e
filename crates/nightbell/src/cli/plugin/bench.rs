//! `nightbell plugin check` and `test`: a plugin on the bench, without a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use model::{Severity, Time};
use plugin_host::conformance::{self, Report};
use plugin_host::folder::{self, Found};
use plugin_host::{Host, Wanted};
use sdk::http::{Guard, Http};
use sdk::registry::Ready;
use sdk::{Answer, Context, Inbox, Message, MessageKind, Registry, sample};
use serde_json::{Value, json};

use super::install::Data;
use crate::cli::Told;
use crate::output::Output;
use crate::{plugins, words};

/// How long one message may take.
const SEND_TIME: Duration = Duration::from_secs(15);
/// Lines of its log that are shown at the most.
const LOG_LINES: usize = 200;
/// How long everything may take to end.
pub const END_TIME: Duration = Duration::from_secs(15);

/// A plugin with a host of its own, and a folder for what it keeps that is gone afterwards.
pub struct Bench {
    pub host: Host,
    found: Found,
    registry: Registry,
    data: tempfile::TempDir,
    identity: String,
}

/// Looks whether a plugin keeps the contract.
pub async fn check(folder: &Path, environments: &Data, output: Output) -> Result<()> {
    let data = tempfile::tempdir().context("making a folder")?;
    let found = found_at(folder)?;
    let host = plugins::bare_host(data.path(), &environments.environments())?;
    let report = conformance::look(&host, &found).await;
    host.stop(END_TIME).await;
    let answer = json!({
        "plugin": found.id(),
        "good": report.is_good(),
        "findings": report.findings,
        "remarks": report.remarks,
        "provides": report.provides,
        "log": report.log,
    });
    output.answer(&answer, || as_text(&found, &report))?;
    if report.is_good() { Ok(()) } else { Err(Told.into()) }
}

fn as_text(found: &Found, report: &Report) -> String {
    let mut lines = vec![format!("{} {}", found.id(), found.manifest.plugin.version)];
    for finding in &report.findings {
        match &finding.wrong {
            None => lines.push(format!("  ok    {}", finding.rule)),
            Some(why) => lines.push(format!("  WRONG {}: {why}", finding.rule)),
        }
    }
    lines.extend(report.remarks.iter().map(|remark| format!("  note  {remark}")));
    for kind in &report.provides.destinations {
        lines.push(format!("  provides the kind {:?}: {}", kind.kind, kind.title));
    }
    if !report.is_good() && !report.log.is_empty() {
        lines.push("  the last that it said:".to_owned());
        lines.extend(report.log.iter().map(|line| format!("    {line}")));
    }
    lines.push(match report.is_good() {
        true => "the plugin keeps the contract".to_owned(),
        false => "the plugin does not keep the contract".to_owned(),
    });
    lines.join("\n")
}

pub fn found_at(path: &Path) -> Result<Found> {
    let path = std::path::absolute(path).with_context(|| path.display().to_string())?;
    if path.is_dir() {
        return folder::read(&path).map_err(|bad| anyhow!("{bad}"));
    }
    let parent = path.parent().unwrap_or(Path::new("/"));
    let discovery = folder::discover(parent);
    let found = discovery.found.into_values().find(|found| found.place == path);
    let bad = discovery.bad.into_iter().find(|bad| bad.place == path);
    found.ok_or_else(|| match bad {
        Some(bad) => anyhow!("{bad}"),
        None => anyhow!("{}: is neither a folder with a plugin.toml nor a file of Python", path.display()),
    })
}

/// Send each sort of message with a plugin, really, and tell what came of it
#[derive(clap::Args)]
pub struct Test {
    /// Its folder, or its file
    folder: PathBuf,
    #[command(flatten)]
    data: Data,
    /// Which of its kinds; the first, if not given
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// A setting of the destination, such as room=alerts; JSON where it is no text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = words::setting)]
    set: Vec<(String, Value)>,
    /// A setting of the plugin
    #[arg(long = "plugin-set", value_name = "NAME=VALUE", value_parser = words::setting)]
    plugin_set: Vec<(String, Value)>,
    /// Show what the host and a plugin that is a process say to each other, too, such as what it fetches
    #[arg(long)]
    wire: bool,
}

impl Test {
    pub async fn run(self, output: Output) -> Result<()> {
        let bench = Bench::of(&self.folder, &self.data, &words::table(&self.plugin_set)).await?;
        let plugin = bench.host.plugin(bench.found.id()).context("it does not run")?;
        if self.wire {
            plugin.journal.show_wire();
        }
        let result = bench.send_all(self.kind.as_deref(), words::table(&self.set)).await;
        bench.host.stop(END_TIME).await;
        let (told, log) = (result?, plugin.journal.last(LOG_LINES));
        let good = told
            .iter()
            .all(|(_, answer)| matches!(answer.outcome, model::delivery::Outcome::Delivered { .. }));
        let items: Vec<Value> = told.iter().map(|(name, answer)| as_json(name, answer)).collect();
        output.answer(&json!({ "items": items, "log": log }), || {
            let mut lines: Vec<String> = told.iter().map(|(name, answer)| as_line(name, answer)).collect();
            lines.extend(log.iter().map(|line| format!("  | {line}")));
            lines.join("\n")
        })?;
        drop(bench.data);
        if good { Ok(()) } else { Err(Told.into()) }
    }
}

fn as_json(name: &str, answer: &Answer) -> Value {
    json!({ "message": name, "outcome": answer.outcome, "status": answer.status, "text": answer.text })
}

pub fn as_line(name: &str, answer: &Answer) -> String {
    use model::delivery::Outcome;
    let what = match &answer.outcome {
        Outcome::Delivered { receipt } if receipt.is_empty() => "delivered".to_owned(),
        Outcome::Delivered { receipt } | Outcome::Accepted { receipt, .. } => format!("delivered: {receipt}"),
        Outcome::Retry { reason, .. } => format!("TO BE TRIED AGAIN: {reason}"),
        Outcome::Rejected { reason } => format!("REFUSED: {reason}"),
    };
    let text = if answer.text.is_empty() { String::new() } else { format!("\n  {}", answer.text) };
    format!("{name:<14} {what}{text}")
}

impl Bench {
    pub async fn of(folder: &Path, environments: &Data, settings: &Value) -> Result<Self> {
        let data = tempfile::tempdir().context("making a folder")?;
        let found = found_at(folder)?;
        let host = plugins::bare_host(data.path(), &environments.environments())?;
        let (registry, identity) = (Registry::default(), String::new());
        let mut bench = Bench { host, found: found.clone(), registry, data, identity };
        bench.take(found, settings).await?;
        Ok(bench)
    }

    /// Runs the plugin as it is now; says whether its files are others than before.
    pub async fn take(&mut self, found: Found, settings: &Value) -> Result<bool> {
        let identity = plugin_host::identity(&found, &self.host.environment(found.id()));
        if identity == self.identity {
            return Ok(false);
        }
        // whatever comes of it, it is tried again only when something has changed
        self.identity = identity;
        let lines = |bad: Vec<folder::BadPlugin>| {
            anyhow!("{}", bad.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        };
        let around = match found.is_bare() {
            true => found.folder.clone(),
            false => found.folder.parent().unwrap_or(Path::new("/")).to_owned(),
        };
        let wanted = Wanted { folder: around, active: vec![found.id().to_owned()], ..Wanted::default() };
        let learned = self.host.learn(&wanted).await.map_err(lines)?;
        let mut registry = Registry::default();
        self.host.register(&learned, &mut registry).map_err(lines)?;
        let all = BTreeMap::from([(found.id().to_owned(), settings.clone())]);
        let before = self.host.plugin(found.id()).map_or(0, |plugin| plugin.starts());
        let applied = self.host.apply(learned, &all).await;
        applied.map_err(|all| {
            anyhow!("{}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        if let Some(plugin) = self.host.plugin(found.id()) {
            // the one that ran before may still be ending, and is not the one that is meant from here on
            let mut states = plugin.states();
            let another = states.wait_for(|_| plugin.starts() > before);
            // one that does not come says why in its log
            let _ = tokio::time::timeout(END_TIME * 2, another).await;
        }
        (self.found, self.registry) = (found, registry);
        Ok(true)
    }

    async fn send_all(&self, kind: Option<&str>, settings: Value) -> Result<Vec<(&'static str, Answer)>> {
        let (place, context) = self.place(kind, settings)?;
        let mut told = Vec::new();
        for (name, message) in sample::all("bench", context.now) {
            told.push((name, place.send(&context, &message).await));
        }
        Ok(told)
    }

    /// Sends a test message only.
    pub async fn send_test(&self, kind: Option<&str>, settings: Value) -> Result<Answer> {
        let (place, context) = self.place(kind, settings)?;
        let title = sample::test_title(&context.destination);
        let message =
            sample::message(MessageKind::Test, &title, Severity::Info, "bench-test", "bench", context.now);
        Ok(place.send(&context, &message).await)
    }

    fn place(&self, kind: Option<&str>, settings: Value) -> Result<(Arc<dyn Ready>, Context)> {
        let kinds: Vec<&str> = self.registry.destinations().map(|(facts, _)| facts.kind).collect();
        let kind = match (kind, kinds.first()) {
            (Some(kind), _) => kind,
            (None, Some(first)) => first,
            (None, None) => bail!("the plugin {} has no kind of destination", self.found.id()),
        };
        let place = self.registry.ready(kind, settings).map_err(|error| anyhow!("{kind}: {error}"))?;
        let http = Http::new(Guard { allow_private: true, allow: Vec::new() });
        let context = Context {
            http: http.map_err(|error| anyhow!("setting up HTTP: {error}"))?,
            inbox: Arc::new(NoInbox),
            now: words::now(),
            timeout: SEND_TIME,
            destination: format!("bench/{kind}/0"),
            people: Arc::default(),
        };
        Ok((place, context))
    }
}

struct NoInbox;

impl Inbox for NoInbox {
    fn keep(&self, _: &str, _: &Message, _: Time) -> futures::future::BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Err("there is no inbox on the bench".to_owned()) })
    }
}
