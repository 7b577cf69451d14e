//! The contract between Nightbell and its plugins, as `docs/plugins.md` tells it, in types. Nothing here does anything:
//! `plugin-host` speaks it, and so can a plugin that is written in Rust.
//!
//! * [`wire`]: one message a line: requests, notifications and answers of JSON-RPC 2.0.
//! * [`calls`]: what may be asked, with its parameters and its answer, both ways.
//! * [`provides`]: what a plugin says of itself: kinds of destinations, subscriptions, routes, schemas.
//! * [`manifest`] is `plugin.toml`.
//! * [`limits`]: every limit of the contract by its name.

pub mod calls;
pub mod limits;
pub mod manifest;
pub mod provides;
pub mod wire;

pub use manifest::Manifest;
pub use provides::Provides;
pub use wire::{Fault, Frame, RpcId};

/// The number of the contract that is spoken here. Within a number everything is additive.
pub const CONTRACT: u32 = 1;
/// The oldest number that is understood as well.
pub const OLDEST_CONTRACT: u32 = 1;
