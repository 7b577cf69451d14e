//! How plugins are, as others see them.

use std::sync::Arc;

use plugin_protocol::manifest::Runtime;
use plugin_protocol::provides::Route;
use serde::Serialize;

use super::{Host, lock};
use crate::plugin::{Plugin, State};

/// Lines of log in a status.
const STATUS_LINES: usize = 50;

/// A plugin as others see it.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// What it is called.
    pub id: String,
    /// Its own version.
    pub version: String,
    /// Where it was found.
    pub place: String,
    /// What runs it.
    pub runtime: Runtime,
    /// How it is.
    #[serde(flatten)]
    pub state: State,
    /// What it says is not well with it, although it takes work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub degraded: Option<String>,
    /// The number of its process, if it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How often it was started.
    pub starts: u64,
    /// How many milliseconds its last start took until it was ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_after_ms: Option<u64>,
    /// What it is made with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sdk: String,
    /// Its kinds of destinations.
    pub destinations: Vec<String>,
    /// Where it answers over HTTP.
    pub routes: Vec<Route>,
}

impl Host {
    /// How each plugin is, by id.
    pub fn list(&self) -> Vec<Status> {
        let known = lock(&self.0.known).clone();
        let plugins: Vec<_> = lock(&self.0.plugins).values().cloned().collect();
        let status = |plugin: Arc<Plugin>| {
            let (spec, running) = (plugin.spec(), plugin.running());
            let provides = known.get(&plugin.id).map(|known| known.provides.clone()).unwrap_or_default();
            Status {
                id: plugin.id.clone(),
                version: spec.found.manifest.plugin.version.clone(),
                place: spec.found.place.display().to_string(),
                runtime: spec.found.manifest.run.runtime,
                state: plugin.state(),
                degraded: plugin.ails(),
                pid: running.as_ref().and_then(|it| it.pid),
                starts: plugin.starts(),
                ready_after_ms: running.as_ref().map(|it| it.took.as_millis() as u64),
                sdk: running.as_ref().map(|it| it.hello.sdk.clone()).unwrap_or_default(),
                destinations: provides.destinations.iter().map(|it| it.kind.clone()).collect(),
                routes: running.map(|it| it.routes.clone()).unwrap_or_default(),
            }
        };
        plugins.into_iter().map(status).collect()
    }

    /// The last lines of a plugin's log.
    pub fn log(&self, id: &str) -> Option<Vec<String>> {
        Some(self.plugin(id)?.journal.last(STATUS_LINES))
    }
}
