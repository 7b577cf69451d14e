//! What a plugin is and is to be, at one moment.

use plugin_protocol::manifest::{Limits, Runtime};
use sdk::Secret;
use serde_json::Value;

use crate::folder::Found;
use crate::places::{Interpreter, Places};
use crate::python;
use crate::users::User;

/// What a plugin is and is to be, at one moment.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where it was found, and what its manifest says.
    pub found: Found,
    /// What it may take, as far as whoever runs the hub lets it.
    pub limits: Limits,
    /// Its settings, with defaults and secrets in them.
    pub settings: Value,
    /// Those of them that nobody may see.
    pub secrets: Vec<Secret>,
    /// The user that it runs as; none: that of the hub.
    pub user: Option<User>,
    /// What changes when its files do.
    pub identity: String,
    /// Which settings these are; grows.
    pub generation: u64,
    /// Why it cannot run, if that is known before it is tried.
    pub broken: Option<String>,
}

impl Spec {
    /// One that was found, before anybody has set anything.
    pub fn bare(found: Found, limits: Limits, identity: String) -> Self {
        Spec {
            found,
            limits,
            settings: Value::Null,
            secrets: Vec::new(),
            user: None,
            identity,
            generation: 0,
            broken: None,
        }
    }

    /// The Python of a plugin that needs one, and what that must be able to read.
    pub async fn interpreter(&self, places: &Places) -> Result<Option<Interpreter>, String> {
        if self.found.manifest.run.runtime != Runtime::Python {
            return Ok(None);
        }
        let python = places.python_of(self.found.id());
        python::known(&python, places).await.map(Some)
    }
}
