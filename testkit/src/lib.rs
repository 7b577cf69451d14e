//! `World`: a whole hub on a virtual clock, with scripted receivers, faults and a seed.
//!
//! The real store on SQLite, the real steps, the real desks; only the clock and the receivers are made up.
//! A world does nothing by itself: it runs a step when it is told to, or, in [`chaos`], when its seed says
//! so. [`invariants`] are what must be true after every step, whatever happened before.

#![expect(clippy::unwrap_used, reason = "a world that breaks is a failed test")]

pub mod chaos;
pub mod errors;
pub mod invariants;
pub mod people;
pub mod receiver;
pub mod spans;
pub mod world;

pub use receiver::{Mode, Seen};
pub use world::World;
