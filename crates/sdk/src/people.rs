//! People whom a message is for, and what is set for projects, as far as a destination is told of them: plugins are.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::Id;
use serde_json::Value;

/// People whom a message is for.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Who is told at the destination: whose it is, or whom its configuration names.
    pub recipients: Vec<Somebody>,
    /// Who is on call, at the time of the try, by the schedules that its configuration names.
    pub on_duty: Vec<Somebody>,
    /// What is set for projects and services, all there is.
    pub projects: Arc<OfProjects>,
}

/// What is set for projects and services: by plugin, then by the project's name.
pub type OfProjects = BTreeMap<String, BTreeMap<String, Value>>;

/// Somebody.
#[derive(Clone, Debug)]
pub struct Somebody {
    /// The user.
    pub id: Id,
    /// What they log in with.
    pub name: String,
    /// Their e-mail address; may be empty.
    pub email: String,
    /// What they have set for plugins, by the plugins' ids.
    pub settings: Arc<BTreeMap<String, Value>>,
}
