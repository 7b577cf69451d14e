//! Reloading: a new configuration as a whole, or the old one and why.

use std::sync::{Arc, OnceLock, Weak};

use config::{Config, ConfigError};
use flow::Hub;
use sdk::Registry;
use server::{App, Reload};

use super::{Wishes, wire};
use crate::log::Logging;
use crate::settings::Settings;

/// Loads the configuration again and puts it in force.
pub struct Reloader {
    wishes: Wishes,
    kinds: Arc<Registry>,
    hub: Hub,
    /// What the server was started with: some of it holds until the next start.
    started_with: Config,
    logging: Logging,
    app: OnceLock<Weak<App>>,
    /// One at a time.
    busy: tokio::sync::Mutex<()>,
}

impl Reloader {
    /// For a hub that was started with these wishes.
    pub fn new(
        wishes: Wishes,
        kinds: Arc<Registry>,
        hub: Hub,
        started_with: Config,
        logging: Logging,
    ) -> Self {
        let (app, busy) = (OnceLock::new(), tokio::sync::Mutex::default());
        Reloader { wishes, kinds, hub, started_with, logging, app, busy }
    }

    /// Names the server that shows what is in force.
    pub fn show_in(&self, app: &Arc<App>) {
        // it is named once, when the server is put together
        let _ = self.app.set(Arc::downgrade(app));
    }

    /// As what the server calls.
    pub fn as_function(self: Arc<Self>) -> Reload {
        Arc::new(move || {
            let reloader = self.clone();
            Box::pin(async move { reloader.reload().await })
        })
    }

    /// Loads and puts in force; the error says why the old configuration stays.
    pub async fn reload(&self) -> Result<(), String> {
        let _turn = self.busy.lock().await;
        let result = self.try_reload().await;
        if let Some(app) = self.app.get().and_then(Weak::upgrade) {
            app.note_reload(result.is_ok());
        }
        if let Err(why) = &result {
            tracing::error!("the configuration was not reloaded, the old one stays in force: {why}");
        }
        result
    }

    async fn try_reload(&self) -> Result<(), String> {
        let (files, kinds) = (self.wishes.files.clone(), self.kinds.clone());
        let loaded = tokio::task::spawn_blocking(move || files.load(&kinds)).await;
        let mut settings = loaded.map_err(|error| error.to_string())?.map_err(|error| in_words(&error))?;
        self.wishes.overrule(&mut settings.config);
        // all that can fail comes before anything is replaced
        let live = wire::live(&settings, &self.kinds).map_err(|error| format!("{error:#}"))?;
        let exposed = wire::exposed(&settings, &self.kinds).map_err(|error| format!("{error:#}"))?;
        self.hub.reload(live).await.map_err(|error| error.to_string())?;
        if let Some(app) = self.app.get().and_then(Weak::upgrade) {
            app.expose(exposed);
        }
        if let Err(error) = self.logging.set(&settings.config.log) {
            tracing::warn!("{error:#}");
        }
        self.tell(&settings);
        Ok(())
    }

    fn tell(&self, settings: &Settings) {
        for warning in settings.warnings() {
            tracing::warn!("{warning}");
        }
        let waiting = wire::changed_sections(&self.started_with, &settings.config);
        if !waiting.is_empty() {
            tracing::warn!("changes of {} hold from the next start on", waiting.join(", "));
        }
        tracing::info!("the configuration was reloaded");
    }
}

/// With the cause behind it, where that is not told yet.
fn in_words(error: &ConfigError) -> String {
    match error {
        ConfigError::Read { source, .. } => format!("{error}: {source}"),
        other => other.to_string(),
    }
}
