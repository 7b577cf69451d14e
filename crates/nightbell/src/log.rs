//! The log, to standard error: for people, or one JSON object a line. Its level can change while it runs.

use std::io::IsTerminal;

use anyhow::{Context, Result, anyhow};
use config::{Log, LogFormat};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// What overrides the configured level, for the one start in which something is looked for.
const OVERRIDE: &str = "NIGHTBELL_LOG";

/// The running log.
pub struct Logging {
    filter: Handle<EnvFilter, Registry>,
}

/// Starts the log. Panics go there, too: a task that ends by one takes nobody else with it.
pub fn start(log: &Log) -> Result<Logging> {
    let (filter, handle) = reload::Layer::new(filter(log)?);
    let lines = match log.format {
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed(),
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            fmt::layer().with_ansi(colours).with_target(false).with_writer(std::io::stderr).boxed()
        }
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init().context("starting the log")?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let words = panic.payload();
        let said =
            words.downcast_ref::<&str>().copied().or(words.downcast_ref::<String>().map(String::as_str));
        let said = said.unwrap_or("without words");
        tracing::error!(place, "a task panicked: {said}");
    }));
    Ok(Logging { filter: handle })
}

impl Logging {
    /// Changes the level.
    pub fn set(&self, log: &Log) -> Result<()> {
        self.filter.reload(filter(log)?).context("changing the level of the log")
    }
}

fn filter(log: &Log) -> Result<EnvFilter> {
    let level = std::env::var(OVERRIDE).ok().filter(|level| !level.is_empty());
    let level = level.as_deref().unwrap_or(&log.level);
    EnvFilter::try_new(level).map_err(|error| anyhow!("{level:?} is not a level for the log: {error}"))
}
