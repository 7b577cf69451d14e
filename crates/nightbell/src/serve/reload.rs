//! Reloading and rolling back: another configuration as a whole, or the old one and why.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use config::overrides::place_of;
use config::{Config, Format, Overrides, Source};
use flow::Hub;
use futures::future::BoxFuture;
use model::Rules;
use plugin_host::{Host, Unusable};
use plugin_protocol::calls::Complaint;
use server::jobs::{Beginning, Told, Work};
use server::{App, By, ConfigFormat, Configuring, NotOverridden, NotRolledBack, Overriding};
use store::rules::Applied;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::checks::Checks;
use super::in_force::{self, InForce, Standing, all_in_words, in_words, settings_of_plugins};
use super::{Wishes, history, wire};
use crate::log::Logging;
use crate::plugins::{self, Known};
use crate::settings::{self, Settings};

/// Configurations that this process has put in force and remembers with their secrets, to come back to.
const MAX_REMEMBERED: usize = 20;
/// How long a plugin that was just started is waited for before it is asked about settings.
const STARTING: Duration = Duration::from_secs(30);

/// How often is looked whether another node has overridden something.
const LOOK_AT_OTHERS: Duration = Duration::from_secs(1);

/// Puts configurations in force. Cheap to clone.
#[derive(Clone)]
pub struct Reloader(Arc<Inner>);

pub(super) struct Inner {
    pub(super) wishes: Wishes,
    pub(super) host: Host,
    in_force: Mutex<InForce>,
    pub(super) hub: Hub,
    /// What the server was started with: some of it holds until the next start.
    started_with: Config,
    checks: Checks,
    logging: Logging,
    pub(super) app: OnceLock<Weak<App>>,
    /// What was put in force by this process, by version. Only here are secrets that were written out.
    remembered: Mutex<BTreeMap<i64, Settings>>,
    /// One at a time.
    busy: tokio::sync::Mutex<()>,
    /// Who works on a plugin.
    pub(super) workshop: Arc<tokio::sync::Mutex<()>>,
    /// Ends what follows others, and work on plugins.
    pub(super) stop: CancellationToken,
    /// Where it is done: to the end, also when whoever asked for it has gone.
    pub(super) tasks: TaskTracker,
}

impl Reloader {
    /// For a hub that was started with these wishes.
    pub fn new(wishes: Wishes, host: Host, hub: Hub, in_force: InForce, logging: Logging) -> Self {
        let (app, busy) = (OnceLock::new(), tokio::sync::Mutex::default());
        let settings = &in_force.settings;
        let remembered = BTreeMap::from([(hub.core.live().version, settings.clone())]);
        let (started_with, remembered) = (settings.config.clone(), Mutex::new(remembered));
        let checks = Checks::new(host.clone(), hub.clone());
        checks.put_in_force(&settings.config.checks);
        let (in_force, tasks, stop) = (Mutex::new(in_force), TaskTracker::new(), CancellationToken::new());
        Reloader(Arc::new(Inner {
            wishes,
            host,
            in_force,
            hub,
            started_with,
            checks,
            logging,
            app,
            remembered,
            busy,
            workshop: Arc::default(),
            stop,
            tasks,
        }))
    }

    /// Names the server that shows what is in force.
    pub fn show_in(&self, app: &Arc<App>) {
        // it is named once, when the server is put together
        let _ = self.0.app.set(Arc::downgrade(app));
    }

    /// Has plugins look at what was put in force at the start.
    pub fn look_once_more(&self) {
        let reloader = self.clone();
        self.0.tasks.spawn(async move {
            reloader.0.look_once_more().await;
        });
    }

    /// Takes up what is overridden on other nodes of the same database, until it is stopped.
    pub fn follow_others(&self) {
        if self.0.hub.store.engine() != store::Engine::Postgres {
            return;
        }
        let (reloader, stop) = (self.clone(), self.0.stop.clone());
        self.0.tasks.spawn(async move {
            let mut ticks = tokio::time::interval(LOOK_AT_OTHERS);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut tried = 0;
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                reloader.look_at_others(&mut tried).await;
            }
        });
    }

    /// Loads everything if another node has overridden something. What cannot be used here is tried once.
    async fn look_at_others(&self, tried: &mut i64) {
        let _turn = self.0.busy.lock().await;
        // without a database there is nothing new either
        let Ok(newest) = self.0.hub.store.read(store::overrides::newest_version).await else { return };
        let is_back = self.0.hub.core.live().applied.rolled_back_to.is_some();
        if newest == self.0.in_force().standing.version || newest == *tried || is_back {
            return;
        }
        *tried = newest;
        match self.0.try_load(format!("another node's overrides, version {newest}")).await {
            Ok(()) => tracing::info!("overrides of another node are in force here, too: version {newest}"),
            Err(why) => {
                tracing::error!("overrides of another node, version {newest}, cannot be used here: {why}")
            }
        }
    }

    /// Makes no checks any more, and follows nobody.
    pub fn stop(&self) {
        self.0.stop.cancel();
        self.0.checks.stop();
    }

    /// Loads the files and puts them in force; the error says why the old configuration stays.
    pub async fn load_files(&self, by: String) -> Result<(), String> {
        let _turn = self.0.busy.lock().await;
        let result = self.0.try_load(by).await;
        if let Some(app) = self.0.app.get().and_then(Weak::upgrade) {
            app.note_reload(result.is_ok());
        }
        if let Err(why) = &result {
            tracing::error!("the configuration was not reloaded, the old one stays in force: {why}");
        }
        result
    }

    async fn change(&self, wanted: Overriding, by: By) -> Result<i64, NotOverridden> {
        let _turn = self.0.busy.lock().await;
        match wanted {
            Overriding::RemovePlugin(id) => self.0.try_remove(id, by).await,
            other => self.0.try_override(other, by).await,
        }
    }

    async fn go_back(&self, version: i64, by: String) -> Result<i64, NotRolledBack> {
        let _turn = self.0.busy.lock().await;
        let result = self.0.try_back(version, by).await;
        if let Err(NotRolledBack::Unusable(why)) = &result {
            tracing::error!("configuration {version} was not put in force, the old one stays: {why}");
        }
        result
    }
}

impl Configuring for Reloader {
    fn reload(&self, by: &str) -> BoxFuture<'static, Result<(), String>> {
        let (reloader, by) = (self.clone(), by.to_owned());
        let loading = self.0.tasks.spawn(async move { reloader.load_files(by).await });
        Box::pin(async move { loading.await.unwrap_or_else(|error| Err(error.to_string())) })
    }

    fn roll_back(&self, version: i64, by: &str) -> BoxFuture<'static, Result<i64, NotRolledBack>> {
        let (reloader, by) = (self.clone(), by.to_owned());
        let going = self.0.tasks.spawn(async move { reloader.go_back(version, by).await });
        Box::pin(async move {
            going.await.unwrap_or_else(|error| Err(NotRolledBack::Unusable(error.to_string())))
        })
    }

    fn override_settings(
        &self,
        wanted: Overriding,
        by: By,
    ) -> BoxFuture<'static, Result<i64, NotOverridden>> {
        let reloader = self.clone();
        let changing = self.0.tasks.spawn(async move { reloader.change(wanted, by).await });
        Box::pin(async move {
            changing.await.unwrap_or_else(|error| Err(NotOverridden::Unusable(error.to_string())))
        })
    }

    fn work_on_plugin(&self, id: &str, work: Work, told: Told) -> Result<Beginning, NotOverridden> {
        self.0.work_on_plugin(id, work, told)
    }

    fn rules_of(&self, text: &str, format: ConfigFormat) -> Result<Rules, Vec<String>> {
        let kinds = self.0.in_force().known.kinds.clone();
        settings::rules_of(text, format, &kinds)
    }
}

impl Inner {
    async fn try_load(&self, by: String) -> Result<(), String> {
        let standing = Standing::read(&self.hub.store).await.map_err(|error| error.to_string())?;
        let loaded =
            in_force::load(&self.wishes, &self.host, &standing.in_force(), Unusable::IsRefused).await;
        let (settings, known) = loaded.map_err(|why| why.in_words())?;
        let applied = Applied { config: settings.as_kept(), by, ..Applied::default() };
        let put = self.put_in_force(InForce { settings, known, standing }, applied).await;
        put.map_err(|wrong| all_in_words(&wrong))?;
        tracing::info!("the configuration was reloaded");
        Ok(())
    }

    async fn try_back(&self, version: i64, by: String) -> Result<i64, NotRolledBack> {
        let unusable = NotRolledBack::Unusable;
        if version == self.hub.core.live().version {
            return Err(unusable(format!("configuration {version} is in force already")));
        }
        let kept = self.hub.store.read(move |tx| store::rules::kept(tx, version)).await;
        let kept = kept.map_err(|error| unusable(error.to_string()))?.ok_or(NotRolledBack::Unknown)?;
        let text = kept.applied.config;
        if text.is_empty() {
            return Err(unusable(format!("of configuration {version} only the routing was kept")));
        }
        let source = Source { name: "history", text: &text, directory: Path::new(""), format: Format::Toml };
        let places = config::plugins_of(source, [], &Overrides::default());
        let known =
            plugins::learn(&self.host, places, self.wishes.data.as_deref(), Unusable::IsRefused).await;
        let known = known.map_err(|error| unusable(format!("{error:#}")))?;
        let remembered = self.remembered().get(&version).cloned();
        let settings = match remembered {
            Some(settings) => settings,
            None => {
                let (kinds, text) = (known.kinds.clone(), text.clone());
                let read = tokio::task::spawn_blocking(move || Settings::kept(version, &text, &kinds)).await;
                let read = read.map_err(|error| unusable(error.to_string()))?;
                let mut settings = read.map_err(|error| unusable(in_words(&error)))?;
                settings.config.database = self.started_with.database.clone();
                self.wishes.overrule(&mut settings);
                settings
            }
        };
        let applied =
            Applied { config: text, by: by.clone(), rolled_back_to: Some(version), ..Applied::default() };
        let standing = self.in_force().standing.clone();
        let standing = Standing { refused: Some(format!("configuration {version} runs")), ..standing };
        let in_force = InForce { settings, known, standing };
        let new = self.put_in_force(in_force, applied).await;
        let new = new.map_err(|wrong| unusable(all_in_words(&wrong)))?;
        let until = "what runs is not what the files say, until they are loaded again";
        tracing::warn!("{by} went back to configuration {version}, which is {new} now: {until}");
        Ok(new)
    }

    /// Replaces what is in force; gives the version that it has from then on.
    pub(super) async fn put_in_force(
        &self,
        mut new: InForce,
        mut applied: Applied,
    ) -> Result<i64, Vec<Complaint>> {
        self.look_at(&mut new).await?;
        let InForce { settings, known: Known { kinds, learned }, standing } = new.clone();
        applied.summary = history::summary(&self.hub.core.live().applied.config, &applied.config);
        // all that can fail comes before anything is replaced
        let mut live = wire::live(&settings, &kinds).map_err(whole)?;
        let mut exposed = wire::exposed(&settings, &kinds, &standing).map_err(whole)?;
        if let Some(version) = applied.rolled_back_to {
            let note = "It is not what the configuration files say, until they are loaded again.";
            exposed.config = format!("# Configuration {version} of the history. {note}\n{}", exposed.config);
        }
        live.applied = applied;
        live.subscribers = self.host.subscribers(&learned);
        let old = self.in_force().clone();
        let applied = self.host.apply(learned, &settings.config.plugins.settings).await;
        let applied = match applied {
            Ok(()) => self.hub.reload(live).await.map_err(|error| whole(error.into())),
            Err(why) => Err(why),
        };
        if let Err(why) = applied {
            // some plugins may have taken what is new already
            let back = self.host.apply(old.known.learned, &old.settings.config.plugins.settings).await;
            if let Err(worse) = back {
                tracing::error!("plugins do not take their old settings again: {}", all_in_words(&worse));
            }
            return Err(why);
        }
        if let Some(app) = self.app.get().and_then(Weak::upgrade) {
            app.expose(exposed);
            app.know(kinds);
        }
        self.checks.put_in_force(&settings.config.checks);
        *self.in_force() = new;
        if let Err(error) = self.logging.set(&settings.config.log) {
            tracing::warn!("{error:#}");
        }
        self.tell(&settings);
        let version = self.hub.core.live().version;
        let mut remembered = self.remembered();
        remembered.insert(version, settings);
        while remembered.len() > MAX_REMEMBERED {
            remembered.pop_first();
        }
        Ok(version)
    }

    /// Where plugins are.
    pub(super) fn plugins_folder(&self, configured: Option<&Path>) -> PathBuf {
        let data = self.wishes.data.as_ref().unwrap_or(&self.started_with.database.data_dir);
        configured.map_or_else(|| data.join("plugins"), Path::to_owned)
    }

    /// Asks plugins about the settings of their destinations, which they may write in a better way.
    async fn look_at(&self, new: &mut InForce) -> Result<(), Vec<Complaint>> {
        let asked = settings_of_plugins(&new.settings, |_| true);
        let looked = self.host.look_at("destination", &new.known.learned, asked).await;
        if !looked.wrong.is_empty() {
            return Err(looked.wrong);
        }
        let receivers = new.settings.rules.receivers.values_mut();
        for place in receivers.flat_map(|receiver| &mut receiver.destinations) {
            let path = place_of("receivers", &place.id);
            if let Some((_, cleaned)) = looked.cleaned.iter().find(|(at, _)| *at == path) {
                place.settings = cleaned.clone();
            }
        }
        Ok(())
    }

    /// Asks about what was put in force at the start, once its plugins run. It is too late to refuse anything.
    async fn look_once_more(&self) {
        let mut now = self.in_force().clone();
        for id in now.known.learned.ids() {
            if let Some(plugin) = self.host.plugin(id) {
                // one that does not start has nothing to say
                let _ = plugin.ready(STARTING).await;
            }
        }
        for wrong in self.look_at(&mut now).await.err().into_iter().flatten() {
            tracing::warn!("{wrong}; it is in force all the same");
        }
    }

    pub(super) fn in_force(&self) -> std::sync::MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, BTreeMap<i64, Settings>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, settings: &Settings) {
        for warning in settings.warnings() {
            tracing::warn!("{warning}");
        }
        let waiting = wire::changed_sections(&self.started_with, &settings.config);
        if !waiting.is_empty() {
            tracing::warn!("changes of {} hold from the next start on", waiting.join(", "));
        }
    }
}

fn whole(error: anyhow::Error) -> Vec<Complaint> {
    vec![Complaint { path: String::new(), message: format!("{error:#}") }]
}
