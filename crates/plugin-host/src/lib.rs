//! Plugins, presented to the flow as ordinary connectors. The contract that is spoken with them is in
//! `plugin-protocol`, and
//! told in `docs/plugins.md`.
//!
//! The cast, in the order in which they come on:
//!
//! * [`folder`] finds plugins and reads their manifests; [`schema`] reads schemas of settings.
//! * [`places`] says where things are, [`launch`] how one is started, [`users`] as whom, [`sandbox`] what its process
//!   may do, [`python`] which Python it gets.
//! * [`body`] is what runs a plugin for one life: a process, or a component in an engine that is handed in;
//!   [`start`] gives one.
//! * [`process`] is one process with its pipes, [`lines`] what is read from them, [`peer`] what was asked and not
//!   answered.
//! * [`spec`] is what a plugin is and is to be, [`greeting`] what it is told before its first work.
//! * [`plugin`] is one plugin with all its lives, [`life`] decides when it is started again, [`journal`] has its last
//!   words.
//! * [`deliver`] hands deliveries over in batches; [`guest`] answers what plugins ask.
//! * [`subscribers`] tells plugins what happens in the hub, for those that subscribe to it.
//! * [`asking`] is what they are asked beside deliveries: about settings, for checks and tickets.
//! * [`conformance`] looks whether a plugin keeps the contract.
//! * [`memory`] is what plugins said that they provide.
//! * [`kinds`] makes their kinds known to the registry, and [`host`] holds all of it together.
//!
//! *Architecture Invariant:* nothing that a plugin does or leaves undone makes anybody wait but those who wait for
//! its own
//! answers, and those no longer than their time.

pub mod asking;
pub mod body;
mod chain;
pub mod conformance;
mod deliver;
pub mod folder;
mod footprint;
mod greeting;
pub mod guest;
pub mod host;
mod journal;
mod kinds;
mod launch;
mod life;
mod lines;
mod memory;
mod peer;
mod places;
pub mod plugin;
mod process;
mod python;
mod sandbox;
mod schema;
mod spec;
mod start;
mod starter;
mod subscribers;
mod users;

pub use chain::Chain;
pub use guest::{NoServices, Services};
pub use host::{Host, Status, Unusable, Wanted};
pub use journal::{Journal, Level};
pub use memory::{INSTALLED, identity};
pub use peer::{Peer, Terms};
pub use places::Places;
pub use plugin::State;
pub use process::{Launch, run};
