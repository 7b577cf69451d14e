//! What is in force: files and what was overridden, read together.

use config::overrides::place_of;
use config::{ConfigError, Invalid, Level, Overrides};
use plugin_host::asking::Settings as PluginSettings;
use plugin_host::{Host, Unusable};
use plugin_protocol::calls::Complaint;
use server::error::Wrong;
use store::overrides::Version;
use store::{Store, StoreError};

use super::Wishes;
use crate::plugins::{self, Known};
use crate::settings::Settings;

/// What is in force.
#[derive(Clone)]
pub struct InForce {
    /// The configuration.
    pub settings: Settings,
    /// The kinds and plugins that it is of.
    pub known: Known,
    /// What was laid over the files.
    pub standing: Standing,
}

/// The overrides that are kept, and whether they are in force.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Their version; 0: there never were any.
    pub version: i64,
    /// All of them.
    pub all: Overrides,
    /// Why they are not in force.
    pub refused: Option<String>,
}

impl Standing {
    /// Reads what is kept.
    ///
    /// # Errors
    /// When the database is gone.
    pub async fn read(store: &Store) -> Result<Self, StoreError> {
        let kept = store.read(store::overrides::newest).await?;
        let Some(Version { version, document, .. }) = kept else { return Ok(Standing::default()) };
        let all = document.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        Ok(match all {
            Ok(all) => Standing { version, all, refused: None },
            Err(error) => {
                let why = format!("overrides of version {version} cannot be read: {error}");
                Standing { version, all: Overrides::default(), refused: Some(why) }
            }
        })
    }

    /// Those that are in force.
    pub fn in_force(&self) -> Overrides {
        if self.refused.is_some() { Overrides::default() } else { self.all.clone() }
    }
}

/// Why a configuration was not to be had.
pub enum NotLoaded {
    /// Something about plugins, in words.
    Plugins(String),
    /// Something about the files, or what is laid over them.
    Config(ConfigError),
}

impl NotLoaded {
    pub fn in_words(&self) -> String {
        match self {
            NotLoaded::Plugins(why) => why.clone(),
            NotLoaded::Config(error) => in_words(error),
        }
    }

    /// Each thing that is wrong, and where.
    pub fn all(self) -> Vec<Wrong> {
        match self {
            NotLoaded::Config(ConfigError::Invalid(Invalid(problems))) => {
                let errors = problems.into_iter().filter(|problem| problem.level == Level::Error);
                errors.map(|problem| Wrong::new(problem.path, problem.message)).collect()
            }
            other => vec![Wrong::new("", other.in_words())],
        }
    }
}

/// The configuration that files and overrides make together.
pub async fn load(
    wishes: &Wishes,
    host: &Host,
    overrides: &Overrides,
    unusable: Unusable,
) -> Result<(Settings, Known), NotLoaded> {
    let places = wishes.files.plugins(overrides);
    let known = plugins::learn(host, places, wishes.data.as_deref(), unusable).await;
    let known = known.map_err(|error| NotLoaded::Plugins(format!("{error:#}")))?;
    let (files, kinds, overrides) = (wishes.files.clone(), known.kinds.clone(), overrides.clone());
    let loaded = tokio::task::spawn_blocking(move || files.load_overridden(&overrides, &kinds)).await;
    let loaded = loaded.map_err(|error| NotLoaded::Plugins(error.to_string()))?;
    let mut settings = loaded.map_err(NotLoaded::Config)?;
    wishes.overrule(&mut settings);
    Ok((settings, known))
}

/// With the cause behind it, where that is not told yet.
pub fn in_words(error: &ConfigError) -> String {
    match error {
        ConfigError::Read { source, .. } => format!("{error}: {source}"),
        other => other.to_string(),
    }
}

/// The settings of destinations that are plugins' to look at, as far as they are wanted by their ids.
pub fn settings_of_plugins(settings: &Settings, wanted: impl Fn(&str) -> bool) -> Vec<PluginSettings> {
    let mut all = Vec::new();
    for receiver in settings.rules.receivers.values() {
        for place in receiver.destinations.iter().filter(|place| wanted(&place.id)) {
            let others = receiver.destinations.iter();
            let others = others.filter(|other| other.kind == place.kind && other.id != place.id);
            all.push(PluginSettings {
                path: place_of("receivers", &place.id),
                kind: place.kind.clone(),
                value: place.settings.clone(),
                others: others.map(|other| other.settings.clone()).collect(),
            });
        }
    }
    all
}

/// A line for each thing that is wrong.
pub fn all_in_words(wrong: &[Complaint]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
