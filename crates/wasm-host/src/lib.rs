//! Runs plugins that are WebAssembly components. The messages are those of `docs/plugins.md`, and the functions that
//! carry them are in `plugins/wit/plugin.wit`.
//!
//! * [`code`] turns a component into machine code, in a process of its own, and keeps what came of it; [`config`] says
//!   how.
//! * [`engine`] is what all components run in: threads, ticks of a [`ticker`], and [`Components`], which the plugin
//!   host is handed.
//! * [`world`] is what a component and its host say to each other, and what is wrong with one that says other things.
//! * [`instance`] is one component at work, and [`outside`] what it has around it; [`pool`] lends instances, and makes
//!   and discards them.
//! * [`wire`] makes a body of it: what comes over the wire is asked of an instance.
//!
//! *Architecture Invariant:* nothing is compiled in the hub's own process, and no machine code is run that somebody
//! else could have written.
//!
//! *Architecture Invariant:* a component has its own memory and the functions of its host, and nothing else: no files,
//! no sockets, no clock, no environment.

mod code;
mod config;
mod engine;
mod instance;
mod outside;
mod pool;
mod ticker;
mod wire;
mod world;

pub use code::{Bench, compile};
pub use engine::Components;
