//! An error as it waits to be written.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Id, Time};
use store::errors::BaseRow;
use tracker::{Event, Hash};

use super::projects::ProjectInForce;

/// An error that is ready to be kept.
pub struct Report {
    /// Its id here.
    pub id: Id,
    /// Its project.
    pub project: Arc<ProjectInForce>,
    /// What it says.
    pub event: Event,
    /// The sums by which its issue is found, the first one first.
    pub hashes: Vec<Hash>,
    /// A sum of its project and of the id that its client gave it.
    pub key: i64,
    /// A sum of whom it happened to.
    pub user: Option<i64>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it arrived.
    pub at: Time,
    /// All of it, compressed.
    pub body: Vec<u8>,
    /// What that was compressed against.
    pub base: Option<Id>,
    /// The same, where it is new.
    pub new_base: Option<BaseRow>,
    /// Whether it came with many others at a time, none of which has sent of late.
    pub is_of_crowd: bool,
}
