//! `[plugins]`: which plugins run, with which settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use plugin_protocol::manifest::Limits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which plugins run, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// The folder of plugins: one folder each, with a `plugin.toml`. Without it, `plugins` in the folder of the
    /// built-in
    /// database. From the folder of the configuration file, unless it begins with a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Where the hub keeps what plugins need to run and what they keep: folders for their state, their environments
    /// and the package of Python. Without it, the folder of the built-in database. From the folder of the
    /// configuration file, unless it begins with a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<PathBuf>,
    /// Ids of the plugins that run. A name may also be that of a file of Python in the folder, without `.py`.
    pub active: Vec<String>,
    /// Whether a plugin is refused where this machine cannot isolate it as it should be.
    pub require_isolation: bool,
    /// Whether who administers the hub may have plugins installed over HTTP: what packages bring to build them runs as
    /// the user of the hub.
    pub remote_install: bool,
    /// The Python for plugins that have no environment of their own.
    pub python: String,
    /// What each may take at the most; its manifest may say less.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Limits>,
    /// The users of the system that some of them run as, by id: a name, or `UID:GID`. All others run as the user of
    /// the hub. Needs a hub that runs as root, and a `home` and `folder` that these users can reach.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub users: BTreeMap<String, String>,
    /// The settings of each, as its own schema says.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Value>,
}

impl Default for Plugins {
    fn default() -> Self {
        Plugins {
            folder: None,
            home: None,
            active: Vec::new(),
            require_isolation: false,
            remote_install: false,
            python: "python3".to_owned(),
            limits: BTreeMap::new(),
            users: BTreeMap::new(),
            settings: BTreeMap::new(),
        }
    }
}
