//! What is wanted of plugins, and what is known of those that are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use plugin_protocol::Provides;
use plugin_protocol::manifest::{Limits, Network};
use plugin_protocol::provides::DestinationKind;

use crate::folder::Found;
use crate::users::User;

/// What is wanted of plugins: `[plugins]`, without their settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The folder of plugins.
    pub folder: PathBuf,
    /// Which of them are to run.
    pub active: Vec<String>,
    /// What each may take at the most.
    pub limits: BTreeMap<String, Limits>,
    /// The users of the system that some run as: names, or `UID:GID`.
    pub users: BTreeMap<String, String>,
}

/// A plugin that is to run, and what it provides.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) found: Found,
    pub(super) limits: Limits,
    pub(super) user: Option<User>,
    pub(super) identity: String,
    pub(super) provides: Provides,
    /// why it cannot run
    pub(super) broken: Option<String>,
}

/// What becomes of a wanted plugin that is not there, or not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Nothing is learned: whatever runs goes on as it was.
    IsRefused,
    /// It is taken for what it was when it last ran, and does not run: what is for it waits. A hub that does not start
    /// tells nobody anything.
    Waits,
}

/// The one of these that a kind of destination is of, and what it says of it.
pub(super) fn of_kind<'a>(
    known: &'a BTreeMap<String, Known>,
    kind: &str,
) -> Option<(&'a str, &'a DestinationKind)> {
    known.iter().find_map(|(id, known)| {
        let said = known.provides.destinations.iter().find(|it| it.kind == kind)?;
        Some((id.as_str(), said))
    })
}

/// The plugins that are wanted, and what they provide. Nothing of it is in force yet.
#[derive(Clone, Debug, Default)]
pub struct Learned(pub(super) BTreeMap<String, Known>);

impl Learned {
    /// Those that may make connections of their own, wherever to.
    pub fn with_connections(&self) -> impl Iterator<Item = &str> {
        let direct = |known: &&Known| {
            known.broken.is_none() && known.found.manifest.permissions.network == Network::Direct
        };
        self.0.values().filter(direct).map(|known| known.found.id())
    }

    /// The plugin that a kind of destination is of, and what it says of it.
    pub fn of_kind(&self, kind: &str) -> Option<(&str, &DestinationKind)> {
        of_kind(&self.0, kind)
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
