//! The plugins of a server or of a command. They are found before the configuration is read as a whole, since what it
//! may
//! say depends on what they provide.

mod components;

#[cfg(feature = "wasm")]
pub use components::COMPILE_COMPONENT;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::config::{Format, Overrides, PluginPlaces, Plugins, Source};
use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};
use plugin_host::host::Learned;
use plugin_host::{Host, Places, Unusable, Wanted};
use sdk::Registry;

use crate::settings::Files;

/// The Python package that plugins are written with, and that runs those of other systems.
static PYTHON_PACKAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../plugins/python/nightbell_plugin");
/// Its name.
const PACKAGE: &str = "nightbell_plugin";
/// What of it is needed to run.
const NEEDED: [&str; 3] = ["py", "typed", "html"];

/// What there is to be known of kinds: those that are built in, and those of plugins.
#[derive(Clone)]
pub struct Known {
    /// All kinds.
    pub kinds: Arc<Registry>,
    /// The plugins that they are of, which do not run yet.
    pub learned: Learned,
}

/// The folder that plugins keep what they keep in, below their home.
fn states(data: &Path) -> PathBuf {
    data.join("plugin-state")
}

/// A host for the plugins that these files name. `data` overrules the folder that they name.
///
/// # Errors
/// When the folders that plugins need cannot be made.
pub fn host(files: &Files, data: Option<&Path>) -> Result<Host> {
    let PluginPlaces { plugins, data_dir } = files.plugins(&Overrides::default());
    let data = absolute(data.unwrap_or(&data_dir))?;
    let home = plugins.home.as_deref().map(absolute).transpose()?.unwrap_or_else(|| data.clone());
    let places = Places {
        states: states(&home),
        environments: environments(&home),
        sdk: home.join("plugin-sdk"),
        python: plugins.python.into(),
        environment: std::env::vars_os().collect(),
        require_isolation: plugins.require_isolation,
        ..Places::default()
    };
    let engine = components::engine(&data, &places);
    Ok(Host::with_engine(places, engine))
}

/// The folder with the Python package, below that of the database; it is put there.
///
/// # Errors
/// When that fails.
pub fn sdk(data: &Path) -> Result<PathBuf> {
    let folder = absolute(data)?.join("plugin-sdk");
    unpack(&folder)?;
    Ok(folder)
}

/// Puts the Python package where the plugins of a host find it.
///
/// # Errors
/// When that fails.
pub fn provide(host: &Host) -> Result<()> {
    unpack(host.sdk())
}

/// Where the environments of Python are that belong to the plugins which live in a folder.
pub fn environments(home: &Path) -> PathBuf {
    home.join("plugin-env")
}

/// A host for one plugin on the bench, which keeps what it keeps in `data`, but has its environment of Python where it
/// was installed.
///
/// # Errors
/// When the folders that it needs cannot be made.
pub fn bare_host(data: &Path, environments: &Path) -> Result<Host> {
    unpack(&data.join("plugin-sdk"))?;
    let places = Places {
        states: states(data),
        environments: absolute(environments)?,
        sdk: data.join("plugin-sdk"),
        python: Plugins::default().python.into(),
        environment: std::env::vars_os().collect(),
        ..Places::default()
    };
    let engine = components::engine(data, &places);
    Ok(Host::with_engine(places, engine))
}

/// Finds the plugins that a configuration names, and what they provide. `data` overrules the folder that it names.
///
/// # Errors
/// Everything that is wrong with them, a line each.
pub async fn learn(
    host: &Host,
    places: PluginPlaces,
    data: Option<&Path>,
    unusable: Unusable,
) -> Result<Known> {
    let PluginPlaces { plugins, data_dir } = places;
    let Plugins { folder, active, limits, users, .. } = plugins;
    let mut kinds = connectors::registry();
    let is_active = |id: &String| active.iter().any(|name| name.eq_ignore_ascii_case(id));
    for (section, mut ids) in
        [("limits", limits.keys().collect::<Vec<_>>()), ("users", users.keys().collect())]
    {
        ids.retain(|id| !is_active(id));
        if let Some(stranger) = ids.first() {
            bail!("plugins.{section}.{stranger}: there is no {stranger:?} in plugins.active");
        }
    }
    if active.is_empty() {
        return Ok(Known { kinds: Arc::new(kinds), learned: Learned::default() });
    }
    unpack(host.sdk())?;
    let folder = folder.unwrap_or_else(|| data.unwrap_or(&data_dir).join("plugins"));
    let wanted = Wanted { folder: absolute(&folder)?, active, limits, users };
    let learned = host.learn_or(&wanted, unusable).await;
    let registered = learned.and_then(|learned| host.register(&learned, &mut kinds).map(|()| learned));
    match registered {
        Ok(learned) => Ok(Known { kinds: Arc::new(kinds), learned }),
        Err(bad) => {
            let lines: Vec<String> = bad.iter().map(ToString::to_string).collect();
            bail!("plugins cannot be used:\n{}", lines.join("\n"))
        }
    }
}

/// The same for a command that only looks.
///
/// # Errors
/// As [`learn`].
pub fn look(files: &Files) -> Result<Known> {
    let places = files.plugins(&Overrides::default());
    if places.plugins.active.is_empty() {
        return Ok(Known { kinds: Arc::new(connectors::registry()), learned: Learned::default() });
    }
    let host = host(files, None)?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().context("starting a thread")?;
    runtime.block_on(learn(&host, places, None, Unusable::IsRefused))
}

/// The kinds that are built in, and those of the plugins that some configurations name, as far as they are known
/// without starting any. `data` is the folder of the database.
pub fn glance<'a>(configs: impl Iterator<Item = &'a str>, data: &Path) -> Registry {
    let mut kinds = connectors::registry();
    let (mut folder, mut active) = (None, Vec::new());
    for text in configs {
        let source = Source { name: "it", text, directory: Path::new(""), format: Format::Toml };
        let places = ::config::plugins_of(source, [], &Overrides::default());
        // what the history keeps comes first, and names its folder wholly
        folder = folder.or(places.plugins.folder);
        active.extend(places.plugins.active);
    }
    if !active.is_empty() {
        let (states, folder) = (states(data), folder.unwrap_or_else(|| data.join("plugins")));
        let host = Host::new(Places { states, ..Places::default() });
        let learned = host.glance(&Wanted { folder, active, ..Wanted::default() });
        // what cannot be used is missing, and told of as a kind that is not known
        let _ = host.register(&learned, &mut kinds);
    }
    kinds
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}

/// Puts the Python package where plugins find it. What is there already, and the same, stays as it is: plugins may be
/// running with it.
fn unpack(folder: &Path) -> Result<()> {
    let top = folder.join(PACKAGE);
    let mut open = vec![&PYTHON_PACKAGE];
    while let Some(dir) = open.pop() {
        let into = top.join(dir.path());
        std::fs::create_dir_all(&into).with_context(|| format!("making {}", into.display()))?;
        open.extend(dir.dirs());
        for file in dir.files() {
            let needed = file.path().extension().is_some_and(|it| NEEDED.iter().any(|needed| it == *needed));
            let path = top.join(file.path());
            let is_there = std::fs::read(&path).is_ok_and(|have| have == file.contents());
            if needed && !is_there {
                write_whole(&path, file.contents())?;
            }
        }
    }
    Ok(())
}

/// Whoever reads it meanwhile sees the old file or the new one.
fn write_whole(path: &Path, contents: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let written = std::fs::write(&beside, contents).and_then(|()| std::fs::rename(&beside, path));
    written.with_context(|| format!("writing {}", path.display()))
}
